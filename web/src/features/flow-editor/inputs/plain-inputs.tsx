// Inputs of single plain values: numbers, spans of time, lists of texts, secrets.
import { useState } from 'react';
import type { Json } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { arr, str } from '@/flow/model';
import { spanMs } from '@/lib/time';
import { IconButton } from '@/ui/button';
import { TextArea, TextInput, type FieldIds } from '@/ui/field';
import { Icon } from '@/ui/icon';

interface PlainProps {
  ids: FieldIds;
  value: Json | undefined;
  onChange: (value: Json | undefined) => void;
  placeholder?: string;
}

/** The text of a value that is checked before it is handed on; bad text stays in the field with a note. */
function useChecked(
  value: Json | undefined,
  read: (text: string) => Json | undefined | null,
  onChange: (value: Json | undefined) => void,
) {
  const shown = value === undefined || value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value);
  const [text, setText] = useState(shown);
  const [seen, setSeen] = useState(shown);
  if (shown !== seen) {
    setSeen(shown);
    setText(shown);
  }
  const bad = text.trim() !== '' && read(text.trim()) === null;
  const put = (next: string) => {
    setText(next);
    const result = next.trim() === '' ? undefined : read(next.trim());
    if (result !== null) {
      setSeen(result === undefined ? '' : typeof result === 'string' ? result : JSON.stringify(result));
      onChange(result);
    }
  };
  return { text, bad, put };
}

const Bad = ({ text }: { text: string }) => (
  <p className="mt-1 flex gap-1 text-xs text-madder">
    <Icon name="alert" size={13} className="mt-px" />
    {text}
  </p>
);

export function NumberInput({ ids, value, onChange, placeholder, whole }: PlainProps & { whole: boolean }) {
  const t = useT();
  const read = (text: string) => {
    const number = Number(text.replace(',', '.'));
    return Number.isFinite(number) && (!whole || Number.isInteger(number)) ? number : null;
  };
  const { text, bad, put } = useChecked(value, read, onChange);
  return (
    <>
      <TextInput
        {...ids}
        inputMode="decimal"
        value={text}
        placeholder={placeholder}
        aria-invalid={bad || ids['aria-invalid']}
        onChange={(event) => put(event.target.value)}
      />
      {bad && <Bad text={whole ? t.common.notWhole : t.common.notANumber} />}
    </>
  );
}

export function SpanInput({ ids, value, onChange, placeholder }: PlainProps) {
  const t = useT();
  const { text, bad, put } = useChecked(value, (span) => (spanMs(span) === null ? null : span), onChange);
  return (
    <>
      <TextInput
        {...ids}
        value={text}
        placeholder={placeholder ?? '30s'}
        aria-invalid={bad || ids['aria-invalid']}
        onChange={(event) => put(event.target.value)}
      />
      {bad && <Bad text={t.editor.notASpan} />}
    </>
  );
}

/** One text a line. */
export function ListInput({ ids, value, onChange, placeholder }: PlainProps) {
  const now = arr(value).map(str).join('\n');
  const [text, setText] = useState(now);
  const [seen, setSeen] = useState(now);
  if (now !== seen) {
    setSeen(now);
    if (text.split('\n').filter(Boolean).join('\n') !== now) setText(now);
  }
  return (
    <TextArea
      {...ids}
      className="code"
      rows={2}
      value={text}
      placeholder={placeholder}
      onChange={(event) => {
        setText(event.target.value);
        const items = event.target.value.split('\n').filter(Boolean);
        onChange(items.length > 0 ? items : undefined);
      }}
    />
  );
}

export function SecretInput({ ids, value, onChange, placeholder }: PlainProps) {
  const t = useT();
  const [open, setOpen] = useState(false);
  return (
    <div className="relative">
      <TextInput
        {...ids}
        type={open ? 'text' : 'password'}
        autoComplete="new-password"
        className="code pr-9"
        value={str(value)}
        placeholder={placeholder}
        onChange={(event) => onChange(event.target.value === '' ? undefined : event.target.value)}
      />
      <IconButton
        size="sm"
        icon={open ? 'lock' : 'eye'}
        label={open ? t.editor.hideSecret : t.editor.showSecret}
        className="absolute! top-[3px] right-[3px]"
        onClick={() => setOpen(!open)}
      />
    </div>
  );
}
