// A run of the draft beside the canvas: its state, its steps, the one that is selected.
import { useEffect, useRef, useState } from 'react';
import { Link } from 'react-router';
import { useT } from '@/i18n/i18n';
import { str, toDefinition } from '@/flow/model';
import { cx } from '@/lib/cx';
import { Button, IconButton } from '@/ui/button';
import { JsonView } from '@/ui/json-view';
import { Skeleton } from '@/ui/page';
import { ProblemNotice } from '@/ui/problem';
import { Took } from '@/ui/time-text';
import { useToast } from '@/ui/toast';
import { isFinal } from '@/run/fold';
import { useCancelRun } from '@/run/queries';
import { RunBadge, StepBadge } from '@/run/run-state';
import { LiveText } from '@/run/live-text';
import { StepInspector } from '@/run/step-inspector';
import type { RunView } from '@/run/use-run';
import type { EditorStore } from '@/features/flow-editor/store';

interface RunPanelProps {
  id: string;
  view: RunView;
  store: EditorStore;
  selected: string | null;
  onSelect: (node: string | null) => void;
  onAgain: () => void;
  onClose: () => void;
}

export function RunPanel({ id, view, store, selected, onSelect, onAgain, onClose }: RunPanelProps) {
  const t = useT();
  const toast = useToast();
  const cancel = useCancelRun(id);
  const { run, steps, events, texts, error, stream } = view;
  // The graph cannot be changed while a run lies over it.
  const [definition] = useState(() => toDefinition(store.getState()));
  const open = run ? !isFinal(run.state) : true;
  const titles = new Map(definition.nodes.map((node) => [node.id, str(node.data['title']) || node.id]));
  const failed = run?.state === 'failed' ? (run.steps.find((step) => step.state === 'failed')?.node ?? null) : null;
  const told = useRef<string | null>(null);
  // A failure brings its step into sight, once.
  useEffect(() => {
    if (failed === null || told.current === id) return;
    told.current = id;
    onSelect(failed);
  }, [failed, id, onSelect]);

  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <header className="flex items-center gap-2 border-b py-2.5 pr-2 pl-4">
        {run ? <RunBadge state={run.state} /> : <Skeleton className="w-24" />}
        {run && (
          <span className="text-sm text-ink-2">
            <Took from={run.started_at ?? run.created_at} to={run.finished_at} ms={open ? null : run.duration_ms} />
          </span>
        )}
        <span className="flex-1" />
        {open ? (
          <Button
            size="sm"
            kind="danger"
            icon="stop"
            busy={cancel.isPending}
            onClick={() => cancel.mutate(undefined, { onError: toast.fail })}
          >
            {t.run.cancel}
          </Button>
        ) : (
          <Button size="sm" icon="play" onClick={onAgain}>
            {t.run.again}
          </Button>
        )}
        <IconButton size="sm" icon="x" label={t.editor.closeRun} onClick={onClose} />
      </header>
      {stream === 'waiting' && open && (
        <p className="bg-weld-soft px-4 py-1.5 text-xs text-weld">{t.run.reconnecting}</p>
      )}
      <div className="min-h-0 flex-1 overflow-y-auto">
        {error && !run && (
          <div className="p-3">
            <ProblemNotice compact error={error} onRetry={view.refetch} />
          </div>
        )}
        {run?.error && (
          <div
            role="alert"
            className="m-3 rounded-md border border-madder/40 bg-madder-soft px-3 py-2 text-sm break-words"
          >
            <p className="font-medium text-madder">{t.run.failedWith}</p>
            {run.error.message}
          </div>
        )}
        <ul className="border-b py-1">
          {run?.steps
            .filter((step) => step.state !== 'idle')
            .map((step) => (
              <li key={step.node}>
                <button
                  type="button"
                  aria-pressed={selected === step.node}
                  onClick={() => onSelect(selected === step.node ? null : step.node)}
                  className={cx(
                    'flex w-full items-center gap-2.5 px-4 py-1.5 text-left text-sm -outline-offset-2! hover:bg-ink/4',
                    selected === step.node && 'bg-indigo-soft!',
                  )}
                >
                  <StepBadge state={step.state} dot />
                  <span className="min-w-0 flex-1 truncate">{titles.get(step.node) ?? step.node}</span>
                  <span className="text-xs text-ink-3">
                    {step.state !== 'skipped' && (
                      <Took
                        from={step.started_at}
                        to={step.finished_at}
                        ms={step.state === 'running' ? null : step.duration_ms}
                      />
                    )}
                  </span>
                </button>
              </li>
            ))}
          {run && run.steps.every((step) => step.state === 'idle') && (
            <li className="px-4 py-2 text-sm text-ink-3">{t.run.noStepsYet}</li>
          )}
        </ul>
        {run && selected !== null && titles.has(selected) && (
          <section aria-label={titles.get(selected)}>
            <h2 className="px-4 pt-4 font-medium">{titles.get(selected)}</h2>
            <StepInspector
              node={selected}
              run={run}
              step={steps[selected]}
              events={events}
              text={texts[selected] ?? ''}
              definition={definition}
            />
          </section>
        )}
        {open &&
          selected === null &&
          Object.entries(texts).map(
            ([node, text]) =>
              steps[node]?.state === 'running' && (
                <section key={node} className="p-4">
                  <h2 className="mb-1.5 text-sm font-medium">{titles.get(node) ?? node}</h2>
                  <LiveText text={text} />
                </section>
              ),
          )}
        {run && selected === null && run.output !== undefined && run.output !== null && (
          <section className="p-4">
            <h2 className="mb-1.5 text-sm font-medium">{t.run.runOutput}</h2>
            <JsonView value={run.output} label={t.run.runOutput} />
          </section>
        )}
      </div>
      <footer className="border-t px-4 py-2 text-sm">
        <Link to={`/runs/${id}`} className="rounded-sm text-indigo hover:underline">
          {t.run.openWhole}
        </Link>
      </footer>
    </div>
  );
}
