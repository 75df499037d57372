/* Runs that rest: by somebody's wish, or because they bring the server down. */
import assert from 'node:assert/strict';
import { expectProblem, expectStatus, stepOf } from '../lib/api.mjs';
import { Gate, until } from '../lib/gate.mjs';
import { psql } from '../lib/postgres.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { call, chain, delay, output, waitEvent } from '../lib/flow.mjs';

onEachDatabase('pause', (ctx) => {
  const { test } = ctx;
  let n = 0;

  const pause = (id) => ctx.api.post(`/api/runs/${id}/pause`);
  const resume = (id) => ctx.api.post(`/api/runs/${id}/resume`);
  const reaches = (id, state) =>
    until(`the run is ${state}`, async () => {
      const run = await ctx.api.runOf(id);
      return run.state === state && run;
    });

  /* A held call, then a counted one. */
  async function half(more = {}) {
    const name = `pause-${++n}-${ctx.db}`;
    const gate = new Gate();
    const urls = [
      ctx.web.plan(`${name}-a`, { gate, body: { v: 1 } }),
      ctx.web.plan(`${name}-b`, { body: { v: 2 } }),
    ];
    const definition = chain(
      'Pauses',
      {
        a: call(urls[0], { timeout: '120s' }),
        b: call(urls[1]),
        out: output('{{ a.body.v }}{{ b.body.v }}'),
      },
      more,
    );
    const id = await ctx.api.start(await ctx.api.workflow(definition), {});
    await until('the first call is under way', () => ctx.web.at(`/plan/${name}-a`).length);
    return { id, gate, calls: () => ['a', 'b'].map((x) => ctx.web.at(`/plan/${name}-${x}`).length) };
  }

  test('steps in flight end, nothing new begins, and it goes on where it was', async () => {
    const h = await half();
    const asked = expectStatus(await pause(h.id), 202).json;
    assert.equal(asked.pause_requested, true);
    h.gate.open();
    const resting = await reaches(h.id, 'paused');
    assert.deepEqual([stepOf(resting, 'a').state, stepOf(resting, 'b').state], ['succeeded', 'idle']);
    assert.deepEqual(h.calls(), [1, 0]);
    expectStatus(await pause(h.id), 202); /* the wish is there already */
    assert.deepEqual(
      (await ctx.api.get(`/api/runs?workflow_id=${resting.workflow_id}&state=paused`)).json.items.map(
        (r) => r.id,
      ),
      [h.id],
    );
    expectStatus(await resume(h.id), 202);
    const run = await ctx.api.finished(h.id);
    assert.deepEqual([run.state, run.output, h.calls()], ['succeeded', '12', [1, 1]]);
    expectProblem(await pause(h.id), 409, 'conflict');
    expectProblem(await resume(h.id), 409, 'conflict');
    const events = await ctx.api.events(h.id);
    const kinds = (await events.all()).map((e) => e.event);
    assert.ok(kinds.includes('run.paused') && kinds.includes('run.resumed'), kinds.join(' '));
  });

  test('it rests across a restart and a crash', async () => {
    const h = await half();
    expectStatus(await pause(h.id), 202);
    h.gate.open();
    await reaches(h.id, 'paused');
    await ctx.server.restart();
    assert.equal((await ctx.api.runOf(h.id)).state, 'paused');
    await ctx.server.killAndRestart();
    assert.equal((await ctx.api.runOf(h.id)).state, 'paused');
    assert.deepEqual(h.calls(), [1, 0]);
    expectStatus(await resume(h.id), 202);
    assert.equal((await ctx.api.finished(h.id)).output, '12');
  });

  test('a pause that was asked before a crash holds after it', async () => {
    const h = await half();
    expectStatus(await pause(h.id), 202);
    await ctx.server.killAndRestart();
    await reaches(h.id, 'paused');
    h.gate.open();
    expectStatus(await resume(h.id), 202);
    const run = await ctx.api.finished(h.id);
    assert.deepEqual([run.state, run.output], ['succeeded', '12']);
  });

  test('what it waits for may come while it rests, and counts', async () => {
    const key = `k-${ctx.db}`;
    const id = await ctx.api.start(
      await ctx.api.workflow(chain('Hears', { w: waitEvent('go', key), out: output('{{ w.data }}') })),
      {},
    );
    await reaches(id, 'waiting');
    expectStatus(await pause(id), 202);
    await reaches(id, 'paused');
    assert.equal((await ctx.api.post('/api/events', { name: 'go', key, data: 5 })).json.delivered, 1);
    await until(
      'the answer is taken',
      async () => stepOf(await ctx.api.runOf(id), 'w').state === 'succeeded',
    );
    await reaches(id, 'paused');
    expectStatus(await resume(id), 202);
    assert.equal((await ctx.api.finished(id)).output, 5);
  });

  test('a delay that is over meanwhile ends when it goes on; one that rests can be cancelled', async () => {
    const definition = chain('Sleeps', { d: delay('6s') });
    const id = await ctx.api.start(await ctx.api.workflow(definition), {});
    await reaches(id, 'waiting');
    expectStatus(await pause(id), 202);
    await reaches(id, 'paused');
    expectStatus(await resume(id), 202);
    await reaches(id, 'waiting');
    expectStatus(await pause(id), 202);
    await reaches(id, 'paused');
    expectStatus(await ctx.api.post(`/api/runs/${id}/cancel`), 202);
    assert.equal((await ctx.api.finished(id)).state, 'cancelled');
  });

  /* Nine crashes more would tell nothing new: they are written into the row. */
  if (ctx.db === 'postgres')
    test('a run that was under way in too many crashes rests until somebody decides', async () => {
      const [one, other] = [await half(), await half()];
      await psql(ctx.server.databaseUrl, 'UPDATE run SET crashes = 9 WHERE finished_at IS NULL');
      await ctx.server.killAndRestart();
      for (const h of [one, other]) {
        const run = await reaches(h.id, 'poisoned');
        assert.equal(run.error.code, 'crash_loop');
        assert.match(run.error.message, /resumes or cancels/);
        h.gate.open();
      }
      await ctx.server.killAndRestart();
      assert.equal((await ctx.api.runOf(one.id)).state, 'poisoned');
      expectStatus(await resume(one.id), 202);
      const run = await ctx.api.finished(one.id);
      assert.deepEqual([run.state, run.output], ['succeeded', '12']);
      expectStatus(await ctx.api.post(`/api/runs/${other.id}/cancel`), 202);
      assert.equal((await ctx.api.finished(other.id)).state, 'cancelled');
    });
});
