// All workflows, newest first.
import { useState, type ReactNode } from 'react';
import { keepPreviousData, useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate, useSearchParams } from 'react-router';
import { api } from '@/api/client';
import type { Workflow, WorkflowSummary } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { createWorkflow, deleteWorkflow, workflowsQuery } from '@/flow/workflows';
import { useDebounced } from '@/lib/use';
import { Button } from '@/ui/button';
import { Dialog } from '@/ui/dialog';
import { TextInput } from '@/ui/field';
import { LinkRow, ListCard, rowsOf } from '@/ui/list-card';
import { Mark } from '@/ui/logo';
import { Menu } from '@/ui/menu';
import { Empty, Page } from '@/ui/page';
import { ProblemNotice } from '@/ui/problem';
import { TimeAgo } from '@/ui/time-text';
import { useToast } from '@/ui/toast';
import { NewDialog } from '@/features/workflows/new-dialog';

interface WorkflowListProps {
  apiDialog: (workflow: WorkflowSummary, onClose: () => void) => ReactNode;
}

export function WorkflowList({ apiDialog }: WorkflowListProps) {
  const t = useT();
  const [params, setParams] = useSearchParams();
  const [search, setSearch] = useState('');
  const q = useDebounced(search.trim(), 250);
  const list = useInfiniteQuery({ ...workflowsQuery(q), placeholderData: keepPreviousData });
  const [shown, setShown] = useState<WorkflowSummary | null>(null);
  const [doomed, setDoomed] = useState<WorkflowSummary | null>(null);
  const setNew = (open: boolean) => setParams(open ? { new: '1' } : {}, { replace: !open });
  const none = list.data && rowsOf(list).length === 0 && q === '' && search === '';

  return (
    <Page
      title={t.workflows.title}
      actions={
        !none && (
          <Button kind="primary" icon="plus" onClick={() => setNew(true)}>
            {t.workflows.new}
          </Button>
        )
      }
    >
      {!none && (
        <div className="mb-3 max-w-sm">
          <TextInput
            type="search"
            aria-label={t.workflows.search}
            placeholder={t.workflows.search}
            value={search}
            onChange={(event) => setSearch(event.target.value)}
          />
        </div>
      )}
      <ListCard
        list={list}
        id={(row) => row.id}
        row={(row) => <Row row={row} onApi={() => setShown(row)} onDelete={() => setDoomed(row)} />}
        empty={
          none ? (
            <Empty
              art={<Mark size={64} />}
              title={t.workflows.empty.title}
              actions={
                <Button kind="primary" icon="plus" onClick={() => setNew(true)}>
                  {t.workflows.empty.go}
                </Button>
              }
            >
              <p>{t.workflows.empty.text}</p>
              <ol className="mx-auto mt-4 max-w-sm list-decimal space-y-1 pl-5 text-left marker:text-ink-3">
                {t.workflows.empty.steps.map((step) => (
                  <li key={step}>{step}</li>
                ))}
              </ol>
            </Empty>
          ) : (
            <Empty title={t.common.nothingFound}>
              <p>{t.workflows.noMatch(q)}</p>
            </Empty>
          )
        }
      />
      {params.has('new') && <NewDialog onClose={() => setNew(false)} />}
      {shown && apiDialog(shown, () => setShown(null))}
      {doomed && <DeleteDialog row={doomed} onClose={() => setDoomed(null)} />}
    </Page>
  );
}

function Row({ row, onApi, onDelete }: { row: WorkflowSummary; onApi: () => void; onDelete: () => void }) {
  const t = useT();
  const toast = useToast();
  const cache = useQueryClient();
  const navigate = useNavigate();
  const copy = useMutation({
    mutationFn: async () => {
      const { definition } = await api.get<Workflow>(`/api/workflows/${row.id}`);
      return createWorkflow({ ...definition, name: t.workflows.copyName(definition.name) });
    },
    onSuccess: (made) => {
      void cache.invalidateQueries({ queryKey: ['workflows'] });
      void navigate(`/workflows/${made.id}`);
    },
    onError: toast.fail,
  });
  return (
    <LinkRow>
      <div className="min-w-0 flex-1">
        <Link to={`/workflows/${row.id}`} className="block truncate font-medium after:absolute after:inset-0">
          {row.name}
        </Link>
        <p className="truncate text-sm text-ink-3">{row.description || t.workflows.noDescription}</p>
      </div>
      {row.published_version !== null ? (
        <span className="rounded-full bg-green-soft px-2.5 py-0.5 text-xs font-medium whitespace-nowrap text-green">
          {t.workflows.live(row.published_version)}
        </span>
      ) : (
        <span className="rounded-full bg-sunken px-2.5 py-0.5 text-xs font-medium text-ink-2">{t.workflows.draft}</span>
      )}
      <span className="hidden w-32 text-right text-sm text-ink-3 sm:block">
        <TimeAgo iso={row.updated_at} className="relative z-1" />
      </span>
      <span className="relative z-1">
        <Menu
          label={t.workflows.actions(row.name)}
          size="sm"
          items={[
            { label: t.workflows.runs, icon: 'activity', onSelect: () => void navigate(`/runs?workflow_id=${row.id}`) },
            { label: t.editor.api, icon: 'code', onSelect: onApi },
            { label: t.workflows.duplicate, icon: 'copy', onSelect: () => copy.mutate() },
            'line',
            { label: t.common.delete, icon: 'trash', danger: true, onSelect: onDelete },
          ]}
        />
      </span>
    </LinkRow>
  );
}

function DeleteDialog({ row, onClose }: { row: WorkflowSummary; onClose: () => void }) {
  const t = useT();
  const toast = useToast();
  const cache = useQueryClient();
  const remove = useMutation({
    mutationFn: () => deleteWorkflow(row.id),
    onSuccess: () => {
      void cache.invalidateQueries({ queryKey: ['workflows'] });
      toast.ok(t.workflows.deleted(row.name));
      onClose();
    },
  });
  return (
    <Dialog
      open
      title={t.workflows.deleteTitle}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>{t.common.cancel}</Button>
          <Button kind="danger" icon="trash" busy={remove.isPending} onClick={() => remove.mutate()}>
            {t.common.delete}
          </Button>
        </>
      }
    >
      <div className="space-y-3 p-5">
        <p>{t.workflows.deleteText(row.name)}</p>
        {remove.error && <ProblemNotice compact error={remove.error} />}
      </div>
    </Dialog>
  );
}
