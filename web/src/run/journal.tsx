// The journal of a run as it was committed, event by event.
import type { RunEvent } from '@/api/types';
import { useI18n } from '@/i18n/i18n';
import { absolute, clock, duration } from '@/lib/time';
import { cx } from '@/lib/cx';

function tone(type: string): string {
  if (/failed/.test(type)) return 'text-madder';
  if (/finished|succeeded/.test(type)) return 'text-green';
  if (/waiting|retry|cancel/.test(type)) return 'text-weld';
  return 'text-indigo';
}

interface JournalProps {
  events: RunEvent[];
  titles: Map<string, string>;
  onSelect: (node: string) => void;
}

export function Journal({ events, titles, onSelect }: JournalProps) {
  const { t, lang } = useI18n();
  if (events.length === 0) return <p className="px-5 py-6 text-sm text-ink-3">{t.run.noEventsYet}</p>;
  return (
    <div className="overflow-x-auto">
      <table className="w-full text-left text-sm">
        <thead className="sr-only">
          <tr>
            <th>{t.run.journal.seq}</th>
            <th>{t.run.journal.at}</th>
            <th>{t.run.journal.event}</th>
            <th>{t.run.journal.step}</th>
            <th>{t.run.journal.note}</th>
          </tr>
        </thead>
        <tbody>
          {events.map((event) => {
            const node = event.node;
            return (
              <tr key={event.seq} className="border-b align-top last:border-0">
                <td className="code py-1.5 pl-4 text-right text-ink-3">{event.seq}</td>
                <td className="code px-3 py-1.5 whitespace-nowrap text-ink-2">{clock(event.at, lang)}</td>
                <td className={cx('code px-1 py-1.5 whitespace-nowrap', tone(event.type))}>{event.type}</td>
                <td className="px-3 py-1.5 whitespace-nowrap">
                  {node !== undefined && (
                    <button type="button" className="rounded-sm hover:underline" onClick={() => onSelect(node)}>
                      {titles.get(node) ?? node}
                    </button>
                  )}
                  {(event.attempt ?? 1) > 1 && (
                    <span className="text-ink-3"> · {t.run.attempt(event.attempt ?? 1)}</span>
                  )}
                </td>
                <td className="w-full min-w-56 px-3 py-1.5 text-ink-2">
                  {event.error?.message ?? (event.duration_ms !== undefined ? duration(event.duration_ms, lang) : '')}
                  {event.handle !== undefined && event.handle !== 'out' && ` → ${event.handle}`}
                  {event.until && ` · ${t.run.waitsUntil(absolute(event.until, lang))}`}
                  {event.retry_at && ` · ${t.run.retryAt(clock(event.retry_at, lang))}`}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
