// Calls about runs.
import { infiniteQueryOptions, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { api, withQuery } from '@/api/client';
import type {
  Definition,
  ExecuteRequest,
  Page,
  RerunRequest,
  Run,
  RunComparison,
  RunState,
  RunSummary,
  TurnPage,
  Version,
  Workflow,
} from '@/api/types';
import { isFinal } from '@/run/fold';

export const runQuery = (id: string) =>
  queryOptions({
    queryKey: ['run', id],
    queryFn: ({ signal }) => api.get<Run>(`/api/runs/${id}`, { signal }),
    staleTime: 0,
  });

export interface RunFilter {
  workflow_id?: string;
  state?: RunState;
}

export const runsQuery = (filter: RunFilter, limit = 30) =>
  infiniteQueryOptions({
    queryKey: ['runs', filter, limit],
    queryFn: ({ pageParam, signal }) =>
      api.get<Page<RunSummary>>(withQuery('/api/runs', { ...filter, limit, cursor: pageParam }), { signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    // Quick while something goes on, slow otherwise; not at all once further pages are open, which would all be read again.
    refetchInterval: (query) => {
      const pages = query.state.data?.pages ?? [];
      if (pages.length > 1) return false;
      return pages.some((page) => page.items.some((run) => !isFinal(run.state))) ? 2000 : 8000;
    },
  });

/** The items or rounds of a step of a run; looked at again while it is @live and one page is open. */
export const turnsQuery = (run: string, node: string, live: boolean) =>
  infiniteQueryOptions({
    queryKey: ['run', run, 'items', node],
    queryFn: ({ pageParam, signal }) =>
      api.get<TurnPage>(withQuery(`/api/runs/${run}/items`, { node, from: pageParam, limit: 20 }), { signal }),
    initialPageParam: 0,
    getNextPageParam: (page) => page.next,
    refetchInterval: (query) => (live && (query.state.data?.pages.length ?? 0) < 2 ? 2000 : false),
  });

/** The graph a run ran, where the run itself does not tell: that of its version. */
export const runDefinitionQuery = ({
  workflow_id,
  version,
  definition,
}: Pick<Run, 'workflow_id' | 'version' | 'definition'>) =>
  queryOptions({
    queryKey: ['run-definition', workflow_id, version],
    queryFn: async ({ signal }): Promise<Definition> => {
      const path = `/api/workflows/${workflow_id}`;
      if (version > 0) return (await api.get<Version>(`${path}/versions/${version}`, { signal })).definition;
      return (await api.get<Workflow>(path, { signal })).definition;
    },
    enabled: definition === undefined,
    staleTime: 60_000,
  });

export function useStartRun(workflowId: string) {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: ({ key, ...body }: ExecuteRequest & { key: string }) =>
      api.post<Run>(
        `/api/workflows/${workflowId}/execute`,
        { ...body, mode: 'async' },
        { headers: { 'Idempotency-Key': key } },
      ),
    onSuccess: (run) => {
      if (Array.isArray(run.steps)) cache.setQueryData(['run', run.id], run);
      void cache.invalidateQueries({ queryKey: ['runs'] });
    },
  });
}

/** Two runs beside each other; what is told of runs that go on is of this moment. */
export const comparisonQuery = (left: string, right: string) =>
  queryOptions({
    queryKey: ['run', left, 'compare', right],
    queryFn: ({ signal }) =>
      api.get<RunComparison>(withQuery(`/api/runs/${left}/compare`, { with: right }), { signal }),
  });

export function useRerun(id: string) {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: (body: RerunRequest) => api.post<Run>(`/api/runs/${id}/rerun`, { ...body, mode: 'async' }),
    onSuccess: () => cache.invalidateQueries({ queryKey: ['runs'] }),
  });
}

/** Let it rest, or go on. */
export function usePauseRun(id: string) {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: (what: 'pause' | 'resume') => api.post<unknown>(`/api/runs/${id}/${what}`, {}),
    onSettled: () => cache.invalidateQueries({ queryKey: ['run', id] }),
  });
}

/** Keep it, however old it gets, or only as long as others. */
export function useKeepRun(id: string) {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: (keep: boolean) =>
      keep ? api.put<unknown>(`/api/runs/${id}/keep`, {}) : api.delete(`/api/runs/${id}/keep`),
    onSettled: () =>
      Promise.all([
        cache.invalidateQueries({ queryKey: ['run', id] }),
        cache.invalidateQueries({ queryKey: ['runs'] }),
      ]),
  });
}

export function useCancelRun(id: string) {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: () => api.post<unknown>(`/api/runs/${id}/cancel`, {}),
    onSettled: () => cache.invalidateQueries({ queryKey: ['run', id] }),
  });
}
