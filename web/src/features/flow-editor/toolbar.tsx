// The bar above the canvas: name and state of the draft, and what can be done with it.
import { useState } from 'react';
import { Link } from 'react-router';
import { useShallow } from 'zustand/react/shallow';
import type { Located, Workflow } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { cx } from '@/lib/cx';
import { useIsNarrow } from '@/lib/use';
import { Button, IconButton } from '@/ui/button';
import { Icon } from '@/ui/icon';
import { Menu, type MenuEntry } from '@/ui/menu';
import { Popover, usePopover } from '@/ui/popover';
import type { SaveState } from '@/features/flow-editor/draft-saver';
import { useEditor } from '@/features/flow-editor/editor-context';
import { ProblemList } from '@/features/flow-editor/problem-list';
import { SaveMark } from '@/features/flow-editor/save-state';
import type { Problems } from '@/features/flow-editor/use-validation';

export interface ToolbarProps {
  workflow: Workflow;
  save: SaveState;
  problems: Problems;
  json: boolean;
  busy: { publish: boolean; run: boolean };
  on: {
    json: () => void;
    layout: () => void;
    workflow: () => void;
    versions: () => void;
    api: () => void;
    publish: () => void;
    run: () => void;
    download: () => void;
    problem: (problem: Located) => void;
  };
}

export function Toolbar(props: ToolbarProps) {
  const { workflow, save, problems, json, busy, on } = props;
  const t = useT();
  const narrow = useIsNarrow();
  const { undo, redo, canUndo, canRedo } = useEditor(
    useShallow((state) => ({
      undo: state.undo,
      redo: state.redo,
      canUndo: state.past.length > 0,
      canRedo: state.future.length > 0,
    })),
  );
  const rest: MenuEntry[] = [
    { label: t.editor.workflow, icon: 'workflow', onSelect: on.workflow },
    { label: t.editor.versions, icon: 'history', onSelect: on.versions },
    { label: t.editor.api, icon: 'code', onSelect: on.api },
    { label: t.common.downloadJson, icon: 'download', onSelect: on.download },
  ];
  const phone: MenuEntry[] = [
    { label: t.editor.publish, icon: 'publish', onSelect: on.publish },
    { label: t.editor.undo, icon: 'undo', disabled: !canUndo, onSelect: undo },
    { label: t.editor.redo, icon: 'redo', disabled: !canRedo, onSelect: redo },
    { label: t.editor.layout, icon: 'layout', onSelect: on.layout },
    { label: json ? t.editor.graph : t.editor.json, icon: 'braces', onSelect: on.json },
    'line',
  ];
  return (
    <header className="flex h-14 shrink-0 items-center gap-1 border-b bg-surface px-2 md:gap-1.5 md:px-3">
      <Link
        to="/workflows"
        aria-label={t.editor.back}
        data-tip={t.editor.back}
        className="inline-flex size-9 shrink-0 items-center justify-center rounded-md text-ink-2 hover:bg-ink/7"
      >
        <Icon name="back" />
      </Link>
      <div className="flex min-w-0 flex-1 items-center gap-2.5">
        <Name />
        <SaveMark save={save} />
        {workflow.published_version !== null && (
          <span className="hidden rounded-full bg-green-soft px-2 py-0.5 text-xs whitespace-nowrap text-green lg:inline">
            {t.editor.liveVersion(workflow.published_version)}
          </span>
        )}
      </div>
      <ProblemButton problems={problems} onGo={on.problem} />
      {!narrow && (
        <>
          <IconButton icon="undo" label={t.editor.undo} keys="Ctrl Z" disabled={!canUndo} onClick={undo} />
          <IconButton icon="redo" label={t.editor.redo} keys="Ctrl Shift Z" disabled={!canRedo} onClick={redo} />
          <IconButton icon="layout" label={t.editor.layout} disabled={json} onClick={on.layout} />
          <IconButton icon="braces" label={t.editor.json} pressed={json} onClick={on.json} />
        </>
      )}
      <Menu label={t.common.more} items={narrow ? [...phone, ...rest] : rest} />
      {!narrow && (
        <Button icon="publish" busy={busy.publish} disabled={problems.errors > 0} onClick={on.publish}>
          {t.editor.publish}
        </Button>
      )}
      <Button kind="primary" icon="play" busy={busy.run} data-tip="Ctrl Enter" onClick={on.run}>
        <span className="max-sm:sr-only">{t.editor.run}</span>
      </Button>
    </header>
  );
}

/** The name is edited where it stands. */
function Name() {
  const t = useT();
  const { name, setMeta } = useEditor(useShallow((state) => ({ name: state.meta.name, setMeta: state.setMeta })));
  // Only while it is typed: an empty name is never handed on.
  const [text, setText] = useState<string | null>(null);
  const put = (next: string) => {
    setText(next);
    if (next.trim() !== '') setMeta({ name: next.trim() }, 'name');
  };
  return (
    <h1 className="min-w-0">
      <input
        aria-label={t.editor.name}
        value={text ?? name}
        maxLength={200}
        size={Math.max(8, Math.min(40, (text ?? name).length + 1))}
        onChange={(event) => put(event.target.value)}
        onBlur={() => setText(null)}
        onKeyDown={(event) => {
          if (event.key === 'Enter' || event.key === 'Escape') event.currentTarget.blur();
        }}
        className="w-full max-w-full min-w-0 truncate rounded-sm border border-transparent bg-transparent px-1.5 py-1 font-serif text-lg hover:border-line focus:border-edge"
      />
    </h1>
  );
}

function ProblemButton({ problems, onGo }: { problems: Problems; onGo: (problem: Located) => void }) {
  const t = useT();
  const { anchor, open, setOpen, close } = usePopover();
  const { all, errors, checked } = problems;
  if (!checked) return null;
  const tone = errors > 0 ? 'text-madder bg-madder-soft' : all.length > 0 ? 'text-weld bg-weld-soft' : 'text-green';
  return (
    <>
      <button
        ref={anchor}
        type="button"
        aria-haspopup="dialog"
        aria-expanded={open}
        aria-label={t.flow.problems(all.length)}
        data-tip={t.flow.problems(all.length)}
        onClick={() => setOpen(!open)}
        className={cx(
          'inline-flex h-8 items-center gap-1 rounded-md px-2 text-sm font-medium hover:brightness-95',
          tone,
        )}
      >
        <Icon name={all.length > 0 ? 'alert' : 'check'} size={16} />
        {all.length > 0 && all.length}
      </button>
      <Popover anchor={anchor} open={open} onClose={close} align="end">
        <ProblemList
          problems={all}
          onGo={(problem) => {
            close();
            onGo(problem);
          }}
        />
      </Popover>
    </>
  );
}
