// What lies over a drawn graph: the states of steps while a run goes on, streamed text, and problems of the definition.
// A store of its own, so that a piece of streamed text paints one node and not the canvas.
import { createContext, useContext, useEffect, useState, type ReactNode } from 'react';
import { createStore, useStore } from 'zustand';
import type { Located, Step } from '@/api/types';

interface Overlay {
  steps: Record<string, Step> | null;
  texts: Record<string, string>;
  problems: Record<string, Located[]>;
}

const EMPTY: Overlay = { steps: null, texts: {}, problems: {} };
const makeStore = () => createStore<Overlay>(() => EMPTY);
const Context = createContext(makeStore());

export function OverlayProvider({ steps, texts, problems, children }: Partial<Overlay> & { children: ReactNode }) {
  const [store] = useState(makeStore);
  useEffect(() => {
    store.setState({ steps: steps ?? null, texts: texts ?? EMPTY.texts, problems: problems ?? EMPTY.problems });
  }, [store, steps, texts, problems]);
  return <Context value={store}>{children}</Context>;
}

/** The step of node @id; undefined: it has none yet; null: no run is shown. */
export function useStep(id: string): Step | undefined | null {
  return useStore(useContext(Context), (overlay) => (overlay.steps ? overlay.steps[id] : null));
}

export function useLiveText(id: string): string {
  return useStore(useContext(Context), (overlay) => overlay.texts[id] ?? '');
}

/** The step that runs, where one alone does: what a view of the run should follow. */
export function useActiveNode(): string | null {
  return useStore(useContext(Context), ({ steps }) => {
    const running = Object.values(steps ?? {}).filter((step) => step.state === 'running');
    return running.length === 1 ? (running[0]?.node ?? null) : null;
  });
}

const NO_PROBLEMS: Located[] = [];
export function useProblemsOf(id: string): Located[] {
  return useStore(useContext(Context), (overlay) => overlay.problems[id] ?? NO_PROBLEMS);
}
