import { describe, expect, it } from 'vitest';
import { autoLayout } from '@/flow/auto-layout';

const node = (id: string, height = 60) => ({ id, width: 232, height });
const edge = (source: string, target: string, port?: number) => ({
  source,
  target,
  from: port === undefined ? undefined : 56 + port * 28,
});

describe('the layout', () => {
  it('runs from left to right, a straight chain on one line', () => {
    const at = autoLayout([node('c'), node('a'), node('b')], [edge('a', 'b'), edge('b', 'c')]);
    const [a, b, c] = ['a', 'b', 'c'].map((id) => at.get(id));
    expect(a?.x).toBeLessThan(b?.x ?? 0);
    expect(b?.x).toBeLessThan(c?.x ?? 0);
    expect(new Set([a?.y, b?.y, c?.y]).size).toBe(1);
  });

  it('puts no node over another', () => {
    const nodes = Array.from({ length: 40 }, (_, i) => node(`n${i}`, 50 + (i % 4) * 30));
    const edges = nodes.slice(1).map((one, i) => edge(`n${Math.floor(i / 3)}`, one.id, i % 3));
    const at = autoLayout(nodes, edges);
    for (const a of nodes)
      for (const b of nodes) {
        const [p, q] = [at.get(a.id), at.get(b.id)];
        if (a === b || !p || !q || p.x !== q.x) continue;
        expect(Math.abs(p.y - q.y)).toBeGreaterThanOrEqual(Math.min(a.height, b.height));
      }
  });

  it('keeps the branches of a condition in the order of its cases', () => {
    const at = autoLayout(
      [node('if'), node('else'), node('second'), node('first')],
      [edge('if', 'first', 0), edge('if', 'second', 1), edge('if', 'else', 2)],
    );
    const ys = ['first', 'second', 'else'].map((id) => at.get(id)?.y ?? 0);
    expect(ys).toEqual([...ys].sort((a, b) => a - b));
  });

  it('places nodes that nothing leads to, and survives a circle', () => {
    const at = autoLayout([node('a'), node('b'), node('lonely')], [edge('a', 'b'), edge('b', 'a')]);
    expect(at.size).toBe(3);
    for (const { x, y } of at.values()) expect(Number.isFinite(x) && Number.isFinite(y)).toBe(true);
  });

  it('takes a moment for a thousand nodes', () => {
    const nodes = Array.from({ length: 1000 }, (_, i) => node(`n${i}`));
    const start = performance.now();
    autoLayout(
      nodes,
      nodes.slice(1).map((one, i) => edge(`n${Math.floor(i / 2)}`, one.id)),
    );
    expect(performance.now() - start).toBeLessThan(2000);
  });
});
