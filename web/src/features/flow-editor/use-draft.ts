// Ties an editor's store to the server: autosave, conflicts, and changes kept in the tab while they cannot be saved.
import { useEffect, useRef, useState } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import { api } from '@/api/client';
import type { Definition, Workflow } from '@/api/types';
import { isDefinition, toDefinition } from '@/flow/model';
import { putDraft, workflowQuery } from '@/flow/workflows';
import { isObject, tryParse } from '@/lib/json';
import { tab } from '@/lib/prefs';
import { DraftSaver, type SaveState } from '@/features/flow-editor/draft-saver';
import { createEditor, type EditorStore } from '@/features/flow-editor/store';

interface Kept {
  revision: string;
  definition: Definition;
}

function kept(id: string): Kept | null {
  const text = tab.recall(`draft.${id}`);
  const parsed = text === null ? null : tryParse(text);
  const value = parsed?.ok ? parsed.value : null;
  return isObject(value) && typeof value['revision'] === 'string' && isDefinition(value['definition'])
    ? (value as unknown as Kept)
    : null;
}

export interface Draft {
  store: EditorStore;
  save: SaveState;
  /** Edits of an earlier visit were found in this tab and put back. */
  restored: boolean;
  flush: () => Promise<boolean>;
  takeTheirs: () => Promise<void>;
  keepMine: () => Promise<boolean>;
}

export function useDraft(workflow: Workflow): Draft {
  const cache = useQueryClient();
  const [save, setSave] = useState<SaveState>({ kind: 'saved' });
  const [found] = useState(() => kept(workflow.id));
  const [store] = useState(() => createEditor(found?.definition ?? workflow.definition));
  const { id } = workflow;

  const [saver] = useState(
    () =>
      new DraftSaver({
        put: (definition, revision) => putDraft(id, definition, revision),
        revision: found?.revision ?? String(workflow.revision),
        onState: setSave,
        onSaved: (saved) => {
          cache.setQueryData(workflowQuery(id).queryKey, saved);
          void cache.invalidateQueries({ queryKey: ['workflows'] });
        },
        keep: (definition, revision) =>
          tab.remember(`draft.${id}`, definition && JSON.stringify({ revision, definition })),
      }),
  );

  useEffect(() => {
    if (found) saver.touch(found.definition);
    return store.subscribe((state, before) => {
      if (state.edit !== before.edit && state.edit > 0) saver.touch(toDefinition(state));
    });
  }, [store, saver, found]);

  useEffect(() => {
    const warn = (event: BeforeUnloadEvent) => {
      if (saver.pending) event.preventDefault();
    };
    window.addEventListener('beforeunload', warn);
    return () => {
      window.removeEventListener('beforeunload', warn);
      void saver.flush();
    };
  }, [saver]);

  // Somebody else saved while nothing was changed here: show theirs.
  const loaded = useRef(String(workflow.revision));
  useEffect(() => {
    const revision = String(workflow.revision);
    if (revision === loaded.current) return;
    loaded.current = revision;
    if (saver.pending || saver.knows(revision)) return;
    saver.reset(revision);
    store.getState().load(workflow.definition);
  }, [workflow, saver, store]);

  return {
    store,
    save,
    restored: found !== null,
    flush: () => saver.flush(),
    keepMine: () => saver.overwrite(),
    takeTheirs: async () => {
      const theirs = await api.get<Workflow>(`/api/workflows/${id}`);
      cache.setQueryData(workflowQuery(id).queryKey, theirs);
      saver.reset(String(theirs.revision));
      store.getState().load(theirs.definition);
    },
  };
}
