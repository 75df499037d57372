// Times and durations for people. Pure; the language comes from outside.

/** "850 ms", "2.4 s", "3 min 12 s", "1 h 5 min". */
export function duration(ms: number, lang = 'en'): string {
  const number = (n: number, digits: number) => n.toLocaleString(lang, { maximumFractionDigits: digits });
  if (ms < 0) return duration(0, lang);
  if (ms < 10) return `${number(ms, 1)} ms`;
  if (ms < 1000) return `${number(ms, 0)} ms`;
  if (ms < 10_000) return `${number(ms / 1000, 1)} s`;
  const s = Math.round(ms / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return s % 60 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${s / 60} min`;
  const min = Math.round(s / 60);
  if (min < 48 * 60) return min % 60 ? `${Math.floor(min / 60)} h ${min % 60} min` : `${min / 60} h`;
  return `${number(min / 1440, 1)} d`;
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['second', 60],
  ['minute', 60],
  ['hour', 24],
  ['day', 30],
  ['month', 12],
  ['year', Infinity],
];

/** "3 minutes ago" between two moments in milliseconds. */
export function relative(at: number, now: number, lang = 'en'): string {
  const format = new Intl.RelativeTimeFormat(lang, { numeric: 'auto' });
  let value = (at - now) / 1000;
  for (const [unit, size] of STEPS) {
    if (Math.abs(value) < size) return format.format(Math.round(value), unit);
    value /= size;
  }
  return format.format(Math.round(value), 'year');
}

export function absolute(iso: string, lang = 'en'): string {
  return new Date(iso).toLocaleString(lang, { dateStyle: 'medium', timeStyle: 'medium' });
}

/** "14:03:07.250": the place in a day, for the journal of a run. */
export function clock(iso: string, lang = 'en'): string {
  const date = new Date(iso);
  const time = date.toLocaleTimeString(lang, { hour12: false, hour: '2-digit', minute: '2-digit', second: '2-digit' });
  return `${time}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

const UNIT_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of a span as the workflow format writes it: "1h30m", "250ms", a number of seconds; null: not one. */
export function spanMs(span: string | number): number | null {
  if (typeof span === 'number') return span >= 0 ? span * 1000 : null;
  const text = span.trim();
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return null;
  let sum = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g))
    sum += Number(amount) * (UNIT_MS[unit ?? ''] ?? 0);
  return sum;
}
