import { describe, expect, it } from 'vitest';
import type { FlowEdge, FlowNode } from '@/flow/model';
import { layoutBodies, parentsFirst, possibleParents, putInside, withInside } from '@/flow/bodies';

const node = (id: string, type: string, parentId?: string): FlowNode => ({
  id,
  type,
  position: { x: 10, y: 10 },
  data: {},
  ...(parentId && { parentId }),
});
const edge = (source: string, target: string): FlowEdge => ({ id: `${source}-${target}`, source, target });
const NODES = [node('t', 'trigger'), node('in', 'loop', 'out'), node('out', 'iteration'), node('a', 'llm', 'in')];

describe('bodies', () => {
  it('know what is inside of what', () => {
    expect([...withInside(['out'], NODES)].sort()).toEqual(['a', 'in', 'out']);
    expect(possibleParents('out', NODES)).toEqual([]);
    expect(possibleParents('a', NODES).map((one) => one.id)).toEqual(['in', 'out']);
    expect(parentsFirst(NODES).map((one) => one.id)).toEqual(['t', 'out', 'in', 'a']);
  });

  it('take a node in and out, and its edges only where both ends stay side by side', () => {
    const graph = { nodes: [...NODES, node('b', 'llm')], edges: [edge('t', 'b'), edge('b', 'out')] };
    const inside = putInside(graph, 'b', 'in');
    expect(inside.nodes.find((one) => one.id === 'b')).toMatchObject({ parentId: 'in', position: { x: 24, y: 232 } });
    expect(inside.edges).toEqual([]);
    const out = putInside(inside, 'b', null).nodes.find((one) => one.id === 'b');
    expect(out).not.toHaveProperty('parentId');
  });

  it('are laid out inside of their containers, which hold them', () => {
    const sized = NODES.map(({ id, parentId }) => ({ id, width: 200, height: 80, ...(parentId && { parentId }) }));
    const { positions, sizes } = layoutBodies(sized, [edge('t', 'out')]);
    expect(sizes.get('in')).toEqual({ width: 252, height: 220 });
    const inner = positions.get('in') ?? { x: 0, y: 0 };
    const outer = sizes.get('out') ?? { width: 0, height: 0 };
    expect(inner.x + 252).toBeLessThanOrEqual(outer.width);
    expect(inner.y + 220).toBeLessThanOrEqual(outer.height);
    expect(positions.get('out')?.x).toBeGreaterThan(200);
  });
});
