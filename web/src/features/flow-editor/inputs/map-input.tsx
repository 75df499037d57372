// Names with values (headers, query, renamed keys): one row each, values may hold templates.
import { useState } from 'react';
import type { JsonObject } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { str } from '@/flow/model';
import { sameJson } from '@/lib/json';
import { Button, IconButton } from '@/ui/button';
import { TextInput } from '@/ui/field';
import { TemplateInput } from '@/features/flow-editor/inputs/template-input';

interface MapInputProps {
  node: string;
  value: JsonObject;
  onChange: (value: JsonObject | undefined) => void;
  keyLabel: string;
  valueLabel: string;
}

interface Row {
  key: string;
  value: string;
}

const rowsOf = (value: JsonObject): Row[] =>
  Object.entries(value).map(([key, member]) => ({
    key,
    value: typeof member === 'string' ? member : JSON.stringify(member),
  }));
const mapOf = (rows: Row[]): JsonObject =>
  Object.fromEntries(rows.filter((row) => row.key !== '').map((row) => [row.key, row.value]));

export function MapInput({ node, value, onChange, keyLabel, valueLabel }: MapInputProps) {
  const t = useT();
  // Rows without a name yet exist here only.
  const [rows, setRows] = useState(() => rowsOf(value));
  const [seen, setSeen] = useState(value);
  if (value !== seen) {
    setSeen(value);
    if (
      !sameJson(
        mapOf(rows),
        Object.fromEntries(
          Object.entries(value).map(([key, member]) => [
            key,
            typeof member === 'string' ? member : str(member) || JSON.stringify(member),
          ]),
        ),
      )
    )
      setRows(rowsOf(value));
  }
  const put = (next: Row[]) => {
    setRows(next);
    const map = mapOf(next);
    onChange(Object.keys(map).length > 0 ? map : undefined);
  };
  const change = (at: number, part: Partial<Row>) => put(rows.map((row, i) => (i === at ? { ...row, ...part } : row)));

  return (
    <div className="space-y-1.5">
      {rows.map((row, i) => (
        <div key={i} className="flex items-start gap-1.5">
          <TextInput
            aria-label={keyLabel}
            placeholder={keyLabel}
            className="code w-[38%]! shrink-0"
            value={row.key}
            onChange={(event) => change(i, { key: event.target.value })}
          />
          <div className="min-w-0 flex-1">
            <TemplateInput
              node={node}
              label={valueLabel}
              placeholder={valueLabel}
              value={row.value}
              onChange={(text) => change(i, { value: text })}
            />
          </div>
          <IconButton
            size="sm"
            icon="x"
            label={t.common.remove}
            className="mt-1"
            onClick={() => put(rows.filter((_, at) => at !== i))}
          />
        </div>
      ))}
      <Button kind="quiet" size="sm" icon="plus" onClick={() => setRows([...rows, { key: '', value: '' }])}>
        {t.common.add}
      </Button>
    </div>
  );
}
