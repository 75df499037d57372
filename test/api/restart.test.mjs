/* Stopping and starting: nothing accepted is lost, nothing finished is repeated, clients are told. */
import assert from 'node:assert/strict';
import { expectProblem, expectStatus, stepOf } from '../lib/api.mjs';
import { Gate, slow, until, within } from '../lib/gate.mjs';
import { Proc } from '../lib/proc.mjs';
import { binary, cleanEnv, Server } from '../lib/server.mjs';
import { databases, onEachDatabase, testWith } from '../lib/suite.mjs';
import { call, chain, hook, flow, output, set } from '../lib/flow.mjs';

onEachDatabase('restart', (ctx) => {
  const { test } = ctx;
  let n = 0;
  /* A counted POST that is done, then a held call. */
  function halfWay(more = {}) {
    const name = `half-${++n}-${ctx.db}`;
    const gate = new Gate();
    const url = ctx.web.plan(name, { gate, body: { v: name } });
    const definition = chain('Half way', {
      done: call(`${ctx.web.origin}/echo?of=${name}`, { method: 'POST', body: { run: '{{ run.id }}' } }),
      held: call(url, { timeout: '120s', ...more }),
      out: output('{{ held.body.v }}'),
    });
    return {
      name,
      gate,
      definition,
      held: () => ctx.web.at(`/plan/${name}`),
      done: () => ctx.web.seen((r) => r.url.searchParams.get('of') === name),
    };
  }
  const drain = (span) => ({ env: { HEDDLE_DRAIN_TIMEOUT: span } });

  test('an idle server stops at once', async () => {
    const at = Date.now();
    const { code, signal } = await ctx.server.down();
    assert.deepEqual([code, signal], [0, null]);
    assert.ok(Date.now() - at < 3000 * slow, `${Date.now() - at} ms`);
    await ctx.server.up();
  });

  test('what was made is there after a restart: workflows, versions, runs, keys', async () => {
    const id = await ctx.api.published(
      chain('Kept', { a: set({ v: '{{ input.v }}' }), out: output('{{ a.v }}') }),
    );
    const run = await ctx.api.run(id, { v: 9 }, {}, { 'idempotency-key': `kept-${ctx.db}` });
    const before = await ctx.api.runOf(run.id);
    await ctx.server.restart();
    assert.deepEqual(await ctx.api.runOf(run.id), before);
    assert.equal((await ctx.api.get(`/api/workflows/${id}`)).json.published_version, 1);
    assert.equal((await ctx.api.run(id, { v: 9 }, {}, { 'idempotency-key': `kept-${ctx.db}` })).id, run.id);
    assert.equal((await ctx.api.run(id, { v: 10 })).output, 10);
  });

  test('a step in flight may end while the server drains', async () => {
    const h = halfWay({ method: 'POST', body: {} });
    await ctx.server.restart(drain('60s'));
    const runId = await ctx.api.start(await ctx.api.workflow(h.definition), {});
    await until('the call is under way', () => h.held().length);
    const ended = ctx.server.down();
    const ask = (path) => ctx.api.get(path, { agent: false });
    await until('it says that it drains', async () => (await ask('/readyz')).json.reason === 'draining');
    expectStatus(await ask('/readyz'), 503);
    expectStatus(await ask('/healthz'), 200);
    const refused = await ctx.api.post('/api/workflows', h.definition, { agent: false });
    expectProblem(refused, 503, 'shutdown');
    assert.ok(refused.headers['retry-after']);
    h.gate.open();
    assert.equal((await ended).code, 0);
    await ctx.server.up();
    const run = await ctx.api.finished(runId);
    assert.deepEqual([run.state, run.output, h.held().length, h.done().length], ['succeeded', h.name, 1, 1]);
  });

  test('who waits is told that the run goes on later; who streams sees the stream end', async () => {
    const h = halfWay();
    await ctx.server.restart(drain('300ms'));
    const id = await ctx.api.workflow(h.definition);
    const waiting = ctx.api.post(`/api/workflows/${id}/execute`, { input: {} });
    await until('the call is under way', () => h.held().length);
    const runId = (await ctx.api.get(`/api/runs?workflow_id=${id}`)).json.items[0].id;
    const watcher = await ctx.api.events(runId);
    const seen = [await watcher.nextWith((e) => e.event === 'step.started' && e.json.node === 'held')];
    const tail = watcher.all().catch(() => []); /* cut or ended: both are an end */
    const stopped = ctx.server.proc.stop(); /* without closing our own connections */
    const answer = await within(60_000, 'the waiting client to be answered', waiting);
    expectStatus(answer, [202, 503]);
    if (answer.status === 202) assert.equal(answer.json.id, runId);
    else assert.ok(answer.headers['retry-after']);
    await within(60_000, 'the stream to end', tail);
    assert.equal((await stopped).code, 0);
    await ctx.server.up();
    h.gate.open();
    const rest = await (await ctx.api.events(runId, seen[0].id)).all();
    assert.deepEqual(
      rest.map((e) => e.json.seq),
      rest.map((_, i) => Number(seen[0].id) + 1 + i),
      'the stream goes on without a gap',
    );
    assert.ok(rest.some((e) => e.event === 'run.resumed'));
    assert.equal(rest.at(-1).event, 'run.succeeded');
  });

  test('after SIGTERM with 1,000 runs in flight all of them end, none twice', async () => {
    const h = halfWay();
    await ctx.server.restart(drain('500ms'));
    const id = await ctx.api.workflow(h.definition);
    const ids = new Set();
    for (let i = 0; i < 20; i++)
      for (const runId of await Promise.all(
        Array.from({ length: 50 }, (_, j) => ctx.api.start(id, { n: i * 50 + j })),
      ))
        ids.add(runId);
    assert.equal(ids.size, 1000);
    await until('all are in flight', () => h.held().length === 1000, { limit: 60_000 });
    const at = Date.now();
    const { code } = await ctx.server.down();
    assert.equal(code, 0, ctx.server.proc.tail());
    assert.ok(Date.now() - at < 15_000 * slow, `it took ${Date.now() - at} ms`);
    h.gate.open();
    await ctx.server.up();
    await until('all have succeeded', async () => (await count(id, 'succeeded')) === 1000, {
      limit: 90_000,
      every: 100,
    });
    const perRun = new Map();
    for (const r of h.done()) perRun.set(r.body.run, (perRun.get(r.body.run) ?? 0) + 1);
    assert.equal(perRun.size, 1000);
    for (const [run, times] of perRun)
      assert.equal(times, 1, `the finished step of ${run} was called ${times} times`);
  });

  test('after kill -9 a call that may be repeated is, one that may not is not', async () => {
    const kinds = {
      get: [{}, 'succeeded', 2],
      post: [{ method: 'POST', body: {} }, 'failed', 1],
      'post that may be repeated': [{ method: 'POST', body: {}, on_unknown: 'repeat' }, 'succeeded', 2],
      'get that may not': [{ on_unknown: 'fail' }, 'failed', 1],
    };
    const all = [];
    for (const [what, [more, state, calls]] of Object.entries(kinds)) {
      const h = halfWay(more);
      all.push({
        what,
        state,
        calls,
        h,
        runId: await ctx.api.start(await ctx.api.workflow(h.definition), {}),
      });
      await until('the call is under way', () => h.held().length);
    }
    await ctx.server.killAndRestart();
    for (const { h } of all) h.gate.open();
    for (const { what, state, calls, h, runId } of all) {
      const run = await ctx.api.finished(runId);
      assert.equal(run.state, state, `${what}: ${JSON.stringify(run.error)}`);
      assert.equal(h.held().length, calls, what);
      assert.equal(h.done().length, 1, `${what}: the finished step was repeated`);
      if (state === 'failed') assert.equal(run.error.code, 'unknown_outcome');
      const keys = h.held().map((r) => r.key);
      if (what.startsWith('post')) assert.ok(keys[0] && keys.every((k) => k === keys[0]), `${keys}`);
    }
  });

  test('a run that waits for its next attempt is kept without a process', async () => {
    const name = `later-${ctx.db}`;
    const url = ctx.web.plan(name, { status: 503 }, { body: { v: 1 } });
    const id = await ctx.api.workflow(
      chain('Later', {
        a: call(url, { retry: { max_attempts: 3, delay: '7s', backoff: 'constant', jitter: 0 } }),
        out: output('{{ a.body.v }}'),
      }),
    );
    const runId = await ctx.api.start(id, {});
    await until('it waits', async () => (await ctx.api.runOf(runId)).state === 'waiting');
    const waiting = await ctx.api.runOf(runId);
    assert.equal(stepOf(waiting, 'a').state, 'retrying');
    assert.ok(stepOf(waiting, 'a').retry_at > waiting.created_at);
    await ctx.server.killAndRestart();
    assert.equal((await ctx.api.runOf(runId)).state, 'waiting');
    const run = await ctx.api.finished(runId);
    assert.deepEqual([run.output, stepOf(run, 'a').attempts, ctx.web.at(`/plan/${name}`).length], [1, 2, 2]);
    const [first, second] = ctx.web.at(`/plan/${name}`);
    assert.ok(second.at - first.at >= 6900, `${second.at - first.at} ms`);
    const kinds = (await (await ctx.api.events(runId)).all()).map((e) => e.event);
    assert.ok(kinds.includes('run.waiting') && kinds.includes('run.resumed'), `${kinds}`);
  });

  test('a run that waits can be cancelled', async () => {
    const id = await ctx.api.workflow(
      chain('Waits', {
        a: call(ctx.web.plan(`ever-${ctx.db}`, { status: 503 }), {
          retry: { max_attempts: 3, delay: '10m', max_delay: '10m', backoff: 'constant', jitter: 0 },
        }),
      }),
    );
    const runId = await ctx.api.start(id, {});
    await until('it waits', async () => (await ctx.api.runOf(runId)).state === 'waiting');
    expectStatus(await ctx.api.post(`/api/runs/${runId}/cancel`), 202);
    assert.equal((await ctx.api.finished(runId)).state, 'cancelled');
  });

  test('an input for a webhook is not lost with the process', async () => {
    const gate = new Gate();
    const name = `hooked-${ctx.db}`;
    const id = await ctx.api.published(
      flow(
        'Hooked',
        {
          in: hook(),
          a: call(ctx.web.plan(name, { gate })),
          out: output('{{ input.n }} {{ request.headers["x-n"] }}'),
        },
        ['in -> a', 'a -> out'],
      ),
    );
    expectStatus(
      await ctx.api.as(null).post(`/hooks/${id}`, { n: 4 }, { headers: { 'x-n': 'four' } }),
      [200, 202],
    );
    await until('the call is under way', () => ctx.web.at(`/plan/${name}`).length);
    await ctx.server.killAndRestart();
    gate.open();
    const { json } = await ctx.api.get(`/api/runs?workflow_id=${id}`);
    assert.equal((await ctx.api.finished(json.items[0].id)).output, '4 four');
  });

  async function count(id, state) {
    let total = 0;
    let cursor = '';
    do {
      const { json } = await ctx.api.get(`/api/runs?workflow_id=${id}&state=${state}&limit=200${cursor}`);
      total += json.items.length;
      cursor = json.next_cursor && `&cursor=${json.next_cursor}`;
    } while (cursor);
    return total;
  }
});

onEachDatabase('a second process', (ctx) => {
  const { test } = ctx;

  test(
    'on the same data is refused, and says why',
    { skip: ctx.db !== 'sqlite' && 'PostgreSQL serves many' },
    async () => {
      const args = ['serve', '--listen', '127.0.0.1:0', '--data', ctx.server.data];
      const second = new Proc(binary, args, { env: cleanEnv(ctx.server.env) });
      await within(30_000, 'the second server to give up', second.ended);
      assert.notEqual(second.code, 0);
      assert.doesNotMatch(second.stdout, /^ready/m);
      assert.match(second.stderr, /another|already|in use|locked/i);
      assert.ok(
        second.stderr.includes(ctx.server.data) || second.stderr.includes('heddle.db'),
        second.stderr,
      );
      expectStatus(await ctx.api.get('/readyz'), 200);
      await ctx.server.killAndRestart(); /* a lock does not outlive who held it */
      expectStatus(await ctx.api.get('/readyz'), 200);
    },
  );

  test('on a port that is taken is refused, and says why', async () => {
    const other = await Server.make({ db: ctx.db });
    try {
      const proc = new Proc(
        binary,
        ['serve', '--listen', `127.0.0.1:${ctx.server.port}`, '--data', other.data],
        { env: cleanEnv(other.env) },
      );
      await within(30_000, 'the server to give up', proc.ended);
      assert.notEqual(proc.code, 0);
      assert.match(proc.stderr, new RegExp(`${ctx.server.port}`));
      assert.match(proc.stderr, /in use|taken/);
    } finally {
      await other.drop();
    }
  });
});

/* Two processes on one PostgreSQL are a fleet. */
if (databases.includes('postgres'))
  onEachDatabase(
    'a fleet',
    (ctx) => {
      let second;
      const test = testWith(() => second);

      test('runs are seen, followed, cancelled and taken over by any node', async () => {
        second = await Server.make({ db: 'postgres', env: ctx.server.env });
        second.env.DATABASE_URL = ctx.server.env.DATABASE_URL;
        second.key = ctx.server.key;
        await second.up();
        try {
          const gate = new Gate();
          const held = (name) =>
            chain('Fleet', {
              a: call(ctx.web.plan(name, { gate }), { timeout: '120s' }),
              out: output('done'),
            });
          const [one, two, three] = await Promise.all(
            ['f1', 'f2', 'f3'].map(async (name) => {
              const runId = await ctx.api.start(await ctx.api.workflow(held(name)), {});
              await until('the call is under way', () => ctx.web.at(`/plan/${name}`).length);
              return runId;
            }),
          );
          assert.equal((await second.api.runOf(one)).state, 'running');
          expectStatus(await second.api.post(`/api/runs/${one}/cancel`), 202);
          assert.equal((await second.api.finished(one)).state, 'cancelled');
          const watcher = await second.api.events(two);
          await ctx.server.kill();
          await ctx.server.forgetOthers();
          gate.open();
          assert.equal((await second.api.finished(two, { limit: 60_000 })).output, 'done');
          assert.equal((await second.api.finished(three, { limit: 60_000 })).output, 'done');
          assert.equal((await watcher.all()).at(-1).event, 'run.succeeded');
          await ctx.server.up();
        } finally {
          await second.down();
          second.databaseUrl = undefined; /* it belongs to the first */
          await second.drop();
        }
      });
    },
    { databases: ['postgres'] },
  );
