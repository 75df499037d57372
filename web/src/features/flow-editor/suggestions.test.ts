import { describe, expect, it } from 'vitest';
import type { Definition } from '@/api/types';
import { joinPath, openExpression, suggestionsFor } from '@/features/flow-editor/suggestions';

const at = { x: 0, y: 0 };
const DEFINITION: Definition = {
  heddle: 1,
  name: 'W',
  variables: [{ name: 'limit', type: 'number', value: 5 }],
  nodes: [
    {
      id: 't',
      type: 'trigger',
      position: at,
      data: { trigger: 'webhook', input: { type: 'object', properties: { email: { type: 'string' } } } },
    },
    { id: 'api', type: 'api-call', position: at, data: { title: 'Ask' } },
    { id: 'llm', type: 'llm', position: at, data: { response_format: 'json' } },
    { id: 'after', type: 'output', position: at, data: {} },
  ],
  edges: [
    { id: '1', source: 't', target: 'api' },
    { id: '2', source: 'api', target: 'llm' },
    { id: '3', source: 'llm', target: 'after' },
  ],
};
const paths = (node: string, outputs = {}) => suggestionsFor(node, DEFINITION, outputs).map((one) => one.path);

describe('what a template may read', () => {
  it('is what comes before, the input, variables and the run', () => {
    expect(paths('llm')).toEqual(
      expect.arrayContaining(['api.status', 'api.body', 'input.email', 'vars.limit', 'run.id', 'request.headers']),
    );
    expect(paths('llm').some((path) => path.startsWith('after') || path.startsWith('llm'))).toBe(false);
  });

  it('is also what is around a node, and what comes before that', () => {
    const inside: Definition = {
      ...DEFINITION,
      nodes: [
        ...DEFINITION.nodes,
        { id: 'each', type: 'iteration', position: at, data: { items: [] } },
        { id: 'again', type: 'loop', parentId: 'each', position: at, data: { variables: [{ name: 'n', value: 1 }] } },
        { id: 'leaf', type: 'llm', parentId: 'again', position: at, data: {} },
      ],
      edges: [...DEFINITION.edges, { id: '4', source: 'api', target: 'each' }],
    };
    const found = suggestionsFor('leaf', inside, {}).map((one) => one.path);
    expect(found).toEqual(
      expect.arrayContaining(['again.index', 'again.vars.n', 'each.item', 'each.index', 'api.body', 'run.id']),
    );
    expect(found).not.toContain('llm.text');
    expect(suggestionsFor('after', inside, {}).some((one) => one.path.startsWith('each.item'))).toBe(false);
  });

  it('has the real shape of outputs that were seen', () => {
    expect(paths('llm', { api: { status: 200, body: { people: [{ 'full name': 'x' }] } } })).toContain(
      'api.body.people[0]',
    );
  });

  it('knows that a model asked for JSON gives it', () => {
    expect(paths('after')).toContain('llm.json');
  });
});

describe('paths', () => {
  it('quote keys that are no names', () => {
    expect(joinPath('a', 'b-1')).toBe('a.b-1');
    expect(joinPath('a', 'odd "key"')).toBe('a["odd \\"key\\""]');
    expect(joinPath('a', 3)).toBe('a[3]');
  });
});

describe('the expression being typed', () => {
  it('begins at its braces', () => {
    expect(openExpression('hi {{ api.bo', 12)).toEqual({ from: 3, typed: 'api.bo' });
  });

  it('is none outside of braces, or behind them', () => {
    expect(openExpression('hi', 2)).toBeNull();
    expect(openExpression('{{ a }} b', 9)).toBeNull();
    expect(openExpression('{{ a\nb', 6)).toBeNull();
  });
});
