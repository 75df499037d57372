import { describe, expect, it } from 'vitest';
import { de } from '@/i18n/de';
import { en } from '@/i18n/en';

/** Paths of all texts that are the same in both languages. */
function same(a: unknown, b: unknown, path = ''): string[] {
  if (typeof a === 'string') return a === b && /[a-z]{3}/i.test(a) ? [path] : [];
  if (typeof a !== 'object' || a === null) return [];
  return Object.entries(a).flatMap(([key, value]) =>
    same(value, (b as Record<string, unknown>)[key], `${path}.${key}`),
  );
}

/** Words that are German, too, or names of things. */
const ALIKE =
  /\.(workflows|workflow|name|version|title|webhook|json|openapi|metrics|status|tenant|live|agent|text|option|options|api|system|alert|graph|string|number|test|shell|journal|in|start|trigger|byWorkflow|input|versions|or|and|model)$|\.options\.|\.byStatus/;

describe('the German catalogue', () => {
  it('leaves nothing in English', () => {
    expect(same(en, de).filter((path) => !ALIKE.test(path))).toEqual([]);
  });
});
