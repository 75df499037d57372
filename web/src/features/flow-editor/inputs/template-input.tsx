// Text with templates: expressions are marked, and "{{" (or the button) offers what can be read at this node.
import { useId, useMemo, useRef, useState, type KeyboardEvent } from 'react';
import { useStore } from 'zustand';
import { useT } from '@/i18n/i18n';
import { toDefinition } from '@/flow/model';
import { cx } from '@/lib/cx';
import { CodeArea } from '@/ui/code-area';
import type { FieldIds } from '@/ui/field';
import { IconButton } from '@/ui/button';
import { Popover } from '@/ui/popover';
import { useShared } from '@/features/flow-editor/editor-context';
import { openExpression, suggestionsFor, type Suggestion } from '@/features/flow-editor/suggestions';

interface TemplateInputProps {
  node: string;
  value: string;
  onChange: (value: string) => void;
  ids?: FieldIds;
  label?: string;
  placeholder?: string;
  /** Lines it is high at least. */
  lines?: number;
  language?: 'template' | 'json';
  badLine?: number;
}

const SHOWN_MAX = 60;

export function TemplateInput({
  node,
  value,
  onChange,
  ids,
  label,
  placeholder,
  lines = 1,
  language = 'template',
  badLine,
}: TemplateInputProps) {
  const t = useT();
  const { store, outputs } = useShared();
  const listId = useId();
  const area = useRef<HTMLTextAreaElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState<{ from: number; typed: string } | null>(null);
  const [at, setAt] = useState(0);
  const graph = useStore(store, (state) => (open ? state.edit : -1));

  const list = useMemo(() => {
    if (!open || graph < 0) return [];
    const typed = open.typed.toLowerCase();
    return suggestionsFor(node, toDefinition(store.getState()), outputs)
      .filter((one) => one.path.toLowerCase().includes(typed) || one.group.toLowerCase().includes(typed))
      .slice(0, SHOWN_MAX);
  }, [open, graph, node, store, outputs]);

  const look = (text: string, caret: number) => {
    setOpen(openExpression(text, caret));
    setAt(0);
  };

  const insert = (one: Suggestion) => {
    const input = area.current;
    const caret = input?.selectionStart ?? value.length;
    const from = open && open.from >= 0 ? open.from : caret;
    const rest = value.slice(caret).replace(/^[^{}]*\}\}/, '');
    const text = `{{ ${one.path} }}`;
    const next = value.slice(0, from) + text + (open && open.from >= 0 ? rest : value.slice(caret));
    onChange(next);
    setOpen(null);
    requestAnimationFrame(() => {
      input?.focus();
      input?.setSelectionRange(from + text.length, from + text.length);
    });
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if (!open || list.length === 0) return;
    const chosen = list[at];
    if (event.key === 'ArrowDown') setAt((at + 1) % list.length);
    else if (event.key === 'ArrowUp') setAt((at - 1 + list.length) % list.length);
    else if ((event.key === 'Enter' || event.key === 'Tab') && chosen) insert(chosen);
    else if (event.key === 'Escape') setOpen(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div ref={box} className="group/template relative">
      <CodeArea
        {...ids}
        aria-label={label}
        areaRef={area}
        language={language}
        numbered={language === 'json'}
        badLine={badLine}
        value={value}
        placeholder={placeholder}
        boxClassName={cx(language === 'json' ? 'min-h-24 max-h-80' : 'max-h-72', lines > 1 && 'min-h-22')}
        aria-autocomplete="list"
        aria-haspopup="listbox"
        aria-controls={open ? listId : undefined}
        aria-activedescendant={open && list.length > 0 ? `${listId}-${at}` : undefined}
        onKeyDown={onKeyDown}
        onChange={(text) => {
          onChange(text);
          look(text, area.current?.selectionStart ?? text.length);
        }}
      />
      <IconButton
        size="sm"
        icon="variable"
        label={t.editor.insertVariable}
        className="absolute! top-[3px] right-[3px] bg-raised! opacity-0 shadow-sm group-focus-within/template:opacity-100 group-hover/template:opacity-100 pointer-coarse:opacity-100"
        aria-expanded={open !== null}
        onClick={() => setOpen(open ? null : { from: -1, typed: '' })}
      />
      <Popover anchor={box} open={open !== null && (list.length > 0 || open.from < 0)} onClose={() => setOpen(null)}>
        <SuggestionList id={listId} list={list} at={at} onPick={insert} />
      </Popover>
    </div>
  );
}

function SuggestionList({
  id,
  list,
  at,
  onPick,
}: {
  id: string;
  list: Suggestion[];
  at: number;
  onPick: (one: Suggestion) => void;
}) {
  const t = useT();
  const words: Record<string, string> = t.editor.suggestionGroups;
  if (list.length === 0) return <p className="max-w-72 p-3 text-sm text-ink-2">{t.editor.nothingBefore}</p>;
  return (
    <div
      id={id}
      role="listbox"
      aria-label={t.editor.insertVariable}
      className="max-h-72 w-[min(22rem,90vw)] overflow-y-auto p-1"
    >
      {list.map((one, i) => (
        <div key={`${one.group}/${one.path}`}>
          {list[i - 1]?.group !== one.group && (
            <p className="px-2 pt-2 pb-0.5 text-xs text-ink-3">{words[one.group] ?? one.group}</p>
          )}
          <button
            type="button"
            id={`${id}-${i}`}
            role="option"
            aria-selected={i === at}
            tabIndex={-1}
            onPointerDown={(event) => event.preventDefault()}
            onClick={() => onPick(one)}
            ref={i === at ? (element) => element?.scrollIntoView({ block: 'nearest' }) : undefined}
            className={cx(
              'flex w-full items-baseline gap-3 rounded-sm px-2 py-1 text-left hover:bg-ink/7',
              i === at && 'bg-ink/7',
            )}
          >
            <code className="code truncate text-xs">{one.path}</code>
            {one.sample !== undefined && (
              <span className="ml-auto max-w-[45%] truncate text-xs text-ink-3">{one.sample}</span>
            )}
          </button>
        </div>
      ))}
    </div>
  );
}
