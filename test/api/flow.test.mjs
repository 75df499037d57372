/* Flow control: how many runs of a key are under way, how fast they come, and in what order those that wait go on. */
import assert from 'node:assert/strict';
import { expectProblem, expectStatus, stepOf } from '../lib/api.mjs';
import { Gate, until } from '../lib/gate.mjs';
import { Server } from '../lib/server.mjs';
import { databases, onEachDatabase, testWith } from '../lib/suite.mjs';
import { call, chain, delay, hook, output, set } from '../lib/flow.mjs';
import { after, before, describe } from 'node:test';
import { startHttpApi } from '../doubles/http_api.mjs';

const limited = (name, nodes, flow) => chain(name, nodes, { settings: { flow } });

/* The most spans that held at one moment. */
function mostAtOnce(spans) {
  const edges = spans.flatMap(([from, to]) => [
    [from, 1],
    [to, -1],
  ]);
  edges.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  let now = 0;
  return edges.reduce((most, [, step]) => Math.max(most, (now += step)), 0);
}

const spanOf = (run, node) => {
  const step = stepOf(run, node);
  return [Date.parse(step.started_at), Date.parse(step.finished_at)];
};

onEachDatabase('flow control', (ctx) => {
  const { test } = ctx;
  const gates = async () => (await ctx.api.get('/api/flow')).json.items;
  const stateIs = (id, state) =>
    until(`run ${id} is ${state}`, async () => (await ctx.api.runOf(id)).state === state);

  test('as many as are allowed of each key are under way, and all are run', async () => {
    const url = ctx.web.plan('two', { delay: 60, body: {} });
    const id = await ctx.api.workflow(
      limited('Two of a key', { c: call(url) }, { key: '{{ input.k }}', concurrency: 2 }),
    );
    const keys = [...Array(8).fill('a'), ...Array(8).fill('b')];
    const ids = await Promise.all(keys.map((k) => ctx.api.start(id, { k })));
    const runs = await Promise.all(ids.map((run) => ctx.api.finished(run)));
    assert.ok(runs.every((run) => run.state === 'succeeded'));
    for (const key of ['a', 'b']) {
      const of = runs.filter((_, i) => keys[i] === key);
      assert.ok(mostAtOnce(of.map((run) => spanOf(run, 'c'))) <= 2);
      assert.equal(of[0].flow.name, `Two of a key: ${key}`);
    }
    assert.equal((await gates()).filter((g) => g.name.startsWith('Two')).length, 0);
  });

  test('one that queues is shown so, its caller waits, it can be cancelled and the next goes on', async () => {
    const gate = new Gate();
    const url = ctx.web.plan('one', { gate, body: { n: 1 } });
    const id = await ctx.api.workflow(limited('One', { c: call(url) }, { concurrency: 1 }));
    const first = await ctx.api.start(id);
    await stateIs(first, 'running');
    const second = await ctx.api.start(id);
    const third = ctx.api.run(id); /* the caller stays */
    await stateIs(second, 'queued');
    const shown = await until('both queue', async () =>
      (await gates()).find((g) => g.name === 'One' && g.queued === 2),
    );
    assert.deepEqual([shown.admitted, shown.concurrency], [1, 1]);
    const listed = async (state) =>
      (await ctx.api.get(`/api/runs?state=${state}`)).json.items.map((run) => run.id);
    assert.ok((await listed('queued')).includes(second));
    assert.ok((await listed('running')).includes(first));
    expectStatus(await ctx.api.post(`/api/runs/${second}/cancel`), 202);
    assert.equal((await ctx.api.finished(second)).state, 'cancelled');
    gate.open();
    assert.equal((await third).state, 'succeeded');
    assert.equal((await ctx.api.finished(first)).state, 'succeeded');
    assert.equal(ctx.web.at('/plan/one').length, 2);
  });

  test('who only waits holds no place, in memory or not', async () => {
    const id = await ctx.api.workflow(
      limited(
        'Sleepers',
        { c: set({ n: 1 }), w: delay('{{ input.wait }}'), o: output('{{ c }}') },
        { concurrency: 1 },
      ),
    );
    const stream = await ctx.api.stream(id, { wait: '1h' }); /* somebody watches: it stays in memory */
    const parked = await ctx.api.start(id, { wait: '1h' });
    await stateIs(parked, 'waiting');
    assert.equal((await ctx.api.run(id, { wait: 0 })).state, 'succeeded');
    stream.close?.();
    await ctx.api.post(`/api/runs/${parked}/cancel`);
    assert.equal((await ctx.api.finished(parked)).state, 'cancelled');
  });

  test('who waited comes back to the queue, and goes on when there is a place', async () => {
    const gate = new Gate();
    const url = ctx.web.plan('back', { gate, body: {} });
    const id = await ctx.api.workflow(
      limited('Back', { w: delay('{{ input.wait }}'), c: call(url) }, { concurrency: 1 }),
    );
    const sleeper = await ctx.api.start(id, { wait: '6s' });
    await stateIs(sleeper, 'waiting');
    const holder = await ctx.api.start(id, { wait: 0 });
    await until('it calls', () => ctx.web.at('/plan/back').length === 1);
    const { json } = await ctx.api.get('/api/runs?state=running');
    assert.ok(json.items.some((run) => run.id === holder));
    await stateIs(sleeper, 'queued'); /* its time came */
    assert.equal(ctx.web.at('/plan/back').length, 1);
    gate.open();
    const runs = await Promise.all([sleeper, holder].map((run) => ctx.api.finished(run)));
    assert.deepEqual(
      runs.map((run) => run.state),
      ['succeeded', 'succeeded'],
    );
    assert.ok(mostAtOnce(runs.map((run) => spanOf(run, 'c'))) === 1);
  });

  test('a throttle lets them begin at its pace, after a burst', async () => {
    const id = await ctx.api.workflow(
      limited('Paced', { c: set({ n: 1 }) }, { throttle: { limit: 10, per: '2s', burst: 3 } }),
    );
    const ids = await Promise.all(Array.from({ length: 8 }, () => ctx.api.start(id)));
    const runs = await Promise.all(ids.map((run) => ctx.api.finished(run)));
    const at = runs.map((run) => spanOf(run, 'c')[0]).sort((a, b) => a - b);
    const from = Math.min(...runs.map((run) => Date.parse(run.created_at)));
    assert.ok(at[7] - from >= 5 * 200 - 1, `the last began ${at[7] - from} ms after the first came`);
  });

  test('a rate limit refuses what comes too fast, and says when to come again', async () => {
    const id = await ctx.api.published({
      ...limited(
        'Limited',
        { c: set({ n: 1 }) },
        { key: '{{ input.k }}', rate_limit: { limit: 3, per: '1h' } },
      ),
      nodes: limited('', { c: set({ n: 1 }) }).nodes.map((n) =>
        n.id === 'start' ? { ...n, type: 'trigger', data: hook()[1] } : n,
      ),
    });
    const send = (k) => ctx.api.post(`/hooks/${id}`, { k });
    const answers = await Promise.all(Array.from({ length: 6 }, () => send('a')));
    assert.deepEqual(answers.map((a) => a.status).sort(), [202, 202, 202, 429, 429, 429]);
    const refused = answers.find((a) => a.status === 429);
    expectProblem(refused, 429, 'rate_limited');
    assert.ok(
      Number(refused.headers['retry-after']) > 1000 && Number(refused.headers['retry-after']) <= 1200,
    );
    expectStatus(await send('b'), 202);
  });

  test('a singleton refuses a second run, or cancels the first', async () => {
    const gate = new Gate();
    const url = ctx.web.plan('single', { gate, body: {} });
    const skip = await ctx.api.workflow(limited('Skip', { c: call(url) }, { singleton: 'skip' }));
    const cancel = await ctx.api.workflow(
      limited('Replace', { c: call(url) }, { singleton: 'cancel', concurrency: 1 }),
    );
    const first = await ctx.api.start(skip);
    const again = await ctx.api.post(`/api/workflows/${skip}/execute`, { mode: 'async' });
    expectProblem(again, 409, 'conflict');
    assert.match(again.json.detail, /Skip/);
    const old = await ctx.api.start(cancel);
    await stateIs(old, 'running');
    const replaced = await ctx.api.start(cancel);
    assert.equal((await ctx.api.finished(old)).state, 'cancelled');
    gate.open();
    assert.equal((await ctx.api.finished(replaced)).state, 'succeeded');
    assert.equal((await ctx.api.finished(first)).state, 'succeeded');
    assert.equal((await ctx.api.run(skip)).state, 'succeeded');
  });

  test('of runs that replace each other the last one goes on, however many come at once', async () => {
    const gate = new Gate();
    const url = ctx.web.plan('last', { gate, body: {} });
    const id = await ctx.api.workflow(limited('Last', { c: call(url) }, { singleton: 'cancel' }));
    const ids = await Promise.all(Array.from({ length: 6 }, () => ctx.api.start(id)));
    const states = async () =>
      (await Promise.all(ids.map((run) => ctx.api.runOf(run)))).map((run) => run.state);
    await until(
      'five are cancelled',
      async () => (await states()).filter((s) => s === 'cancelled').length === 5,
    );
    gate.open();
    await until('one succeeds', async () => (await states()).includes('succeeded'));
  });

  test('a start that was accepted is told so again, whatever the gate says now', async () => {
    const gate = new Gate();
    const url = ctx.web.plan('replay', { gate, body: {} });
    for (const flow of [{ singleton: 'skip' }, { rate_limit: { limit: 1, per: '1h' } }]) {
      const id = await ctx.api.workflow(limited('Replay', { c: call(url) }, flow));
      const key = { 'idempotency-key': 'once' };
      const first = await ctx.api.start(id, { big: 'x'.repeat(2 << 20) }, {}, key);
      assert.equal(await ctx.api.start(id, { big: 'x'.repeat(2 << 20) }, {}, key), first);
      const other = await ctx.api.post(`/api/workflows/${id}/execute`, {
        input: { big: 'y'.repeat(2 << 20) },
      });
      expectProblem(other, flow.singleton ? 409 : 429);
      if (flow.rate_limit) assert.ok(Number(other.headers['retry-after']) > 3000);
    }
    gate.open();
  });

  test('a looser rate counts at once', async () => {
    const make = (rate_limit) => limited('Looser', { c: set({ n: 1 }) }, { rate_limit });
    const id = await ctx.api.workflow(make({ limit: 1, per: '1d' }));
    const start = () => ctx.api.post(`/api/workflows/${id}/execute`, { mode: 'async' });
    expectStatus(await start(), 202);
    expectProblem(await start(), 429);
    expectStatus(await ctx.api.put(`/api/workflows/${id}`, make({ limit: 100, per: '1m' })), 200);
    expectStatus(await start(), 202);
  });

  test('those that wait take turns by what is fair, and go before others by priority', async () => {
    const gate = new Gate();
    const url = ctx.web.plan('order', { gate, body: {} }, { body: {} });
    const make = (name, more) =>
      ctx.api.workflow(limited(name, { c: call(`${url}?of={{ input.n }}`) }, { concurrency: 1, ...more }));
    const fair = await make('Fair', { fair: '{{ input.who }}' });
    const ids = [await ctx.api.start(fair, { n: 'first', who: 'x' })];
    await until('it calls', () => ctx.web.at('/plan/order').length === 1);
    for (const n of ['a1', 'a2', 'a3', 'b1', 'b2']) ids.push(await ctx.api.start(fair, { n, who: n[0] }));
    gate.open();
    for (const run of ids) await ctx.api.finished(run);
    const order = ctx.web.at('/plan/order').map((r) => r.url.searchParams.get('of'));
    assert.deepEqual(order, ['first', 'a1', 'b1', 'a2', 'b2', 'a3']);

    const second = new Gate();
    ctx.web.plan('order', { gate: second, body: {} }, { body: {} });
    const ranked = await make('Ranked', { priority: '{{ input.p }}' });
    const begun = ctx.web.at('/plan/order').length;
    const more = [await ctx.api.start(ranked, { n: 'first', p: 0 })];
    await until('it calls', () => ctx.web.at('/plan/order').length === begun + 1);
    for (const [n, p] of [
      ['low', -60],
      ['plain', 0],
      ['high', 60],
    ])
      more.push(await ctx.api.start(ranked, { n, p }));
    second.open();
    for (const run of more) await ctx.api.finished(run);
    const ranks = ctx.web.at('/plan/order').map((r) => r.url.searchParams.get('of'));
    assert.deepEqual(ranks.slice(begun), ['first', 'high', 'plain', 'low']);
    const bad = await ctx.api.post(`/api/workflows/${ranked}/execute`, { input: { n: 'x', p: 'soon' } });
    expectProblem(bad, 422, 'invalid');
    assert.match(bad.json.detail, /priority/);
  });

  test('a pool is shared by workflows', async () => {
    const url = ctx.web.plan('pool', { delay: 100, body: {} });
    const make = (name) => ctx.api.workflow(limited(name, { c: call(url) }, { pool: 'gpu', concurrency: 1 }));
    const [a, b] = [await make('Pool a'), await make('Pool b')];
    const ids = await Promise.all([a, b, a, b].map((id) => ctx.api.start(id)));
    const runs = await Promise.all(ids.map((run) => ctx.api.finished(run)));
    assert.equal(mostAtOnce(runs.map((run) => spanOf(run, 'c'))), 1);
    assert.equal(new Set(runs.map((run) => run.flow.gate)).size, 1);
  });

  test('what cannot be is said where it stands', async () => {
    const wrong = async (flow) => {
      const r = await ctx.api.post('/api/workflows/validate', limited('Wrong', { c: set({ n: 1 }) }, flow));
      return r.json.errors.filter((p) => !p.warning).map((p) => p.path);
    };
    assert.deepEqual(await wrong({ concurrency: 1, key: '{{ c.n }}' }), ['/settings/flow/key']);
    assert.deepEqual(await wrong({ concurrency: -1 }), ['/settings/flow/concurrency']);
    assert.deepEqual(await wrong({ throttle: { limit: 1 } }), ['/settings/flow/throttle/per']);
    assert.deepEqual(await wrong({ key: 'x' }), ['/settings/flow']);
    assert.deepEqual(await wrong({ concurrenzy: 1 }), ['/settings/flow/concurrenzy']);
  });
});

for (const db of databases) {
  describe(`flow control across deaths [${db}]`, () => {
    let web, server;
    const others = [];
    const test = testWith(() => server);
    before(async () => {
      web = await startHttpApi();
      server = await Server.start({ db });
    });
    after(async () => {
      for (const other of others) await other.down();
      await server?.drop();
      await web?.stop();
    });

    test('killed with a queue, it lets in no more than before and loses none', async () => {
      const url = web.plan('kill', { delay: 80, body: {} });
      const id = await server.api.workflow(
        limited('Killed', { c: call(url, { on_unknown: 'repeat' }) }, { concurrency: 2 }),
      );
      const ids = await Promise.all(Array.from({ length: 20 }, () => server.api.start(id)));
      for (let i = 0; i < 3; i++) {
        const seen = web.at('/plan/kill').length;
        await until('some more were called', () => web.at('/plan/kill').length >= Math.min(seen + 3, 20));
        await server.killAndRestart();
      }
      const runs = [];
      for (const run of ids) runs.push(await server.api.finished(run));
      assert.ok(runs.every((run) => run.state === 'succeeded'));
      const spans = runs.map((run) => spanOf(run, 'c'));
      assert.ok(mostAtOnce(spans) <= 2, `${mostAtOnce(spans)} at once`);
      assert.deepEqual((await server.api.get('/api/flow')).json.items, []);
    });

    test('stopped while runs are being accepted, it goes on with all of them', async () => {
      const id = await server.api.workflow(
        limited('Stopped', { c: set({ n: 1 }) }, { key: '{{ input.k }}', concurrency: 1 }),
      );
      const accepted = [];
      for (let round = 0; round < 3; round++) {
        let stopping = false;
        const { api } = server;
        const senders = Array.from({ length: 8 }, async (_, k) => {
          while (!stopping) {
            const r = await api
              .post(`/api/workflows/${id}/execute`, { input: { k }, mode: 'async' })
              .catch(() => null);
            if (r?.status === 202) accepted.push(r.json.id);
            else if (stopping || !r) break;
          }
        });
        const seen = accepted.length;
        await until('some were accepted', () => accepted.length > seen + 40);
        const down = server.down();
        stopping = true;
        await Promise.all([down, ...senders]);
        await server.up();
      }
      for (const run of accepted) await server.api.finished(run);
      await until('no gate is used', async () => (await server.api.get('/api/flow')).json.items.length === 0);
    });

    if (db === 'postgres')
      test('two nodes keep one limit', async () => {
        const other = await Server.make({ db: 'sqlite', env: { DATABASE_URL: server.databaseUrl } });
        other.key = server.key;
        others.push(await other.up());
        const url = web.plan('nodes', { delay: 40, body: {} });
        const id = await server.api.workflow(limited('Nodes', { c: call(url) }, { concurrency: 3 }));
        const ids = await Promise.all(
          Array.from({ length: 30 }, (_, i) => (i % 2 ? server : other).api.start(id)),
        );
        const runs = await Promise.all(ids.map((run) => server.api.finished(run)));
        assert.ok(runs.every((run) => run.state === 'succeeded'));
        assert.ok(mostAtOnce(runs.map((run) => spanOf(run, 'c'))) <= 3);
      });
  });
}
