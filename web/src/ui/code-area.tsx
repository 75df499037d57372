// A text area with colours: the text lies twice, once painted and once to be edited, exactly above each other.
import { useMemo, type KeyboardEvent, type Ref, type TextareaHTMLAttributes } from 'react';
import { cx } from '@/lib/cx';
import { jsonPieces, templatePieces, type Piece, type PieceKind } from '@/lib/highlight';

const COLOURS: Record<PieceKind, string | undefined> = {
  text: undefined,
  key: 'text-indigo',
  string: 'text-green',
  number: 'text-walnut',
  word: 'text-walnut',
  mark: 'text-ink-3',
  expression: 'rounded-[3px] bg-indigo-soft text-indigo box-decoration-clone',
};

/** Colouring is left out for texts past this size, where it would cost more than it helps. */
const COLOUR_MAX = 200_000;

export function Painted({ pieces }: { pieces: Piece[] }) {
  return pieces.map((piece, i) =>
    COLOURS[piece.kind] ? (
      <span key={i} className={COLOURS[piece.kind]}>
        {piece.text}
      </span>
    ) : (
      piece.text
    ),
  );
}

interface CodeAreaProps extends Omit<TextareaHTMLAttributes<HTMLTextAreaElement>, 'onChange' | 'value'> {
  value: string;
  onChange?: (value: string) => void;
  language: 'json' | 'template';
  /** Lines do not wrap and carry numbers. */
  numbered?: boolean;
  /** 1-based line to mark as wrong. */
  badLine?: number;
  boxClassName?: string;
  areaRef?: Ref<HTMLTextAreaElement>;
}

function indentOnEnter(event: KeyboardEvent<HTMLTextAreaElement>) {
  if (event.key !== 'Enter' || event.ctrlKey || event.metaKey || event.nativeEvent.isComposing) return;
  const area = event.currentTarget;
  const line = area.value.slice(area.value.lastIndexOf('\n', area.selectionStart - 1) + 1, area.selectionStart);
  const indent = (/^\s*/.exec(line)?.[0] ?? '') + (/[{[]\s*$/.test(line) ? '  ' : '');
  if (!indent) return;
  event.preventDefault();
  area.setRangeText(`\n${indent}`, area.selectionStart, area.selectionEnd, 'end');
  area.dispatchEvent(new Event('input', { bubbles: true }));
}

export function CodeArea({
  value,
  onChange,
  language,
  numbered,
  badLine,
  boxClassName,
  areaRef,
  className,
  onKeyDown,
  readOnly,
  ...rest
}: CodeAreaProps) {
  const pieces = useMemo<Piece[]>(() => {
    if (value.length > COLOUR_MAX) return [{ kind: 'text', text: value }];
    return language === 'json' ? jsonPieces(value) : templatePieces(value);
  }, [value, language]);
  const lines = useMemo(() => (numbered ? value.split('\n').length : 0), [value, numbered]);
  const wrap = numbered ? 'whitespace-pre' : 'break-words whitespace-pre-wrap';

  return (
    <div
      className={cx(
        'input code relative grid min-h-0 overflow-auto p-0!',
        numbered ? 'grid-cols-[auto_1fr]' : 'grid-cols-[minmax(0,1fr)]',
        boxClassName,
      )}
      aria-invalid={rest['aria-invalid']}
    >
      {numbered && (
        <div
          aria-hidden="true"
          className="sticky left-0 z-1 border-r bg-sunken px-2 py-2 text-right text-ink-3 select-none"
        >
          {Array.from({ length: lines }, (_, i) => (
            <div key={i} className={i + 1 === badLine ? 'text-madder font-semibold' : undefined}>
              {i + 1}
            </div>
          ))}
        </div>
      )}
      <div className="relative">
        <pre
          aria-hidden="true"
          className={cx('code pointer-events-none px-2.5', numbered ? 'py-2 pr-8' : 'py-1.5', wrap, className)}
        >
          <Painted pieces={pieces} />
          {'\n'}
        </pre>
        <textarea
          ref={areaRef}
          value={value}
          readOnly={readOnly ?? !onChange}
          spellCheck={false}
          autoCapitalize="off"
          autoComplete="off"
          autoCorrect="off"
          wrap={numbered ? 'off' : 'soft'}
          onChange={(event) => onChange?.(event.target.value)}
          onKeyDown={(event) => {
            onKeyDown?.(event);
            if (!event.defaultPrevented && numbered && onChange) indentOnEnter(event);
          }}
          className={cx(
            'code absolute inset-0 size-full resize-none overflow-hidden bg-transparent px-2.5 text-transparent caret-ink outline-none! selection:text-transparent',
            numbered ? 'py-2 pr-8' : 'py-1.5',
            wrap,
          )}
          {...rest}
        />
      </div>
    </div>
  );
}
