// One run: its graph with the states of its steps, its time line, its journal, and each step in full.
import { useMemo, useState } from 'react';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from 'react-router';
import type { Definition, Run } from '@/api/types';
import { useI18n, useT } from '@/i18n/i18n';
import { FlowView } from '@/flow/flow-view';
import { str } from '@/flow/model';
import { OverlayProvider } from '@/flow/overlay';
import { absolute } from '@/lib/time';
import { useIsNarrow, useTitle } from '@/lib/use';
import { Button, IconButton } from '@/ui/button';
import { CopyButton } from '@/ui/copy-button';
import { Dialog } from '@/ui/dialog';
import { Icon } from '@/ui/icon';
import { JsonView } from '@/ui/json-view';
import { Skeleton } from '@/ui/page';
import { ProblemNotice } from '@/ui/problem';
import { Tabs } from '@/ui/tabs';
import { TimeAgo, Took } from '@/ui/time-text';
import { useToast } from '@/ui/toast';
import { isFinal } from '@/run/fold';
import { Journal } from '@/run/journal';
import { runDefinitionQuery, useCancelRun, useKeepRun, usePauseRun } from '@/run/queries';
import { RunBadge } from '@/run/run-state';
import { StartDialog } from '@/run/start-dialog';
import { StepInspector } from '@/run/step-inspector';
import { Timeline } from '@/run/timeline';
import { useRun, type RunView } from '@/run/use-run';
import { CompareWith } from '@/features/runs/run-compare';

type View = 'timeline' | 'journal' | 'data';

export function RunDetail({ id }: { id: string }) {
  const t = useT();
  const view = useRun(id);
  useTitle(view.run ? `${view.run.workflow_name} · ${t.run.states[view.run.state]}` : t.run.title);
  if (view.run) return <Detail key={id} run={view.run} view={view} />;
  if (view.error) return <ProblemNotice error={view.error} onRetry={view.refetch} />;
  return (
    <div role="status" aria-label={t.common.loading} className="space-y-4 p-8">
      <Skeleton className="h-7 w-72" />
      <Skeleton className="h-72" />
      <Skeleton className="h-40" />
    </div>
  );
}

function Detail({ run, view }: { run: Run; view: RunView }) {
  const t = useT();
  const narrow = useIsNarrow();
  const fetched = useQuery(runDefinitionQuery(run));
  const definition = run.definition ?? fetched.data;
  const [selected, setSelected] = useState<string | null>(() =>
    narrow ? null : (run.steps.find((step) => step.state === 'failed')?.node ?? null),
  );
  const [tab, setTab] = useState<View>('timeline');
  const titles = useMemo(() => titlesOf(definition, run), [definition, run]);
  const inspector = selected !== null && (
    <StepInspector
      node={selected}
      run={run}
      step={view.steps[selected]}
      events={view.events}
      text={view.texts[selected] ?? ''}
      definition={definition}
    />
  );

  return (
    <OverlayProvider steps={view.steps} texts={view.texts}>
      <div className="flex h-full flex-col">
        <Head run={run} view={view} definition={definition} />
        <div className="flex min-h-0 flex-1">
          <div className="flex min-w-0 flex-1 flex-col">
            <div className="relative min-h-48 flex-1">
              {definition ? (
                <FlowView definition={definition} selected={selected} onSelect={setSelected} />
              ) : fetched.error ? (
                <p className="p-6 text-sm text-ink-2">{t.run.noGraph}</p>
              ) : (
                <Skeleton className="m-6 h-40" />
              )}
            </div>
            <Tabs<View>
              label={t.run.views}
              value={tab}
              onChange={setTab}
              className="h-[42%] min-h-56 shrink-0 border-t bg-surface"
              tabs={[
                { value: 'timeline', label: t.run.timeline },
                {
                  value: 'journal',
                  label: `${t.run.journal.title}${view.events.length ? ` (${view.events.length})` : ''}`,
                },
                { value: 'data', label: t.run.data },
              ]}
            >
              <div className="min-h-0 flex-1 overflow-y-auto">
                {tab === 'timeline' && (
                  <Timeline run={run} events={view.events} titles={titles} selected={selected} onSelect={setSelected} />
                )}
                {tab === 'journal' && <Journal events={view.events} titles={titles} onSelect={setSelected} />}
                {tab === 'data' && <Data run={run} />}
              </div>
            </Tabs>
          </div>
          {inspector && !narrow && (
            <aside aria-label={titles.get(selected)} className="flex w-92 shrink-0 flex-col border-l bg-linen xl:w-108">
              <header className="flex items-center border-b py-2.5 pr-2 pl-4">
                <h2 className="min-w-0 flex-1 truncate font-medium">{titles.get(selected)}</h2>
                <IconButton size="sm" icon="x" label={t.common.close} onClick={() => setSelected(null)} />
              </header>
              <div className="min-h-0 flex-1 overflow-y-auto">{inspector}</div>
            </aside>
          )}
        </div>
      </div>
      {inspector && narrow && (
        <Dialog open shape="bottom" title={titles.get(selected) ?? ''} onClose={() => setSelected(null)}>
          {inspector}
        </Dialog>
      )}
    </OverlayProvider>
  );
}

function titlesOf(definition: Definition | undefined, run: Run): Map<string, string> {
  const titles = new Map(run.steps.map((step) => [step.node, step.title || step.node]));
  for (const node of definition?.nodes ?? [])
    titles.set(node.id, str(node.data['title']) || titles.get(node.id) || node.id);
  return titles;
}

function Head({ run, view, definition }: { run: Run; view: RunView; definition: Definition | undefined }) {
  const { t, lang } = useI18n();
  const toast = useToast();
  const navigate = useNavigate();
  const cancel = useCancelRun(run.id);
  const pause = usePauseRun(run.id);
  const keep = useKeepRun(run.id);
  const [asking, setAsking] = useState(false);
  const [comparing, setComparing] = useState(false);
  const held = run.pause_requested ?? false;
  const open = !isFinal(run.state);
  const triggers: Record<string, string> = t.flow.triggerKinds;
  const version = run.version > 0 ? run.version : 'draft';
  return (
    <header className="shrink-0 border-b bg-surface px-4 py-3 md:px-5">
      <div className="flex items-center gap-3">
        <h1 className="min-w-0 flex-1 truncate font-serif text-[1.375rem] leading-8">
          <Link to={`/workflows/${run.workflow_id}`} className="rounded-sm hover:underline">
            {run.workflow_name}
          </Link>
        </h1>
        {open && (
          <Button
            icon={held ? 'play' : 'pause'}
            busy={pause.isPending}
            onClick={() => pause.mutate(held ? 'resume' : 'pause', { onError: toast.fail })}
          >
            {held ? t.run.resume : t.run.pause}
          </Button>
        )}
        {open && (
          <Button
            kind="danger"
            icon="stop"
            busy={cancel.isPending}
            onClick={() => cancel.mutate(undefined, { onError: toast.fail })}
          >
            {t.run.cancel}
          </Button>
        )}
        {!open && <IconButton icon="split" label={t.compare.with} onClick={() => setComparing(true)} />}
        {!open && (
          <Button
            icon="flag"
            aria-pressed={run.keep ?? false}
            busy={keep.isPending}
            onClick={() => keep.mutate(!run.keep, { onError: toast.fail })}
          >
            {run.keep ? t.run.kept : t.run.keep}
          </Button>
        )}
        {!open && (
          <Button icon="refresh" disabled={!definition} onClick={() => setAsking(true)}>
            {t.run.again}
          </Button>
        )}
      </div>
      <div className="mt-1 flex flex-wrap items-center gap-x-2 gap-y-1 text-sm text-ink-3">
        <RunBadge state={run.state} />
        <span className="mr-1 font-medium text-ink">
          <Took from={run.started_at ?? run.created_at} to={run.finished_at} ms={open ? null : run.duration_ms} />
        </span>
        <span>{triggers[run.trigger] ?? run.trigger}</span>·<span>{t.run.versionText(run.version)}</span>·
        <time dateTime={run.created_at}>{absolute(run.created_at, lang)}</time>
        <span className="hidden sm:inline">
          (<TimeAgo iso={run.created_at} />)
        </span>
        <span className="hidden items-center md:inline-flex">
          · <code className="code ml-2 text-xs">{run.id}</code>
          <CopyButton text={run.id} />
        </span>
      </div>
      {run.rerun_of && (
        <p className="mt-1.5 text-sm text-ink-3">
          <Link to={`/runs/${run.rerun_of.run_id}`} className="underline">
            {t.run.againOf}
          </Link>
          {run.rerun_of.from && ` ${t.run.fromStep(run.rerun_of.from)}`}
          {' · '}
          <Link to={`/runs/${run.rerun_of.run_id}/compare/${run.id}`} className="underline">
            {t.compare.open}
          </Link>
        </p>
      )}
      {run.dry_run && (
        <p className="mt-1.5 text-sm text-ink-2">
          <span className="font-medium text-ink">{t.run.dryRun}.</span> {t.run.dryRunText}
        </p>
      )}
      {run.parent && (
        <p className="mt-1.5 text-sm text-ink-3">
          <Link to={`/runs/${run.parent.run_id}`} className="underline">
            {t.run.startedBy(run.parent.node)}
          </Link>
        </p>
      )}
      {view.stream === 'waiting' && open && (
        <p role="status" className="mt-2 text-sm text-weld">
          {t.run.reconnecting}
        </p>
      )}
      {run.error && (
        <p role="alert" className="mt-2 flex gap-2 rounded-md bg-madder-soft px-3 py-2 text-sm">
          <Icon name="alert" size={16} className="mt-0.5 text-madder" />
          <span className="min-w-0 break-words">{run.error.message}</span>
          <code className="code ml-auto text-xs text-madder">{run.error.code}</code>
        </p>
      )}
      {comparing && <CompareWith run={run} onClose={() => setComparing(false)} />}
      {asking && definition && (
        <StartDialog
          workflowId={run.workflow_id}
          definition={definition}
          version={version}
          input={run.input ?? null}
          onClose={() => setAsking(false)}
          onStarted={(next) => void navigate(`/runs/${next.id}`)}
        />
      )}
    </header>
  );
}

function Data({ run }: { run: Run }) {
  const t = useT();
  return (
    <div className="grid gap-4 p-4 lg:grid-cols-2">
      <section>
        <h3 className="mb-1.5 text-sm font-medium">{t.run.input}</h3>
        <JsonView value={run.input ?? null} label={t.run.input} />
      </section>
      <section>
        <h3 className="mb-1.5 text-sm font-medium">{t.run.runOutput}</h3>
        {run.output !== undefined && run.output !== null ? (
          <JsonView value={run.output} label={t.run.runOutput} />
        ) : (
          <p className="text-sm text-ink-3">{t.run.noOutput}</p>
        )}
      </section>
    </div>
  );
}
