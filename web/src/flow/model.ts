// The graph as React Flow holds it, to and from the native format. Nothing of a definition is lost on the way; only
// what React Flow adds for itself is dropped again.
import type { Edge, Node } from '@xyflow/react';
import type { Definition, EdgeDef, Json, JsonObject, NodeDef, NodeType } from '@/api/types';
import { parentsFirst } from '@/flow/bodies';
import { compact, isObject } from '@/lib/json';

export type FlowNode = Node<JsonObject>;
export type FlowEdge = Edge<JsonObject>;
export type Meta = Omit<Definition, 'nodes' | 'edges'>;
export interface Graph {
  meta: Meta;
  nodes: FlowNode[];
  edges: FlowEdge[];
}

const NODE_RUNTIME = new Set(['selected', 'dragging', 'measured', 'resizing', 'positionAbsolute']);
const EDGE_RUNTIME = new Set(['selected']);

function without(value: object, names: Set<string>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).filter(([name, member]) => !names.has(name) && member !== undefined));
}

export function toGraph({ nodes, edges, ...meta }: Definition): Graph {
  return { meta, nodes: parentsFirst(nodes), edges: edges };
}

export function cleanNode(node: FlowNode): NodeDef {
  return without(node, NODE_RUNTIME) as NodeDef;
}

/** Handles that are null are React Flow's way to say "the default one"; the format leaves them out. */
export function cleanEdge(edge: FlowEdge): EdgeDef {
  const kept = without(edge, EDGE_RUNTIME);
  if (kept['sourceHandle'] === null) delete kept['sourceHandle'];
  if (kept['targetHandle'] === null) delete kept['targetHandle'];
  return kept as unknown as EdgeDef;
}

export function toDefinition({ meta, nodes, edges }: Graph): Definition {
  return { ...meta, nodes: nodes.map(cleanNode), edges: edges.map(cleanEdge) };
}

/** Whether @value is near enough to a definition to be drawn; the server checks the rest. */
export function isDefinition(value: unknown): value is Definition {
  const list = (items: unknown) =>
    Array.isArray(items) && items.every((item) => isObject(item) && typeof item['id'] === 'string');
  return (
    isObject(value) &&
    typeof value['name'] === 'string' &&
    list(value['nodes']) &&
    list(value['edges']) &&
    (value['nodes'] as unknown[]).every((node) => {
      const { position, data } = node as Record<string, unknown>;
      return (
        isObject(data) && isObject(position) && typeof position['x'] === 'number' && typeof position['y'] === 'number'
      );
    })
  );
}

export const str = (value: Json | undefined): string => (typeof value === 'string' ? value : '');
export const obj = (value: Json | undefined): JsonObject => (isObject(value) ? value : {});
export const arr = (value: Json | undefined): Json[] => (Array.isArray(value) ? value : []);

export interface Case {
  id: string;
  title: string;
  logic: 'and' | 'or';
  conditions: JsonObject[];
}

export function casesOf(data: JsonObject): Case[] {
  return arr(data['cases']).map((item) => {
    const one = obj(item);
    return {
      id: str(one['id']),
      title: str(one['title']),
      logic: one['logic'] === 'or' ? 'or' : 'and',
      conditions: arr(one['conditions']).map(obj),
    };
  });
}

export function hasErrorBranch(data: JsonObject): boolean {
  return obj(data['on_error'])['strategy'] === 'branch';
}

/** What a step has as its handle that took every edge but those of errors. */
export const ALL_HANDLES = '*';

/** The branches of a parallel. */
export function branchesOf(data: JsonObject): { id: string; title: string }[] {
  return arr(data['branches']).map((item) => ({ id: str(obj(item)['id']), title: str(obj(item)['title']) }));
}

function ownHandles(type: string, data: JsonObject, known: NodeType | undefined): string[] {
  if (type === 'condition') return [...casesOf(data).map((one) => one.id), 'else'];
  if (type === 'parallel') return branchesOf(data).map((one) => one.id);
  return known?.handles ?? ['out'];
}

/** The source handles of a node, first the one that an edge without sourceHandle leaves from. */
export function handlesOf(type: string, data: JsonObject, known: NodeType | undefined): string[] {
  const own = ownHandles(type, data, known);
  return hasErrorBranch(data) ? [...own, 'error'] : own;
}

/** All nodes that lead to @id, nearest first. */
export function ancestors(id: string, edges: Pick<FlowEdge, 'source' | 'target'>[]): string[] {
  const into = new Map<string, string[]>();
  for (const edge of edges) into.set(edge.target, [...(into.get(edge.target) ?? []), edge.source]);
  const seen = new Set([id]);
  const found: string[] = [];
  let layer = [id];
  while (layer.length > 0) {
    layer = layer.flatMap((at) => into.get(at) ?? []).filter((source) => !seen.has(source) && seen.add(source));
    found.push(...layer);
  }
  return found;
}

/** Whether an edge from @source to @target would close a circle. */
export function wouldCycle(source: string, target: string, edges: Pick<FlowEdge, 'source' | 'target'>[]): boolean {
  return source === target || ancestors(source, edges).includes(target);
}

/** Retitle ids of @nodes that are taken, and put their edges on the new ids. Templates inside follow. */
export function withFreshIds(
  nodes: FlowNode[],
  edges: FlowEdge[],
  rename: (node: FlowNode) => string,
  edgeId: () => string,
) {
  const ids = new Map(nodes.map((node) => [node.id, rename(node)]));
  const swap = (value: Json): Json => {
    if (typeof value === 'string') return value.includes('{{') ? renameInTemplate(value, ids) : value;
    if (Array.isArray(value)) return value.map(swap);
    if (isObject(value)) return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, swap(member)]));
    return value;
  };
  return {
    nodes: nodes.map((node) => {
      const parent = node.parentId === undefined ? undefined : (ids.get(node.parentId) ?? node.parentId);
      return {
        ...node,
        id: ids.get(node.id) ?? node.id,
        ...(parent !== undefined && { parentId: parent }),
        data: swap(node.data) as JsonObject,
      };
    }),
    edges: edges
      .filter((edge) => ids.has(edge.source) && ids.has(edge.target))
      .map((edge) =>
        compact({
          ...edge,
          id: edgeId(),
          source: ids.get(edge.source) ?? edge.source,
          target: ids.get(edge.target) ?? edge.target,
        }),
      ),
  };
}

/** "{{ old.path }}" with the first name of each path replaced. */
export function renameInTemplate(text: string, ids: Map<string, string>): string {
  return text.replace(
    /\{\{(.*?)\}\}/gs,
    (_whole, inside: string) =>
      `{{${inside.replace(
        /(^|\?\?)(\s*)([A-Za-z0-9_-]+)/g,
        (all: string, before: string, space: string, name: string) => {
          const to = ids.get(name);
          return to === undefined ? all : before + space + to;
        },
      )}}}`,
  );
}
