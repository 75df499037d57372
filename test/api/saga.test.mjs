/* Compensation: what the steps of a run that fails or is cancelled did is undone, the latest first, whatever dies. */
import assert from 'node:assert/strict';
import { stepOf } from '../lib/api.mjs';
import { Gate, until } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { call, delay, flow, noRetry, quickRetry, trigger } from '../lib/flow.mjs';

onEachDatabase('saga', (ctx) => {
  const { test } = ctx;
  const post = (name, more = {}) =>
    call(`${ctx.web.origin}/plan/${name}`, { method: 'POST', retry: noRetry, ...more });
  const names = (from) =>
    ctx.web
      .seen((r) => r.path.startsWith('/plan/'))
      .slice(from)
      .map((r) => r.path.slice('/plan/'.length));
  const calls = () => ctx.web.seen((r) => r.path.startsWith('/plan/')).length;

  /* A trip: flight and hotel are booked, then the card is charged. */
  const trip = (key, more = {}) => {
    for (const name of ['flight', 'hotel', 'no-flight', 'no-hotel'])
      ctx.web.plan(`${key}-${name}`, { body: { id: name } });
    return flow(
      'Trip',
      {
        start: trigger(),
        flight: post(`${key}-flight`, { compensate: 'no-flight' }),
        hotel: post(`${key}-hotel`, { compensate: 'no-hotel' }),
        card: post(`${key}-card`, more.card),
        'no-flight': post(`${key}-no-flight`, { body: { of: '{{ flight.body.id }}' }, ...more.undo }),
        'no-hotel': post(`${key}-no-hotel`, { body: { of: '{{ hotel.body.id }}' }, ...more.undo }),
      },
      ['start -> flight', 'flight -> hotel', 'hotel -> card'],
      more.flow,
    );
  };

  test('a failure undoes what was done, the latest first, and stays the failure', async () => {
    ctx.web.plan('a-card', { status: 402 });
    const from = calls();
    const run = await ctx.api.once(trip('a'));
    assert.deepEqual([run.state, run.error.node], ['failed', 'card']);
    assert.deepEqual(names(from), ['a-flight', 'a-hotel', 'a-card', 'a-no-hotel', 'a-no-flight']);
    assert.deepEqual(run.compensation, { because: 'failed', state: 'done', failed: [] });
    assert.equal(stepOf(run, 'no-flight').state, 'succeeded');
    assert.deepEqual(ctx.web.at('/plan/a-no-flight')[0].body, { of: 'flight' });
    const kinds = (await (await ctx.api.events(run.id)).all()).map((event) => event.event);
    assert.ok(kinds.indexOf('run.compensating') > kinds.indexOf('step.failed'));
  });

  test('a run that succeeds undoes nothing', async () => {
    ctx.web.plan('b-card', { body: {} });
    const from = calls();
    const run = await ctx.api.once(trip('b'));
    assert.equal(run.state, 'succeeded');
    assert.equal(run.compensation, undefined);
    assert.deepEqual(names(from), ['b-flight', 'b-hotel', 'b-card']);
    assert.equal(stepOf(run, 'no-flight').state, 'skipped');
  });

  test('a cancel undoes too, also of a run that was put away', async () => {
    const def = trip('c');
    def.nodes.find((n) => n.id === 'card').type = 'delay';
    def.nodes.find((n) => n.id === 'card').data = delay('1h')[1];
    const id = await ctx.api.start(await ctx.api.workflow(def));
    await until('it waits', async () => (await ctx.api.runOf(id)).state === 'waiting');
    const from = calls();
    await ctx.api.post(`/api/runs/${id}/cancel`);
    const run = await ctx.api.finished(id);
    assert.equal(run.state, 'cancelled');
    assert.deepEqual(names(from), ['c-no-hotel', 'c-no-flight']);
    assert.deepEqual(run.compensation, { because: 'cancelled', state: 'done', failed: [] });
  });

  test('undoing is tried again; what cannot be undone is passed over and shown', async () => {
    const def = trip('d', { undo: { retry: quickRetry(3) } });
    ctx.web.plan('d-card', { status: 400 });
    ctx.web.plan('d-no-hotel', { status: 503 });
    ctx.web.plan('d-no-flight', { status: 503 }, { body: {} });
    const from = calls();
    const run = await ctx.api.once(def);
    assert.deepEqual(names(from).slice(3), [...Array(3).fill('d-no-hotel'), ...Array(2).fill('d-no-flight')]);
    assert.deepEqual(run.compensation, { because: 'failed', state: 'incomplete', failed: ['no-hotel'] });
    assert.deepEqual([run.state, run.error.node], ['failed', 'card']);
  });

  test('the deadline of a run ends it, and what it did is undone all the same', async () => {
    const def = trip('e', { flow: { settings: { deadline: '1s' } } });
    ctx.web.plan('e-card', { hang: true });
    ctx.web.plan('e-no-hotel', { delay: 300, body: {} });
    const run = await ctx.api.once(def);
    assert.equal(run.state, 'failed');
    assert.match(run.error.code, /^(deadline|timeout)$/); /* of the run, or of the step it stopped */
    assert.equal(run.compensation.state, 'done');
  });

  test('killed while it undoes, it goes on and undoes nothing twice that was done', async () => {
    const gate = new Gate();
    const def = trip('f', { undo: { on_unknown: 'repeat' } });
    ctx.web.plan('f-card', { status: 400 });
    ctx.web.plan('f-no-flight', { gate, body: {} });
    const id = await ctx.api.start(await ctx.api.workflow(def));
    await until('it undoes', () => ctx.web.at('/plan/f-no-flight').length === 1);
    await ctx.server.killAndRestart();
    await until('it undoes again', () => ctx.web.at('/plan/f-no-flight').length === 2);
    gate.open();
    const run = await ctx.api.finished(id);
    assert.equal(run.compensation.state, 'done');
    assert.equal(ctx.web.at('/plan/f-no-hotel').length, 1);
    assert.equal(run.error.node, 'card');
  });

  test('what cannot undo is said', async () => {
    const wrong = async (change) => {
      const def = trip('g');
      change(Object.fromEntries(def.nodes.map((n) => [n.id, n])), def);
      const { json } = await ctx.api.post('/api/workflows/validate', def);
      return json.errors.map((p) => `${p.path} ${p.code}`);
    };
    const cases = [
      [(n) => (n.flight.data.compensate = 'nobody'), '/nodes/1/data/compensate unknown_node'],
      [(n) => (n.hotel.data.compensate = 'no-flight'), '/nodes/2/data/compensate bad_undo'],
      [(n) => (n.flight.data.compensate = 'card'), '/nodes/1/data/compensate bad_undo'],
      [(n) => (n['no-flight'].data.body = { x: '{{ hotel }}' }), '/nodes/4/data/body/x not_before'],
    ];
    for (const [change, what] of cases) {
      const found = await wrong(change);
      assert.ok(found.includes(what), `${what}: ${found}`);
    }
    const { json } = await ctx.api.post('/api/workflows/validate', trip('h'));
    assert.deepEqual([json.errors, json.warnings], [[], []]);
  });
});
