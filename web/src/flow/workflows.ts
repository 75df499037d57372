// Calls about workflows and their versions.
import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { api, request, withQuery } from '@/api/client';
import type { Definition, Page, Version, VersionSummary, Workflow, WorkflowDiff, WorkflowSummary } from '@/api/types';

export const workflowsQuery = (q: string, limit = 30) =>
  infiniteQueryOptions({
    queryKey: ['workflows', q, limit],
    queryFn: ({ pageParam, signal }) =>
      api.get<Page<WorkflowSummary>>(withQuery('/api/workflows', { q, limit, cursor: pageParam }), { signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  });

export const workflowQuery = (id: string) =>
  queryOptions({
    queryKey: ['workflow', id],
    queryFn: ({ signal }) => api.get<Workflow>(`/api/workflows/${id}`, { signal }),
  });

export const versionsQuery = (id: string) =>
  queryOptions({
    queryKey: ['versions', id],
    queryFn: async ({ signal }) =>
      (await api.get<Page<VersionSummary>>(withQuery(`/api/workflows/${id}/versions`, { limit: 200 }), { signal }))
        .items,
  });

export const versionQuery = (id: string, version: number) =>
  queryOptions({
    queryKey: ['version', id, version],
    queryFn: ({ signal }) => api.get<Version>(`/api/workflows/${id}/versions/${version}`, { signal }),
    staleTime: Infinity,
  });

/** What is other in @to than in @from: numbers of versions, "published" or "draft". */
export const diffQuery = (id: string, from: string, to: string) =>
  queryOptions({
    queryKey: ['workflow', id, 'diff', from, to],
    queryFn: ({ signal }) => api.get<WorkflowDiff>(withQuery(`/api/workflows/${id}/diff`, { from, to }), { signal }),
  });

export const createWorkflow = (definition: Definition) => api.post<Workflow>('/api/workflows', definition);
export const deleteWorkflow = (id: string) => api.delete(`/api/workflows/${id}`);
export const publishDraft = (id: string) => api.post<{ version: number }>(`/api/workflows/${id}/publish`, {});
export const publishVersion = (id: string, version: number) =>
  api.post<unknown>(`/api/workflows/${id}/versions/${version}/publish`, {});

/** Replace the draft; fails with 412 when its revision is not @revision any more (null: whatever it is). */
export async function putDraft(id: string, definition: Definition, revision: string | null): Promise<Workflow> {
  const headers = revision === null ? undefined : { 'If-Match': `"${revision}"` };
  return (await (await request('PUT', `/api/workflows/${id}`, definition, { headers })).json()) as Workflow;
}
