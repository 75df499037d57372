// Lets the server look at the draft while it is drawn, and sorts what it finds by node.
import { useMemo } from 'react';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useStore } from 'zustand';
import { api } from '@/api/client';
import type { Located, Validation } from '@/api/types';
import { toDefinition } from '@/flow/model';
import { pointerParts } from '@/lib/json';
import { useDebounced } from '@/lib/use';
import type { EditorStore } from '@/features/flow-editor/store';

export interface Problems {
  all: Located[];
  byNode: Record<string, Located[]>;
  errors: number;
  /** Whether the check itself could be made. */
  checked: boolean;
}

const NONE: Problems = { all: [], byNode: {}, errors: 0, checked: false };

/** Problems with their nodes; the node is taken from the path where it is not named. */
export function sortProblems(validation: Validation, nodeIds: string[]): Problems {
  const all = [...validation.errors, ...validation.warnings.map((one) => ({ ...one, warning: true }))].map((one) => {
    const [list, index, data, ...field] = pointerParts(one.path);
    const node = one.node || (list === 'nodes' ? (nodeIds[Number(index)] ?? '') : '');
    return { ...one, node, field: one.field || (data === 'data' ? field.join('/') : '') };
  });
  const byNode: Record<string, Located[]> = {};
  for (const one of all) (byNode[one.node] ??= []).push(one);
  return { all, byNode, errors: validation.errors.length, checked: true };
}

export function useValidation(workflowId: string, store: EditorStore): Problems {
  const edit = useDebounced(
    useStore(store, (state) => state.edit),
    350,
  );
  const { data } = useQuery({
    queryKey: ['validate', workflowId, edit],
    queryFn: ({ signal }) =>
      api.post<Validation>('/api/workflows/validate', toDefinition(store.getState()), { signal }),
    placeholderData: keepPreviousData,
    gcTime: 0,
    staleTime: Infinity,
    retry: 1,
  });
  return useMemo(
    () =>
      data
        ? sortProblems(
            data,
            store.getState().nodes.map((node) => node.id),
          )
        : NONE,
    [data, store],
  );
}
