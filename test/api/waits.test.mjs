/* Steps that wait: for a time, kept as rows, exact across restarts and whatever is done to the clock. */
import assert from 'node:assert/strict';
import { expectProblem, expectStatus, stepOf } from '../lib/api.mjs';
import { until } from '../lib/gate.mjs';
import { Server } from '../lib/server.mjs';
import { databases, onEachDatabase, testWith } from '../lib/suite.mjs';
import { call, chain, delay, flow, output, set, trigger, waitEvent } from '../lib/flow.mjs';

onEachDatabase('delay', (ctx) => {
  const { test } = ctx;
  const ms = (run, node) =>
    Date.parse(stepOf(run, node).finished_at) - Date.parse(stepOf(run, node).started_at);
  const waiting = (runId) =>
    until('it waits', async () => (await ctx.api.runOf(runId)).state === 'waiting', { limit: 60_000 });

  test('a number, a span, ISO 8601, a template and a time all wait', async () => {
    const id = await ctx.api.workflow(
      flow(
        'All kinds',
        {
          start: trigger(),
          number: delay(0.4),
          unit: delay('{{ input.n }}', { unit: 'minutes' }),
          span: delay('400ms'),
          iso: delay('PT0.4S'),
          time: ['delay', { mode: 'until', until: '{{ input.at }}' }],
          past: ['delay', { mode: 'until', until: '2001-01-01T00:00:00Z' }],
          out: output('{{ number }}'),
        },
        [
          ...['number', 'unit', 'span', 'iso', 'time', 'past'].flatMap((n) => [
            `start -> ${n}`,
            `${n} -> out`,
          ]),
        ],
      ),
    );
    const at = new Date(Date.now() + 1500).toISOString();
    const run = await ctx.api.run(id, { n: 0.01, at });
    assert.equal(run.state, 'succeeded', JSON.stringify(run.error));
    for (const node of ['number', 'span', 'iso'])
      assert.ok(ms(run, node) >= 400, `${node}: ${ms(run, node)}`);
    assert.ok(ms(run, 'unit') >= 600);
    assert.ok(Date.parse(stepOf(run, 'time').finished_at) >= Date.parse(at));
    assert.ok(ms(run, 'past') < 400);
    assert.deepEqual([run.output.outcome, stepOf(run, 'number').handle], ['due', 'out']);
    assert.equal(Date.parse(run.output.until) - Date.parse(run.output.since), 400);
  });

  test('other branches go on meanwhile, with room for one step at a time', async () => {
    const id = await ctx.api.workflow(
      flow(
        'Beside',
        {
          start: trigger(),
          w: delay('10m'),
          a: call(`${ctx.web.origin}/echo?of=beside`),
          b: set({ v: 2 }),
          behind: set({ v: 3 }),
        },
        ['start -> w', 'start -> a', 'a -> b', 'w -> behind'],
        { settings: { max_parallel: 1 } },
      ),
    );
    const runId = await ctx.api.start(id, {});
    await waiting(runId);
    const run = await ctx.api.runOf(runId);
    assert.deepEqual(
      run.steps.map((s) => [s.node, s.state]),
      [
        ['start', 'succeeded'],
        ['w', 'waiting'],
        ['a', 'succeeded'],
        ['b', 'succeeded'],
        ['behind', 'idle'],
      ],
    );
    const w = stepOf(run, 'w');
    assert.deepEqual(w.waiting_for, { kind: 'delay' });
    assert.equal(Date.parse(w.due_at) - Date.parse(w.started_at), 600_000);
    expectStatus(await ctx.api.post(`/api/runs/${runId}/cancel`), 202);
    const ended = await ctx.api.finished(runId);
    assert.deepEqual([ended.state, stepOf(ended, 'w').state], ['cancelled', 'skipped']);
  });

  test('a delay outlives kill -9 in every phase, ends on time and once', async () => {
    const id = await ctx.api.workflow(
      chain('Killed', {
        w: delay('9s'),
        after: call(`${ctx.web.origin}/echo?of=killed-${ctx.db}`, {
          method: 'POST',
          body: { run: '{{ run.id }}' },
        }),
        out: output('{{ w.until }}'),
      }),
    );
    const runId = await ctx.api.start(id, {});
    await ctx.server.killAndRestart(); /* at once: perhaps before it was put away */
    await waiting(runId);
    const due = Date.parse(stepOf(await ctx.api.runOf(runId), 'w').due_at);
    await ctx.server.killAndRestart(); /* while it is a row */
    await until('it is taken up for its end', async () => Date.now() > due - 1000, { limit: 60_000 });
    await ctx.server.killAndRestart(); /* shortly before the end */
    const run = await ctx.api.finished(runId, { limit: 60_000 });
    assert.equal(run.state, 'succeeded', JSON.stringify(run.error));
    assert.equal(Date.parse(run.output), due);
    assert.ok(Date.parse(stepOf(run, 'w').finished_at) >= due);
    const calls = ctx.web.seen((r) => r.url.searchParams.get('of') === `killed-${ctx.db}`);
    assert.equal(calls.length, 1);
    assert.ok(calls[0].at >= due - 50, `${due - calls[0].at} ms too early`);
    const kinds = (await (await ctx.api.events(runId)).all()).map((e) => e.event);
    assert.equal(kinds.filter((k) => k === 'step.waiting').length, 1);
  });

  test('the time that a run only waits does not count for its timeout', async () => {
    const run = await ctx.api.once(
      chain('Patient', { w: delay('1500ms'), out: output('done') }, { settings: { timeout: '1s' } }),
      {},
    );
    assert.deepEqual([run.state, run.output], ['succeeded', 'done']);
  });

  test('a deadline ends a run that waits, also when it is put away and the server dies', async () => {
    const id = await ctx.api.workflow(
      chain('Overdue', { w: delay('1h'), out: output('never') }, { settings: { deadline: '8s' } }),
    );
    const runId = await ctx.api.start(id, {});
    await waiting(runId);
    await ctx.server.killAndRestart();
    const run = await ctx.api.finished(runId, { limit: 60_000 });
    assert.deepEqual([run.state, run.error.code, stepOf(run, 'w').state], ['failed', 'deadline', 'skipped']);
    assert.ok(Date.parse(run.finished_at) - Date.parse(run.started_at) >= 8000);
  });

  test('what cannot be waited for is told at once, or fails the step', async () => {
    const bad = await ctx.api.post('/api/workflows/validate', chain('Bad', { w: delay('P1M') }));
    assert.equal(bad.json.valid, false, JSON.stringify(bad.json));
    assert.equal(bad.json.errors[0].path, '/nodes/1/data/duration');
    expectProblem(
      await ctx.api.post('/api/workflows', {
        definition: chain('Bad', { w: ['delay', {}] }),
      }),
      [400, 422],
    );
    const run = await ctx.api.once(chain('Late', { w: delay('{{ input.d }}') }), { d: 'soon' });
    assert.deepEqual([run.state, run.error.code, run.error.node], ['failed', 'invalid', 'w']);
  });
});

onEachDatabase('wait for an event', (ctx) => {
  const { test } = ctx;
  const send = async (name, key, data, more = {}) =>
    expectStatus(await ctx.api.post('/api/events', { name, key, data, ...more }), [200, 202]).json;
  const waits = (runId, node = 'w') =>
    until('it waits', async () => stepOf(await ctx.api.runOf(runId), node).state === 'waiting', {
      limit: 60_000,
    });
  const parked = (runId) =>
    until('it is put away', async () => (await ctx.api.runOf(runId)).state === 'waiting', { limit: 60_000 });
  const order = (more) =>
    chain('Order', {
      w: waitEvent('paid', '{{ input.order }}', { accept_past: '0s', ...more }),
      out: output('{{ w.data.amount }}'),
    });

  test('an event answers the runs that wait for its name and key, and no others', async () => {
    const id = await ctx.api.workflow(order());
    const [a, b, other] = await Promise.all(
      ['A', 'A', 'B'].map((key) => ctx.api.start(id, { order: `${key}-${ctx.db}` })),
    );
    for (const run of [a, b, other]) await parked(run);
    assert.equal((await send('paid', `C-${ctx.db}`, { amount: 1 })).delivered, 0);
    assert.equal((await send('unpaid', `A-${ctx.db}`, { amount: 1 })).delivered, 0);
    const sent = await send('paid', `A-${ctx.db}`, { amount: 7 });
    assert.deepEqual([sent.delivered, sent.duplicate], [2, false]);
    for (const run of [a, b]) {
      const ended = await ctx.api.finished(run);
      assert.deepEqual([ended.state, ended.output], ['succeeded', 7]);
      const { output: event, handle } = stepOf(ended, 'w');
      assert.deepEqual([event.id, event.name, event.key, handle], [sent.id, 'paid', `A-${ctx.db}`, 'out']);
    }
    const still = await ctx.api.runOf(other);
    assert.equal(still.state, 'waiting');
    assert.deepEqual([stepOf(still, 'w').waiting_for.name, stepOf(still, 'w').due_at], ['paid', null]);
    expectStatus(await ctx.api.post(`/api/runs/${other}/cancel`), 202);
    assert.equal((await ctx.api.finished(other)).state, 'cancelled');
    assert.equal((await send('paid', `B-${ctx.db}`, {})).delivered, 0, 'its wait is gone with it');
  });

  test('a run in memory hears it too, also while somebody waits for the run', async () => {
    const id = await ctx.api.workflow(order());
    const answer = ctx.api.run(id, { order: `held-${ctx.db}` });
    const runId = await until(
      'it is there',
      async () => (await ctx.api.get(`/api/runs?workflow_id=${id}`)).json.items[0]?.id,
    );
    await waits(runId);
    assert.equal((await ctx.api.runOf(runId)).state, 'running', 'somebody waits for it: it is in memory');
    assert.equal((await send('paid', `held-${ctx.db}`, { amount: 3 })).delivered, 1);
    assert.equal((await answer).output, 3);
  });

  test('when nobody sends it in time the way "timeout" is taken', async () => {
    const id = await ctx.api.workflow(
      flow(
        'Late',
        {
          start: trigger(),
          w: waitEvent('never', '', { max_wait: '1s' }),
          ok: output('ok'),
          late: output('{{ w.outcome }}'),
        },
        ['start -> w', 'w -> ok', 'w:timeout -> late'],
      ),
    );
    const run = await ctx.api.run(id, {});
    assert.deepEqual([run.state, run.output], ['succeeded', 'timeout']);
    assert.deepEqual([stepOf(run, 'ok').state, stepOf(run, 'w').handle], ['skipped', 'timeout']);
  });

  test('an event that came a little before counts if the node says so, once in a run', async () => {
    const two = (accept_past) =>
      chain('Two', {
        a: waitEvent('early', '{{ input.k }}', { accept_past }),
        b: waitEvent('early', '{{ input.k }}', { accept_past, max_wait: '2s' }),
      });
    const k = `early-${ctx.db}`;
    const sent = await send('early', k, 1);
    const run = await ctx.api.once(two('1h'), { k });
    assert.equal(stepOf(run, 'a').output.id, sent.id);
    assert.equal(stepOf(run, 'b').output.outcome, 'timeout', 'one event answers one step of a run');
    const id = await ctx.api.workflow(two('0s'));
    const strict = await ctx.api.start(id, { k });
    await parked(strict);
    assert.equal(stepOf(await ctx.api.runOf(strict), 'a').state, 'waiting');
    expectStatus(await ctx.api.post(`/api/runs/${strict}/cancel`), 202);
  });

  test('as many events as came before are found, each by one step', async () => {
    const nodes = {};
    for (let i = 0; i < 24; i++)
      nodes[`w${i}`] = waitEvent('many', ctx.db, { accept_past: '1h', max_wait: '5s' });
    const ids = [];
    for (let i = 0; i < 24; i++) ids.push((await send('many', ctx.db, i)).id);
    const run = await ctx.api.once(chain('Many', nodes), {});
    assert.deepEqual(
      Object.keys(nodes).map((node) => stepOf(run, node).output.id),
      ids,
    );
  });

  test('keys are told apart by every byte', async () => {
    const bob = await ctx.api.start(await ctx.api.workflow(order()), { order: 'x\u0000bob' });
    await parked(bob);
    await send('paid', 'x\u0000alice', 1);
    await send('paid', 'x', 1);
    assert.equal((await ctx.api.runOf(bob)).state, 'waiting');
    const sent = await send('paid', 'x\u0000bob', 1);
    assert.equal(stepOf(await ctx.api.finished(bob), 'w').output.id, sent.id);
  });

  test('an event answers all steps of a run that wait for it', async () => {
    const id = await ctx.api.workflow(
      flow(
        'Both',
        {
          start: trigger(),
          a: waitEvent('both', '', {}),
          b: waitEvent('both', '', {}),
          out: output('{{ a.id }} {{ b.id }}'),
        },
        ['start -> a', 'start -> b', 'a -> out', 'b -> out'],
      ),
    );
    const runId = await ctx.api.start(id, {});
    await parked(runId);
    const sent = await send('both', '', 1);
    assert.equal((await ctx.api.finished(runId)).output, `${sent.id} ${sent.id}`);
  });

  test('the same event sent again is the same event', async () => {
    const id = await ctx.api.workflow(order());
    const order1 = `same-${ctx.db}`;
    const first = await ctx.api.start(id, { order: order1 });
    await parked(first);
    const once = await send('paid', order1, { amount: 1 }, { idempotency: order1 });
    assert.equal((await ctx.api.finished(first)).output, 1);
    const second = await ctx.api.start(id, { order: order1 });
    await parked(second);
    const again = expectStatus(
      await ctx.api.post('/api/events', {
        name: 'paid',
        key: order1,
        data: { amount: 1 },
        idempotency: order1,
      }),
      200,
    ).json;
    assert.deepEqual([again.id, again.duplicate, again.delivered], [once.id, true, 0]);
    assert.equal((await ctx.api.runOf(second)).state, 'waiting');
    expectProblem(
      await ctx.api.post('/api/events', {
        name: 'paid',
        key: order1,
        data: { amount: 2 },
        idempotency: order1,
      }),
      409,
    );
    expectStatus(await ctx.api.post(`/api/runs/${second}/cancel`), 202);
  });

  test('kill -9 at any moment: an event that was accepted counts once', async () => {
    const id = await ctx.api.workflow(
      chain('Killed', {
        w: waitEvent('go', '{{ input.k }}'),
        after: call(`${ctx.web.origin}/echo?of=go-${ctx.db}`, {
          method: 'POST',
          body: { run: '{{ run.id }}' },
        }),
        out: output('{{ w.data }}'),
      }),
    );
    const runs = [];
    for (let i = 0; i < 12; i++) runs.push(await ctx.api.start(id, { k: `${ctx.db}-${i}` }));
    await waits(runs[0]);
    await ctx.server.killAndRestart(); /* some put away, some perhaps not */
    for (let i = 0; i < 12; i++) {
      const sent = await send('go', `${ctx.db}-${i}`, i, { idempotency: `go-${ctx.db}-${i}` });
      assert.ok(sent.id);
      if (i % 4 === 3) await ctx.server.killAndRestart(); /* right after it was accepted */
    }
    for (const [i, runId] of runs.entries()) {
      const run = await ctx.api.finished(runId, { limit: 60_000 });
      /* A call that was cut off by the kill is not repeated: it is a POST. */
      if (run.state === 'failed') assert.equal(run.error.code, 'unknown_outcome', JSON.stringify(run.error));
      else assert.equal(run.output, i);
      const kinds = (await (await ctx.api.events(runId)).all()).filter(
        (e) => e.event === 'step.finished' && e.json.node === 'w',
      );
      assert.equal(kinds.length, 1);
      assert.equal(kinds[0].json.output.data, i);
    }
    const calls = ctx.web.seen((r) => r.url.searchParams.get('of') === `go-${ctx.db}`).map((r) => r.body.run);
    assert.equal(new Set(calls).size, calls.length, 'a step behind a wait ran twice');
  });

  test('what is wrong with an event or its wait is said', async () => {
    expectProblem(await ctx.api.post('/api/events', { key: 'a' }), 422);
    expectProblem(await ctx.api.post('/api/events', { name: 'a', kind: 'b' }), 422);
    const reader = ctx.api.as(await ctx.server.newKey(`reads-${ctx.db}`, 'run.read'));
    expectProblem(await reader.post('/api/events', { name: 'a' }), 403);
    const run = await ctx.api.once(chain('Empty', { w: waitEvent('{{ input.name }}') }), { name: '' });
    assert.deepEqual([run.state, run.error.code], ['failed', 'invalid']);
  });
});

if (databases.includes('postgres'))
  onEachDatabase(
    'events in a fleet',
    (ctx) => {
      let second;
      const test = testWith(() => second);
      test('an event that one node accepts answers a run that another one holds', async () => {
        second = await Server.make({ db: 'postgres', env: ctx.server.env });
        second.env.DATABASE_URL = ctx.server.env.DATABASE_URL;
        second.key = ctx.server.key;
        await second.up();
        try {
          const id = await ctx.api.workflow(
            flow(
              'Held',
              {
                start: trigger(),
                w: waitEvent('far', '', { max_wait: '5m', accept_past: '0s' }),
                busy: delay('4s'),
                out: output('{{ w.data }}'),
              },
              ['start -> w', 'start -> busy', 'w -> out'],
            ),
          );
          let ended = false; /* one that comes while the wait begins is found by it, and counted for nobody */
          const answer = ctx.api.run(id, {}).finally(() => (ended = true));
          await until(
            'it is heard',
            async () =>
              (await second.api.post('/api/events', { name: 'far', data: 5 })).json.delivered || ended,
          );
          assert.equal((await answer).output, 5);
        } finally {
          await second.down();
          second.databaseUrl = undefined; /* it belongs to the first */
          await second.drop();
        }
      });
    },
    { databases: ['postgres'] },
  );
