// The editor of one workflow: loads it, then puts bar, palette, canvas and panels together.
import { useCallback, useEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { ReactFlowProvider } from '@xyflow/react';
import { useNavigate } from 'react-router';
import { useStore } from 'zustand';
import type { Json, Located, Run, Workflow } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { toDefinition, type Graph } from '@/flow/model';
import { OverlayProvider } from '@/flow/overlay';
import { createWorkflow, publishDraft, workflowQuery } from '@/flow/workflows';
import { cx } from '@/lib/cx';
import { downloadText } from '@/lib/clipboard';
import { pretty } from '@/lib/json';
import { useIsNarrow, useTitle } from '@/lib/use';
import { IconButton } from '@/ui/button';
import { Dialog } from '@/ui/dialog';
import { Skeleton } from '@/ui/page';
import { ProblemNotice } from '@/ui/problem';
import { useToast } from '@/ui/toast';
import { StartDialog } from '@/run/start-dialog';
import { useRun } from '@/run/use-run';
import { EditorCanvas } from '@/features/flow-editor/editor-canvas';
import { EditorContext, type EditorShared } from '@/features/flow-editor/editor-context';
import { fileName, JsonPane } from '@/features/flow-editor/json-pane';
import { NodePanel } from '@/features/flow-editor/node-panel';
import { Palette } from '@/features/flow-editor/palette';
import { RunPanel } from '@/features/flow-editor/run-panel';
import { ConflictBar } from '@/features/flow-editor/save-state';
import { Toolbar } from '@/features/flow-editor/toolbar';
import { useDraft } from '@/features/flow-editor/use-draft';
import { useEditorActions } from '@/features/flow-editor/use-editor-actions';
import { useEditorKeys } from '@/features/flow-editor/use-editor-keys';
import { useValidation } from '@/features/flow-editor/use-validation';
import { VersionsPanel } from '@/features/flow-editor/versions-panel';
import { WorkflowPanel } from '@/features/flow-editor/workflow-panel';

interface FlowEditorProps {
  id: string;
  /** How the workflow is called from outside; another feature's dialog. */
  apiDialog: (workflow: Workflow, onClose: () => void) => ReactNode;
}

export function FlowEditor({ id, apiDialog }: FlowEditorProps) {
  const t = useT();
  const { data, error, refetch } = useQuery({ ...workflowQuery(id), staleTime: 0 });
  if (!data && error) return <ProblemNotice error={error} onRetry={() => void refetch()} />;
  if (!data)
    return (
      <div role="status" aria-label={t.common.loading} className="h-full">
        <div className="flex h-14 items-center gap-3 border-b bg-surface px-4">
          <Skeleton className="w-48" />
          <Skeleton className="ml-auto h-8 w-24" />
        </div>
      </div>
    );
  return (
    <ReactFlowProvider key={id}>
      <Editor workflow={data} apiDialog={apiDialog} />
    </ReactFlowProvider>
  );
}

type Panel = 'node' | 'workflow' | 'versions' | null;

function Editor({ workflow, apiDialog }: { workflow: Workflow; apiDialog: FlowEditorProps['apiDialog'] }) {
  const { id } = workflow;
  const t = useT();
  const toast = useToast();
  const cache = useQueryClient();
  const navigate = useNavigate();
  const narrow = useIsNarrow();
  const draft = useDraft(workflow);
  const { store } = draft;
  const problems = useValidation(id, store);
  const actions = useEditorActions(store);
  const [panel, setPanel] = useState<Panel>(null);
  const [json, setJson] = useState(false);
  const [palette, setPalette] = useState(!narrow);
  const [focus, setFocus] = useState<EditorShared['focus']>(null);
  const [dialog, setDialog] = useState<'api' | 'start' | null>(null);
  const [runId, setRunId] = useState<string | null>(null);
  const [runNode, setRunNode] = useState<string | null>(null);
  const view = useRun(runId);
  const outputs = useOutputs(view.run);
  const name = useStore(store, (state) => state.meta.name);
  const hasTrigger = useStore(store, (state) => state.nodes.some((node) => node.type === 'trigger'));
  const selected = useStore(store, onlySelected);
  useTitle(name);

  const told = useRef(false);
  useEffect(() => {
    if (draft.restored && !told.current) toast.ok(t.editor.restored);
    told.current = true;
  }, [draft.restored, toast, t]);

  const openNode = useCallback(
    (node: string, byKeyboard = false) => {
      if (runId !== null) return setRunNode(node);
      setPanel('node');
      if (byKeyboard) setFocus((before) => ({ node, field: 'title', n: (before?.n ?? 0) + 1 }));
    },
    [runId],
  );
  const closeAll = () => {
    if (runId !== null) return setRunNode(null);
    setPanel(null);
    store.getState().select(null);
  };
  const closeRun = () => {
    setRunId(null);
    setRunNode(null);
  };
  const add = (type: string) => {
    actions.add(type);
    if (narrow) setPalette(false);
    setPanel('node');
  };
  const goTo = (problem: Located) => {
    closeRun();
    setJson(false);
    if (!actions.reveal(problem)) return setPanel('workflow');
    setPanel('node');
    setFocus((before) => ({ node: problem.node ?? '', field: problem.field ?? '', n: (before?.n ?? 0) + 1 }));
  };

  const publish = useMutation({
    mutationFn: async () => ((await draft.flush()) ? publishDraft(id) : null),
    onSuccess: async (result) => {
      if (!result) return toast.fail(new Error(t.editor.notSaved));
      await Promise.all(
        [['workflow', id], ['versions', id], ['workflows']].map((queryKey) => cache.invalidateQueries({ queryKey })),
      );
      toast.ok(t.editor.published(result.version));
    },
    onError: toast.fail,
  });
  const ask = useMutation({
    mutationFn: () => draft.flush(),
    onSuccess: (saved) => (saved ? setDialog('start') : toast.fail(new Error(t.editor.notSaved))),
  });
  const saveCopy = async () => {
    const definition = toDefinition(store.getState());
    const made = await createWorkflow({ ...definition, name: t.workflows.copyName(definition.name) });
    await draft.takeTheirs();
    await navigate(`/workflows/${made.id}`);
  };

  useEditorKeys(store, {
    save: () => void draft.flush(),
    run: () => ask.mutate(),
    close: closeAll,
    readOnly: json || runId !== null,
  });

  const shared = useMemo<EditorShared>(
    () => ({
      store,
      problems: problems.byNode,
      outputs,
      focus,
      webhookUrl: workflow.webhook_url ?? null,
      formUrl: workflow.form_url ?? null,
      chatUrl: workflow.chat_url ?? null,
      workflowId: id,
      flush: draft.flush,
    }),
    [
      store,
      problems.byNode,
      outputs,
      focus,
      workflow.webhook_url,
      workflow.form_url,
      workflow.chat_url,
      id,
      draft.flush,
    ],
  );
  const close = () => setPanel(null);
  const side =
    runId !== null
      ? {
          title: t.run.title,
          body: (
            <RunPanel
              id={runId}
              view={view}
              store={store}
              selected={runNode}
              onSelect={setRunNode}
              onClose={closeRun}
              onAgain={() => ask.mutate()}
            />
          ),
        }
      : panel === 'workflow'
        ? { title: t.editor.workflow, body: <WorkflowPanel onClose={close} /> }
        : panel === 'versions'
          ? { title: t.editor.versions, body: <VersionsPanel workflow={workflow} onClose={close} /> }
          : panel === 'node' && selected !== null
            ? { title: t.editor.settings, body: <NodePanel key={selected} id={selected} onClose={closeAll} /> }
            : null;
  const docked = !narrow && !json && runId === null;

  return (
    <EditorContext value={shared}>
      <OverlayProvider steps={runId === null ? null : view.steps} texts={view.texts} problems={problems.byNode}>
        <div className="flex h-full flex-col">
          <Toolbar
            workflow={workflow}
            save={draft.save}
            problems={problems}
            json={json}
            busy={{ publish: publish.isPending, run: ask.isPending }}
            on={{
              json: () => setJson(!json),
              layout: actions.layout,
              workflow: () => setPanel('workflow'),
              versions: () => setPanel('versions'),
              api: () => setDialog('api'),
              publish: () => publish.mutate(),
              run: () => ask.mutate(),
              download: () => downloadText(fileName(name), pretty(toDefinition(store.getState()))),
              problem: goTo,
            }}
          />
          {draft.save.kind === 'conflict' && (
            <ConflictBar
              onTheirs={() => void draft.takeTheirs().catch(toast.fail)}
              onMine={() => void draft.keepMine()}
              onCopy={() => void saveCopy().catch(toast.fail)}
            />
          )}
          <div className="relative flex min-h-0 flex-1 max-md:flex-col">
            {docked && palette && (
              <aside aria-label={t.editor.palette} className="flex w-60 shrink-0 flex-col border-r bg-surface">
                <Palette hasTrigger={hasTrigger} onPick={add} />
              </aside>
            )}
            <div className="relative min-h-0 min-w-0 flex-1">
              {json ? <JsonPane /> : <EditorCanvas readOnly={runId !== null} onOpenNode={openNode} />}
              {!json && runId === null && (
                <IconButton
                  icon={docked && palette ? 'panel' : 'plus'}
                  label={docked && palette ? t.editor.hidePalette : t.editor.addNode}
                  onClick={() => setPalette(!palette)}
                  className={cx(
                    'absolute! top-3 left-3 z-5 border bg-raised! shadow-sm',
                    docked && palette && 'rotate-180',
                  )}
                />
              )}
            </div>
            {side && narrow && runId !== null && (
              <aside aria-label={side.title} className="flex h-[46dvh] shrink-0 flex-col border-t bg-linen">
                {side.body}
              </aside>
            )}
            {side && !narrow && (
              <aside aria-label={side.title} className="flex w-92 shrink-0 flex-col border-l bg-linen xl:w-104">
                {side.body}
              </aside>
            )}
          </div>
        </div>
        {narrow && palette && runId === null && (
          <Dialog open shape="bottom" title={t.editor.addNode} onClose={() => setPalette(false)}>
            <Palette hasTrigger={hasTrigger} onPick={add} />
          </Dialog>
        )}
        {narrow && side && runId === null && (
          <Dialog open bare shape="bottom" title={side.title} onClose={closeAll}>
            <div className="flex max-h-[80dvh] flex-col">{side.body}</div>
          </Dialog>
        )}
        {dialog === 'start' && (
          <StartDialog
            workflowId={id}
            definition={toDefinition(store.getState())}
            version="draft"
            onClose={() => setDialog(null)}
            onStarted={(run) => {
              setDialog(null);
              setJson(false);
              closeRun();
              setRunId(run.id);
            }}
          />
        )}
        {dialog === 'api' && apiDialog(workflow, () => setDialog(null))}
      </OverlayProvider>
    </EditorContext>
  );
}

function onlySelected({ nodes }: Graph): string | null {
  const chosen = nodes.filter((node) => node.selected);
  return chosen.length === 1 ? (chosen[0]?.id ?? null) : null;
}

/** The outputs of the last run seen here: what templates may read, with real values. */
function useOutputs(run: Run | undefined): Record<string, Json> {
  const [outputs, setOutputs] = useState<Record<string, Json>>({});
  const [seen, setSeen] = useState(run?.steps);
  if (run && run.steps !== seen) {
    setSeen(run.steps);
    const given = run.steps.flatMap((step) =>
      step.output === undefined || step.output === null ? [] : [[step.node, step.output] as const],
    );
    setOutputs((before) => ({ ...before, ...Object.fromEntries(given) }));
  }
  return outputs;
}
