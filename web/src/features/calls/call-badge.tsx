// How a call ended, as a small mark with its word.
import type { ModelCallOutcome } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { cx } from '@/lib/cx';
import { Icon, type IconName } from '@/ui/icon';

const LOOKS: Record<ModelCallOutcome, { icon: IconName; tone: string }> = {
  ok: { icon: 'check', tone: 'bg-green-soft text-green' },
  failed: { icon: 'x', tone: 'bg-madder-soft text-madder' },
  refused: { icon: 'alert', tone: 'bg-madder-soft text-madder' },
  limited: { icon: 'clock', tone: 'bg-weld-soft text-weld' },
  cancelled: { icon: 'stop', tone: 'bg-sunken text-ink-2' },
};

export function CallBadge({ outcome }: { outcome: ModelCallOutcome }) {
  const t = useT();
  const { icon, tone } = LOOKS[outcome];
  return (
    <span
      className={cx(
        'inline-flex h-6 items-center gap-1.5 rounded-full px-2.5 text-xs font-medium whitespace-nowrap',
        tone,
      )}
    >
      <Icon name={icon} size={13} />
      {t.calls.outcomes[outcome]}
    </span>
  );
}
