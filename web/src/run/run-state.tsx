// The state of a run or a step as a small mark with its word.
import type { RunState, StepState } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { cx } from '@/lib/cx';
import { Icon, type IconName } from '@/ui/icon';
import { Spinner } from '@/ui/spinner';

type AnyState = RunState | StepState;

const LOOKS: Record<AnyState, { icon: IconName | null; tone: string }> = {
  queued: { icon: 'clock', tone: 'bg-sunken text-ink-2' },
  idle: { icon: 'minus', tone: 'bg-sunken text-ink-2' },
  running: { icon: null, tone: 'bg-indigo-soft text-indigo' },
  retrying: { icon: 'clock', tone: 'bg-weld-soft text-weld' },
  waiting: { icon: 'pause', tone: 'bg-weld-soft text-weld' },
  paused: { icon: 'pause', tone: 'bg-sunken text-ink-2' },
  poisoned: { icon: 'alert', tone: 'bg-madder-soft text-madder' },
  succeeded: { icon: 'check', tone: 'bg-green-soft text-green' },
  failed: { icon: 'x', tone: 'bg-madder-soft text-madder' },
  cancelled: { icon: 'stop', tone: 'bg-sunken text-ink-2' },
  skipped: { icon: 'minus', tone: 'bg-sunken text-ink-3' },
};

interface BadgeProps {
  state: AnyState;
  word: string;
  /** The mark alone; the word is for the tooltip and for screen readers. */
  dot?: boolean;
}

function Badge({ state, word, dot }: BadgeProps) {
  const { icon, tone } = LOOKS[state];
  const mark = icon ? <Icon name={icon} size={13} /> : <Spinner size={13} />;
  if (dot)
    return (
      <span data-tip={word} className={cx('inline-grid size-6 place-items-center rounded-full', tone)}>
        {mark}
        <span className="sr-only">{word}</span>
      </span>
    );
  return (
    <span
      className={cx(
        'inline-flex h-6 items-center gap-1.5 rounded-full px-2.5 text-xs font-medium whitespace-nowrap',
        tone,
      )}
    >
      {mark}
      {word}
    </span>
  );
}

export function RunBadge({ state, dot }: { state: RunState; dot?: boolean }) {
  const t = useT();
  return <Badge state={state} word={t.run.states[state]} dot={dot} />;
}

export function StepBadge({ state, dot }: { state: StepState; dot?: boolean }) {
  const t = useT();
  return <Badge state={state} word={t.run.stepStates[state]} dot={dot} />;
}
