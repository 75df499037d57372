// Two runs beside each other: where their ways part, and where their results differ.
import { useState, type ReactNode } from 'react';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from 'react-router';
import type { Difference, Run, RunSummary, StepComparison, StepSide } from '@/api/types';
import { useI18n, useT } from '@/i18n/i18n';
import { absolute, duration } from '@/lib/time';
import { Dialog } from '@/ui/dialog';
import { Differences } from '@/ui/differences';
import { Icon } from '@/ui/icon';
import { MoreRows, Rows, rowsOf } from '@/ui/list-card';
import { Card, Page, Skeleton } from '@/ui/page';
import { ProblemNotice } from '@/ui/problem';
import { TimeAgo, Took } from '@/ui/time-text';
import { isFinal } from '@/run/fold';
import { comparisonQuery, runsQuery } from '@/run/queries';
import { RunBadge, StepBadge } from '@/run/run-state';

export function RunCompare({ left, right }: { left: string; right: string }) {
  const t = useT();
  const { data, error, refetch } = useQuery(comparisonQuery(left, right));
  const other = data?.steps.filter((step) => step.change !== 'same') ?? [];
  const alike = data?.steps.filter((step) => step.change === 'same') ?? [];

  return (
    <Page title={t.compare.title} lead={data?.left.workflow_name}>
      {error ? (
        <ProblemNotice error={error} onRetry={() => void refetch()} />
      ) : !data ? (
        <div role="status" aria-label={t.common.loading} className="space-y-4">
          <Skeleton className="h-20" />
          <Skeleton className="h-60" />
        </div>
      ) : (
        <div className="space-y-6">
          <div className="grid gap-3 sm:grid-cols-2">
            <Side name={t.compare.left} run={data.left} />
            <Side name={t.compare.right} run={data.right} />
          </div>
          {!data.same_definition && <Note>{t.compare.otherDefinition}</Note>}
          {!data.whole && <Note>{t.compare.notWhole}</Note>}
          {data.same && data.input.length === 0 && (
            <p className="flex items-center gap-2 text-green">
              <Icon name="check" /> {t.compare.same}
            </p>
          )}
          <Values title={t.compare.input} list={data.input} />
          <Values title={t.compare.output} list={data.output} />
          <section>
            <h2 className="mb-2 font-medium">{t.compare.steps}</h2>
            <Card>
              <ul className="divide-y">
                {other.map((step) => (
                  <StepRow key={step.node} step={step} />
                ))}
                {other.length === 0 && <li className="px-4 py-3 text-ink-2">{t.compare.changed(0)}</li>}
                {alike.length > 0 && (
                  <li>
                    <details className="group">
                      <summary className="flex cursor-pointer list-none items-center gap-1.5 px-4 py-3 text-sm text-ink-2">
                        <Icon name="chevron" size={13} className="transition-transform group-open:rotate-90" />
                        {t.compare.unchanged(alike.length)}
                      </summary>
                      <ul className="divide-y border-t">
                        {alike.map((step) => (
                          <StepRow key={step.node} step={step} />
                        ))}
                      </ul>
                    </details>
                  </li>
                )}
              </ul>
            </Card>
          </section>
        </div>
      )}
    </Page>
  );
}

function Note({ children }: { children: ReactNode }) {
  return (
    <p className="flex gap-2 rounded-md bg-weld-soft px-3 py-2 text-sm">
      <Icon name="alert" size={16} className="mt-0.5 text-weld" /> {children}
    </p>
  );
}

function Side({ name, run }: { name: string; run: RunSummary }) {
  const { t, lang } = useI18n();
  return (
    <Card className="relative p-4 transition-colors hover:bg-ink/3">
      <div className="flex items-center gap-2">
        <h2 className="flex-1 font-medium">
          <Link to={`/runs/${run.id}`} className="after:absolute after:inset-0">
            {name}
          </Link>
        </h2>
        <RunBadge state={run.state} />
      </div>
      <p className="mt-1 text-sm text-ink-2">
        {absolute(run.created_at, lang)} · {t.run.versionText(run.version)} ·{' '}
        <Took
          from={run.started_at ?? run.created_at}
          to={run.finished_at}
          ms={isFinal(run.state) ? run.duration_ms : null}
        />
      </p>
      <code className="code mt-1 block truncate text-xs text-ink-3">{run.id}</code>
    </Card>
  );
}

function Values({ title, list }: { title: string; list: Difference[] }) {
  return list.length === 0 ? null : (
    <section>
      <h2 className="mb-2 font-medium">{title}</h2>
      <Differences list={list} />
    </section>
  );
}

function StepRow({ step }: { step: StepComparison }) {
  const t = useT();
  const why =
    step.change === 'only_left'
      ? t.compare.onlyLeft
      : step.change === 'only_right'
        ? t.compare.onlyRight
        : step.change === 'same'
          ? ''
          : step.left?.handle !== step.right?.handle
            ? t.compare.otherWay
            : step.differences.length > 0
              ? t.compare.otherResult
              : '';
  return (
    <li className="space-y-2.5 px-4 py-3">
      <div className="flex flex-wrap items-baseline gap-x-3 gap-y-0.5">
        <h3 className="font-medium">{step.title || step.node}</h3>
        {why && <span className="text-sm text-indigo">{why}</span>}
        <code className="code ml-auto text-xs text-ink-3">{step.node}</code>
      </div>
      <div className="grid gap-1.5 text-sm sm:grid-cols-2 sm:gap-3">
        <StepState name={t.compare.before} side={step.left} />
        <StepState name={t.compare.after} side={step.right} />
      </div>
      {step.differences.length > 0 && <Differences list={step.differences} />}
    </li>
  );
}

function StepState({ name, side }: { name: string; side: StepSide | null }) {
  const { t, lang } = useI18n();
  return (
    <p className="flex flex-wrap items-center gap-x-2.5 gap-y-1 text-ink-2">
      <span className="sr-only">{name}</span>
      <StepBadge state={side?.state ?? 'idle'} />
      {typeof side?.duration_ms === 'number' && <span>{duration(side.duration_ms, lang)}</span>}
      {side && side.attempts > 1 && <span>{t.run.attempts(side.attempts)}</span>}
      {side?.handle && side.handle !== 'out' && <span>{t.compare.tookWay(side.handle)}</span>}
      {side?.error_code && <code className="code text-xs text-madder">{side.error_code}</code>}
    </p>
  );
}

/** Choose the other run to compare @run with. */
export function CompareWith({ run, onClose }: { run: Run; onClose: () => void }) {
  const t = useT();
  const navigate = useNavigate();
  const [taken, setTaken] = useState(false);
  const list = useInfiniteQuery(runsQuery({ workflow_id: run.workflow_id }));
  const take = (id: string) => {
    setTaken(true);
    void navigate(`/runs/${run.id}/compare/${id}`);
  };
  return (
    <Dialog open onClose={onClose} title={t.compare.choose}>
      <Rows
        list={list}
        rows={rowsOf(list).filter((one) => one.id !== run.id)}
        id={(row) => row.id}
        empty={<p className="p-5 text-ink-2">{t.compare.noOther}</p>}
        row={(row) => (
          <li>
            <button
              type="button"
              disabled={taken}
              onClick={() => take(row.id)}
              className="flex w-full items-center gap-3 px-5 py-3 text-left -outline-offset-2! hover:bg-ink/4"
            >
              <RunBadge state={row.state} />
              <span className="flex-1 text-sm text-ink-2">{t.run.versionText(row.version)}</span>
              <TimeAgo iso={row.created_at} className="text-sm text-ink-3" />
            </button>
          </li>
        )}
      />
      <MoreRows list={list} />
    </Dialog>
  );
}
