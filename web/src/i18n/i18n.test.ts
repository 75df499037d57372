import { describe, expect, it } from 'vitest';
import { readFileSync } from 'node:fs';
import type { FieldType, NodeTypes } from '@/api/types';
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

  it('has words for every node type of the server and all of its settings', () => {
    const { types } = JSON.parse(readFileSync('test/node-types.json', 'utf8')) as NodeTypes;
    const missing: string[] = [];
    const walk = (prefix: string, fields: FieldType[]) => {
      for (const field of fields) {
        const key = `${prefix}.${field.name}`;
        if (!de.nodeWords.fields[key]) missing.push(key);
        if (key !== 'condition.cases') walk(key, field.fields ?? []);
      }
    };
    for (const type of types) {
      if (!de.nodeWords.types[type.type]) missing.push(type.type);
      walk(type.type, type.fields);
    }
    expect(missing).toEqual([]);
  });
});
