/* Other systems are told of what happens to runs: signed, at least once, across faults and deaths. */
import assert from 'node:assert/strict';
import { expectProblem, expectStatus } from '../lib/api.mjs';
import { Gate, until } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { approval, call, chain, output, set } from '../lib/flow.mjs';

onEachDatabase('subscriptions', (ctx) => {
  const { test } = ctx;
  const subscribe = async (path, more = {}) => {
    const r = await ctx.api.post('/api/subscriptions', {
      url: ctx.hooks.url(path),
      events: ['*'],
      ...more,
    });
    expectStatus(r, 201);
    ctx.hooks.secret(path, r.json.secret);
    return r.json;
  };
  const told = (path, n) =>
    until(`${path} has ${n} deliveries`, () => ctx.hooks.at(path).length >= n && ctx.hooks.at(path));
  const deliveries = async (id, query = '') =>
    (await ctx.api.get(`/api/subscriptions/${id}/deliveries${query}`)).json.items;
  const remove = async (s) => expectStatus(await ctx.api.delete(`/api/subscriptions/${s.id}`), 204);

  test('the end of runs is told, signed, to who wants it', async () => {
    const all = await subscribe('/all');
    const failed = await subscribe('/failed', { events: ['run.failed', 'run.cancelled'] });
    const good = await ctx.api.workflow(chain('Good', { o: output({ n: 5 }) }));
    const bad = await ctx.api.workflow(chain('Bad', { o: output('{{ input.x.y }}') }));
    const other = await subscribe('/other', { workflow_id: bad });
    const first = await ctx.api.run(good, {});
    const second = await ctx.api.run(bad, {});
    const seen = await told('/all', 2);
    const of = (id) => seen.find((d) => d.body.data.run_id === id);
    assert.ok(
      seen.every((d) => d.signature === 'good'),
      JSON.stringify(seen.map((d) => d.signature)),
    );
    assert.deepEqual(
      [of(first.id).body.type, of(first.id).body.data.output, of(first.id).body.data.workflow_name],
      ['run.succeeded', { n: 5 }, 'Good'],
    );
    assert.equal(of(second.id).body.type, 'run.failed');
    assert.deepEqual(of(second.id).body.data.error, second.error);
    assert.equal((await told('/failed', 1))[0].body.data.run_id, second.id);
    assert.equal((await told('/other', 1))[0].body.data.run_id, second.id);
    const [row] = await until('it is noted', async () => {
      const rows = await deliveries(failed.id, '?state=delivered');
      return rows.length && rows;
    });
    assert.deepEqual([row.event, row.run_id, row.status, row.attempts], ['run.failed', second.id, 200, 1]);
    const whole = await ctx.api.get(`/api/subscriptions/${failed.id}/deliveries/${row.id}`);
    assert.equal(whole.json.body.data.run_id, second.id);
    assert.deepEqual([ctx.hooks.at('/failed').length, ctx.hooks.at('/other').length], [1, 1]);
    for (const s of [all, failed, other]) await remove(s);
  });

  test('a request for approval is told', async () => {
    const s = await subscribe('/asks', { events: ['approval.requested'] });
    const id = await ctx.api.workflow(chain('Ask', { a: approval('Send {{ input.n }}?') }));
    const run = await ctx.api.start(id, { n: 3 });
    const [asked] = await told('/asks', 1);
    assert.deepEqual([asked.body.type, asked.body.data.subject], ['approval.requested', 'Send 3?']);
    const answer = await ctx.api.post(`/api/approvals/${asked.body.data.approval_id}`, {
      decision: 'approve',
    });
    expectStatus(answer, 200);
    await ctx.api.finished(run);
    await remove(s);
  });

  test('a receiver in trouble is tried again with the same id, and given up in the end', async () => {
    ctx.hooks.plan('/twice', 500, 200);
    ctx.hooks.plan('/never', 503);
    const twice = await subscribe('/twice');
    const never = await subscribe('/never', { max_attempts: 1 });
    const id = await ctx.api.workflow(chain('Again', { c: set({ n: 1 }) }));
    await ctx.api.run(id, {});
    const [a, b] = await told('/twice', 2);
    assert.equal(a.id, b.id);
    const [dead] = await until('it is given up', async () => {
      const rows = await deliveries(never.id, '?state=dead');
      return rows.length && rows;
    });
    assert.deepEqual([dead.attempts, dead.status, dead.error], [1, 503, 'answered 503']);
    ctx.hooks.plan('/never', 200);
    expectStatus(await ctx.api.post(`/api/subscriptions/${never.id}/deliveries/${dead.id}/again`), 202);
    await until('it arrives', async () => (await deliveries(never.id, '?state=delivered')).length === 1);
    await remove(twice);
    await remove(never);
  });

  test('a slow receiver holds up nobody else; one that is gone is told nothing more', async () => {
    const gate = new Gate();
    ctx.hooks.plan('/slow', { status: 200, gate });
    ctx.hooks.plan('/gone', 410);
    const slow = await subscribe('/slow');
    const gone = await subscribe('/gone');
    const quick = await subscribe('/quick');
    const id = await ctx.api.workflow(chain('Many', { c: set({ n: 1 }) }));
    for (let i = 0; i < 10; i++) await ctx.api.run(id, {});
    await told('/quick', 10);
    assert.ok(ctx.hooks.at('/slow').length <= 4);
    await until('it is disabled', async () => {
      const { json } = await ctx.api.get(`/api/subscriptions/${gone.id}`);
      return !json.enabled && /410/.test(json.disabled_why);
    });
    gate.open();
    await told('/slow', 10);
    for (const s of [slow, gone, quick]) await remove(s);
  });

  test('what happened before a kill is told after it, and each event has its id', async () => {
    const gate = new Gate();
    ctx.hooks.plan('/death', { status: 200, gate });
    const s = await subscribe('/death');
    const url = ctx.web.plan(`told-${ctx.db}`, { body: {} });
    const id = await ctx.api.workflow(chain('Told', { c: call(url) }));
    const runs = [];
    for (let i = 0; i < 5; i++) runs.push(await ctx.api.run(id, {}));
    await told('/death', 1);
    await ctx.server.killAndRestart();
    ctx.hooks.plan('/death', 200);
    gate.open();
    /* Those under way at the kill are this server's own, and free again. */
    await until(
      'all runs are told',
      () => new Set(ctx.hooks.at('/death').map((d) => d.body.data.run_id)).size === 5,
      { every: 50 },
    );
    const byRun = new Map(ctx.hooks.at('/death').map((d) => [d.body.data.run_id, d.id]));
    assert.equal(new Set(byRun.values()).size, 5);
    for (const run of runs) assert.ok(byRun.has(run.id));
    await remove(s);
  });

  test('it can be tried, changed, and its secret rotated; secrets are shown once', async () => {
    const s = await subscribe('/change', { events: ['run.failed'], description: 'mine' });
    assert.match(s.secret, /^whsec_/);
    const at = `/api/subscriptions/${s.id}`;
    expectStatus(await ctx.api.post(`${at}/test`), 202);
    assert.deepEqual((await told('/change', 1))[0].body.data, { subscription_id: s.id });
    const patch = (body) => ctx.api.call('PATCH', at, { body });
    const rotated = expectStatus(await patch({ rotate_secret: true, events: ['run.cancelled'] }), 200).json;
    assert.notEqual(rotated.secret, s.secret);
    ctx.hooks.secret('/change', rotated.secret);
    expectStatus(await ctx.api.post(`${at}/test`), 202);
    assert.equal((await told('/change', 2))[1].signature, 'good');
    expectProblem(await patch({ revision: s.revision, description: 'late' }), 409, 'conflict');
    const shown = (await ctx.api.get(at)).json;
    assert.equal(shown.secret, undefined);
    assert.deepEqual([shown.events, shown.description], [['run.cancelled'], 'mine']);
    const { json } = await ctx.api.get('/api/subscriptions');
    assert.deepEqual(
      json.items.map((one) => one.id),
      [s.id],
    );
    expectStatus(await patch({ enabled: false }), 200);
    expectProblem(await ctx.api.post(`${at}/test`), 409, 'conflict');
    await remove(s);
    expectProblem(await ctx.api.get(at), 404, 'not_found');
  });

  test('what cannot be is refused, and who may not is told so', async () => {
    const wrong = async (body, status = 422) =>
      expectProblem(await ctx.api.post('/api/subscriptions', { url: ctx.hooks.url('/x'), ...body }), status);
    assert.match((await wrong({ events: ['run.exploded'] })).detail, /run\.exploded/);
    await wrong({ events: [] });
    await wrong({ events: ['*'], url: 'ftp://x/' });
    await wrong({ events: ['*'], url: 'http://169.254.169.254/' });
    await wrong({ events: ['*'], secret: 'short' });
    await wrong({ events: ['*'], max_attempts: 99 });
    await wrong({ events: ['*'], color: 'red' });
    await wrong({ events: ['*'], workflow_id: '00000000-0000-7000-8000-000000000009' });
    const reader = ctx.api.as(await ctx.server.newKey(`sees-${ctx.db}`, 'subscription.read'));
    expectStatus(await reader.get('/api/subscriptions'), 200);
    expectProblem(await reader.post('/api/subscriptions', { url: ctx.hooks.url('/x'), events: ['*'] }), 403);
    reader.close();
  });
});
