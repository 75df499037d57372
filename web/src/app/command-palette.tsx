// Ctrl-K: one line to go anywhere or do something.
import { useEffect, useState, type KeyboardEvent } from 'react';
import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query';
import { useNavigate } from 'react-router';
import { useT } from '@/i18n/i18n';
import { workflowsQuery } from '@/flow/workflows';
import { cx } from '@/lib/cx';
import { useDebounced } from '@/lib/use';
import { Dialog } from '@/ui/dialog';
import { Icon, type IconName } from '@/ui/icon';
import type { MenuEntry } from '@/ui/menu';

interface Command {
  group: string;
  label: string;
  icon: IconName;
  run: () => void;
}

interface CommandPaletteProps {
  open: boolean;
  onOpen: (open: boolean) => void;
  preferences: MenuEntry[];
}

export function CommandPalette({ open, onOpen, preferences }: CommandPaletteProps) {
  const t = useT();
  useEffect(() => {
    const onKey = (event: globalThis.KeyboardEvent) => {
      if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== 'k') return;
      event.preventDefault();
      if (open || !document.querySelector('dialog[open]')) onOpen(!open);
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [open, onOpen]);
  return (
    <Dialog open={open} bare title={t.shell.palette.title} onClose={() => onOpen(false)}>
      <Content onDone={() => onOpen(false)} preferences={preferences} />
    </Dialog>
  );
}

function useCommands(search: string, preferences: MenuEntry[]): Command[] {
  const t = useT();
  const navigate = useNavigate();
  const words = t.shell.palette;
  const q = useDebounced(search.trim(), 150);
  const { data } = useInfiniteQuery({ ...workflowsQuery(q, 8), placeholderData: keepPreviousData });
  const go = (group: string, label: string, icon: IconName, to: string): Command => ({
    group,
    label,
    icon,
    run: () => void navigate(to),
  });
  const found = (data?.pages[0]?.items ?? []).map((one) =>
    go(words.workflows, one.name, 'workflow', `/workflows/${one.id}`),
  );
  const fixed = [
    go(words.go, t.shell.workflows, 'workflow', '/workflows'),
    go(words.go, t.shell.runs, 'activity', '/runs'),
    go(words.go, t.shell.approvals, 'check', '/approvals'),
    go(words.go, t.shell.prompts, 'pen', '/prompts'),
    go(words.go, t.shell.calls, 'spark', '/calls'),
    go(words.go, words.runningRuns, 'activity', '/runs?state=running'),
    go(words.go, words.failedRuns, 'alert', '/runs?state=failed'),
    go(words.go, t.shell.about, 'info', '/about'),
    go(words.act, words.newWorkflow, 'plus', '/workflows?new=1'),
    ...preferences.flatMap((entry): Command[] =>
      typeof entry === 'object' && 'onSelect' in entry
        ? [{ group: words.act, label: entry.label, icon: entry.icon ?? 'globe', run: entry.onSelect }]
        : [],
    ),
  ];
  const wanted = search.trim().toLowerCase();
  // Also what was found: it may still be the answer to what was typed before.
  const matches = [...found, ...fixed].filter((one) => one.label.toLowerCase().includes(wanted));
  return wanted ? matches : [...found.slice(0, 4), ...fixed];
}

function Content({ onDone, preferences }: { onDone: () => void; preferences: MenuEntry[] }) {
  const t = useT();
  const [search, setSearch] = useState('');
  const [at, setAt] = useState(0);
  const list = useCommands(search, preferences);
  const chosen = Math.min(at, list.length - 1);
  const run = (command: Command | undefined) => {
    if (!command) return;
    onDone();
    command.run();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && list.length > 0) {
      event.preventDefault();
      setAt((chosen + step + list.length) % list.length);
    } else if (event.key === 'Enter') {
      event.preventDefault();
      run(list[chosen]);
    }
  };
  return (
    <div className="flex max-h-[70dvh] flex-col">
      <label className="flex items-center gap-3 border-b px-4">
        <Icon name="search" className="text-ink-3" />
        <span className="sr-only">{t.shell.palette.placeholder}</span>
        <input
          autoFocus
          role="combobox"
          aria-expanded="true"
          aria-controls="palette-list"
          aria-activedescendant={`palette-${chosen}`}
          value={search}
          placeholder={t.shell.palette.placeholder}
          onKeyDown={onKeyDown}
          onChange={(event) => {
            setSearch(event.target.value);
            setAt(0);
          }}
          className="h-12 min-w-0 flex-1 bg-transparent text-lg outline-none!"
        />
      </label>
      <div
        id="palette-list"
        role="listbox"
        aria-label={t.shell.palette.title}
        className="min-h-0 flex-1 overflow-y-auto p-2"
      >
        {list.length === 0 && <p className="px-3 py-6 text-center text-ink-3">{t.common.nothingFound}</p>}
        {list.map((command, i) => (
          <div key={`${command.group}/${command.label}/${i}`}>
            {list[i - 1]?.group !== command.group && (
              <p className="px-3 pt-2 pb-1 text-xs text-ink-3">{command.group}</p>
            )}
            <button
              type="button"
              id={`palette-${i}`}
              role="option"
              aria-selected={i === chosen}
              tabIndex={-1}
              onPointerMove={() => setAt(i)}
              onClick={() => run(command)}
              ref={i === chosen ? (element) => element?.scrollIntoView({ block: 'nearest' }) : undefined}
              className={cx(
                'flex w-full items-center gap-3 rounded-md px-3 py-2 text-left',
                i === chosen && 'bg-indigo-soft',
              )}
            >
              <Icon name={command.icon} size={16} className="text-ink-3" />
              <span className="truncate">{command.label}</span>
            </button>
          </div>
        ))}
      </div>
      <p className="border-t px-4 py-2 text-xs text-ink-3">{t.shell.palette.help}</p>
    </div>
  );
}
