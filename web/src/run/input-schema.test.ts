import { describe, expect, it } from 'vitest';
import type { Definition, JsonObject } from '@/api/types';
import { exampleInput, formFields, formInput, formValues } from '@/run/input-schema';

const SCHEMA: JsonObject = {
  type: 'object',
  properties: {
    email: { type: 'string', title: 'E-mail' },
    age: { type: 'integer' },
    vip: { type: 'boolean' },
    from: { enum: ['site', 'fair'] },
    note: { type: 'string', maxLength: 4000 },
  },
  required: ['email'],
};

const flow = (trigger: JsonObject, other: JsonObject = {}): Definition => ({
  heddle: 1,
  name: 'x',
  edges: [],
  nodes: [
    { id: 't', type: 'trigger', position: { x: 0, y: 0 }, data: trigger },
    { id: 'a', type: 'output', position: { x: 0, y: 0 }, data: other },
  ],
});

describe('the form of a schema', () => {
  it('has a field for each simple property', () => {
    expect(formFields(SCHEMA)?.map((field) => [field.name, field.kind, field.required, field.title])).toEqual([
      ['email', 'string', true, 'E-mail'],
      ['age', 'integer', false, 'age'],
      ['vip', 'boolean', false, 'vip'],
      ['from', 'enum', false, 'from'],
      ['note', 'text', false, 'note'],
    ]);
  });

  it('is not offered for nested or combined schemas, nor without one', () => {
    expect(formFields(null)).toBeNull();
    expect(formFields({ type: 'object', properties: { a: { type: 'object' } } })).toBeNull();
    expect(formFields({ ...SCHEMA, anyOf: [] })).toBeNull();
    expect(formFields({ type: 'array' })).toBeNull();
  });

  it('gives numbers as numbers and leaves empty fields out', () => {
    const fields = formFields(SCHEMA) ?? [];
    expect(formInput(fields, { email: 'a@b.c', age: '41', note: '', vip: true })).toEqual({
      email: 'a@b.c',
      age: 41,
      vip: true,
    });
  });

  it('gives nothing for a number that is none', () => {
    const fields = formFields(SCHEMA) ?? [];
    expect(formInput(fields, { email: 'a', age: 'many' })).toBeNull();
    expect(formInput(fields, { email: 'a', age: '1.5' })).toBeNull();
  });

  it('is filled from an input and gives it back', () => {
    const fields = formFields(SCHEMA) ?? [];
    const input = { email: 'a@b.c', age: 3, vip: false, from: 'fair' };
    expect(formInput(fields, formValues(fields, input))).toEqual(input);
  });
});

describe('an example of the input', () => {
  it('takes the schema at its word', () => {
    expect(exampleInput(flow({ input: { ...SCHEMA, examples: [{ email: 'x' }] } }))).toEqual({ email: 'x' });
    expect(exampleInput(flow({ input: SCHEMA }))).toEqual({ email: '', age: 0, vip: false, from: 'site', note: '' });
  });

  it('is guessed from the templates that read it', () => {
    expect(
      exampleInput(
        flow({}, { output: { a: '{{ input.order }}', b: '{{ t?.customer.name }}', c: '{{ other.thing }}' } }),
      ),
    ).toEqual({ order: '', customer: '' });
  });
});
