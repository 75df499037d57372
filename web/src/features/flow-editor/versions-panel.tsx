// The versions of a workflow: what was published when, to look at and to publish again.
import { useState } from 'react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { Workflow } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { FlowView } from '@/flow/flow-view';
import { publishVersion, versionQuery, versionsQuery, workflowQuery } from '@/flow/workflows';
import { pretty } from '@/lib/json';
import { Button, IconButton } from '@/ui/button';
import { CodeArea } from '@/ui/code-area';
import { Dialog } from '@/ui/dialog';
import { Segmented } from '@/ui/field';
import { RowsSkeleton, Skeleton } from '@/ui/page';
import { ProblemNotice } from '@/ui/problem';
import { TimeAgo } from '@/ui/time-text';
import { useToast } from '@/ui/toast';
import { useShared } from '@/features/flow-editor/editor-context';
import { VersionChanges } from '@/features/flow-editor/version-changes';

export function VersionsPanel({ workflow, onClose }: { workflow: Workflow; onClose: () => void }) {
  const t = useT();
  const { data, error, isPending, refetch } = useQuery(versionsQuery(workflow.id));
  const [viewed, setViewed] = useState<number | null>(null);
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <header className="flex items-center border-b py-2.5 pr-2 pl-4">
        <h2 className="flex-1 font-medium">{t.editor.versions}</h2>
        <IconButton size="sm" icon="x" label={t.common.close} onClick={onClose} />
      </header>
      <div className="min-h-0 flex-1 overflow-y-auto">
        {isPending && <RowsSkeleton rows={3} label={t.common.loading} />}
        {error && (
          <div className="p-3">
            <ProblemNotice compact error={error} onRetry={() => void refetch()} />
          </div>
        )}
        {data?.length === 0 && <p className="p-4 text-sm text-ink-2">{t.editor.noVersions}</p>}
        <ul className="divide-y">
          {data?.map((one) => (
            <li key={one.version}>
              <button
                type="button"
                onClick={() => setViewed(one.version)}
                className="flex w-full items-center gap-3 px-4 py-3 text-left -outline-offset-2! hover:bg-ink/4"
              >
                <span className="flex-1">
                  <span className="block font-medium">{t.editor.version(one.version)}</span>
                  <TimeAgo iso={one.created_at} className="text-xs text-ink-3" />
                </span>
                {one.version === workflow.published_version && (
                  <span className="rounded-full bg-green-soft px-2 py-0.5 text-xs text-green">{t.editor.live}</span>
                )}
              </button>
            </li>
          ))}
        </ul>
      </div>
      {viewed !== null && <VersionDialog workflow={workflow} version={viewed} onClose={() => setViewed(null)} />}
    </div>
  );
}

function VersionDialog({ workflow, version, onClose }: { workflow: Workflow; version: number; onClose: () => void }) {
  const t = useT();
  const toast = useToast();
  const cache = useQueryClient();
  const { store } = useShared();
  const { data, error, refetch } = useQuery(versionQuery(workflow.id, version));
  const [view, setView] = useState<'graph' | 'changes' | 'json'>('graph');
  const publish = useMutation({
    mutationFn: () => publishVersion(workflow.id, version),
    onSuccess: async () => {
      await cache.invalidateQueries({ queryKey: workflowQuery(workflow.id).queryKey });
      void cache.invalidateQueries({ queryKey: ['workflows'] });
      toast.ok(t.editor.published(version));
      onClose();
    },
    onError: toast.fail,
  });
  const take = () => {
    if (data) store.getState().replace(data.definition);
    toast.ok(t.editor.broughtBack(version));
    onClose();
  };
  const live = version === workflow.published_version;
  return (
    <Dialog
      open
      shape="wide"
      title={t.editor.version(version)}
      onClose={onClose}
      footer={
        <>
          <span className="mr-auto">
            <Segmented
              label={t.editor.view}
              value={view}
              onChange={setView}
              options={[
                { value: 'graph', label: t.editor.graph },
                { value: 'changes', label: t.compare.versions.view },
                { value: 'json', label: 'JSON' },
              ]}
            />
          </span>
          <Button disabled={!data} icon="history" onClick={take}>
            {t.editor.bringBack}
          </Button>
          <Button
            kind="primary"
            icon="publish"
            busy={publish.isPending}
            disabled={!data || live}
            onClick={() => publish.mutate()}
          >
            {live ? t.editor.live : t.editor.publishThis}
          </Button>
        </>
      }
    >
      <div className="h-[60dvh]">
        {error ? (
          <ProblemNotice error={error} onRetry={() => void refetch()} />
        ) : !data ? (
          <Skeleton className="m-5 h-40" />
        ) : view === 'graph' ? (
          <FlowView definition={data.definition} />
        ) : view === 'changes' ? (
          <VersionChanges workflow={workflow} version={version} />
        ) : (
          <CodeArea
            language="json"
            numbered
            value={pretty(data.definition)}
            boxClassName="h-full rounded-none! border-0!"
            aria-label="JSON"
          />
        )}
      </div>
    </Dialog>
  );
}
