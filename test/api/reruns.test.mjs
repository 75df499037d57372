/* Runs again: whole, from a step on, with other results, in another version; and two runs beside each other. */
import assert from 'node:assert/strict';
import { expectProblem, expectStatus, stepOf } from '../lib/api.mjs';
import { Gate, until } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { approval, call, chain, condition, flow, noRetry, output, set, trigger, when } from '../lib/flow.mjs';

onEachDatabase('reruns', (ctx) => {
  const { test } = ctx;
  let n = 0;

  const again = async (id, body = {}, status = 200, options) =>
    expectStatus(await ctx.api.post(`/api/runs/${id}/rerun`, body, options), status).json;
  const kept = (run) => Object.fromEntries(run.steps.map((s) => [s.node, s.kept]));

  /* first -> second -> out, both calls counted. */
  function twoCalls(second = [{ body: { v: 2 } }]) {
    const name = `rerun-${++n}-${ctx.db}`;
    const urls = [ctx.web.plan(`${name}-a`, { body: { v: 1 } }), ctx.web.plan(`${name}-b`, ...second)];
    const definition = chain('Two calls', {
      first: call(urls[0]),
      second: call(urls[1], { query: { of: '{{ first.body.v }}' }, retry: noRetry }),
      out: output({ first: '{{ first.body.v }}', second: '{{ second.body.v }}', by: '{{ input.who }}' }),
    });
    const calls = () => ['a', 'b'].map((x) => ctx.web.at(`/plan/${name}-${x}`).length);
    return { name, definition, calls };
  }

  test('a run is run again with its input and version, and says of which run it is', async () => {
    const f = twoCalls();
    const id = await ctx.api.published(f.definition);
    const first = await ctx.api.run(id, { who: 'ada' });
    expectStatus(await ctx.api.put(`/api/workflows/${id}`, { ...f.definition, name: 'Another by now' }), 200);
    expectStatus(await ctx.api.post(`/api/workflows/${id}/publish`), 200);
    const second = await again(first.id);
    assert.deepEqual(second.output, { first: 1, second: 2, by: 'ada' });
    assert.notEqual(second.id, first.id);
    assert.equal(second.version, 1);
    assert.equal(second.trigger, 'rerun');
    assert.deepEqual(second.rerun_of, { run_id: first.id, from: null, edited: [] });
    assert.deepEqual(f.calls(), [2, 2]);
    assert.deepEqual(new Set(Object.values(kept(second))), new Set([null]));
    assert.equal((await again(first.id, { version: 'published' })).version, 2);
    assert.equal((await ctx.api.runOf(first.id)).rerun_of, null);
  });

  test('from a step on, finished results are kept and nothing before it is called again', async () => {
    const f = twoCalls([{ status: 500 }, { body: { v: 'mended' } }]);
    const id = await ctx.api.workflow(f.definition);
    const failed = await ctx.api.run(id, { who: 'ada' });
    assert.equal(failed.state, 'failed');
    const mended = await again(failed.id, { from: 'second' });
    assert.deepEqual([mended.state, mended.output.second], ['succeeded', 'mended']);
    assert.deepEqual(f.calls(), [1, 2]);
    assert.deepEqual(kept(mended), { start: null, first: 'run', second: null, out: null });
    assert.deepEqual(stepOf(mended, 'first').output, stepOf(failed, 'first').output);
    assert.deepEqual(mended.rerun_of, { run_id: failed.id, from: 'second', edited: [] });
    /* And again of the one that kept: what it kept is kept. */
    const third = await again(mended.id, { from: 'out' });
    assert.deepEqual(third.output, mended.output);
    assert.deepEqual(f.calls(), [1, 2]);
  });

  test('a fork goes on with results that were edited', async () => {
    const f = twoCalls();
    const first = await ctx.api.once(f.definition, { who: 'ada' });
    const fork = await again(first.id, { edits: { first: { body: { v: 'mine' } } } });
    assert.deepEqual(fork.output, { first: 'mine', second: 2, by: 'ada' });
    assert.deepEqual(kept(fork), { start: null, first: 'edit', second: null, out: null });
    assert.deepEqual(fork.rerun_of, { run_id: first.id, from: null, edited: ['first'] });
    assert.equal(ctx.web.at(`/plan/${f.name}-b`).at(-1).url.searchParams.get('of'), 'mine');
    const both = await again(first.id, { from: 'first', edits: { second: { body: { v: 'also' } } } });
    assert.deepEqual(both.output, { first: 1, second: 'also', by: 'ada' });
    assert.deepEqual(f.calls(), [2, 2]);
  });

  test('an edited condition goes the way that it is told to; the other way is skipped', async () => {
    const first = await ctx.api.once(
      flow(
        'Ways',
        {
          start: trigger(),
          c: condition(when('big', '{{ input.n }}', 'gt', 10)),
          big: set({ size: 'big' }),
          small: set({ size: 'small' }),
          out: output('{{ big?.size ?? small?.size }}'),
        },
        ['start -> c', 'c:big -> big', 'c:else -> small', 'big -> out', 'small -> out'],
      ),
      { n: 3 },
    );
    assert.equal(first.output, 'small');
    const way = await again(first.id, { edits: { c: { case: 'big' } }, handles: { c: 'big' } });
    assert.equal(way.output, 'big');
    assert.deepEqual(kept(way), { start: null, c: 'edit', big: null, small: null, out: null });
    /* Only the end again: what was kept took its way, what was skipped is skipped. */
    const end = await again(first.id, { from: 'out' });
    assert.equal(end.output, 'small');
    assert.deepEqual(
      end.steps.map((s) => [s.node, s.state, s.kept]),
      [
        ['start', 'succeeded', null],
        ['c', 'succeeded', 'run'],
        ['big', 'skipped', null],
        ['small', 'succeeded', 'run'],
        ['out', 'succeeded', null],
      ],
    );
    const problem = expectProblem(
      await ctx.api.post(`/api/runs/${first.id}/rerun`, { from: 'big' }),
      422,
      'invalid',
    );
    assert.match(problem.detail, /"big"/);
  });

  test('in the published version what is new runs, and what is behind it', async () => {
    const f = twoCalls();
    const id = await ctx.api.published(f.definition);
    const first = await ctx.api.run(id, { who: 'ada' });
    const { definition } = f;
    const more = chain('Three', {
      first: definition.nodes[1].data && ['api-call', definition.nodes[1].data],
      between: set({ v: '{{ first.body.v }}' }),
      second: ['api-call', definition.nodes[2].data],
      out: output('{{ between.v }}/{{ second.body.v }}'),
    });
    expectStatus(await ctx.api.put(`/api/workflows/${id}`, more), 200);
    expectStatus(await ctx.api.post(`/api/workflows/${id}/publish`), 200);
    const run = await again(first.id, { from: 'out', version: 'published' });
    assert.equal(run.output, '1/2');
    assert.deepEqual(kept(run), { start: null, first: 'run', between: null, second: null, out: null });
    assert.deepEqual(f.calls(), [1, 2]);
  });

  test('what it kept outlives a crash in the middle', async () => {
    const gate = new Gate();
    const f = twoCalls([{ body: { v: 2 } }, { gate, body: { v: 3 } }]);
    const first = await ctx.api.once(f.definition, { who: 'ada' });
    const { id } = await again(first.id, { from: 'second', mode: 'async' }, 202);
    await until('the second call is under way', () => f.calls()[1] === 2);
    await ctx.server.killAndRestart();
    gate.open();
    const run = await ctx.api.finished(id);
    assert.deepEqual([run.state, run.output], ['succeeded', { first: 1, second: 3, by: 'ada' }]);
    assert.deepEqual(kept(run), { start: null, first: 'run', second: null, out: null });
    assert.equal(f.calls()[0], 1);
    assert.equal(run.rerun_of.run_id, first.id);
  });

  test('a key starts one run, and stands for what was asked with it', async () => {
    const first = await ctx.api.once(twoCalls().definition, {});
    const headers = { 'idempotency-key': `rerun-key-${ctx.db}` };
    const one = await again(first.id, { from: 'out' }, 200, { headers });
    assert.equal((await again(first.id, { from: 'out' }, 200, { headers })).id, one.id);
    expectProblem(await ctx.api.post(`/api/runs/${first.id}/rerun`, {}, { headers }), 409, 'exists');
  });

  test('what cannot be is refused by name', async () => {
    const first = await ctx.api.once(twoCalls().definition, {});
    for (const [body, status, code, names] of [
      [{ from: 'nobody' }, 422, 'invalid', /"nobody"/],
      [{ edits: { nobody: 1 } }, 422, 'invalid', /"nobody"/],
      [{ edits: { start: {} } }, 422, 'invalid', /input/],
      [{ edits: { first: 1 }, handles: { first: 'left' } }, 422, 'invalid', /"left"/],
      [{ handles: { first: 'out' } }, 422, 'invalid', /"first"/],
      [{ version: 'published' }, 404, 'not_found', /published/],
    ]) {
      const answer = await ctx.api.post(`/api/runs/${first.id}/rerun`, body);
      assert.match(expectProblem(answer, status, code).detail, names, JSON.stringify(body));
    }
    for (const body of [{ form: 'x' }, { from: 7 }, { version: 3 }, { edits: [] }, { mode: 'soon' }])
      assert.ok((await ctx.api.post(`/api/runs/${first.id}/rerun`, body)).status >= 400);
    expectProblem(await ctx.api.post(`/api/runs/${crypto.randomUUID()}/rerun`, {}), 404, 'not_found');
    expectStatus(await ctx.api.delete(`/api/workflows/${first.workflow_id}`), 204);
    expectProblem(await ctx.api.post(`/api/runs/${first.id}/rerun`, {}), 410, 'gone');
  });

  test('two runs are compared step by step', async () => {
    const f = twoCalls([{ body: { v: 2, list: [1, 2, 3] } }, { body: { v: 5, list: [1, 9, 3, 4] } }]);
    const first = await ctx.api.once(f.definition, { who: 'ada' });
    const second = await again(first.id, { from: 'second' });
    const compare = async (x, y) =>
      expectStatus(await ctx.api.get(`/api/runs/${x}/compare?with=${y}`), 200).json;
    const c = await compare(first.id, second.id);
    assert.deepEqual(
      c.steps.map((s) => [s.node, s.change]),
      [
        ['start', 'same'],
        ['first', 'same'],
        ['second', 'changed'],
        ['out', 'changed'],
      ],
    );
    assert.deepEqual(
      c.steps[2].differences.filter((d) => d.path.startsWith('/body')),
      [
        { path: '/body/v', kind: 'changed', left: 2, right: 5 },
        { path: '/body/list/1', kind: 'changed', left: 2, right: 9 },
        { path: '/body/list/3', kind: 'added', right: 4 },
      ],
    );
    assert.deepEqual(c.output, [{ path: '/second', kind: 'changed', left: 2, right: 5 }]);
    assert.deepEqual(
      [c.same, c.same_definition, c.whole, c.input, c.left.id, c.right.id],
      [false, true, true, [], first.id, second.id],
    );
    assert.equal(c.steps[1].right.kept, 'run');
    assert.equal((await compare(first.id, first.id)).same, true);
    const other = await ctx.api.once(chain('Other', { first: set({ x: 1 }), end: output(1) }), {});
    const far = await compare(first.id, other.id);
    assert.deepEqual(
      far.steps.map((s) => [s.node, s.change]),
      [
        ['start', 'changed'],
        ['first', 'changed'],
        ['second', 'only_left'],
        ['out', 'only_left'],
        ['end', 'only_right'],
      ],
    );
    expectProblem(await ctx.api.get(`/api/runs/${first.id}/compare`), 400, 'bad_input');
    expectProblem(
      await ctx.api.get(`/api/runs/${first.id}/compare?with=${crypto.randomUUID()}`),
      404,
      'not_found',
    );
  });

  test('who may start runs may not decide for people by running them again', async () => {
    const url = ctx.web.plan(`guarded-${ctx.db}`, { body: {} });
    const id = await ctx.api.workflow(
      flow('Guarded', { start: trigger(), a: approval('Pay?'), c: call(url), o: output('{{ a }}') }, [
        'start -> a',
        'a:approve -> c',
        'c -> o',
      ]),
    );
    const run = await ctx.api.start(id, {});
    await until('it asks', async () => (await ctx.api.runOf(run)).state === 'waiting');
    const starter = ctx.api.as(await ctx.server.newKey(`starts-${ctx.db}`, 'run.start,run.read'));
    const forged = { edits: { a: { outcome: 'approve' } }, handles: { a: 'approve' } };
    expectProblem(await starter.post(`/api/runs/${run}/rerun`, forged), 403, 'forbidden');
    assert.equal(ctx.web.at(`/plan/guarded-${ctx.db}`).length, 0);
    expectStatus(await starter.post(`/api/runs/${run}/rerun`, { mode: 'async' }), 202); /* it asks again */
    expectStatus(await ctx.api.post(`/api/runs/${run}/rerun`, forged), 200);
    assert.equal(ctx.web.at(`/plan/guarded-${ctx.db}`).length, 1);
    starter.close();
  });

  test('as many differences are told as one can read', async () => {
    const id = await ctx.api.workflow(chain('Many', { a: set({ list: '{{ input.list }}' }) }));
    const list = (x) => Array.from({ length: 500 }, (_, i) => `${x}${i}${'.'.repeat(i === 0 ? 400 : 0)}`);
    const [x, y] = [await ctx.api.run(id, { list: list('x') }), await ctx.api.run(id, { list: list('y') })];
    const c = (await ctx.api.get(`/api/runs/${x.id}/compare?with=${y.id}`)).json;
    assert.equal(c.whole, false);
    assert.equal(c.input.length, 50);
    assert.deepEqual(c.input[0], { path: '/list/0', kind: 'changed' }); /* too long to be shown */
    assert.deepEqual(c.input[1], { path: '/list/1', kind: 'changed', left: 'x1', right: 'y1' });
  });
});
