// Calls about prompts.
import { infiniteQueryOptions, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { api, withQuery } from '@/api/client';
import type { Json, Page, Prompt, PromptDiff, PromptVersion } from '@/api/types';

export const promptsQuery = infiniteQueryOptions({
  queryKey: ['prompts'],
  queryFn: ({ pageParam, signal }) =>
    api.get<Page<Prompt>>(withQuery('/api/prompts', { limit: 50, cursor: pageParam }), { signal }),
  initialPageParam: null as string | null,
  getNextPageParam: (page) => page.next_cursor,
});

export const promptQuery = (id: string) =>
  queryOptions({
    queryKey: ['prompt', id],
    queryFn: ({ signal }) => api.get<Prompt>(`/api/prompts/${id}`, { signal }),
  });

export const versionsQuery = (id: string) =>
  infiniteQueryOptions({
    queryKey: ['prompt', id, 'versions'],
    queryFn: ({ pageParam, signal }) =>
      api.get<Page<PromptVersion>>(withQuery(`/api/prompts/${id}/versions`, { limit: 50, cursor: pageParam }), {
        signal,
      }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  });

/** A version never changes. */
export const versionQuery = (id: string, version: number) =>
  queryOptions({
    queryKey: ['prompt', id, 'version', version],
    queryFn: ({ signal }) => api.get<PromptVersion>(`/api/prompts/${id}/versions/${version}`, { signal }),
    staleTime: Infinity,
  });

export const diffQuery = (id: string, from: number, to: number) =>
  queryOptions({
    queryKey: ['prompt', id, 'diff', from, to],
    queryFn: ({ signal }) => api.get<PromptDiff>(withQuery(`/api/prompts/${id}/diff`, { from, to }), { signal }),
    staleTime: Infinity,
  });

export function useCreatePrompt() {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: (input: { name: string; description: string; prompt: Json }) => api.post<Prompt>('/api/prompts', input),
    onSuccess: () => cache.invalidateQueries({ queryKey: ['prompts'] }),
  });
}

export function useAddVersion(id: string) {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: (input: { prompt: Json; note: string; publish: boolean; revision: number }) =>
      api.post<PromptVersion>(`/api/prompts/${id}/versions`, input),
    onSuccess: () => cache.invalidateQueries({ queryKey: ['prompt', id] }),
  });
}

export function usePublish(prompt: Prompt) {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: (version: number) =>
      api.put<Prompt>(`/api/prompts/${prompt.id}/labels/published`, { version, revision: prompt.revision }),
    onSettled: () => cache.invalidateQueries({ queryKey: ['prompt', prompt.id] }),
  });
}
