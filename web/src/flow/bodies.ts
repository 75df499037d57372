// Nodes inside of others: which containers there are, moving nodes in and out, and a layout of all bodies.
import type { FlowEdge, FlowNode } from '@/flow/model';
import { autoLayout, type LayoutEdge, type LayoutNode } from '@/flow/auto-layout';

const CONTAINERS = new Set(['iteration', 'loop']);
export const isContainer = (type: string | undefined): boolean => type !== undefined && CONTAINERS.has(type);

/** Where the inside of a container begins, below its head, and the room around what is in it. */
const INSIDE = { x: 24, y: 112 };
const MARGIN = 28;
const ROW = 120;

/** @id and all that is inside of it, however deep. */
export function withInside(ids: Iterable<string>, nodes: Pick<FlowNode, 'id' | 'parentId'>[]): Set<string> {
  const found = new Set(ids);
  for (let before = -1; before !== found.size;) {
    before = found.size;
    for (const node of nodes) if (node.parentId !== undefined && found.has(node.parentId)) found.add(node.id);
  }
  return found;
}

/** The containers that @id may be put into. */
export function possibleParents(id: string, nodes: FlowNode[]): FlowNode[] {
  const own = withInside([id], nodes);
  return nodes.filter((node) => isContainer(node.type) && !own.has(node.id));
}

/** Each node behind the one it is inside of, as React Flow wants them. */
export function parentsFirst<T extends { id: string; parentId?: unknown }>(nodes: T[]): T[] {
  if (!nodes.some((node) => node.parentId)) return nodes;
  const ids = new Set(nodes.map((node) => node.id));
  const placed = new Set<string>();
  const sorted: T[] = [];
  let left = nodes;
  while (left.length > 0) {
    const next = left.filter(
      ({ parentId }) => typeof parentId !== 'string' || !ids.has(parentId) || placed.has(parentId),
    );
    if (next.length === 0) return [...sorted, ...left]; // in a circle: the server says so
    for (const node of next) placed.add(node.id);
    sorted.push(...next);
    left = left.filter((node) => !placed.has(node.id));
  }
  return sorted;
}

/** @id put into @parent (null: out of all); its edges to what is no longer beside it are gone. */
export function putInside(
  { nodes, edges }: { nodes: FlowNode[]; edges: FlowEdge[] },
  id: string,
  parent: string | null,
): { nodes: FlowNode[]; edges: FlowEdge[] } {
  const beside = nodes.filter((node) => (node.parentId ?? null) === parent && node.id !== id);
  const from = nodes.find((node) => node.id === id);
  const outer = nodes.find((node) => node.id === from?.parentId);
  const position =
    parent === null
      ? { x: (outer?.position.x ?? 0) + (from?.position.x ?? 0), y: (outer?.position.y ?? 0) + (from?.position.y ?? 0) }
      : { x: INSIDE.x, y: INSIDE.y + ROW * beside.length };
  const near = new Set(beside.map((node) => node.id));
  return {
    nodes: parentsFirst(
      nodes.map((node) => {
        if (node.id !== id) return node;
        const moved: FlowNode = { ...node, position, parentId: parent ?? undefined };
        if (parent === null) delete moved.parentId;
        return moved;
      }),
    ),
    edges: edges.filter((edge) => {
      if (edge.source !== id && edge.target !== id) return true;
      return near.has(edge.source === id ? edge.target : edge.source);
    }),
  };
}

export interface Placing {
  positions: Map<string, { x: number; y: number }>;
  sizes: Map<string, { width: number; height: number }>;
}

/** Lay out each body by itself, the innermost first: a container is as large as what is in it. */
export function layoutBodies(nodes: (LayoutNode & { parentId?: string })[], edges: LayoutEdge[]): Placing {
  const placing: Placing = { positions: new Map(), sizes: new Map() };
  const place = (parent: string | undefined): { width: number; height: number } => {
    const own = nodes.filter((node) => node.parentId === parent);
    const sized = own.map((node) => {
      if (!nodes.some((one) => one.parentId === node.id)) return node;
      const inside = place(node.id);
      const size = { width: Math.max(node.width, inside.width), height: inside.height };
      placing.sizes.set(node.id, size);
      return { ...node, ...size };
    });
    const ids = new Set(own.map((node) => node.id));
    const at = autoLayout(
      sized,
      edges.filter((edge) => ids.has(edge.source) && ids.has(edge.target)),
    );
    const shift = parent === undefined ? { x: 0, y: 0 } : INSIDE;
    let width = 0;
    let height = 0;
    for (const node of sized) {
      const { x, y } = at.get(node.id) ?? { x: 0, y: 0 };
      placing.positions.set(node.id, { x: x + shift.x, y: y + shift.y });
      width = Math.max(width, x + shift.x + node.width + MARGIN);
      height = Math.max(height, y + shift.y + node.height + MARGIN);
    }
    return { width, height };
  };
  place(undefined);
  return placing;
}
