// All runs, newest first, kept up to date while one goes on.
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link, useSearchParams } from 'react-router';
import type { RunState, RunSummary } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { workflowsQuery } from '@/flow/workflows';
import { ButtonLink } from '@/ui/button';
import { Select } from '@/ui/field';
import { Icon } from '@/ui/icon';
import { LoadMore } from '@/ui/load-more';
import { Card, Empty, Page, RowsSkeleton } from '@/ui/page';
import { ProblemNotice } from '@/ui/problem';
import { TimeAgo, Took } from '@/ui/time-text';
import { isFinal } from '@/run/fold';
import { runsQuery } from '@/run/queries';
import { RunBadge } from '@/run/run-state';

const STATES: RunState[] = ['queued', 'running', 'waiting', 'paused', 'poisoned', 'succeeded', 'failed', 'cancelled'];

export function RunList() {
  const t = useT();
  const [params, setParams] = useSearchParams();
  const workflow = params.get('workflow_id') ?? '';
  const state = STATES.find((one) => one === params.get('state'));
  const { data, error, isPending, isFetchingNextPage, hasNextPage, fetchNextPage, refetch } = useInfiniteQuery(
    runsQuery({ workflow_id: workflow, state }),
  );
  const workflows = useInfiniteQuery(workflowsQuery('', 200)).data?.pages.flatMap((page) => page.items) ?? [];
  const rows = data?.pages.flatMap((page) => page.items) ?? [];
  const put = (name: string, value: string) =>
    setParams(
      (before) => {
        const next = new URLSearchParams(before);
        if (value) next.set(name, value);
        else next.delete(name);
        return next;
      },
      { replace: true },
    );
  const names = workflows.map((one) => ({ value: one.id, label: one.name }));
  if (workflow && !names.some((one) => one.value === workflow))
    names.unshift({ value: workflow, label: rows[0]?.workflow_name ?? workflow });

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
      <Card>
        {isPending ? (
          <RowsSkeleton label={t.common.loading} />
        ) : error && !data ? (
          <ProblemNotice error={error} onRetry={() => void refetch()} />
        ) : rows.length > 0 ? (
          <ul className="divide-y">
            {rows.map((row) => (
              <Row key={row.id} row={row} />
            ))}
          </ul>
        ) : workflow || state ? (
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
        )}
      </Card>
      <LoadMore more={hasNextPage} busy={isFetchingNextPage} onMore={() => void fetchNextPage()} />
    </Page>
  );
}

function Row({ row }: { row: RunSummary }) {
  const t = useT();
  const triggers: Record<string, string> = t.flow.triggerKinds;
  return (
    <li className="relative flex items-center gap-3 px-4 py-3 transition-colors first:rounded-t-lg last:rounded-b-lg hover:bg-ink/3 md:gap-5">
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
    </li>
  );
}
