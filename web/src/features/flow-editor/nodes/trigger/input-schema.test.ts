import { describe, expect, it } from 'vitest';
import { rowsOf, schemaOf } from '@/features/flow-editor/nodes/trigger/input-schema';

describe('the fields of an input', () => {
  const schema = {
    type: 'object',
    additionalProperties: false,
    properties: { a: { type: 'string', maxLength: 3 }, b: { type: 'integer' } },
    required: ['b'],
  };

  it('go from schema to rows and back, with all that rows do not show', () => {
    const rows = rowsOf(schema);
    expect(rows?.map(({ name, type, required }) => [name, type, required])).toEqual([
      ['a', 'string', false],
      ['b', 'integer', true],
    ]);
    expect(schemaOf(rows ?? [], schema)).toEqual(schema);
  });

  it('are not offered for a schema that says more', () => {
    expect(rowsOf({ ...schema, anyOf: [] })).toBeNull();
    expect(rowsOf({ type: 'array' })).toBeNull();
    expect(rowsOf({ ...schema, properties: { a: { type: ['string', 'null'] } } })).toBeNull();
  });

  it('leave no schema behind when the last one goes', () => {
    expect(rowsOf(undefined)).toEqual([]);
    expect(schemaOf([], schema)).toBeUndefined();
  });
});
