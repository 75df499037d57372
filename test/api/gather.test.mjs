/* Debounce and batch: starts that become one run, each counted once, whoever dies meanwhile. */
import assert from 'node:assert/strict';
import { expectProblem, expectStatus } from '../lib/api.mjs';
import { until } from '../lib/gate.mjs';
import { Server } from '../lib/server.mjs';
import { databases, onEachDatabase, testWith } from '../lib/suite.mjs';
import { chain, flow, hook, output, set, sub } from '../lib/flow.mjs';
import { after, before, describe } from 'node:test';

const gathers = (name, flowSettings, nodes = {}) =>
  chain(name, { ...nodes, o: output('{{ input }}') }, { settings: { flow: flowSettings } });

const sorted = (numbers) => [...numbers].sort((a, b) => a - b);
const numbers = (n, from = 0) => Array.from({ length: n }, (_, i) => from + i);

onEachDatabase('gathered starts', (ctx) => {
  const { test } = ctx;
  const gate = async (run) => (await ctx.api.get('/api/flow')).json.items.find((g) => g.run_id === run);

  test('starts that follow each other closely are one run with the last input', async () => {
    const id = await ctx.api.workflow(gathers('Quiet', { key: '{{ input.k }}', debounce: { delay: '2s' } }));
    const early = await Promise.all(numbers(4).map((n) => ctx.api.start(id, { k: 'a', n })));
    const other = await ctx.api.start(id, { k: 'b', n: 9 });
    const last = await ctx.api.start(id, { k: 'a', n: 4 });
    assert.equal(new Set([...early, last]).size, 1);
    assert.notEqual(other, last);
    const shown = await ctx.api.runOf(last);
    assert.deepEqual([shown.state, shown.gathering.kind, shown.gathering.starts], ['queued', 'debounce', 5]);
    assert.deepEqual((await ctx.api.finished(last)).output, { k: 'a', n: 4 });
    assert.deepEqual((await ctx.api.finished(other)).output, { k: 'b', n: 9 });
  });

  test('in mode leading the first input counts', async () => {
    const id = await ctx.api.workflow(gathers('Leading', { debounce: { delay: '1500ms', mode: 'leading' } }));
    const first = await ctx.api.start(id, { n: 1 });
    assert.equal(await ctx.api.start(id, { n: 2 }), first);
    assert.deepEqual((await ctx.api.finished(first)).output, { n: 1 });
    const { items } = (await ctx.api.get('/api/flow')).json;
    assert.ok(!items.some((g) => g.name === 'Leading'));
  });

  test('whoever never leaves quiet is run after the longest delay all the same', async () => {
    const id = await ctx.api.workflow(gathers('Restless', { debounce: { delay: '1h', max_delay: '1h' } }));
    const shown = await ctx.api.runOf(await ctx.api.start(id, { n: 0 }));
    const due = Date.parse(shown.gathering.due_at);
    assert.equal(await ctx.api.start(id, { n: 1 }), shown.id);
    assert.equal(Date.parse((await ctx.api.runOf(shown.id)).gathering.due_at), due);

    const short = await ctx.api.workflow(gathers('Hasty', { debounce: { delay: '1s', max_delay: '2s' } }));
    const seen = new Map();
    let n = 0;
    await until('another run was begun', async () => {
      seen.set(await ctx.api.start(short, { n: ++n }), n);
      return seen.size > 1;
    });
    const [[first, last]] = seen;
    assert.deepEqual((await ctx.api.finished(first)).output, { n: last });
  });

  test('a batch is run when it is full, with each input once', async () => {
    const id = await ctx.api.workflow(gathers('Full', { batch: { size: 5, timeout: '1h' } }));
    const ids = await Promise.all(numbers(20).map((n) => ctx.api.start(id, { n })));
    const runs = await Promise.all([...new Set(ids)].map((run) => ctx.api.finished(run)));
    assert.deepEqual(
      runs.map((run) => run.output.length),
      [5, 5, 5, 5],
    );
    assert.deepEqual(sorted(runs.flatMap((run) => run.output.map((one) => one.n))), numbers(20));
    for (const run of runs) assert.ok(run.output.every((one) => ids[one.n] === run.id));
  });

  test('a batch is run when its time is over, in the order in which they came', async () => {
    const id = await ctx.api.workflow(
      gathers('Late', { key: '{{ input.k }}', batch: { size: 100, timeout: '1500ms' }, concurrency: 1 }),
    );
    const first = await ctx.api.start(id, { k: 'x', n: 0 });
    for (const n of [1, 2]) assert.equal(await ctx.api.start(id, { k: 'x', n }), first);
    const run = await ctx.api.finished(first);
    assert.deepEqual(
      run.output,
      [0, 1, 2].map((n) => ({ k: 'x', n })),
    );
    assert.equal(run.flow.name, 'Late: x');
    /* Run again it is one batch, and not gathered. */
    const again = await ctx.api.post(`/api/runs/${first}/rerun`, {});
    expectStatus(again, 200);
    assert.deepEqual(again.json.output, run.output);
  });

  test('what is large makes a batch full', async () => {
    const id = await ctx.api.workflow(gathers('Large', { batch: { size: 100, timeout: '1h' } }));
    const first = await ctx.api.start(id, { x: 'x'.repeat(3 << 20) });
    assert.equal(await ctx.api.start(id, { x: 'y'.repeat(3 << 20) }), first);
    assert.equal((await ctx.api.finished(first)).output.length, 2);
  });

  test('what is gathered is shown with the gates, and can be cancelled', async () => {
    const id = await ctx.api.workflow(
      gathers('Shown', { key: '{{ input.k }}', batch: { size: 9, timeout: '1h' } }),
    );
    const run = await ctx.api.start(id, { k: 'one' });
    await ctx.api.start(id, { k: 'one' });
    const shown = await gate(run);
    assert.equal(shown.name, 'Shown: one');
    assert.deepEqual([shown.gathering.kind, shown.gathering.starts], ['batch', 2]);
    const span = Date.parse(shown.gathering.due_at) - Date.parse(shown.gathering.first_at);
    assert.equal(span, 3600_000);
    const all = [];
    let cursor = '';
    do {
      const page = (await ctx.api.get(`/api/flow?limit=1${cursor && `&cursor=${cursor}`}`)).json;
      all.push(...page.items.map((g) => g.run_id));
      cursor = page.next_cursor;
    } while (cursor);
    assert.ok(all.includes(run));
    const listed = (await ctx.api.get('/api/runs?state=queued')).json.items.map((r) => r.id);
    assert.ok(listed.includes(run));
    expectStatus(await ctx.api.post(`/api/runs/${run}/cancel`), 202);
    const ended = await ctx.api.finished(run);
    assert.equal(ended.state, 'cancelled');
    assert.deepEqual(ended.input, [{ k: 'one' }, { k: 'one' }]);
    assert.notEqual(await ctx.api.start(id, { k: 'one' }), run);
    assert.equal(await gate(run), undefined);
  });

  test('a run that has not begun cannot be run again or compared', async () => {
    const id = await ctx.api.workflow(gathers('Not yet', { debounce: { delay: '1h', max_delay: '1h' } }));
    const run = await ctx.api.start(id, { n: 1 });
    const again = expectProblem(await ctx.api.post(`/api/runs/${run}/rerun`, {}), 409, 'conflict');
    assert.match(again.detail, /has not begun/);
    const other = await ctx.api.start(await ctx.api.workflow(chain('Begun', { o: output(1) })), {});
    await ctx.api.finished(other);
    expectProblem(await ctx.api.get(`/api/runs/${other}/compare?with=${run}`), 409, 'conflict');
    expectStatus(await ctx.api.post(`/api/runs/${run}/cancel`), 202);
    assert.equal((await ctx.api.finished(run)).state, 'cancelled');
    const { json } = expectStatus(await ctx.api.post(`/api/runs/${run}/rerun`, {}), 200);
    assert.deepEqual([json.rerun_of.run_id, json.input], [run, { n: 1 }]);
  });

  test('a start that is sent again is the same start, and who waits hears of the end', async () => {
    const id = await ctx.api.workflow(gathers('Once', { batch: { size: 3, timeout: '1h' } }));
    const key = { 'idempotency-key': 'once' };
    const run = await ctx.api.start(id, { n: 1 }, {}, key);
    assert.equal(await ctx.api.start(id, { n: 1 }, {}, key), run);
    const other = await ctx.api.post(
      `/api/workflows/${id}/execute`,
      { input: { n: 2 }, mode: 'async' },
      { headers: key },
    );
    expectProblem(other, 409, 'exists');
    const waits = ctx.api.run(id, { n: 2 });
    await until('it is in', async () => (await ctx.api.runOf(run)).gathering?.starts === 2);
    await ctx.api.start(id, { n: 3 });
    const ended = await waits;
    assert.deepEqual([ended.id, ended.state], [run, 'succeeded']);
    assert.deepEqual(ended.output, [{ n: 1 }, { n: 2 }, { n: 3 }]);
  });

  test('a webhook is told which run its delivery is in', async () => {
    const id = await ctx.api.published(
      flow('Hooked', { start: hook(), o: output('{{ input }}') }, ['start -> o'], {
        settings: { flow: { batch: { size: 2, timeout: '1h' } } },
      }),
    );
    const send = (n) => ctx.api.post(`/hooks/${id}`, { n }, { headers: { 'webhook-id': `d${n}` } });
    const [one, again, two] = [await send(1), await send(1), await send(2)];
    assert.deepEqual([one.status, one.json.starts], [202, 1]);
    assert.deepEqual([again.json.run_id, again.json.duplicate], [one.json.run_id, true]);
    assert.equal(two.json.run_id, one.json.run_id);
    assert.deepEqual((await ctx.api.finished(one.json.run_id)).output, [{ n: 1 }, { n: 2 }]);
  });

  test('a run that another run starts is its own, and gets a list as well', async () => {
    const child = await ctx.api.published(gathers('Child', { batch: { size: 9, timeout: '1h' } }));
    const id = await ctx.api.workflow(
      chain('Parent', { s: sub(child, { input: { n: 7 } }), o: output('{{ s }}') }),
    );
    assert.deepEqual((await ctx.api.run(id)).output, [{ n: 7 }]);
  });

  test('an input that does not meet the schema, or a key that leads nowhere, takes part in nothing', async () => {
    const id = await ctx.api.workflow(
      flow(
        'Schema',
        {
          start: ['trigger', { trigger: 'manual', input: { type: 'object', required: ['n'] } }],
          o: output('{{ input }}'),
        },
        ['start -> o'],
        { settings: { flow: { key: '{{ input.k }}', batch: { size: 2, timeout: '1h' } } } },
      ),
    );
    const start = (input, more) =>
      ctx.api.post(`/api/workflows/${id}/execute`, { input, mode: 'async', ...more });
    expectProblem(await start({ k: 1 }), 422);
    const nowhere = await start({ n: 1 });
    expectProblem(nowhere, 422);
    assert.match(nowhere.json.detail, /input\.k/);
    const [one, two] = [await start({ k: 1, n: 1 }), await start({ k: 1, n: 2 })];
    assert.equal(one.json.id, two.json.id);
    assert.equal((await ctx.api.finished(one.json.id)).output.length, 2);
  });

  test('what cannot be is said where it stands', async () => {
    const wrong = async (settings) => {
      const r = await ctx.api.post('/api/workflows/validate', gathers('Wrong', settings));
      return r.json.errors.filter((p) => !p.warning).map((p) => p.path);
    };
    const debounce = { delay: '1s' };
    const batch = { size: 2, timeout: '1s' };
    assert.deepEqual(await wrong({ debounce, batch }), ['/settings/flow/batch']);
    assert.deepEqual(await wrong({ debounce: { delay: '2s', max_delay: '1s' } }), [
      '/settings/flow/debounce/max_delay',
    ]);
    assert.deepEqual(await wrong({ debounce, rate_limit: { limit: 1, per: '1s' } }), [
      '/settings/flow/rate_limit',
    ]);
    assert.deepEqual(await wrong({ batch, singleton: 'skip' }), ['/settings/flow/singleton']);
    assert.deepEqual(await wrong({ batch: { size: 1, timeout: '1s' } }), ['/settings/flow/batch/size']);
    assert.deepEqual(await wrong({ batch: { size: 2 } }), ['/settings/flow/batch/timeout']);
    assert.deepEqual(await wrong({ debounce: { delay: '1s', mode: 'both' } }), [
      '/settings/flow/debounce/mode',
    ]);
    assert.deepEqual(await wrong({ debounce, singleton: 'cancel', concurrency: 2 }), []);
  });
});

for (const db of databases) {
  describe(`gathered starts across deaths [${db}]`, () => {
    let server;
    const others = [];
    const test = testWith(() => server);
    before(async () => {
      server = await Server.start({ db });
    });
    after(async () => {
      for (const other of others) await other.down();
      await server?.drop();
    });

    /* Every accepted start is in one run, and in the one that its sender was told. */
    async function expectOnce(accepted) {
      const runs = await Promise.all([...new Set(accepted.values())].map((run) => server.api.finished(run)));
      const got = new Map(runs.flatMap((run) => run.output.map((one) => [one.n, run.id])));
      for (const [n, run] of accepted) assert.equal(got.get(n), run, `start ${n}`);
      const all = runs.flatMap((run) => run.output.map((one) => one.n));
      assert.equal(new Set(all).size, all.length, 'none is there twice');
    }

    test('killed again and again, it loses no start and counts none twice', async () => {
      const id = await server.api.workflow(
        gathers(
          'Killed',
          { key: '{{ input.k }}', batch: { size: 7, timeout: '2s' }, concurrency: 1 },
          { c: set({ n: 1 }) },
        ),
      );
      const accepted = new Map();
      let n = 0;
      for (let round = 0; round < 3; round++) {
        let stopping = false;
        const { api } = server;
        const senders = numbers(6).map(async (k) => {
          while (!stopping) {
            const mine = n++;
            const r = await api
              .post(`/api/workflows/${id}/execute`, { input: { k: k % 3, n: mine }, mode: 'async' })
              .catch(() => null);
            if (r?.status === 202) accepted.set(mine, r.json.id);
            else break;
          }
        });
        const had = accepted.size;
        await until('some were accepted', () => accepted.size > had + 40);
        const killed = server.killAndRestart();
        stopping = true;
        await Promise.all([killed, ...senders]);
      }
      await expectOnce(accepted);
      await until('no gate is used', async () => (await server.api.get('/api/flow')).json.items.length === 0);
    });

    test('what is due while no server runs is run when one does', async () => {
      const id = await server.api.workflow(gathers('Asleep', { debounce: { delay: '500ms' } }));
      const run = await server.api.start(id, { n: 1 });
      await server.killAndRestart();
      assert.deepEqual((await server.api.finished(run)).output, { n: 1 });
    });

    if (db === 'postgres')
      test('two nodes gather into the same runs', async () => {
        const other = await Server.make({ db: 'sqlite', env: { DATABASE_URL: server.databaseUrl } });
        other.key = server.key;
        others.push(await other.up());
        const id = await server.api.workflow(gathers('Nodes', { batch: { size: 8, timeout: '1s' } }));
        const accepted = new Map();
        await Promise.all(
          numbers(60).map(async (n) => accepted.set(n, await (n % 2 ? server : other).api.start(id, { n }))),
        );
        assert.ok(new Set(accepted.values()).size >= 8); /* more if sending took longer than the timeout */
        await expectOnce(accepted);
      });
  });
}
