// What all parts of one editor share: its store, and where the attention is.
import { createContext, useContext } from 'react';
import { useStore } from 'zustand';
import type { Json, Located } from '@/api/types';
import type { EditorState, EditorStore } from '@/features/flow-editor/store';

export interface EditorShared {
  store: EditorStore;
  /** Problems by node id; those of the workflow itself under ''. */
  problems: Record<string, Located[]>;
  /** Outputs of the last run seen here, by node: what templates may read. */
  outputs: Record<string, Json>;
  /** Where the workflow's webhook is called, where its form and its chat are. */
  webhookUrl: string | null;
  formUrl: string | null;
  chatUrl: string | null;
  workflowId: string;
  /** Save what is not saved yet; whether it is saved then. */
  flush: () => Promise<boolean>;
  /** A field to bring into sight, as asked for in the problem list. */
  focus: { node: string; field: string; n: number } | null;
}

export const EditorContext = createContext<EditorShared | null>(null);

export function useShared(): EditorShared {
  const shared = useContext(EditorContext);
  if (!shared) throw new Error('not inside an editor');
  return shared;
}

export function useEditor<T>(select: (state: EditorState) => T): T {
  return useStore(useShared().store, select);
}

/** Problems of @node whose field is @field or lies inside it. */
export function useFieldProblems(node: string, field: string): Located[] {
  const all = useShared().problems[node] ?? [];
  return all.filter(
    (problem) =>
      problem.field === field || problem.field?.startsWith(`${field}/`) || problem.field?.startsWith(`${field}.`),
  );
}
