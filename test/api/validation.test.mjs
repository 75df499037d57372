/* Everything wrong with a definition is found when it is saved, and every finding says where it is. */
import assert from 'node:assert/strict';
import { expectProblem, expectStatus } from '../lib/api.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { call, chain, condition, flow, hook, output, set, text, trigger, when } from '../lib/flow.mjs';

const good = () => chain('Good', { a: set({ x: 1 }), out: output('{{ a.x }}') });

/* Change a good definition and say what must be found: {path?, node?, field?, code?, says?} of one of the problems. */
const cases = [
  ['no format version', (d) => delete d.heddle, { path: '/heddle', code: 'required' }],
  ['another format version', (d) => (d.heddle = 2), { path: '/heddle' }],
  ['no name', (d) => delete d.name, { path: '/name', code: 'required' }],
  ['an empty name', (d) => (d.name = ''), { path: '/name' }],
  ['a name that is too long', (d) => (d.name = 'n'.repeat(201)), { path: '/name' }],
  ['a name of the wrong type', (d) => (d.name = 7), { path: '/name', code: 'type' }],
  ['an unknown field on top', (d) => (d.colour = 'red'), { path: '/colour', code: 'unknown_field' }],
  ['no nodes', (d) => delete d.nodes, { path: '/nodes', code: 'required' }],
  ['nodes of the wrong type', (d) => (d.nodes = {}), { path: '/nodes', code: 'type' }],
  ['no trigger', (d) => ((d.nodes = d.nodes.slice(1)), (d.edges = d.edges.slice(1))), { says: /trigger/ }],
  [
    'two triggers',
    (d) => d.nodes.push({ id: 't2', type: 'trigger', position: { x: 0, y: 0 }, data: { trigger: 'manual' } }),
    { says: /trigger/ },
  ],
  ['a node without id', (d) => delete d.nodes[1].id, { path: '/nodes/1/id', code: 'required' }],
  ['a node id with odd characters', (d) => (d.nodes[1].id = 'a b'), { path: '/nodes/1/id' }],
  ['a reserved node id', (d) => (d.nodes[1].id = 'input'), { path: '/nodes/1/id' }],
  ['the same id twice', (d) => (d.nodes[2].id = 'a'), { path: '/nodes/2/id' }],
  ['an unknown node type', (d) => (d.nodes[1].type = 'api-cal'), { path: '/nodes/1/type', node: 'a' }],
  [
    'an unknown field of a node',
    (d) => (d.nodes[1].colour = 1),
    { path: '/nodes/1/colour', node: 'a', code: 'unknown_field' },
  ],
  [
    'an unknown setting',
    (d) => (d.nodes[1].data.vaules = 1),
    { path: '/nodes/1/data/vaules', node: 'a', code: 'unknown_field' },
  ],
  [
    'a missing setting',
    (d) => (d.nodes[1] = { ...d.nodes[1], type: 'api-call', data: {} }),
    { path: '/nodes/1/data/url', node: 'a', field: 'url', code: 'required' },
  ],
  [
    'a bad enum',
    (d) => (d.nodes[1] = { ...d.nodes[1], type: 'api-call', data: { url: 'http://x/', method: 'FETCH' } }),
    { path: '/nodes/1/data/method', node: 'a', field: 'method', says: /GET/ },
  ],
  [
    'a bad span',
    (d) => (d.nodes[1].data.timeout = 'soon'),
    { path: '/nodes/1/data/timeout', node: 'a', field: 'timeout' },
  ],
  ['a negative span', (d) => (d.nodes[1].data.timeout = -5), { path: '/nodes/1/data/timeout', node: 'a' }],
  [
    'too many attempts',
    (d) => (d.nodes[1].data.retry = { max_attempts: 101 }),
    { path: '/nodes/1/data/retry/max_attempts', node: 'a' },
  ],
  [
    'an unknown retry field',
    (d) => (d.nodes[1].data.retry = { attempts: 3 }),
    { path: '/nodes/1/data/retry/attempts', node: 'a', code: 'unknown_field' },
  ],
  [
    'an unknown retry reason',
    (d) => (d.nodes[1].data.retry = { on: ['boredom'] }),
    { node: 'a', says: /boredom/ },
  ],
  [
    'an unknown error strategy',
    (d) => (d.nodes[1].data.on_error = { strategy: 'ignore' }),
    { path: '/nodes/1/data/on_error/strategy', node: 'a' },
  ],
  [
    'a default strategy without output',
    (d) => (d.nodes[1].data.on_error = { strategy: 'default' }),
    { path: '/nodes/1/data/on_error/output', node: 'a' },
  ],
  ['an edge from nowhere', (d) => (d.edges[1].source = 'ghost'), { path: '/edges/1/source', says: /ghost/ }],
  ['an edge to nowhere', (d) => (d.edges[1].target = 'ghost'), { path: '/edges/1/target', says: /ghost/ }],
  [
    'an unknown handle',
    (d) => (d.edges[1].sourceHandle = 'case-9'),
    { path: '/edges/1/sourceHandle', says: /case-9/ },
  ],
  [
    'an error handle without the strategy',
    (d) => (d.edges[1].sourceHandle = 'error'),
    { path: '/edges/1/sourceHandle' },
  ],
  [
    'an unknown field of an edge',
    (d) => (d.edges[1].weight = 3),
    { path: '/edges/1/weight', code: 'unknown_field' },
  ],
  [
    'an edge into the trigger',
    (d) => d.edges.push({ id: 'back', source: 'a', target: 'start' }),
    { path: /^\/edges\/2/ },
  ],
  [
    'a node that leads to itself',
    (d) => d.edges.push({ id: 'loop', source: 'a', target: 'a' }),
    { code: 'cycle' },
  ],
  [
    'a cycle',
    (d) => d.edges.push({ id: 'back', source: 'out', target: 'a' }),
    { code: 'cycle', says: /a|out/ },
  ],
  [
    'a template to a node that is not there',
    (d) => (d.nodes[2].data.output = '{{ ghost.x }}'),
    { path: '/nodes/2/data/output', node: 'out', says: /ghost/ },
  ],
  [
    'a template to a node that comes later',
    (d) => (d.nodes[1].data.values = { x: '{{ out.y }}' }),
    { path: /^\/nodes\/1\/data\/values/, node: 'a', says: /out/ },
  ],
  [
    'a template to oneself',
    (d) => (d.nodes[1].data.values = { x: '{{ a.y }}' }),
    { path: /^\/nodes\/1\/data\/values/, node: 'a' },
  ],
  [
    'a template to a variable that is not there',
    (d) => (d.nodes[2].data.output = '{{ vars.nope }}'),
    { node: 'out', says: /nope/ },
  ],
  [
    'a template that does not end',
    (d) => (d.nodes[2].data.output = 'x {{ a.x'),
    { path: '/nodes/2/data/output', node: 'out' },
  ],
  [
    'an empty template',
    (d) => (d.nodes[2].data.output = '{{ }}'),
    { path: '/nodes/2/data/output', node: 'out' },
  ],
  [
    'a template with stray characters',
    (d) => (d.nodes[2].data.output = '{{ a..x }}'),
    { path: '/nodes/2/data/output', node: 'out' },
  ],
  [
    'a template that deep in a value is wrong',
    (d) => (d.nodes[2].data.output = { l: [1, { m: '{{ ghost }}' }] }),
    { path: /^\/nodes\/2\/data\/output/, node: 'out' },
  ],
  [
    'JavaScript where there is no engine',
    (d) => (d.nodes[2].data.output = '{{ a.x.map(y => y * 2) }}'),
    { path: '/nodes/2/data/output', node: 'out' },
  ],
  [
    'a variable of a wrong type',
    (d) => (d.variables = [{ name: 'n', type: 'number', value: 'seven' }]),
    { path: /^\/variables\/0/ },
  ],
  [
    'a variable of an unknown type',
    (d) => (d.variables = [{ name: 'n', type: 'integer', value: 7 }]),
    { path: '/variables/0/type' },
  ],
  [
    'a variable with a bad name',
    (d) => (d.variables = [{ name: 'a-b', type: 'any', value: 7 }]),
    { path: '/variables/0/name' },
  ],
  [
    'the same variable twice',
    (d) =>
      (d.variables = [
        { name: 'n', type: 'any', value: 7 },
        { name: 'n', type: 'any', value: 8 },
      ]),
    { path: /^\/variables\/1/ },
  ],
  ['max_steps of zero', (d) => (d.settings = { max_steps: 0 }), { path: '/settings/max_steps' }],
  [
    'max_parallel beyond its bound',
    (d) => (d.settings = { max_parallel: 1001 }),
    { path: '/settings/max_parallel' },
  ],
  [
    'an unknown setting of the workflow',
    (d) => (d.settings = { speed: 'fast' }),
    { path: '/settings/speed', code: 'unknown_field' },
  ],
  [
    'a condition without cases',
    (d) => (d.nodes[1] = { ...d.nodes[1], type: 'condition', data: {} }),
    { path: '/nodes/1/data/cases', node: 'a' },
  ],
  [
    'a condition with an unknown operator',
    (d) =>
      (d.nodes[1] = { ...d.nodes[1], type: 'condition', data: { cases: [when('c', 1, 'resembles', 2)] } }),
    {
      path: '/nodes/1/data/cases/0/conditions/0/operator',
      node: 'a',
      field: 'cases/0/conditions/0/operator',
      says: /resembles/,
    },
  ],
  [
    'two cases of one id',
    (d) =>
      (d.nodes[1] = {
        ...d.nodes[1],
        type: 'condition',
        data: { cases: [when('c', 1, 'equals', 2), when('c', 1, 'equals', 3)] },
      }),
    { path: /^\/nodes\/1\/data\/cases\/1/, node: 'a' },
  ],
  [
    'an operator that lacks its right side',
    (d) => (d.nodes[1] = { ...d.nodes[1], type: 'condition', data: { cases: [when('c', 1, 'gt')] } }),
    { path: /^\/nodes\/1\/data\/cases\/0\/conditions\/0/, node: 'a' },
  ],
  [
    'a bad JSON path',
    (d) => (d.nodes[1].data = { mode: 'jsonpath', from: '{{ input }}', path: '$..[' }),
    { path: '/nodes/1/data/path', node: 'a' },
  ],
  [
    'a bad regular expression',
    (d) =>
      (d.nodes[1] = { ...d.nodes[1], type: 'condition', data: { cases: [when('c', 'x', 'matches', '(')] } }),
    { path: /^\/nodes\/1\/data\/cases\/0/, node: 'a' },
  ],
  [
    'a bad input schema',
    (d) => (d.nodes[0].data.input = { type: 'objekt' }),
    { path: /^\/nodes\/0\/data\/input/, node: 'start' },
  ],
  ['a setting of another mode', (d) => (d.nodes[1].data = { mode: 'template', values: {} }), { node: 'a' }],
];

onEachDatabase('validation', (ctx) => {
  const { test } = ctx;

  test('the definition all others are made from is good', async () => {
    const { json } = expectStatus(await ctx.api.post('/api/workflows/validate', good()), 200);
    assert.deepEqual(json, { valid: true, errors: [], warnings: [] });
  });

  for (const [what, change, want] of cases)
    test(`found: ${what}`, async () => {
      const definition = good();
      change(definition);
      const { json } = expectStatus(await ctx.api.post('/api/workflows/validate', definition), 200);
      assert.equal(json.valid, false);
      for (const problem of json.errors) {
        for (const field of ['path', 'node', 'field', 'code', 'message'])
          assert.equal(typeof problem[field], 'string', JSON.stringify(problem));
        assert.ok(problem.message.length > 10 && problem.path.startsWith('/'), JSON.stringify(problem));
      }
      const fits = (value, wanted) => (wanted instanceof RegExp ? wanted.test(value) : value === wanted);
      const hit = json.errors.find((p) =>
        Object.entries(want).every(([k, v]) =>
          k === 'says' ? v.test(`${p.message} ${p.path}`) : fits(p[k], v),
        ),
      );
      assert.ok(
        hit,
        `wanted ${Object.entries(want).map(([k, v]) => `${k}=${v}`)}, found ${JSON.stringify(json.errors)}`,
      );
      /* What validate finds, saving refuses, with the same words. */
      const refused = expectProblem(await ctx.api.post('/api/workflows', definition), 422, 'invalid');
      assert.deepEqual(
        refused.errors.filter((e) => !e.warning),
        json.errors,
      );
    });

  test('all problems are told at once', async () => {
    const d = good();
    d.colour = 1;
    d.nodes[1].data.vaules = 1;
    d.edges[1].target = 'ghost';
    d.nodes[2].data.output = '{{ nobody.x }}';
    const { errors } = expectProblem(await ctx.api.post('/api/workflows', d), 422);
    for (const path of ['/colour', '/nodes/1/data/vaules', '/edges/1/target', '/nodes/2/data/output'])
      assert.ok(
        errors.some((e) => e.path === path),
        `${path} is not among ${JSON.stringify(errors.map((e) => e.path))}`,
      );
  });

  test('a node that nothing leads to is a warning, and the workflow runs', async () => {
    const d = good();
    d.nodes.push({
      id: 'island',
      type: 'data-transform',
      position: { x: 0, y: 0 },
      data: { mode: 'set', values: {} },
    });
    const made = expectStatus(await ctx.api.post('/api/workflows', d), 201);
    const { json: w } = await ctx.api.get(`/api/workflows/${made.json.id}`);
    assert.deepEqual(
      w.warnings.map((p) => [p.node, p.code]),
      [['island', 'unreachable']],
    );
    const run = await ctx.api.run(w.id, {});
    assert.deepEqual([run.state, run.output], ['succeeded', 1]);
  });

  test('a broken draft is never saved over a good one', async () => {
    const id = await ctx.api.workflow(good());
    const broken = good();
    broken.nodes[1].type = 'nothing';
    expectProblem(await ctx.api.put(`/api/workflows/${id}`, broken), 422, 'invalid');
    assert.equal((await ctx.api.run(id, {})).output, 1);
  });

  test('bodies that are no definition are refused by their kind', async () => {
    const raw = (text, type = 'application/json') =>
      ctx.api.call('POST', '/api/workflows', { text, headers: { 'content-type': type } });
    expectProblem(await raw('{"heddle": 1,'), 400, 'syntax');
    expectProblem(await raw('{"heddle": 1} x'), 400, 'syntax');
    expectProblem(await raw('[1, 2]'), [400, 422]);
    expectProblem(await raw('"text"'), [400, 422]);
    expectProblem(await raw('null'), [400, 422]);
    expectProblem(await raw('{}', 'text/plain'), 415, 'media_type');
    expectProblem(await raw('<x/>', 'application/xml'), 415, 'media_type');
    expectProblem(await raw('['.repeat(100_000)), [400, 413]);
    expectProblem(await raw('{"a":'.repeat(5000) + '1' + '}'.repeat(5000)), [400, 413]);
  });

  test('a definition of the greatest size is taken, one beyond is not', async () => {
    const wide = (n) => {
      const nodes = { start: trigger() };
      const edges = [];
      for (let i = 0; i < n - 1; i++) {
        nodes[`n${i}`] = set({ i });
        edges.push(`start -> n${i}`);
      }
      return flow('Wide', nodes, edges);
    };
    expectStatus(await ctx.api.post('/api/workflows', wide(5000)), 201);
    expectProblem(await ctx.api.post('/api/workflows', wide(5001)), [413, 422]);
  });

  test('webhook settings and templates in every kind of field are looked at', async () => {
    const d = flow(
      'H',
      {
        in: hook({ auth: 'sometimes' }),
        c: call('http://x/{{ nope.y }}', { headers: { a: '{{ zip }}' } }),
        t: text('{{ in.x }}'),
        k: condition(when('c', '{{ in.x }}', 'equals', 1)),
      },
      ['in -> c', 'c -> t', 't -> k'],
    );
    const { errors } = expectProblem(await ctx.api.post('/api/workflows', d), 422);
    const where = errors.map((e) => `${e.node}:${e.field}`);
    for (const want of ['in:webhook/auth', 'c:url'])
      assert.ok(where.includes(want), `${want} not in ${where}`);
    assert.ok(
      where.some((w) => w.startsWith('c:headers')),
      `${where}`,
    );
  });
});
