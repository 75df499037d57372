// The steps of a run along its time: one bar for each attempt, and the waits between them.
import { useMemo } from 'react';
import type { Run, RunEvent, Step } from '@/api/types';
import { useI18n } from '@/i18n/i18n';
import { cx } from '@/lib/cx';
import { duration } from '@/lib/time';
import { useNow } from '@/lib/use';
import { attemptsOf, isFinal } from '@/run/fold';
import { StepBadge } from '@/run/run-state';

interface Bar {
  from: number;
  to: number;
  look: string;
  label: string;
}

const BARS = { ok: 'bg-green', bad: 'bg-madder', live: 'bg-indigo animate-pulse', wait: 'bg-weld-bright/35' };

/** Ticks at round times: about five of them. */
export function ticks(total: number): number[] {
  if (total <= 0) return [0];
  const rough = total / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((size) => size >= rough) ?? rough;
  return Array.from({ length: Math.floor(total / step) + 1 }, (_, i) => i * step);
}

interface TimelineProps {
  run: Run;
  events: RunEvent[];
  titles: Map<string, string>;
  selected: string | null;
  onSelect: (node: string) => void;
}

export function Timeline({ run, events, titles, selected, onSelect }: TimelineProps) {
  const { t, lang } = useI18n();
  const open = !isFinal(run.state);
  const now = useNow(250, open);
  const attempts = useMemo(() => attemptsOf(events), [events]);
  const start = Date.parse(run.started_at ?? run.created_at);
  const steps = run.steps.filter((step) => step.state !== 'idle');
  const end = Math.max(
    start + 1,
    run.finished_at ? Date.parse(run.finished_at) : open ? now : 0,
    ...steps.map((step) => (step.finished_at ? Date.parse(step.finished_at) : 0)),
  );
  const total = end - start;
  const percent = (at: number) => `${Math.max(0, Math.min(100, ((at - start) / total) * 100))}%`;

  const barsOf = (step: Step): Bar[] => {
    const list =
      attempts.get(step.node) ??
      (step.started_at
        ? [
            {
              attempt: step.attempts,
              from: Date.parse(step.started_at),
              to: step.finished_at ? Date.parse(step.finished_at) : null,
              ok: step.state === 'succeeded' ? true : step.state === 'failed' ? false : null,
              error: undefined,
              retryAt: undefined,
            },
          ]
        : []);
    return list.flatMap((one, i) => {
      const to = one.to ?? end;
      const name = t.run.attempt(one.attempt);
      const bar: Bar = {
        from: one.from,
        to,
        look: one.ok === null ? BARS.live : one.ok ? BARS.ok : BARS.bad,
        label: `${name}: ${duration(to - one.from, lang)}`,
      };
      const next = list[i + 1]?.from ?? (one.retryAt ? end : null);
      return one.retryAt && next !== null && next > to
        ? [bar, { from: to, to: next, look: BARS.wait, label: `${t.run.waitsToRetry}: ${duration(next - to, lang)}` }]
        : [bar];
    });
  };

  if (steps.length === 0) return <p className="px-5 py-6 text-sm text-ink-3">{t.run.noStepsYet}</p>;
  return (
    <div className="relative overflow-x-auto py-2">
      <div className="min-w-[27rem]">
        <div className="relative mr-16 ml-36 sm:ml-52 h-5 text-2xs text-ink-3" aria-hidden="true">
          {ticks(total).map((tick) => (
            <span
              key={tick}
              className="absolute whitespace-nowrap -translate-x-1/2 first:translate-x-0"
              style={{ left: percent(start + tick) }}
            >
              {duration(tick, lang)}
            </span>
          ))}
        </div>
        {steps.map((step) => (
          <button
            key={step.node}
            type="button"
            onClick={() => onSelect(step.node)}
            aria-pressed={selected === step.node}
            className={cx(
              'flex h-9 w-full items-center text-left -outline-offset-2! hover:bg-ink/4',
              selected === step.node && 'bg-indigo-soft!',
            )}
          >
            <span className="flex w-36 shrink-0 sm:w-52 items-center gap-2 pr-3 pl-4 text-sm">
              <StepBadge state={step.state} dot />
              <span className="truncate">{titles.get(step.node) ?? step.title ?? step.node}</span>
            </span>
            <span className="relative h-full min-w-0 flex-1">
              {ticks(total).map((tick) => (
                <span
                  key={tick}
                  className="absolute inset-y-0 w-px bg-line/70"
                  style={{ left: percent(start + tick) }}
                />
              ))}
              {barsOf(step).map((bar, i) => (
                <span
                  key={i}
                  data-tip={bar.label}
                  className={cx('absolute top-1/2 h-2.5 min-w-[3px] -translate-y-1/2 rounded-full', bar.look)}
                  style={{ left: percent(bar.from), width: `calc(${percent(start + (bar.to - bar.from))})` }}
                />
              ))}
            </span>
            <span className="w-16 shrink-0 pr-4 text-right text-xs text-ink-3">
              {step.duration_ms !== null && step.duration_ms !== undefined && step.state !== 'running'
                ? duration(step.duration_ms, lang)
                : ''}
            </span>
          </button>
        ))}
      </div>
    </div>
  );
}
