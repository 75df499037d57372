// What moves the view by itself: the first look at a graph, a pane that changes its size, a run that goes on out of sight.
// Once somebody has moved the view it stays theirs, except that the selected node is kept in it.
import { useCallback, useEffect, useRef, type RefObject } from 'react';
import { useReactFlow, useStore, useStoreApi } from '@xyflow/react';
import type { FlowEdge, FlowNode } from '@/flow/model';
import { frameOf, shiftInto } from '@/flow/frame';
import { useActiveNode } from '@/flow/overlay';

const GLIDE_MS = 200;

/** Frame the whole graph, or its beginning. */
export function useFrame(): (glide?: boolean) => void {
  const { getNodes, getNodesBounds, setViewport } = useReactFlow<FlowNode, FlowEdge>();
  const store = useStoreApi();
  return useCallback(
    (glide = true) => {
      const nodes = getNodes();
      const first = nodes.find((node) => node.type === 'trigger') ?? nodes[0];
      const { width, height } = store.getState();
      if (!first || width === 0) return;
      void setViewport(
        frameOf(getNodesBounds(nodes), getNodesBounds([first]), width, height),
        glide ? { duration: GLIDE_MS } : undefined,
      );
    },
    [getNodes, getNodesBounds, setViewport, store],
  );
}

/** Move the view as little as it takes to have node @id in it. */
export function useReveal(): (id: string) => void {
  const { getInternalNode, getViewport, setViewport } = useReactFlow<FlowNode, FlowEdge>();
  const store = useStoreApi();
  return useCallback(
    (id) => {
      const node = getInternalNode(id);
      if (!node) return;
      const { width, height } = store.getState();
      const view = getViewport();
      const { x, y } = node.internals.positionAbsolute;
      const dx = shiftInto(x * view.zoom + view.x, (node.measured.width ?? 0) * view.zoom, width);
      const dy = shiftInto(y * view.zoom + view.y, (node.measured.height ?? 0) * view.zoom, height);
      if (dx !== 0 || dy !== 0) void setViewport({ ...view, x: view.x + dx, y: view.y + dy }, { duration: GLIDE_MS });
    },
    [getInternalNode, getViewport, setViewport, store],
  );
}

export function Camera({ moved }: { moved: RefObject<boolean> }) {
  const frame = useFrame();
  const reveal = useReveal();
  const { getNodes } = useReactFlow<FlowNode, FlowEdge>();
  const width = useStore((flow) => flow.width);
  const height = useStore((flow) => flow.height);
  const ready = useStore((flow) => flow.nodesInitialized && flow.nodes.length > 0);
  const active = useActiveNode();
  const framed = useRef(false);

  useEffect(() => {
    if (!ready || width === 0) return;
    if (!framed.current || !moved.current) {
      frame(framed.current);
      framed.current = true;
      return;
    }
    const selected = getNodes().find((node) => node.selected);
    if (selected) reveal(selected.id);
  }, [width, height, ready, moved, frame, reveal, getNodes]);

  useEffect(() => {
    if (active !== null && ready && !moved.current) reveal(active);
  }, [active, ready, moved, reveal]);
  return null;
}
