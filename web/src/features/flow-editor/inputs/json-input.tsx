// JSON typed by hand: what parses is handed on, what does not stays here with its error.
import { useState } from 'react';
import type { Json } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { pretty, sameJson, tryParse } from '@/lib/json';
import { Icon } from '@/ui/icon';
import type { FieldIds } from '@/ui/field';
import { TemplateInput } from '@/features/flow-editor/inputs/template-input';

interface JsonInputProps {
  node: string;
  value: Json | undefined;
  /** undefined: the text was emptied. */
  onChange: (value: Json | undefined) => void;
  ids?: FieldIds;
  label?: string;
}

const show = (value: Json | undefined) => (value === undefined ? '' : pretty(value));

/** Text and the value it stands for; the text is renewed only when the value changes from outside (undo, JSON view). */
function useJsonText(value: Json | undefined) {
  const [text, setText] = useState(() => show(value));
  const [seen, setSeen] = useState(value);
  if (value !== seen) {
    setSeen(value);
    const parsed = tryParse(text);
    const same = text.trim() === '' ? value === undefined : parsed.ok && sameJson(parsed.value, value);
    if (!same) setText(show(value));
  }
  return [text, setText] as const;
}

export function JsonInput({ node, value, onChange, ids, label }: JsonInputProps) {
  const t = useT();
  const [text, setText] = useJsonText(value);
  const blank = text.trim() === '';
  const parsed = tryParse(text);
  return (
    <>
      <TemplateInput
        node={node}
        ids={ids}
        label={label}
        language="json"
        value={text}
        badLine={blank || parsed.ok ? undefined : parsed.line}
        onChange={(next) => {
          setText(next);
          const now = tryParse(next);
          if (next.trim() === '') onChange(undefined);
          else if (now.ok) onChange(now.value as Json);
        }}
      />
      {!blank && !parsed.ok && (
        <p className="mt-1 flex gap-1 text-xs text-madder">
          <Icon name="alert" size={13} className="mt-px" />
          {t.common.jsonError(parsed.message, parsed.line)}
        </p>
      )}
    </>
  );
}

/** A setting that is any JSON with templates: as text while it is a text, as JSON else. */
export function ValueInput({
  node,
  value,
  onChange,
  ids,
  label,
  prefer = 'text',
}: JsonInputProps & { prefer?: 'text' | 'json' }) {
  const t = useT();
  const [mode, setMode] = useState<'text' | 'json'>(
    value === undefined ? prefer : typeof value === 'string' ? 'text' : 'json',
  );
  const shown = typeof value === 'string' || value === undefined ? mode : 'json';
  const flip = () => {
    if (shown === 'text') {
      const parsed = typeof value === 'string' ? tryParse(value) : null;
      if (parsed?.ok && parsed.value !== null && typeof parsed.value === 'object') onChange(parsed.value as Json);
      setMode('json');
    } else {
      if (value !== undefined) onChange(typeof value === 'string' ? value : pretty(value));
      setMode('text');
    }
  };
  return (
    <div>
      {shown === 'text' ? (
        <TemplateInput
          node={node}
          ids={ids}
          label={label}
          lines={2}
          value={typeof value === 'string' ? value : ''}
          onChange={(text) => onChange(text === '' ? undefined : text)}
        />
      ) : (
        <JsonInput node={node} ids={ids} label={label} value={value} onChange={onChange} />
      )}
      <button type="button" onClick={flip} className="mt-1 rounded-sm text-xs text-indigo hover:underline">
        {shown === 'text' ? t.editor.asJson : t.editor.asText}
      </button>
    </div>
  );
}
