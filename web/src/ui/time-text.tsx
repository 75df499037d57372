// Times in lists: relative, with the exact time in the tooltip.
import { useI18n } from '@/i18n/i18n';
import { absolute, duration, relative } from '@/lib/time';
import { useNow } from '@/lib/use';

export function TimeAgo({ iso, className }: { iso: string; className?: string }) {
  const { lang } = useI18n();
  const now = useNow(15_000);
  return (
    <time dateTime={iso} data-tip={absolute(iso, lang)} className={className}>
      {relative(Date.parse(iso), now, lang)}
    </time>
  );
}

/** How long something took, or takes until now while it goes on. */
export function Took({ from, to, ms }: { from?: string | null; to?: string | null; ms?: number | null }) {
  const { lang } = useI18n();
  const open = !to && (ms === null || ms === undefined);
  const now = useNow(200, open && !!from);
  const value = ms ?? (from ? (to ? Date.parse(to) : now) - Date.parse(from) : null);
  return value === null ? (
    <span className="text-ink-3">–</span>
  ) : (
    <span className="whitespace-nowrap">{duration(value, lang)}</span>
  );
}
