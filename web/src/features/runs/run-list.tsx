// All runs, newest first, kept up to date while one goes on.
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from 'react-router';
import type { RunState, RunSummary } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { useFilters } from '@/lib/use-filters';
import { workflowsQuery } from '@/flow/workflows';
import { ButtonLink } from '@/ui/button';
import { Select } from '@/ui/field';
import { Icon } from '@/ui/icon';
import { LinkRow, ListCard, rowsOf } from '@/ui/list-card';
import { Empty, Page } from '@/ui/page';
import { TimeAgo, Took } from '@/ui/time-text';
import { isFinal } from '@/run/fold';
import { runsQuery } from '@/run/queries';
import { RunBadge } from '@/run/run-state';

const STATES: RunState[] = ['queued', 'running', 'waiting', 'paused', 'poisoned', 'succeeded', 'failed', 'cancelled'];

export function RunList() {
  const t = useT();
  const [params, put] = useFilters();
  const workflow = params.get('workflow_id') ?? '';
  const state = STATES.find((one) => one === params.get('state'));
  const list = useInfiniteQuery(runsQuery({ workflow_id: workflow, state }));
  const workflows = rowsOf(useInfiniteQuery(workflowsQuery('', 200)));
  const names = workflows.map((one) => ({ value: one.id, label: one.name }));
  if (workflow && !names.some((one) => one.value === workflow))
    names.unshift({ value: workflow, label: rowsOf(list)[0]?.workflow_name ?? workflow });

  return (
    <Page title={t.runs.title}>
      <div className="mb-3 grid grid-cols-2 gap-2 sm:flex">
        <Select
          aria-label={t.runs.byWorkflow}
          className="w-full! sm:w-64!"
          value={workflow}
          onChange={(value) => put('workflow_id', value)}
          options={[{ value: '', label: t.runs.allWorkflows }, ...names]}
        />
        <Select
          aria-label={t.runs.byState}
          className="w-full! sm:w-44!"
          value={state ?? ''}
          onChange={(value) => put('state', value)}
          options={[
            { value: '', label: t.runs.allStates },
            ...STATES.map((one) => ({ value: one, label: t.run.states[one] })),
          ]}
        />
      </div>
      <ListCard
        list={list}
        id={(row) => row.id}
        row={(row) => <Row row={row} />}
        empty={
          workflow || state ? (
            <Empty title={t.common.nothingFound}>
              <p>{t.runs.noMatch}</p>
            </Empty>
          ) : (
            <Empty
              art={<Icon name="thread" size={56} />}
              title={t.runs.empty.title}
              actions={
                <ButtonLink to="/workflows" kind="primary" icon="workflow">
                  {t.runs.empty.go}
                </ButtonLink>
              }
            >
              <p>{t.runs.empty.text}</p>
            </Empty>
          )
        }
      />
    </Page>
  );
}

function Row({ row }: { row: RunSummary }) {
  const t = useT();
  const triggers: Record<string, string> = t.flow.triggerKinds;
  return (
    <LinkRow>
      <span className="w-auto shrink-0 sm:w-28">
        <span className="sm:hidden">
          <RunBadge state={row.state} dot />
        </span>
        <span className="hidden sm:inline">
          <RunBadge state={row.state} />
        </span>
      </span>
      <div className="min-w-0 flex-1">
        <Link to={`/runs/${row.id}`} className="block truncate font-medium after:absolute after:inset-0">
          {row.workflow_name}
          {row.keep && (
            <span className="ml-1.5 text-ink-3" title={t.run.kept}>
              <Icon name="flag" size={14} className="inline" />
              <span className="sr-only">{t.run.kept}</span>
            </span>
          )}
        </Link>
        <p className="truncate text-sm text-ink-3">
          {row.state === 'failed' && row.error ? (
            <span className="text-madder">{row.error.message}</span>
          ) : (
            [
              triggers[row.trigger] ?? row.trigger,
              t.run.versionText(row.version),
              ...(row.dry_run ? [t.run.dryRun] : []),
            ].join(' · ')
          )}
        </p>
      </div>
      <span className="hidden w-24 text-right text-sm text-ink-2 sm:block">
        <Took
          from={row.started_at ?? row.created_at}
          to={row.finished_at}
          ms={isFinal(row.state) ? row.duration_ms : null}
        />
      </span>
      <span className="w-auto text-right text-sm text-ink-3 sm:w-32">
        <TimeAgo iso={row.created_at} className="relative z-1" />
      </span>
    </LinkRow>
  );
}
