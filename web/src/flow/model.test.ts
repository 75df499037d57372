import { describe, expect, it } from 'vitest';
import type { Definition } from '@/api/types';
import {
  ancestors,
  handlesOf,
  isDefinition,
  renameInTemplate,
  toDefinition,
  toGraph,
  withFreshIds,
  wouldCycle,
} from '@/flow/model';

const DEFINITION: Definition = {
  heddle: 1,
  name: 'All of it',
  description: 'with looks',
  settings: { timeout: '10m' },
  viewport: { x: 1, y: 2, zoom: 0.5 },
  variables: [{ name: 'v', type: 'number', value: 1 }],
  nodes: [
    { id: 't', type: 'trigger', position: { x: 0, y: 0.5 }, data: { trigger: 'manual' } },
    {
      id: 'a',
      type: 'never-heard-of',
      position: { x: 1, y: 1 },
      data: { deep: [{ x: null }] },
      width: 300,
      zIndex: 4,
      style: { opacity: 1 },
      className: 'c',
      parentId: 'p',
      extent: 'parent',
    },
  ],
  edges: [
    {
      id: 'e',
      source: 't',
      target: 'a',
      sourceHandle: 'out',
      label: 'yes',
      animated: true,
      markerEnd: { type: 'arrow' },
      data: { k: 1 },
    },
  ],
};

describe('a definition on the canvas', () => {
  it('comes back as it went in', () => {
    expect(toDefinition(toGraph(DEFINITION))).toEqual(DEFINITION);
  });

  it('comes back without what the canvas adds', () => {
    const graph = toGraph(DEFINITION);
    graph.nodes = graph.nodes.map((node) => ({
      ...node,
      selected: true,
      dragging: false,
      measured: { width: 1, height: 2 },
    }));
    graph.edges = graph.edges.map((edge) => ({ ...edge, selected: true, targetHandle: null }));
    expect(toDefinition(graph)).toEqual(DEFINITION);
  });

  it('is recognised, and other JSON is not', () => {
    expect(isDefinition(DEFINITION)).toBe(true);
    for (const other of [
      null,
      [],
      {},
      { name: 'x', nodes: [], edges: {} },
      { name: 'x', nodes: [{ id: 'a' }], edges: [] },
    ])
      expect(isDefinition(other)).toBe(false);
  });
});

describe('the graph', () => {
  const edges = [
    { source: 'a', target: 'b' },
    { source: 'b', target: 'c' },
    { source: 'x', target: 'c' },
  ];

  it('knows what comes before a node, nearest first', () => {
    expect(ancestors('c', edges)).toEqual(['b', 'x', 'a']);
  });

  it('knows an edge that would close a circle', () => {
    expect(wouldCycle('c', 'a', edges)).toBe(true);
    expect(wouldCycle('a', 'a', edges)).toBe(true);
    expect(wouldCycle('a', 'c', edges)).toBe(false);
  });

  it('has handles by type, cases and error branch', () => {
    expect(handlesOf('api-call', { on_error: { strategy: 'branch' } }, undefined)).toEqual(['out', 'error']);
    expect(handlesOf('condition', { cases: [{ id: 'one' }, { id: 'two' }] }, undefined)).toEqual([
      'one',
      'two',
      'else',
    ]);
  });
});

describe('new ids', () => {
  it('are followed by templates, by the first name of each path only', () => {
    const ids = new Map([['a', 'a-2']]);
    expect(renameInTemplate('{{ a.a }} a {{ b.a ?? a.x }} {{a}}', ids)).toBe(
      '{{ a-2.a }} a {{ b.a ?? a-2.x }} {{a-2}}',
    );
  });

  it('are given to nodes and the edges between them', () => {
    const { nodes, edges } = toGraph({
      ...DEFINITION,
      edges: [...DEFINITION.edges, { id: 'f', source: 'a', target: 'elsewhere' }],
    });
    const fresh = withFreshIds(
      nodes,
      edges,
      (node) => `${node.id}-2`,
      () => 'new',
    );
    expect(fresh.nodes.map((node) => node.id)).toEqual(['t-2', 'a-2']);
    expect(fresh.edges).toEqual([{ ...DEFINITION.edges[0], id: 'new', source: 't-2', target: 'a-2' }]);
  });
});
