// A field that takes JSON: the text is checked while it is written; what it means the server checks.
import { useMemo, useState, type ReactNode } from 'react';
import type { Json } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { tryParse } from '@/lib/json';
import { CodeArea } from '@/ui/code-area';
import { Field } from '@/ui/field';

export interface JsonText {
  text: string;
  setText: (text: string) => void;
  parsed: { ok: true; value: Json } | { ok: false; message: string; line: number };
}

/** @blank: what an empty text stands for; left out, it is an error. */
export function useJsonText(first: string | (() => string), blank?: string): JsonText {
  const [text, setText] = useState(first);
  const parsed = useMemo((): JsonText['parsed'] => {
    const found = tryParse(blank !== undefined && text.trim() === '' ? blank : text);
    return found.ok ? { ok: true, value: found.value as Json } : found;
  }, [text, blank]);
  return { text, setText, parsed };
}

interface JsonFieldProps {
  label: ReactNode;
  hint?: ReactNode;
  body: JsonText;
  boxClassName?: string;
  rows?: number;
}

export function JsonField({ label, hint, body, boxClassName, rows }: JsonFieldProps) {
  const t = useT();
  const wrong = body.parsed.ok ? undefined : body.parsed;
  return (
    <Field label={label} hint={hint} error={wrong && t.common.jsonError(wrong.message, wrong.line)}>
      {(ids) => (
        <CodeArea
          {...ids}
          language="json"
          numbered
          rows={rows}
          value={body.text}
          onChange={body.setText}
          badLine={wrong?.line}
          boxClassName={boxClassName}
        />
      )}
    </Field>
  );
}
