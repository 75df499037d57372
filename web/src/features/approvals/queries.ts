// Calls about steps that wait for people.
import { infiniteQueryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { api, withQuery } from '@/api/client';
import type { Approval, Decided, Json, Page } from '@/api/types';

export const approvalsQuery = infiniteQueryOptions({
  queryKey: ['approvals'],
  queryFn: ({ pageParam, signal }) =>
    api.get<Page<Approval>>(withQuery('/api/approvals', { limit: 30, cursor: pageParam }), { signal }),
  initialPageParam: null as string | null,
  getNextPageParam: (page) => page.next_cursor,
  // Others decide too; not at all once further pages are open, which would all be read again.
  refetchInterval: (query) => ((query.state.data?.pages.length ?? 0) > 1 ? false : 4000),
});

export interface DecideInput {
  decision: 'approve' | 'reject';
  comment?: string;
  data?: Json;
}

export function useDecide(id: string) {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: (input: DecideInput) => api.post<Decided>(`/api/approvals/${id}`, input),
    onSettled: () => cache.invalidateQueries({ queryKey: ['approvals'] }),
  });
}
