// Words for what the server describes; a test of the server holds test/node-types.json to what it says.
import { describe, expect, it } from 'vitest';
import { readFileSync } from 'node:fs';
import type { FieldType, NodeTypes } from '@/api/types';
import { optionWord } from '@/flow/names';
import { de } from '@/i18n/de';
import { en } from '@/i18n/en';

const { types } = JSON.parse(readFileSync('test/node-types.json', 'utf8')) as NodeTypes;

describe('the German catalogue', () => {
  it('has words for every node type of the server, all of its settings and what they offer', () => {
    const missing: string[] = [];
    const walk = (prefix: string, fields: FieldType[]) => {
      for (const field of fields) {
        const key = `${prefix}.${field.name}`;
        const [title, help] = de.nodeWords.fields[key] ?? [];
        if (!title) missing.push(key);
        if (field.help && !help) missing.push(`${key}: ${field.help}`);
        for (const option of field.one_of ?? [])
          if (!optionWord(key, option, de) && !/^[A-Z]+$/.test(option)) missing.push(`${key}.${option}`);
        if (key !== 'condition.cases') walk(key, field.fields ?? []);
      }
    };
    for (const type of types) {
      if (!de.nodeWords.types[type.type]?.help) missing.push(type.type);
      if (!(type.group in de.flow.groups)) missing.push(type.group);
      walk(type.type, type.fields);
    }
    expect(missing).toEqual([]);
  });

  it('has words for every kind of trigger', () => {
    const kinds = types.find((one) => one.type === 'trigger')?.fields.find((one) => one.name === 'trigger')?.one_of;
    expect(kinds).toContain('manual');
    for (const kind of kinds ?? []) for (const t of [en, de]) expect(t.flow.triggerKinds).toHaveProperty(kind);
  });
});
