// The canvas of an editor: drawing, dropping, connecting.
import { useCallback, useRef, useState, type DragEvent } from 'react';
import { useReactFlow, type FinalConnectionState, type IsValidConnection } from '@xyflow/react';
import { useShallow } from 'zustand/react/shallow';
import { useT } from '@/i18n/i18n';
import { Canvas } from '@/flow/canvas';
import { typeTitle } from '@/flow/names';
import { useNodeTypes } from '@/flow/node-types';
import { wouldCycle, type FlowEdge } from '@/flow/model';
import { NODE_WIDTH } from '@/flow/flow-node';
import { EdgeTools } from '@/flow/thread-edge';
import { Popover } from '@/ui/popover';
import { EdgeButtons } from '@/features/flow-editor/edge-tools';
import { useEditor, useShared } from '@/features/flow-editor/editor-context';
import { newData } from '@/features/flow-editor/nodes/meta';
import { DRAG_TYPE, Palette } from '@/features/flow-editor/palette';

interface EditorCanvasProps {
  readOnly: boolean;
  onOpenNode: (id: string, byKeyboard?: boolean) => void;
}

const SNAP: [number, number] = [8, 8];

export function EditorCanvas({ readOnly, onOpenNode }: EditorCanvasProps) {
  const { store } = useShared();
  const t = useT();
  const types = useNodeTypes();
  const { screenToFlowPosition } = useReactFlow();
  const state = useEditor(
    useShallow(({ nodes, edges, onNodesChange, onEdgesChange, connect, meta }) => ({
      nodes,
      edges,
      onNodesChange,
      onEdgesChange,
      connect,
      meta,
    })),
  );
  const [drop, setDrop] = useState<{ source: string; handle: string; x: number; y: number } | null>(null);
  const dropPoint = useRef<HTMLSpanElement>(null);

  const titleOf = useCallback(
    (name: string) => {
      const type = types.find((one) => one.type === name);
      return type ? typeTitle(type, t) : name;
    },
    [types, t],
  );

  const tools = useCallback(
    (id: string) => (
      <EdgeButtons
        id={id}
        onInsert={(type, edge) => {
          const made = store.getState().splitEdge(edge, type, newData(type, titleOf(type)));
          if (made !== null) onOpenNode(made);
        }}
      />
    ),
    [store, titleOf, onOpenNode],
  );

  const isValid: IsValidConnection<FlowEdge> = useCallback(
    ({ source, target }) => !wouldCycle(source, target, store.getState().edges),
    [store],
  );

  const onDrop = (event: DragEvent) => {
    const type = event.dataTransfer.getData(DRAG_TYPE);
    if (!type) return;
    event.preventDefault();
    const at = screenToFlowPosition({ x: event.clientX, y: event.clientY }, { snapToGrid: true, snapGrid: SNAP });
    onOpenNode(
      store.getState().addNode(type, newData(type, titleOf(type)), { x: at.x - NODE_WIDTH / 2, y: at.y - 28 }),
    );
  };

  /** A thread that is let go over nothing asks which node it should lead to. */
  const onConnectEnd = (event: MouseEvent | TouchEvent, connection: FinalConnectionState) => {
    if (connection.toNode || !connection.fromNode || connection.fromHandle.type !== 'source') return;
    const point = 'changedTouches' in event ? event.changedTouches[0] : event;
    if (!point) return;
    const next = {
      source: connection.fromNode.id,
      handle: connection.fromHandle.id ?? 'out',
      x: point.clientX,
      y: point.clientY,
    };
    // After the click that ends the drag, which would close what it finds open.
    setTimeout(() => setDrop(next));
  };
  const pick = (type: string) => {
    if (!drop) return;
    const at = screenToFlowPosition({ x: drop.x, y: drop.y }, { snapToGrid: true, snapGrid: SNAP });
    setDrop(null);
    onOpenNode(
      store
        .getState()
        .addNode(
          type,
          newData(type, titleOf(type)),
          { x: at.x, y: at.y - 28 },
          { source: drop.source, handle: drop.handle },
        ),
    );
  };

  return (
    <div
      className="relative size-full"
      onDrop={readOnly ? undefined : onDrop}
      onDragOver={(event) => {
        if (!event.dataTransfer.types.includes(DRAG_TYPE)) return;
        event.preventDefault();
        event.dataTransfer.dropEffect = 'copy';
      }}
    >
      <EdgeTools value={readOnly ? null : tools}>
        <Canvas
          nodes={state.nodes}
          edges={state.edges}
          onNodesChange={state.onNodesChange}
          onEdgesChange={state.onEdgesChange}
          onConnect={state.connect}
          onConnectEnd={onConnectEnd}
          isValidConnection={isValid}
          nodesDraggable={!readOnly}
          nodesConnectable={!readOnly}
          onNodeKey={(id) => onOpenNode(id, true)}
          onNodeClick={(event, node) => {
            if (!event.shiftKey && !event.ctrlKey && !event.metaKey) onOpenNode(node.id);
          }}
          snapToGrid
          snapGrid={SNAP}
          deleteKeyCode={null}
          connectionRadius={36}
          selectNodesOnDrag={false}
          elevateNodesOnSelect
          multiSelectionKeyCode={['Shift', 'Meta', 'Control']}
        />
      </EdgeTools>
      <span
        ref={dropPoint}
        className="pointer-events-none fixed size-px"
        style={{ left: drop?.x ?? 0, top: drop?.y ?? 0 }}
      />
      <Popover anchor={dropPoint} open={drop !== null} onClose={() => setDrop(null)}>
        <div className="flex h-96 max-h-[60dvh] w-72 flex-col">
          <Palette hasTrigger autoFocus onPick={pick} />
        </div>
      </Popover>
    </div>
  );
}
