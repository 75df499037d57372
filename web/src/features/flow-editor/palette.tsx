// What can be put on the canvas, by group: drag it there, or choose it to have it behind the selected node.
import { useState } from 'react';
import type { NodeType } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { groupTitle, typeHelp, typeTitle } from '@/flow/names';
import { nodeIcon, nodeTone, TONES } from '@/flow/node-look';
import { useNodeTypes } from '@/flow/node-types';
import { cx } from '@/lib/cx';
import { TextInput } from '@/ui/field';
import { Icon } from '@/ui/icon';
import { Skeleton } from '@/ui/page';

export const DRAG_TYPE = 'application/x-heddle-node';
const GROUP_ORDER = ['trigger', 'logic', 'data', 'ai', 'integration', 'output'];

export function byGroup(types: NodeType[]): [string, NodeType[]][] {
  const groups = new Map<string, NodeType[]>();
  for (const type of types) groups.set(type.group, [...(groups.get(type.group) ?? []), type]);
  const rank = (group: string) => (GROUP_ORDER.includes(group) ? GROUP_ORDER.indexOf(group) : GROUP_ORDER.length);
  return [...groups].sort(([a], [b]) => rank(a) - rank(b));
}

interface PaletteProps {
  onPick: (type: string) => void;
  /** The trigger stands already: there is one only. */
  hasTrigger: boolean;
  autoFocus?: boolean;
}

export function Palette({ onPick, hasTrigger, autoFocus }: PaletteProps) {
  const t = useT();
  const types = useNodeTypes();
  const [search, setSearch] = useState('');
  const wanted = search.trim().toLowerCase();
  const shown = types.filter(
    (type) =>
      !(hasTrigger && type.type === 'trigger') &&
      (wanted === '' || `${type.type} ${typeTitle(type, t)} ${typeHelp(type, t)}`.toLowerCase().includes(wanted)),
  );

  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="p-3 pb-1.5">
        <TextInput
          type="search"
          aria-label={t.editor.searchNodes}
          placeholder={t.editor.searchNodes}
          value={search}
          autoFocus={autoFocus}
          onChange={(event) => setSearch(event.target.value)}
          onKeyDown={(event) => {
            const first = byGroup(shown)[0]?.[1][0];
            if (event.key === 'Enter' && first) onPick(first.type);
          }}
        />
      </div>
      <div className="min-h-0 flex-1 overflow-y-auto px-2 pb-4">
        {types.length === 0 && Array.from({ length: 6 }, (_, i) => <Skeleton key={i} className="m-2 h-9" />)}
        {types.length > 0 && shown.length === 0 && (
          <p className="px-2 py-4 text-sm text-ink-3">{t.common.nothingFound}</p>
        )}
        {byGroup(shown).map(([group, list]) => (
          <section key={group} className="mt-2">
            <h2 className="px-2 pb-1 text-xs text-ink-3">{groupTitle(group, t)}</h2>
            {list.map((type) => (
              <button
                key={type.type}
                type="button"
                draggable
                onClick={() => onPick(type.type)}
                onDragStart={(event) => {
                  event.dataTransfer.setData(DRAG_TYPE, type.type);
                  event.dataTransfer.effectAllowed = 'copy';
                }}
                className="flex w-full cursor-grab items-start gap-2.5 rounded-md px-2 py-1.5 text-left hover:bg-ink/6 active:cursor-grabbing"
              >
                <span
                  className={cx(
                    'mt-0.5 grid size-7 shrink-0 place-items-center rounded-md',
                    TONES[nodeTone(type.type, type.group)],
                  )}
                >
                  <Icon name={nodeIcon(type.type, type.group)} size={16} />
                </span>
                <span className="min-w-0">
                  <span className="block text-sm font-medium">{typeTitle(type, t)}</span>
                  <span className="line-clamp-2 text-xs text-ink-3">{typeHelp(type, t)}</span>
                </span>
              </button>
            ))}
          </section>
        ))}
      </div>
    </div>
  );
}
