// Calls about the log of model calls.
import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { api, withQuery } from '@/api/client';
import type { ModelCall, ModelCallDetail, ModelCallOutcome, Page } from '@/api/types';

export interface CallFilter {
  model?: string;
  outcome?: ModelCallOutcome;
  agent?: string;
  end_user?: string;
}

export const callsQuery = (filter: CallFilter) =>
  infiniteQueryOptions({
    queryKey: ['calls', filter],
    queryFn: ({ pageParam, signal }) =>
      api.get<Page<ModelCall>>(withQuery('/api/calls', { ...filter, limit: 50, cursor: pageParam }), { signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    // Not at all once further pages are open, which would all be read again.
    refetchInterval: (query) => ((query.state.data?.pages.length ?? 0) > 1 ? false : 5000),
  });

export const callQuery = (id: string) =>
  queryOptions({
    queryKey: ['call', id],
    queryFn: ({ signal }) => api.get<ModelCallDetail>(`/api/calls/${id}`, { signal }),
  });
