// The text of a prompt's version: JSON, checked while it is written; what it means the server checks.
import { useMemo, useState } from 'react';
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

export function useJsonText(first: string): JsonText {
  const [text, setText] = useState(first);
  const parsed = useMemo((): JsonText['parsed'] => {
    const found = tryParse(text);
    return found.ok ? { ok: true, value: found.value as Json } : found;
  }, [text]);
  return { text, setText, parsed };
}

export function PromptEditor({ body }: { body: JsonText }) {
  const t = useT();
  const wrong = body.parsed.ok ? undefined : body.parsed;
  return (
    <Field
      label={t.prompts.body}
      hint={t.prompts.bodyHint}
      error={wrong && t.common.jsonError(wrong.message, wrong.line)}
    >
      {(ids) => (
        <CodeArea
          {...ids}
          language="json"
          numbered
          rows={16}
          badLine={wrong?.line}
          value={body.text}
          onChange={body.setText}
        />
      )}
    </Field>
  );
}
