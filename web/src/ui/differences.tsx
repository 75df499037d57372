// Where two JSON values differ: a path, what stood there and what stands there.
import type { Difference, Json } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { pointerParts } from '@/lib/json';

const shown = (value: Json | undefined) => (typeof value === 'string' ? value : JSON.stringify(value));

export function Differences({ list }: { list: Difference[] }) {
  const t = useT();
  return (
    <ul className="divide-y rounded-md border bg-surface text-sm">
      {list.map((one) => (
        <li key={one.path} className="px-3 py-2">
          <code className="code text-xs text-ink-2">{pointerParts(one.path).join(' › ') || t.compare.whole}</code>
          <div className="mt-1 grid gap-1 break-words sm:grid-cols-2 sm:gap-3">
            <Side
              mark="−"
              tone="bg-madder-soft"
              label={t.compare.before}
              there={one.kind !== 'added'}
              value={one.left}
            />
            <Side
              mark="+"
              tone="bg-green-soft"
              label={t.compare.after}
              there={one.kind !== 'removed'}
              value={one.right}
            />
          </div>
        </li>
      ))}
    </ul>
  );
}

interface SideProps {
  mark: string;
  tone: string;
  label: string;
  there: boolean;
  value: Json | undefined;
}

/** A value that is there and yet not given was too long to be told. */
function Side({ mark, tone, label, there, value }: SideProps) {
  const t = useT();
  if (!there) return <p className="px-2 py-0.5 text-ink-3 max-sm:hidden">{t.compare.nothing}</p>;
  return (
    <p className={`flex gap-2 rounded-sm px-2 py-0.5 ${tone}`}>
      <span aria-hidden="true" className="text-ink-2 select-none">
        {mark}
      </span>
      <span className="sr-only">{label}</span>
      {value === undefined ? (
        <span className="text-ink-2">{t.compare.long}</span>
      ) : (
        <span className="min-w-0 font-mono text-xs leading-5 whitespace-pre-wrap">{shown(value)}</span>
      )}
    </p>
  );
}
