// What a run must be given: as a list of fields (which then is the form to start a run), or as JSON Schema.
import { useState } from 'react';
import type { JsonObject } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { arr, obj, str } from '@/flow/model';
import { isObject } from '@/lib/json';
import { Button, IconButton } from '@/ui/button';
import { Select, TextInput } from '@/ui/field';
import { JsonInput } from '@/features/flow-editor/inputs/json-input';
import type { SpecialProps } from '@/features/flow-editor/nodes/special';

const TYPES = ['string', 'number', 'integer', 'boolean', 'object', 'array'] as const;
const KNOWN = new Set(['type', 'properties', 'required', 'additionalProperties', '$schema', 'title', 'description']);

interface Row {
  name: string;
  type: string;
  required: boolean;
  rest: JsonObject;
}

/** The rows of a schema that is a plain list of fields; null when it says more than rows can. */
export function rowsOf(schema: unknown): Row[] | null {
  if (schema === undefined) return [];
  if (!isObject(schema) || schema['type'] !== 'object' || Object.keys(schema).some((key) => !KNOWN.has(key)))
    return null;
  const required = arr(schema['required'] as JsonObject[string]);
  const rows: Row[] = [];
  for (const [name, value] of Object.entries(obj(schema['properties'] as JsonObject))) {
    const { type, ...rest } = obj(value);
    if (!TYPES.includes(str(type) as (typeof TYPES)[number])) return null;
    rows.push({ name, type: str(type), required: required.includes(name), rest });
  }
  return rows;
}

export function schemaOf(rows: Row[], base: JsonObject): JsonObject | undefined {
  const named = rows.filter((row) => row.name !== '');
  if (named.length === 0) return undefined;
  const required = named.filter((row) => row.required).map((row) => row.name);
  const next: JsonObject = {
    ...base,
    type: 'object',
    properties: Object.fromEntries(named.map((row) => [row.name, { type: row.type, ...row.rest }])),
  };
  delete next['required'];
  return required.length > 0 ? { ...next, required } : next;
}

export function InputSchema({ node, data, ids, onChange }: SpecialProps) {
  const t = useT();
  const value = data['input'];
  const stored = rowsOf(value);
  const [json, setJson] = useState(stored === null);
  const [rows, setRows] = useState(() => stored ?? []);
  const [seen, setSeen] = useState(value);
  if (value !== seen) {
    setSeen(value);
    if (stored && JSON.stringify(schemaOf(rows, obj(value))) !== JSON.stringify(value)) setRows(stored);
  }
  const put = (next: Row[]) => {
    setRows(next);
    const schema = schemaOf(next, obj(value));
    setSeen(schema);
    onChange(schema);
  };
  const change = (at: number, part: Partial<Row>) => put(rows.map((row, i) => (i === at ? { ...row, ...part } : row)));

  if (json || stored === null)
    return (
      <>
        <JsonInput node={node} ids={ids} value={value} onChange={onChange} />
        {stored !== null && (
          <button
            type="button"
            className="mt-1 rounded-sm text-xs text-indigo hover:underline"
            onClick={() => setJson(false)}
          >
            {t.editor.asFields}
          </button>
        )}
      </>
    );
  return (
    <div className="space-y-1.5">
      {rows.map((row, i) => (
        <div key={i} className="flex items-center gap-1.5">
          <TextInput
            aria-label={t.editor.name}
            placeholder={t.editor.name}
            className="code min-w-0 flex-1"
            value={row.name}
            onChange={(event) => change(i, { name: event.target.value })}
          />
          <Select
            aria-label={t.editor.type}
            className="w-26! shrink-0"
            value={row.type}
            options={TYPES.map((type) => ({ value: type, label: t.editor.types[type] }))}
            onChange={(type) => change(i, { type })}
          />
          <IconButton
            size="sm"
            icon="check"
            label={t.editor.requiredField}
            pressed={row.required}
            onClick={() => change(i, { required: !row.required })}
          />
          <IconButton
            size="sm"
            icon="x"
            label={t.common.remove}
            onClick={() => put(rows.filter((_, at) => at !== i))}
          />
        </div>
      ))}
      <div className="flex items-center gap-2">
        <Button
          kind="quiet"
          size="sm"
          icon="plus"
          onClick={() => setRows([...rows, { name: '', type: 'string', required: true, rest: {} }])}
        >
          {t.editor.addField}
        </Button>
        <button
          type="button"
          className="ml-auto rounded-sm text-xs text-indigo hover:underline"
          onClick={() => setJson(true)}
        >
          {t.editor.asSchema}
        </button>
      </div>
    </div>
  );
}
