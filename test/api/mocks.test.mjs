/* Trying a workflow out: steps that give what is said instead of running. */
import assert from 'node:assert/strict';
import { expectProblem, expectStatus } from '../lib/api.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { approval, call, chain, condition, flow, output, set, trigger, when } from '../lib/flow.mjs';

onEachDatabase('mocks', (ctx) => {
  const { test } = ctx;
  const kept = (run) => Object.fromEntries(run.steps.map((s) => [s.node, s.kept]));

  test('a step that is mocked does not run; what is behind it does', async () => {
    const name = `mock-${ctx.db}`;
    const url = ctx.web.plan(name, { body: { v: 1 } });
    const run = await ctx.api.once(
      flow(
        'Mocked',
        {
          start: trigger(),
          c: call(url, { method: 'POST' }),
          ok: approval('Shall it?'),
          out: output('{{ c.body.v }} {{ ok.by }}'),
        },
        ['start -> c', 'c -> ok', 'ok:approve -> out'],
      ),
      {},
      {
        mocks: {
          c: { output: { body: { v: 'mock' } } },
          ok: { output: { by: 'nobody' }, handle: 'approve' },
        },
      },
    );
    assert.deepEqual([run.state, run.output], ['succeeded', 'mock nobody']);
    assert.deepEqual(kept(run), { start: null, c: 'mock', ok: 'mock', out: null });
    assert.equal(ctx.web.at(`/plan/${name}`).length, 0);
  });

  test('it goes the way that is said, and only where the run comes', async () => {
    const definition = flow(
      'Ways',
      {
        start: trigger(),
        c: condition(when('big', '{{ input.n }}', 'gt', 10)),
        big: set({ size: 'big' }),
        small: set({ size: 'small' }),
        out: output('{{ big?.size ?? small?.size }}'),
      },
      ['start -> c', 'c:big -> big', 'c:else -> small', 'big -> out', 'small -> out'],
    );
    const id = await ctx.api.workflow(definition);
    const run = await ctx.api.run(id, { n: 1 }, { mocks: { c: { output: {}, handle: 'big' } } });
    assert.equal(run.output, 'big');
    assert.deepEqual(kept(run), { start: null, c: 'mock', big: null, small: null, out: null });
    const other = await ctx.api.run(id, { n: 1 }, { mocks: { big: { output: { size: 'huge' } } } });
    assert.equal(other.output, 'small');
    assert.equal(other.steps.find((s) => s.node === 'big').state, 'skipped');
    for (const [mocks, names] of [
      [{ nobody: { output: 1 } }, /"nobody"/],
      [{ start: { output: 1 } }, /trigger/],
      [{ c: { output: 1 } }, /handle/],
      [{ big: { output: 1, handle: 'left' } }, /"left"/],
    ]) {
      const answer = await ctx.api.post(`/api/workflows/${id}/execute`, { input: {}, mocks });
      assert.match(expectProblem(answer, 422, 'invalid').detail, names, JSON.stringify(mocks));
    }
    for (const mocks of [[], { big: 1 }, { big: {} }, { big: { output: 1, more: 2 } }])
      assert.ok((await ctx.api.post(`/api/workflows/${id}/execute`, { input: {}, mocks })).status >= 400);
  });

  test('two versions of a workflow are compared, and the draft with what is published', async () => {
    const first = chain('Old', { a: set({ x: 1 }), gone: set({ y: 1 }), out: output('{{ a.x }}') });
    const id = await ctx.api.published(first);
    const diff = async (query = '') => (await ctx.api.get(`/api/workflows/${id}/diff${query}`)).json;
    assert.deepEqual(await diff(), { same: true, nodes: [], edges: [], workflow: [], whole: true });
    const second = chain('New', { a: set({ x: 2 }), fresh: set({ z: 1 }), out: output('{{ a.x }}') });
    second.nodes[0].position = { x: 5, y: 5 };
    expectStatus(await ctx.api.put(`/api/workflows/${id}`, second), 200);
    const d = await diff();
    assert.deepEqual(
      d.nodes.map((n) => [n.id, n.change]),
      [
        ['a', 'changed'],
        ['gone', 'removed'],
        ['fresh', 'added'],
      ],
    );
    assert.deepEqual(d.nodes[0].differences, [
      { path: '/data/values/x', kind: 'changed', left: 1, right: 2 },
    ]);
    assert.deepEqual(d.workflow, [{ path: '/name', kind: 'changed', left: 'Old', right: 'New' }]);
    assert.equal(d.same, false);
    assert.ok(d.edges.length > 0);
    expectStatus(await ctx.api.post(`/api/workflows/${id}/publish`), 200);
    assert.deepEqual((await diff('?from=1&to=2')).nodes, d.nodes);
    assert.equal((await diff('?from=2&to=draft')).same, true);
    expectProblem(await ctx.api.get(`/api/workflows/${id}/diff?from=9`), 404, 'not_found');
    expectProblem(await ctx.api.get(`/api/workflows/${id}/diff?to=soon`), 400, 'bad_input');
  });

  test('one node is run alone with what it is given', async () => {
    const name = `alone-${ctx.db}`;
    const url = ctx.web.plan(name, { body: { v: 7 } });
    const id = await ctx.api.workflow(
      chain('Alone', {
        c: call(url, { query: { of: '{{ input.who }}' } }),
        s: set({ got: '{{ c.body.v }}', by: '{{ input.who }}' }),
        ok: approval('Shall {{ s.by }}?'),
      }),
    );
    const one = async (node, body, status = 200) =>
      expectStatus(await ctx.api.post(`/api/workflows/${id}/nodes/${node}/test`, body), status).json;
    const called = await one('c', { input: { who: 'ada' } });
    assert.deepEqual([called.state, called.handle, called.output.body], ['succeeded', 'out', { v: 7 }]);
    assert.equal(ctx.web.at(`/plan/${name}`).at(-1).url.searchParams.get('of'), 'ada');
    const set_ = await one('s', { input: { who: 'ada' }, outputs: { c: called.output } });
    assert.deepEqual(set_.output, { got: 7, by: 'ada' });
    const waits = await one('ok', { outputs: { s: set_.output } });
    assert.deepEqual([waits.state, waits.waiting_for.subject], ['waiting', 'Shall ada?']);
    const failed = await one('s', { input: {} });
    assert.deepEqual([failed.state, failed.error.code], ['failed', 'invalid']);
    expectProblem(await ctx.api.post(`/api/workflows/${id}/nodes/x/test`, {}), 404, 'not_found');
    const odd = await ctx.api.post(`/api/workflows/${id}/nodes/s/test`, { outputs: { nobody: 1 } });
    assert.match(expectProblem(odd, 422, 'invalid').detail, /"nobody"/);
    assert.equal((await ctx.api.get(`/api/runs?workflow_id=${id}`)).json.items.length, 0);
  });
});
