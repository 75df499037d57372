// The state of one editor: the graph, what was there before (undo) and what was taken back (redo). Every change of content
// goes through commit(); looking around (selection, measuring) does not count as one.
import {
  applyEdgeChanges,
  applyNodeChanges,
  type Connection,
  type EdgeChange,
  type NodeChange,
  type XYPosition,
} from '@xyflow/react';
import { createStore, type StoreApi } from 'zustand';
import type { Definition, Json, JsonObject } from '@/api/types';
import {
  renameInTemplate,
  toDefinition,
  toGraph,
  withFreshIds,
  wouldCycle,
  type FlowEdge,
  type FlowNode,
  type Graph,
  type Meta,
} from '@/flow/model';
import { putInside, withInside, type Placing } from '@/flow/bodies';
import { freeId, randomId } from '@/lib/id';
import { compact, isObject, sameJson } from '@/lib/json';

export interface EditorState extends Graph {
  past: Graph[];
  future: Graph[];
  /** Grows with each change of content; 0 is what the server has. */
  edit: number;
  commit: (change: (graph: Graph) => Partial<Graph>, tag?: string) => void;
  onNodesChange: (changes: NodeChange<FlowNode>[]) => void;
  onEdgesChange: (changes: EdgeChange<FlowEdge>[]) => void;
  connect: (connection: Connection) => void;
  addNode: (type: string, data: JsonObject, position: XYPosition, from?: { source: string; handle: string }) => string;
  /** Put a new node into an edge; what lay behind it moves on. */
  splitEdge: (id: string, type: string, data: JsonObject) => string | null;
  setData: (id: string, change: (data: JsonObject) => JsonObject, tag: string) => void;
  renameNode: (id: string, to: string) => boolean;
  setMeta: (change: Partial<Meta>, tag: string) => void;
  replace: (definition: Definition, tag?: string) => void;
  load: (definition: Definition) => void;
  removeSelected: () => void;
  paste: (graph: Pick<Graph, 'nodes' | 'edges'>, shift: XYPosition) => void;
  select: (id: string | null) => void;
  selectAll: () => void;
  move: (placing: Placing) => void;
  /** Put a node into a container; null: out of all. */
  putInside: (id: string, parent: string | null) => void;
  undo: () => void;
  redo: () => void;
}

const UNDO_MAX = 100;
/** From one node to the next. */
const SPLIT_STEP = 320;
/** Edits of the same thing within this time are one step of undo. */
const JOIN_MS = 900;

/** In the body that node @id is in. */
const beside = (nodes: FlowNode[], id: string | undefined): { parentId?: string } => {
  const parentId = nodes.find((node) => node.id === id)?.parentId;
  return parentId === undefined ? {} : { parentId };
};

const graphOf = ({ meta, nodes, edges }: Graph): Graph => ({ meta, nodes, edges });

/** Old nodes keep what only the canvas knows (size, selection), so that nothing flickers when history moves. */
function carryLooks(to: FlowNode[], from: FlowNode[]): FlowNode[] {
  const known = new Map(from.map((node) => [node.id, node]));
  return to.map((node) => ({
    ...node,
    measured: known.get(node.id)?.measured ?? node.measured,
    selected: known.get(node.id)?.selected ?? false,
    dragging: false,
  }));
}

export type EditorStore = StoreApi<EditorState>;

export function createEditor(definition: Definition, now: () => number = Date.now): EditorStore {
  let lastTag = '';
  let lastAt = 0;

  return createStore<EditorState>((set, get) => ({
    ...toGraph(definition),
    past: [],
    future: [],
    edit: 0,

    commit: (change, tag = '') => {
      const state = get();
      const join = tag !== '' && tag === lastTag && now() - lastAt < JOIN_MS && state.past.length > 0;
      lastTag = tag;
      lastAt = now();
      const next = change(state);
      set({
        ...next,
        edit: state.edit + 1,
        future: [],
        past: join ? state.past : [...state.past.slice(1 - UNDO_MAX), graphOf(state)],
      });
    },

    onNodesChange: (changes) => {
      const removed = changes.some((change) => change.type === 'remove');
      const moved = changes.some((change) => change.type === 'position' && change.position !== undefined);
      const apply = (nodes: FlowNode[]) => applyNodeChanges(changes, nodes);
      if (removed) get().commit(({ nodes }) => ({ nodes: apply(nodes) }), 'remove');
      else if (moved) get().commit(({ nodes }) => ({ nodes: apply(nodes) }), 'move');
      else set({ nodes: apply(get().nodes) });
      // A drag joins into one step, however long it takes.
      if (moved && changes.some((change) => change.type === 'position' && change.dragging === false)) lastTag = '';
    },

    onEdgesChange: (changes) => {
      const apply = (edges: FlowEdge[]) => applyEdgeChanges(changes, edges);
      if (changes.some((change) => change.type === 'remove'))
        get().commit(({ edges }) => ({ edges: apply(edges) }), 'remove');
      else set({ edges: apply(get().edges) });
    },

    connect: ({ source, target, sourceHandle, targetHandle }) => {
      const handle = sourceHandle ?? 'out';
      const same = (edge: FlowEdge) =>
        edge.source === source && edge.target === target && (edge.sourceHandle ?? 'out') === handle;
      const { edges, commit } = get();
      const parents = [source, target].map((id) => get().nodes.find((node) => node.id === id)?.parentId);
      if (edges.some(same) || parents[0] !== parents[1] || wouldCycle(source, target, edges)) return;
      const edge: FlowEdge = { id: randomId('e'), source, target };
      if (handle !== 'out') edge.sourceHandle = handle;
      if (targetHandle && targetHandle !== 'in') edge.targetHandle = targetHandle;
      commit((graph) => ({ edges: [...graph.edges, edge] }));
    },

    addNode: (type, data, position, from) => {
      const id = freeId(type, new Set(get().nodes.map((node) => node.id)));
      get().commit(({ nodes, edges }) => ({
        nodes: [
          ...nodes.map((node) => ({ ...node, selected: false })),
          { id, type, position, data, selected: true, ...beside(nodes, from?.source) },
        ],
        edges: from
          ? [
              ...edges,
              {
                id: randomId('e'),
                source: from.source,
                target: id,
                ...(from.handle === 'out' ? {} : { sourceHandle: from.handle }),
              },
            ]
          : edges,
      }));
      return id;
    },

    splitEdge: (id, type, data) => {
      const { nodes, edges, commit } = get();
      const edge = edges.find((one) => one.id === id);
      const [from, to] = [edge?.source, edge?.target].map((end) => nodes.find((node) => node.id === end));
      if (!edge || !from || !to) return null;
      const made = freeId(type, new Set(nodes.map((node) => node.id)));
      // Room for it: everything right of the edge's end goes further right where there is too little.
      const room = Math.max(0, from.position.x + 2 * SPLIT_STEP - to.position.x);
      const position = { x: from.position.x + SPLIT_STEP, y: Math.round((from.position.y + to.position.y) / 2) };
      const shift = (node: FlowNode) =>
        room > 0 && node.position.x >= to.position.x ? { ...node.position, x: node.position.x + room } : node.position;
      commit(() => ({
        nodes: [
          ...nodes.map((node) => ({ ...node, selected: false, position: shift(node) })),
          { id: made, type, position, data, selected: true, ...beside(nodes, from.id) },
        ],
        edges: [
          ...edges.map((one) => (one.id === id ? { ...one, target: made, selected: false } : one)),
          { id: randomId('e'), source: made, target: edge.target },
        ],
      }));
      return made;
    },

    setData: (id, change, tag) =>
      get().commit(
        ({ nodes }) => ({ nodes: nodes.map((node) => (node.id === id ? { ...node, data: change(node.data) } : node)) }),
        `${id}.${tag}`,
      ),

    renameNode: (id, to) => {
      if (!/^[A-Za-z0-9_-]{1,64}$/.test(to) || get().nodes.some((node) => node.id === to)) return false;
      const ids = new Map([[id, to]]);
      const swap = (value: Json): Json => {
        if (typeof value === 'string') return renameInTemplate(value, ids);
        if (Array.isArray(value)) return value.map(swap);
        return isObject(value)
          ? Object.fromEntries(Object.entries(value).map(([key, member]) => [key, swap(member)]))
          : value;
      };
      get().commit(({ nodes, edges }) => ({
        nodes: nodes.map((node) => ({
          ...node,
          id: node.id === id ? to : node.id,
          ...(node.parentId === id && { parentId: to }),
          data: swap(node.data) as JsonObject,
        })),
        edges: edges.map((edge) => ({
          ...edge,
          source: edge.source === id ? to : edge.source,
          target: edge.target === id ? to : edge.target,
        })),
      }));
      return true;
    },

    setMeta: (change, tag) => get().commit(({ meta }) => ({ meta: compact({ ...meta, ...change }) }), `meta.${tag}`),

    replace: (definition, tag) => {
      if (sameJson(toDefinition(get()), definition)) return;
      get().commit(({ nodes }) => {
        const next = toGraph(definition);
        return { ...next, nodes: carryLooks(next.nodes, nodes) };
      }, tag);
    },

    load: (definition) => {
      const next = toGraph(definition);
      lastTag = '';
      set({ ...next, nodes: carryLooks(next.nodes, get().nodes), past: [], future: [], edit: 0 });
    },

    removeSelected: () => {
      const { nodes, edges, commit } = get();
      const gone = withInside(
        nodes.filter((node) => node.selected).map((node) => node.id),
        nodes,
      );
      if (gone.size === 0 && !edges.some((edge) => edge.selected)) return;
      commit(() => ({
        nodes: nodes.filter((node) => !gone.has(node.id)),
        edges: edges.filter((edge) => !edge.selected && !gone.has(edge.source) && !gone.has(edge.target)),
      }));
    },

    paste: (graph, shift) => {
      const { nodes, edges, commit } = get();
      const taken = new Set(nodes.map((node) => node.id));
      // There is one trigger in a workflow; a second would only be an error.
      const hasTrigger = nodes.some((node) => node.type === 'trigger');
      const fresh = withFreshIds(
        graph.nodes.filter((node) => !(hasTrigger && node.type === 'trigger')),
        graph.edges,
        (node) => {
          const id = freeId(node.id.replace(/-\d+$/, ''), taken);
          taken.add(id);
          return id;
        },
        () => randomId('e'),
      );
      if (fresh.nodes.length === 0) return;
      commit(() => ({
        nodes: [
          ...nodes.map((node) => ({ ...node, selected: false })),
          ...fresh.nodes.map((node) => ({
            ...node,
            selected: true,
            measured: undefined,
            position: { x: node.position.x + shift.x, y: node.position.y + shift.y },
          })),
        ],
        edges: [...edges.map((edge) => ({ ...edge, selected: false })), ...fresh.edges],
      }));
    },

    select: (id) =>
      set(({ nodes, edges }) => ({
        nodes: nodes.map((node) => (node.selected === (node.id === id) ? node : { ...node, selected: node.id === id })),
        edges: edges.map((edge) => (edge.selected ? { ...edge, selected: false } : edge)),
      })),

    selectAll: () =>
      set(({ nodes, edges }) => ({
        nodes: nodes.map((node) => ({ ...node, selected: true })),
        edges: edges.map((edge) => ({ ...edge, selected: true })),
      })),

    move: ({ positions, sizes }) =>
      get().commit(({ nodes }) => ({
        nodes: nodes.map((node) => ({
          ...node,
          ...sizes.get(node.id),
          position: positions.get(node.id) ?? node.position,
        })),
      })),

    putInside: (id, parent) => get().commit((graph) => putInside(graph, id, parent)),

    undo: () => {
      const { past, future, edit, nodes } = get();
      const to = past.at(-1);
      if (!to) return;
      lastTag = '';
      set({
        ...to,
        nodes: carryLooks(to.nodes, nodes),
        past: past.slice(0, -1),
        future: [...future, graphOf(get())],
        edit: edit + 1,
      });
    },

    redo: () => {
      const { past, future, edit, nodes } = get();
      const to = future.at(-1);
      if (!to) return;
      lastTag = '';
      set({
        ...to,
        nodes: carryLooks(to.nodes, nodes),
        past: [...past, graphOf(get())],
        future: future.slice(0, -1),
        edit: edit + 1,
      });
    },
  }));
}
