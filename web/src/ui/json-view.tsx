// A JSON value to look through: levels fold, long texts and lists are cut until asked for, everything can be copied.
import { useState } from 'react';
import type { Json } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { pretty } from '@/lib/json';
import { CopyButton } from '@/ui/copy-button';
import { Icon } from '@/ui/icon';
import { cx } from '@/lib/cx';

const TEXT_MAX = 400;
const ITEMS_MAX = 50;
const OPEN_DEPTH = 2;

export function JsonView({ value, label }: { value: Json; label?: string }) {
  return (
    <div className="group/json relative rounded-md border bg-surface">
      <div className="absolute top-1 right-1 z-1 flex rounded-md bg-surface/90 opacity-60 transition-opacity group-hover/json:opacity-100 focus-within:opacity-100">
        <CopyButton text={() => (typeof value === 'string' ? value : pretty(value))} />
      </div>
      <div
        className="code max-h-[28rem] leading-6! overflow-auto py-2 pr-9 pl-2"
        tabIndex={0}
        role="group"
        aria-label={label}
      >
        <Value value={value} depth={0} />
      </div>
    </div>
  );
}

function Value({ name, value, depth }: { name?: string; value: Json; depth: number }) {
  if (value !== null && typeof value === 'object') return <Branch name={name} value={value} depth={depth} />;
  return (
    <div className="flex pl-4">
      {name !== undefined && <Name name={name} />}
      {typeof value === 'string' ? (
        <Text text={value} quoted={depth > 0} />
      ) : (
        <span className="text-walnut">{String(value)}</span>
      )}
    </div>
  );
}

const Name = ({ name }: { name: string }) => (
  <span className="shrink-0 pr-2 text-indigo">
    {name}
    <span className="text-ink-3">:</span>
  </span>
);

function Text({ text, quoted }: { text: string; quoted: boolean }) {
  const t = useT();
  const [all, setAll] = useState(false);
  const shown = all || text.length <= TEXT_MAX ? text : `${text.slice(0, TEXT_MAX)}…`;
  return (
    <span className={cx('min-w-0 break-words whitespace-pre-wrap', quoted ? 'text-green' : 'text-ink')}>
      {quoted ? JSON.stringify(shown).replaceAll('\\n', '\n').replaceAll('\\"', '"') : shown}
      {shown !== text && <More label={t.common.showAll(text.length)} onClick={() => setAll(true)} />}
    </span>
  );
}

function More({ label, onClick }: { label: string; onClick: () => void }) {
  return (
    <button type="button" onClick={onClick} className="ml-2 rounded-sm font-sans text-xs text-indigo underline">
      {label}
    </button>
  );
}

function Branch({ name, value, depth }: { name?: string; value: Json[] | Record<string, Json>; depth: number }) {
  const t = useT();
  const [open, setOpen] = useState(depth < OPEN_DEPTH);
  const [most, setMost] = useState(ITEMS_MAX);
  const list = Array.isArray(value);
  const entries: [string, Json][] = list ? value.map((item, i) => [String(i), item]) : Object.entries(value);
  const [start, end] = list ? ['[', ']'] : ['{', '}'];
  if (entries.length === 0)
    return (
      <div className="flex pl-4">
        {name !== undefined && <Name name={name} />}
        <span className="text-ink-3">
          {start}
          {end}
        </span>
      </div>
    );
  return (
    <div>
      <button
        type="button"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
        className="flex w-full items-center rounded-sm text-left hover:bg-ink/5"
      >
        <Icon name="chevron" size={12} className={cx('mr-1 text-ink-3 transition-transform', open && 'rotate-90')} />
        {name !== undefined && <Name name={name} />}
        <span className="text-ink-3">{open ? start : `${start} ${t.common.entries(entries.length)} ${end}`}</span>
      </button>
      {open && (
        <>
          <div className="ml-[5px] border-l pl-1.5">
            {entries.slice(0, most).map(([key, item]) => (
              <Value key={key} name={key} value={item} depth={depth + 1} />
            ))}
            {entries.length > most && (
              <More label={t.common.showMore(entries.length - most)} onClick={() => setMost(most + 200)} />
            )}
          </div>
          <div className="pl-4 text-ink-3">{end}</div>
        </>
      )}
    </div>
  );
}
