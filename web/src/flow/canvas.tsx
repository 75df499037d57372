// React Flow as all canvases of the console use it: our nodes and threads, the weave, zoom buttons and a small map.
import { useMemo, useRef, type ReactNode } from 'react';
import { MiniMap, Panel, ReactFlow, useReactFlow, useStore, type ReactFlowProps } from '@xyflow/react';
import { useI18n } from '@/i18n/i18n';
import { useIsNarrow } from '@/lib/use';
import { IconButton } from '@/ui/button';
import { Camera, useFrame } from '@/flow/camera';
import { FlowNodeView } from '@/flow/flow-node';
import type { FlowEdge, FlowNode } from '@/flow/model';
import { ThreadEdge } from '@/flow/thread-edge';
import { Weave } from '@/flow/weave';
import '@/flow/flow.css';

/** Every type is drawn by the same view, also one that this server does not know. */
const NODE_VIEWS = new Proxy({} as Record<string, typeof FlowNodeView>, {
  get: (_, name) => (typeof name === 'string' ? FlowNodeView : undefined),
  has: () => true,
});
const EDGE_VIEWS = { default: ThreadEdge };
const MAP_SIZE = { width: 150, height: 96 };

interface CanvasProps extends ReactFlowProps<FlowNode, FlowEdge> {
  children?: ReactNode;
  /** Enter or Space on a node that has the focus. */
  onNodeKey?: (id: string) => void;
  /** Show the small map, where there is room for it. */
  map?: boolean;
}

export function Canvas({ children, map = true, onNodeKey, ...rest }: CanvasProps) {
  const { t } = useI18n();
  const narrow = useIsNarrow();
  const moved = useRef(false);
  const labels = useMemo(() => t.flow.a11y, [t]);
  return (
    <ReactFlow<FlowNode, FlowEdge>
      nodeTypes={NODE_VIEWS}
      edgeTypes={EDGE_VIEWS}
      minZoom={0.1}
      maxZoom={2}
      onKeyDown={(event) => {
        const at = event.target instanceof Element && event.target.matches('.react-flow__node') ? event.target : null;
        const id = at?.getAttribute('data-id');
        if (id && (event.key === 'Enter' || event.key === ' ')) onNodeKey?.(id);
      }}
      onMoveStart={(event) => {
        // Moves that the console makes itself come without an event.
        if (event) moved.current = true;
      }}
      onlyRenderVisibleElements={(rest.nodes?.length ?? 0) > 200}
      proOptions={{ hideAttribution: true }}
      ariaLabelConfig={labels}
      {...rest}
    >
      <Weave />
      <Camera moved={moved} />
      {map && !narrow && (rest.nodes?.length ?? 0) > 3 && (
        <MiniMap pannable zoomable position="bottom-right" style={MAP_SIZE} ariaLabel={t.flow.minimap} />
      )}
      <Panel position="bottom-left" className="m-3!">
        <Zoom />
      </Panel>
      {children}
    </ReactFlow>
  );
}

function Zoom() {
  const { t } = useI18n();
  const { zoomIn, zoomOut, zoomTo } = useReactFlow();
  const frame = useFrame();
  const zoom = useStore((flow) => Math.round(flow.transform[2] * 100));
  return (
    <div className="flex items-center rounded-md border bg-raised shadow-sm">
      <IconButton size="sm" icon="minus" label={t.flow.zoomOut} onClick={() => void zoomOut({ duration: 150 })} />
      <button
        type="button"
        className="w-11 text-center text-xs text-ink-2"
        aria-label={t.flow.zoomReset}
        data-tip={t.flow.zoomReset}
        onClick={() => void zoomTo(1, { duration: 150 })}
      >
        {zoom} %
      </button>
      <IconButton size="sm" icon="plus" label={t.flow.zoomIn} onClick={() => void zoomIn({ duration: 150 })} />
      <IconButton size="sm" icon="fit" label={t.flow.fit} onClick={() => frame()} />
    </div>
  );
}
