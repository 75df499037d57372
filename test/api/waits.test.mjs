/* Steps that wait: for a time, kept as rows, exact across restarts and whatever is done to the clock. */
import assert from 'node:assert/strict';
import { expectProblem, expectStatus, stepOf } from '../lib/api.mjs';
import { until } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { call, chain, delay, flow, output, set, trigger } from '../lib/flow.mjs';

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
