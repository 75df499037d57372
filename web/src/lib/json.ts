// Small helpers for JSON values.

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Deep equality of JSON values; the order of keys does not matter. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, i) => sameJson(item, b[i]));
  if (!isObject(a) || !isObject(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => key in b && sameJson(a[key], b[key]));
}

export function pretty(value: unknown): string {
  return JSON.stringify(value, null, 2);
}

/** The parts of a JSON pointer (RFC 6901); [] for one that is not. */
export function pointerParts(pointer: string): string[] {
  if (!pointer.startsWith('/')) return [];
  return pointer
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** The value without members that are undefined, at its top level. */
export function compact<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as T;
}

export type JsonSyntax = { ok: true; value: unknown } | { ok: false; message: string; line: number; column: number };

/** Parse @text; a failure has its place (V8 and SpiderMonkey say it in different words). */
export function tryParse(text: string): JsonSyntax {
  try {
    return { ok: true, value: JSON.parse(text) as unknown };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const at = /position (\d+)/.exec(message);
    const place = /line (\d+) column (\d+)/.exec(message);
    let [line, column] = [Number(place?.[1] ?? 0), Number(place?.[2] ?? 0)];
    const offset = at ? Number(at[1]) : /end of/i.test(message) ? text.length : -1;
    if (line === 0 && offset >= 0) {
      const before = text.slice(0, offset);
      line = before.split('\n').length;
      column = offset - before.lastIndexOf('\n');
    }
    return {
      ok: false,
      message: message.replace(/ in JSON at position.*$/, '').replace(/ \(line.*$/, ''),
      line,
      column,
    };
  }
}
