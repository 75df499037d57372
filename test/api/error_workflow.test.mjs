/* Workflows that hear of failures: started once, durably, and never by themselves. */
import assert from 'node:assert/strict';
import { expectProblem, expectStatus } from '../lib/api.mjs';
import { Gate, until } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { call, chain, noRetry, output, set, sub, waitEvent } from '../lib/flow.mjs';

onEachDatabase('error workflows', (ctx) => {
  const { test } = ctx;
  let n = 0;
  const unique = (name) => `${name} ${++n} ${ctx.db}`;
  const runsOf = async (id) => (await ctx.api.get(`/api/runs?workflow_id=${id}`)).json.items;

  const listener = (nodes = { out: output('{{ input.error.code }}') }) =>
    ctx.api.published(chain(unique('Listener'), { start: ['trigger', { trigger: 'error' }], ...nodes }));
  const failing = (error_workflow, more = {}) =>
    chain(
      unique('Failing'),
      { bad: call(`${ctx.web.origin}/status/404`, { retry: noRetry }), ...more },
      {
        settings: { error_workflow },
      },
    );
  const heard = (id, count = 1) =>
    until('the failure is heard of', async () => {
      const runs = await runsOf(id);
      return runs.length === count && runs.every((r) => r.finished_at) && runs;
    });

  test('it is started once with the failure and the run', async () => {
    const ear = await listener();
    const definition = failing(ear);
    const run = await ctx.api.once(definition, { order: 7 });
    assert.equal(run.state, 'failed');
    const [{ id }] = await heard(ear);
    const told = await ctx.api.runOf(id);
    assert.deepEqual([told.state, told.output, told.trigger], ['succeeded', 'not_found', 'error']);
    assert.deepEqual(told.input.error, { ...run.error, node: 'bad' });
    const { run: of } = told.input;
    assert.deepEqual(
      [of.id, of.workflow_id, of.workflow_name, of.version, of.trigger, of.input],
      [run.id, run.workflow_id, definition.name, 0, 'api', { order: 7 }],
    );
    assert.deepEqual(told.parent, { run_id: run.id, node: 'bad' });
    assert.deepEqual(
      (await ctx.api.runOf(run.id)).children.map((c) => [c.run_id, c.waited_for]),
      [[id, false]],
    );
  });

  test('success, cancel and failures that are handled are none of its business', async () => {
    const ear = await listener();
    const settings = { settings: { error_workflow: ear } };
    await ctx.api.once(chain('Fine', { a: set({ x: 1 }) }, settings), {});
    await ctx.api.once(
      failing(ear, {
        bad: call(`${ctx.web.origin}/status/404`, {
          retry: noRetry,
          on_error: { strategy: 'default', output: 1 },
        }),
      }),
      {},
    );
    const id = await ctx.api.start(
      await ctx.api.workflow(chain('Stopped', { w: waitEvent('never') }, settings)),
      {},
    );
    expectStatus(await ctx.api.post(`/api/runs/${id}/cancel`), 202);
    await ctx.api.finished(id);
    await ctx.api.once(failing(ear), {});
    await heard(ear, 1);
  });

  test('one that fails itself starts no other', async () => {
    const outer = await listener();
    const ear = await ctx.api.published(failing(outer));
    await ctx.api.once(failing(ear), {});
    const [run] = await heard(ear);
    assert.equal(run.state, 'failed');
    /* Not started as an error workflow it is told of like any other. */
    await ctx.api.run(ear, {});
    await heard(outer, 1);
  });

  test('each failed run is told of by its own workflow, above and below', async () => {
    const [above, below] = [await listener(), await listener()];
    const child = await ctx.api.published(failing(below));
    await ctx.api.once(chain('Above', { a: sub(child) }, { settings: { error_workflow: above } }), {});
    await Promise.all([heard(above), heard(below)]);
  });

  test('where there is none the run fails all the same', async () => {
    const run = await ctx.api.once(failing('Nobody at all'), {});
    assert.deepEqual([run.state, run.error.code], ['failed', 'not_found']);
    expectProblem(
      await ctx.api.post('/api/workflows', { ...failing('x'), settings: { error_workflow: 7 } }),
      422,
      'invalid',
    );
  });

  test('a crash around the failure starts it once', async () => {
    const gate = new Gate();
    const name = `crash-fail-${ctx.db}`;
    const ear = await listener();
    const url = ctx.web.plan(name, { gate, status: 404 });
    const id = await ctx.api.start(
      await ctx.api.workflow(failing(ear, { bad: call(url, { retry: noRetry, timeout: '120s' }) })),
      {},
    );
    await until('the call is under way', () => ctx.web.at(`/plan/${name}`).length);
    await ctx.server.killAndRestart();
    gate.open();
    assert.equal((await ctx.api.finished(id)).state, 'failed');
    await ctx.server.killAndRestart();
    await heard(ear, 1);
  });
});
