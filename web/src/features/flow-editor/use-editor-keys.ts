// The keyboard of the canvas. Nothing is taken while somebody types or a dialog is open.
import { useEffect } from 'react';
import { useLatest } from '@/lib/use';
import { useFrame } from '@/flow/camera';
import { cleanEdge, cleanNode, type FlowEdge, type FlowNode } from '@/flow/model';
import { isObject, tryParse } from '@/lib/json';
import type { EditorStore } from '@/features/flow-editor/store';

interface Actions {
  save: () => void;
  run: () => void;
  close: () => void;
  readOnly: boolean;
}

const FORMAT = 'heddle-nodes';
/** The clipboard of this window, for where the browser's may not be read. */
let held = '';

function isTyping(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest('input, textarea, select, [contenteditable=true]') !== null;
}

export function copyOf(nodes: FlowNode[], edges: FlowEdge[]): string | null {
  const chosen = nodes.filter((node) => node.selected);
  if (chosen.length === 0) return null;
  const ids = new Set(chosen.map((node) => node.id));
  return JSON.stringify({
    [FORMAT]: 1,
    nodes: chosen.map(cleanNode),
    edges: edges.filter((edge) => ids.has(edge.source) && ids.has(edge.target)).map(cleanEdge),
  });
}

export function readCopy(text: string): { nodes: FlowNode[]; edges: FlowEdge[] } | null {
  const parsed = tryParse(text);
  if (!parsed.ok || !isObject(parsed.value) || parsed.value[FORMAT] !== 1) return null;
  const { nodes, edges } = parsed.value;
  return Array.isArray(nodes) && Array.isArray(edges)
    ? { nodes: nodes as FlowNode[], edges: edges as FlowEdge[] }
    : null;
}

export function duplicate(store: EditorStore): void {
  const { nodes, edges, paste } = store.getState();
  const copy = readCopy(copyOf(nodes, edges) ?? '');
  if (copy) paste(copy, { x: 32, y: 48 });
}

export function useEditorKeys(store: EditorStore, actions: Actions): void {
  const now = useLatest(actions);
  const frame = useFrame();

  useEffect(() => {
    const blocked = (event: Event) =>
      isTyping(event.target) ||
      document.querySelector('dialog[open]') !== null ||
      (window.getSelection()?.toString() ?? '') !== '';

    const onKey = (event: KeyboardEvent) => {
      const command = event.ctrlKey || event.metaKey;
      const key = event.key.toLowerCase();
      if (document.querySelector('dialog[open]')) return;
      const done = (action: () => void) => {
        event.preventDefault();
        action();
      };
      if (command && key === 's') return done(now.current.save);
      if (command && key === 'enter') return done(now.current.run);
      if (isTyping(event.target)) return;
      if (key === 'escape') return now.current.close();
      if (now.current.readOnly) return;
      const editor = store.getState();
      if (command && key === 'z') return done(event.shiftKey ? editor.redo : editor.undo);
      if (command && key === 'y') return done(editor.redo);
      if (command && key === 'd') return done(() => duplicate(store));
      if (command && key === 'a') return done(editor.selectAll);
      if (!command && (key === 'delete' || key === 'backspace')) return done(editor.removeSelected);
      if (!command && !event.altKey && key === 'f') return done(frame);
    };

    const onCopy = (event: ClipboardEvent) => {
      if (blocked(event)) return;
      const { nodes, edges, removeSelected } = store.getState();
      const text = copyOf(nodes, edges);
      if (text === null) return;
      held = text;
      event.clipboardData?.setData('text/plain', text);
      event.preventDefault();
      if (event.type === 'cut' && !now.current.readOnly) removeSelected();
    };

    const onPaste = (event: ClipboardEvent) => {
      if (blocked(event) || now.current.readOnly) return;
      const copy = readCopy(event.clipboardData?.getData('text/plain') || held);
      if (!copy) return;
      event.preventDefault();
      store.getState().paste(copy, { x: 40, y: 56 });
    };

    document.addEventListener('keydown', onKey);
    document.addEventListener('copy', onCopy);
    document.addEventListener('cut', onCopy);
    document.addEventListener('paste', onPaste);
    return () => {
      document.removeEventListener('keydown', onKey);
      document.removeEventListener('copy', onCopy);
      document.removeEventListener('cut', onCopy);
      document.removeEventListener('paste', onPaste);
    };
  }, [store, now, frame]);
}
