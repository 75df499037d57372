// The time zone of a schedule, and below it when the schedule as it stands would fire next, as the server reckons.
import { useId } from 'react';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { api } from '@/api/client';
import type { JsonObject, SchedulePreview } from '@/api/types';
import { useI18n } from '@/i18n/i18n';
import { str } from '@/flow/model';
import { useDebounced } from '@/lib/use';
import { TextInput } from '@/ui/field';
import type { SpecialProps } from '@/features/flow-editor/nodes/special';

const COUNT = 5;

/** Every zone the browser knows; the server has the last word. */
const ZONES = ['UTC', ...Intl.supportedValuesOf('timeZone').filter((zone) => zone !== 'UTC')];

export function TimeZone({ data, ids, onChange }: SpecialProps) {
  const list = useId();
  return (
    <>
      <TextInput
        {...ids}
        list={list}
        value={str(data['timezone'])}
        placeholder="UTC"
        onChange={(event) => onChange(event.target.value === '' ? undefined : event.target.value)}
      />
      <datalist id={list}>
        {ZONES.map((zone) => (
          <option key={zone} value={zone} />
        ))}
      </datalist>
      <NextTimes schedule={data} />
    </>
  );
}

/** "2026-11-20T09:00:00+01:00" as the local clock shows it, whatever the reader's own zone is. */
export function localText(local: string, language: string): string {
  const shown = new Date(`${local.slice(0, 19)}Z`);
  return new Intl.DateTimeFormat(language, {
    weekday: 'short',
    year: 'numeric',
    month: 'short',
    day: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    ...(shown.getUTCSeconds() !== 0 && { second: '2-digit' }),
    timeZone: 'UTC',
  }).format(shown);
}

function NextTimes({ schedule }: { schedule: JsonObject }) {
  const { lang, t } = useI18n();
  const shown = useDebounced(JSON.stringify(schedule), 350);
  const ready = Boolean(schedule['cron'] ?? schedule['every']);
  const { data } = useQuery({
    queryKey: ['schedule-preview', shown],
    queryFn: ({ signal }) =>
      api.post<SchedulePreview>(
        '/api/schedules/preview',
        { schedule: JSON.parse(shown) as JsonObject, count: COUNT },
        { signal },
      ),
    enabled: ready,
    placeholderData: keepPreviousData,
    gcTime: 0,
    staleTime: 60_000,
    retry: false,
  });
  if (!ready || !data) return null;
  return (
    <div className="mt-3 text-xs text-ink-2">
      <p className="font-medium">{t.flow.nextTimes}</p>
      <ol className="mt-1 space-y-0.5 tabular-nums">
        {data.times.map(({ at, local }) => (
          <li key={at}>
            <time dateTime={at}>{localText(local, lang)}</time>
          </li>
        ))}
      </ol>
      {schedule['repeat'] === 'interval' && <p className="mt-1">{t.flow.nextTimesAfterPublishing}</p>}
    </div>
  );
}
