import { describe, expect, it } from 'vitest';
import type { FieldType } from '@/api/types';
import { applies, withField } from '@/features/flow-editor/nodes/meta';

const FIELDS: FieldType[] = [
  { name: 'mode', kind: 'enum', required: false, default: 'a', one_of: ['a', 'b'] },
  { name: 'kind', kind: 'enum', required: false, default: 'x', when: { field: 'mode', is: ['b'] } },
  { name: 'deep', kind: 'string', required: false, when: { field: 'kind', is: ['x'] } },
  { name: 'free', kind: 'string', required: false },
];
const field = (name: string) => FIELDS.find((one) => one.name === name) ?? ({} as FieldType);

describe('a field that depends on another', () => {
  it('applies by the value that is set, or by the default', () => {
    expect(applies(field('kind'), FIELDS, {})).toBe(false);
    expect(applies(field('kind'), FIELDS, { mode: 'b' })).toBe(true);
  });

  it('does not apply when what it depends on does not', () => {
    expect(applies(field('deep'), FIELDS, { mode: 'a' })).toBe(false);
    expect(applies(field('deep'), FIELDS, { mode: 'b' })).toBe(true);
  });

  it('goes when it applies no more, and only then', () => {
    expect(withField(FIELDS, { mode: 'b', deep: '1', free: '2' }, 'mode', 'a')).toEqual({ mode: 'a', free: '2' });
    expect(withField(FIELDS, { mode: 'a', kind: 'left by hand' }, 'free', '1')).toEqual({
      mode: 'a',
      kind: 'left by hand',
      free: '1',
    });
    expect(withField(FIELDS, { free: '1' }, 'free', undefined)).toEqual({});
  });
});
