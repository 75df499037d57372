// What the editor's buttons do to the graph and the view of it.
import { useReactFlow } from '@xyflow/react';
import type { Located } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { layoutBodies } from '@/flow/bodies';
import { useFrame, useReveal } from '@/flow/camera';
import { NODE_WIDTH } from '@/flow/flow-node';
import { handlesOf, type FlowNode } from '@/flow/model';
import { typeTitle } from '@/flow/names';
import { useNodeTypes } from '@/flow/node-types';
import { newData } from '@/features/flow-editor/nodes/meta';
import type { EditorStore } from '@/features/flow-editor/store';

const NODE_HEIGHT = 56;
const GAP = 88;
const BRANCH_HEIGHT = 28;

/** How far below the top of its node a handle lies: "out" in the head, branches in the rows below. */
function handleY(handles: string[], handle: string): number {
  const branches = handles.filter((one) => one !== 'out');
  const at = branches.indexOf(handle);
  return at < 0 ? NODE_HEIGHT / 2 : NODE_HEIGHT + (at + 0.5) * BRANCH_HEIGHT;
}

export function useEditorActions(store: EditorStore) {
  const t = useT();
  const types = useNodeTypes();
  const flow = useReactFlow();
  const frame = useFrame();
  const show = useReveal();
  const handles = (node: FlowNode) =>
    handlesOf(
      node.type ?? '',
      node.data,
      types.find((type) => type.type === node.type),
    );

  return {
    layout: () => {
      const { nodes, edges, move } = store.getState();
      const ports = new Map(nodes.map((node) => [node.id, handles(node)]));
      const sizes = nodes.map((node) => ({
        id: node.id,
        width: nodes.some((one) => one.parentId === node.id) ? NODE_WIDTH : (node.measured?.width ?? NODE_WIDTH),
        height: node.measured?.height ?? NODE_HEIGHT,
        ...(node.parentId !== undefined && { parentId: node.parentId }),
      }));
      move(
        layoutBodies(
          sizes,
          edges.map(({ source, target, sourceHandle }) => ({
            source,
            target,
            from: handleY(ports.get(source) ?? [], sourceHandle ?? 'out'),
            to: NODE_HEIGHT / 2,
          })),
        ),
      );
      requestAnimationFrame(() => frame());
    },

    /** Put a new node behind the selected one, or into the middle of the view. */
    add: (type: string) => {
      const { nodes, edges, addNode } = store.getState();
      const known = types.find((one) => one.type === type);
      const from = nodes.find((node) => node.selected && node.type !== 'output' && type !== 'trigger');
      const taken = new Set(edges.filter((edge) => edge.source === from?.id).map((edge) => edge.sourceHandle ?? 'out'));
      const box = document.querySelector('.react-flow')?.getBoundingClientRect();
      const middle = flow.screenToFlowPosition({
        x: (box?.left ?? 0) + (box?.width ?? 0) / 2,
        y: (box?.top ?? 0) + (box?.height ?? 0) / 2,
      });
      const at = from
        ? { x: from.position.x + NODE_WIDTH + GAP, y: from.position.y + taken.size * 2 * NODE_HEIGHT }
        : { x: Math.round(middle.x - NODE_WIDTH / 2), y: Math.round(middle.y - NODE_HEIGHT / 2) };
      const handle = from && (handles(from).find((one) => !taken.has(one) && one !== 'error') ?? handles(from)[0]);
      const made = addNode(
        type,
        newData(type, known ? typeTitle(known, t) : type),
        at,
        from && { source: from.id, handle: handle ?? 'out' },
      );
      // Once it is measured.
      setTimeout(() => show(made), 60);
    },

    /** Bring the place of a problem into sight; false when it belongs to no node. */
    reveal: (problem: Located): boolean => {
      const id = problem.node;
      if (!id || !store.getState().nodes.some((node) => node.id === id)) return false;
      store.getState().select(id);
      show(id);
      return true;
    },
  };
}
