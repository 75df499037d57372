// Lays a graph out from left to right: layers by longest path, order in a layer by the middle of the neighbours, then
// positions so that threads run straight where they can. Pure and quick for thousands of nodes.

export interface LayoutNode {
  id: string;
  width: number;
  height: number;
}
export interface LayoutEdge {
  source: string;
  target: string;
  /** How far below the top of its node each end lies; the middle if not given. */
  from?: number;
  to?: number;
}

const GAP_X = 88;
const GAP_Y = 36;
const SWEEPS = 8;

function layersOf(nodes: LayoutNode[], edges: LayoutEdge[]): string[][] {
  const into = new Map(nodes.map((node) => [node.id, 0]));
  const out = new Map<string, string[]>(nodes.map((node) => [node.id, []]));
  for (const edge of edges) {
    if (!into.has(edge.source) || !into.has(edge.target)) continue;
    into.set(edge.target, (into.get(edge.target) ?? 0) + 1);
    out.get(edge.source)?.push(edge.target);
  }
  const depth = new Map<string, number>();
  let ready = nodes.filter((node) => into.get(node.id) === 0).map((node) => node.id);
  for (const id of ready) depth.set(id, 0);
  while (ready.length > 0) {
    const next: string[] = [];
    for (const id of ready) {
      for (const target of out.get(id) ?? []) {
        depth.set(target, Math.max(depth.get(target) ?? 0, (depth.get(id) ?? 0) + 1));
        const left = (into.get(target) ?? 1) - 1;
        into.set(target, left);
        if (left === 0) next.push(target);
      }
    }
    ready = next;
  }
  const layers: string[][] = [];
  for (const node of nodes) (layers[depth.get(node.id) ?? 0] ??= []).push(node.id);
  return layers.map((layer) => layer);
}

/** For each node those next to it, with where the edge ends there and here. */
type Near = Map<string, { id: string; there: number; here: number }[]>;

function order(layer: string[], near: Near, place: Map<string, number>): string[] {
  const weight = new Map(
    layer.map((id, i) => {
      const around = near.get(id) ?? [];
      const sum = around.reduce((total, one) => total + (place.get(one.id) ?? 0) + one.there / 10_000, 0);
      return [id, around.length > 0 ? sum / around.length : i] as const;
    }),
  );
  return [...layer].sort((a, b) => (weight.get(a) ?? 0) - (weight.get(b) ?? 0));
}

/** Shift the nodes of a layer towards @wish without overlap and without changing their order. */
function settle(layer: string[], wish: Map<string, number>, height: Map<string, number>, y: Map<string, number>) {
  let floor = -Infinity;
  for (const id of layer) {
    const at = Math.max(wish.get(id) ?? 0, floor);
    y.set(id, at);
    floor = at + (height.get(id) ?? 0) + GAP_Y;
  }
  // What was pushed down is centred again, as a block, on where it wanted to be.
  const drift = layer.reduce((sum, id) => sum + (y.get(id) ?? 0) - (wish.get(id) ?? 0), 0) / Math.max(1, layer.length);
  for (const id of layer) y.set(id, (y.get(id) ?? 0) - drift);
}

export function autoLayout(nodes: LayoutNode[], edges: LayoutEdge[]): Map<string, { x: number; y: number }> {
  const size = new Map(nodes.map((node) => [node.id, node]));
  const sources: Near = new Map();
  const targets: Near = new Map();
  for (const edge of edges) {
    const from = edge.from ?? (size.get(edge.source)?.height ?? 0) / 2;
    const to = edge.to ?? (size.get(edge.target)?.height ?? 0) / 2;
    sources.set(edge.target, [...(sources.get(edge.target) ?? []), { id: edge.source, there: from, here: to }]);
    targets.set(edge.source, [...(targets.get(edge.source) ?? []), { id: edge.target, there: to, here: from }]);
  }

  let layers = layersOf(nodes, edges);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const place = new Map(layers.flatMap((layer) => layer.map((id, i) => [id, i] as const)));
    const down = sweep % 2 === 0;
    const sorted = down ? layers : [...layers].reverse();
    const done = sorted.map((layer) => {
      const next = order(layer, down ? sources : targets, place);
      next.forEach((id, i) => place.set(id, i));
      return next;
    });
    layers = down ? done : done.reverse();
  }

  const height = new Map(nodes.map((node) => [node.id, node.height]));
  const y = new Map<string, number>();
  for (const layer of layers) settle(layer, new Map(), height, y);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const down = sweep % 2 === 0;
    for (const layer of down ? layers : [...layers].reverse()) {
      const wish = new Map(
        layer.map((id) => {
          const around = (down ? sources : targets).get(id) ?? [];
          if (around.length === 0) return [id, y.get(id) ?? 0];
          const sum = around.reduce((total, one) => total + (y.get(one.id) ?? 0) + one.there - one.here, 0);
          return [id, sum / around.length];
        }),
      );
      settle(layer, wish, height, y);
    }
  }

  const at = new Map<string, { x: number; y: number }>();
  let x = 0;
  const top = Math.min(...nodes.map((node) => y.get(node.id) ?? 0));
  for (const layer of layers) {
    for (const id of layer) at.set(id, { x: Math.round(x), y: Math.round((y.get(id) ?? 0) - top) });
    x += Math.max(...layer.map((id) => size.get(id)?.width ?? 0)) + GAP_X;
  }
  return at;
}
