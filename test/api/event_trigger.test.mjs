/* Workflows that events start: those of the platform and those that are sent to it, each once. */
import assert from 'node:assert/strict';
import { expectProblem, expectStatus } from '../lib/api.mjs';
import { until } from '../lib/gate.mjs';
import { Server } from '../lib/server.mjs';
import { databases, onEachDatabase, testWith } from '../lib/suite.mjs';
import { chain, flow, output, set, sub, when } from '../lib/flow.mjs';
import { after, before, describe } from 'node:test';

const numbers = (n) => Array.from({ length: n }, (_, i) => i);

/* A workflow that begins with an event and gives it. */
const on = (name, event, more = {}, nodes = { o: output('{{ input }}') }) => {
  const ids = ['start', ...Object.keys(nodes)];
  return flow(
    name,
    {
      start: ['trigger', { trigger: 'event', event: Array.isArray(event) ? { on: event } : event }],
      ...nodes,
    },
    ids.slice(1).map((id, i) => `${ids[i]} -> ${id}`),
    more,
  );
};
const fails = (name) => chain(name, { e: ['error', { message: 'broken' }] });
const works = (name) => chain(name, { c: set({ n: 1 }), o: output({ sum: '{{ input.sum }}' }) });

class Runs {
  constructor(api, workflow) {
    Object.assign(this, { api, workflow });
  }
  async list() {
    return (await this.api.get(`/api/runs?workflow_id=${this.workflow}&limit=100`)).json.items;
  }
  /* All @n runs of it, when they have ended. */
  async ended(n) {
    const runs = await until(`${n} runs are there`, async () => {
      const all = await this.list();
      return all.length >= n && all;
    });
    assert.equal(runs.length, n);
    return Promise.all(runs.map((run) => this.api.finished(run.id)));
  }
}

onEachDatabase('event triggers', (ctx) => {
  const { test } = ctx;
  const send = (name, data, more = {}) => ctx.api.post('/api/events', { name, data, ...more });
  const listen = async (definition) => new Runs(ctx.api, await ctx.api.published(definition));
  const refusedOf = (id) =>
    until('it is refused', async () => (await starts(id)).find((one) => one.state === 'refused'));
  const starts = async (id) => (await ctx.api.get(`/api/workflows/${id}/event-starts`)).json.items;
  /* What was sent before has been looked at when this has started its run. */
  const settled = async () => {
    const { workflow } = (settled.last ??= await listen(on('Settled', ['settled'])));
    const { json } = await send('settled');
    await until(
      'the last event was looked at',
      async () =>
        (await new Runs(ctx.api, workflow).list()).some((run) => run.id && run.state === 'succeeded') &&
        (await Promise.all((await new Runs(ctx.api, workflow).list()).map((r) => ctx.api.runOf(r.id)))).some(
          (run) => run.cause.event_id === json.id,
        ),
    );
  };

  test('an event that is sent starts who listens for it, once', async () => {
    const runs = await listen(on('Orders', ['order.paid', 'order.sent']));
    const other = await listen(on('Others', ['order.lost']));
    const answer = await send('order.paid', { sum: 7 }, { key: 'o-1', idempotency: 'first' });
    expectStatus(answer, 202);
    assert.equal(
      (await send('order.paid', { sum: 7 }, { key: 'o-1', idempotency: 'first' })).json.duplicate,
      true,
    );
    const [run] = await runs.ended(1);
    assert.equal(run.trigger, 'event');
    assert.deepEqual(run.cause, { event_id: answer.json.id, type: 'order.paid', run_id: null });
    const { at, ...event } = run.output;
    assert.ok(Date.parse(at));
    assert.deepEqual(event, { id: answer.json.id, type: 'order.paid', key: 'o-1', data: { sum: 7 } });
    await send('order.sent');
    await runs.ended(2);
    assert.deepEqual(await other.list(), []);
    assert.deepEqual(await starts(runs.workflow), []);
  });

  test('the key and the conditions say which events are meant', async () => {
    const runs = await listen(
      on('Large', {
        on: ['pay'],
        key: 'shop',
        conditions: [when('x', '{{ input.data.sum }}', 'gt', 10).conditions[0]],
      }),
    );
    for (const [sum, key] of [
      [5, 'shop'],
      [50, 'elsewhere'],
      [11, 'shop'],
    ])
      expectStatus(await send('pay', { sum }, { key }), 202);
    const [run] = await runs.ended(1);
    assert.equal(run.output.data.sum, 11);
    await settled();
    assert.equal((await runs.list()).length, 1);
    assert.deepEqual(await starts(runs.workflow), []);
  });

  test('an end of a run starts who listens to its workflow', async () => {
    const bad = await ctx.api.workflow(fails('Bad one'));
    const good = await ctx.api.workflow(works('Good one'));
    const failed = await listen(on('On failure', { on: ['run.failed'], workflow: 'Bad one' }));
    const done = await listen(on('On success', { on: ['run.succeeded', 'run.failed'], workflow: good }));
    const first = await ctx.api.run(bad);
    const second = await ctx.api.run(good, { sum: 3 });
    const [one] = await failed.ended(1);
    assert.deepEqual([one.cause.type, one.cause.run_id], ['run.failed', first.id]);
    assert.deepEqual([one.output.data.run_id, one.output.data.state], [first.id, 'failed']);
    assert.match(one.output.data.error.message, /broken/);
    const [two] = await done.ended(1);
    assert.deepEqual([two.output.data.run_id, two.output.data.output], [second.id, { sum: 3 }]);
  });

  test('an event does not start again who has led to it', async () => {
    const pong = await listen(on('Pong', { on: ['run.succeeded'], workflow: 'Ping' }));
    const ping = await listen(on('Ping', { on: ['run.succeeded', 'ping'], workflow: 'Pong' }));
    await send('ping');
    await pong.ended(1);
    const refused = await refusedOf(ping.workflow);
    assert.deepEqual([refused.state, refused.type], ['refused', 'run.succeeded']);
    assert.match(refused.error, /again and again/);
    await ping.ended(1);

    /* Its own ends are none of its business unless it names itself, and then they are refused. */
    const all = await listen(
      on('All', { on: ['run.cancelled', 'run.failed', 'all'] }, {}, { e: ['error', { message: 'x' }] }),
    );
    await send('all');
    await all.ended(1);
    await settled();
    assert.deepEqual(await starts(all.workflow), []);
  });

  test('a run below another one belongs to the same chain', async () => {
    const child = await ctx.api.published(works('Below'));
    const above = await listen(
      on(
        'Above',
        { on: ['run.succeeded', 'above'], workflow: 'Below' },
        {},
        { s: sub(child, { input: { sum: 1 } }) },
      ),
    );
    await send('above');
    await above.ended(1);
    const refused = await refusedOf(above.workflow);
    assert.equal(refused.type, 'run.succeeded');
  });

  test('what cannot start is shown with the reason', async () => {
    const runs = await listen(
      on('Strict', {
        on: ['strict'],
        conditions: [when('x', '{{ input.data.sum }}', 'gt', 10).conditions[0]],
      }),
    );
    const { json } = await send('strict', { other: 1 });
    const refused = await refusedOf(runs.workflow);
    assert.deepEqual([refused.event_id, refused.state], [json.id, 'refused']);
    assert.match(refused.error, /sum/);
    const page = await ctx.api.get(`/api/workflows/${runs.workflow}/event-starts?limit=1`);
    assert.equal(page.json.items.length, 1);
    expectProblem(await ctx.api.get('/api/workflows/00000000-0000-7000-8000-000000000000/event-starts'), 404);
  });

  test('the published version listens, and nobody else', async () => {
    const id = await ctx.api.workflow(on('Versions', ['v1']));
    await send('v1');
    await settled();
    assert.deepEqual(await new Runs(ctx.api, id).list(), []);
    expectStatus(await ctx.api.post(`/api/workflows/${id}/publish`), 200);
    await send('v1');
    await new Runs(ctx.api, id).ended(1);
    expectStatus(await ctx.api.put(`/api/workflows/${id}`, on('Versions', ['v2'])), 200);
    expectStatus(await ctx.api.post(`/api/workflows/${id}/publish`), 200);
    await send('v1');
    await send('v2');
    const runs = await new Runs(ctx.api, id).ended(2);
    assert.deepEqual(runs.map((run) => run.output.type).sort(), ['v1', 'v2']);
    expectStatus(await ctx.api.delete(`/api/workflows/${id}`), 204);
    await send('v2');
    await settled();
    assert.equal((await new Runs(ctx.api, id).list()).length, 2);
  });

  test('flow control holds: events are gathered, and those that come too fast come later', async () => {
    const batch = await listen(
      on('Batch', ['b'], { settings: { flow: { batch: { size: 4, timeout: '1h' } } } }),
    );
    for (const n of numbers(4)) await send('b', n);
    const [run] = await batch.ended(1);
    assert.deepEqual(run.output.map((event) => event.data).sort(), [0, 1, 2, 3]);
    const slow = await listen(
      on('Slow', ['s'], { settings: { flow: { rate_limit: { limit: 1, per: '2s', burst: 1 } } } }),
    );
    await Promise.all([send('s', 1), send('s', 2)]);
    await slow.ended(2);
  });

  test('what the gateway notices of providers starts who listens for it', async () => {
    const down = await listen(on('Down', ['provider.down']));
    const mixed = await listen(on('Mixed', { on: ['run.failed', 'provider.down'], workflow: 'Elsewhere' }));
    const model = `down-${ctx.db}`;
    ctx.model.script(model, ...Array(5).fill({ status: 500 }), { text: 'well again' });
    const route = { name: model, attempts: 10, targets: [{ provider: 'openai', model }] };
    expectStatus(await ctx.api.post('/api/routes', route), 201);
    const asked = { model, messages: [{ role: 'user', content: 'hello' }] };
    await ctx.api.post('/v1/chat/completions', asked);
    for (const runs of [down, mixed]) {
      const [run] = await runs.ended(1);
      assert.equal(run.output.type, 'provider.down');
      assert.deepEqual(run.output.data, { provider: 'openai', model });
    }
  });

  test('what cannot be is said where it stands', async () => {
    const wrong = async (event) => {
      const r = await ctx.api.post('/api/workflows/validate', on('Wrong', event));
      return r.json.errors
        .filter((p) => !p.warning)
        .map((p) => [p.path.replace('/nodes/0/data', ''), p.message]);
    };
    const paths = async (event) => (await wrong(event)).map(([path]) => path);
    assert.match((await wrong({ on: ['run.finished'] }))[0][1], /run\.failed|run\.cancelled|run\.succeeded/);
    assert.deepEqual(await paths({ on: ['a', 'a'] }), ['/event/on/1']);
    assert.deepEqual(await paths({ on: ['a b'] }), ['/event/on/0']);
    assert.deepEqual(await paths({ on: ['a'], workflow: 'x' }), ['/event/workflow']);
    assert.deepEqual(await paths({ on: ['budget.warning'], workflow: 'x' }), ['/event/workflow']);
    assert.deepEqual(await paths({ on: ['run.failed'], key: 'x' }), ['/event/key']);
    assert.deepEqual(await paths({ on: [] }), ['/event/on']);
    assert.deepEqual(await paths({}), ['/event/on']);
    assert.deepEqual(await paths({ on: ['a'], filter: 1 }), ['/event/filter']);
    expectProblem(await send('run.failed'), 422, 'invalid');
  });
});

for (const db of databases) {
  describe(`event triggers across deaths [${db}]`, () => {
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

    async function expectOnce(workflow, accepted) {
      const runs = new Runs(server.api, workflow);
      await until('all have started', async () => {
        const got = (await server.api.get(`/api/workflows/${workflow}/event-starts`)).json.items;
        return got.length === 0;
      });
      const all = await Promise.all((await runs.list()).map((run) => server.api.finished(run.id)));
      const events = all.map((run) => run.output.id);
      assert.equal(new Set(events).size, events.length, 'none has started two');
      for (const id of accepted) assert.ok(events.includes(id), `event ${id} has started one`);
    }

    test('killed again and again, each event that was accepted starts one run', async () => {
      const id = await server.api.published(on('Killed', ['kill']));
      const accepted = [];
      for (let round = 0; round < 3; round++) {
        let stopping = false;
        const { api } = server;
        const senders = numbers(4).map(async () => {
          for (let i = 0; i < 7 && !stopping; i++) {
            const r = await api.post('/api/events', { name: 'kill', data: i }).catch(() => null);
            if (r?.status === 202) accepted.push(r.json.id);
            else break;
          }
        });
        const had = accepted.length;
        await until('some were accepted', () => accepted.length >= had + 10);
        const killed = server.killAndRestart();
        stopping = true;
        await Promise.all([killed, ...senders]);
      }
      await expectOnce(id, accepted);
    });

    if (db === 'postgres')
      test('on two nodes each event starts one run', async () => {
        const other = await Server.make({ db: 'sqlite', env: { DATABASE_URL: server.databaseUrl } });
        other.key = server.key;
        others.push(await other.up());
        const id = await server.api.published(on('Nodes', ['nodes']));
        await until('the other node knows of the trigger', async () => {
          const r = await other.api.post('/api/events', { name: 'nodes' });
          return r.status === 202 && (await new Runs(server.api, id).list()).length > 0;
        });
        const sent = await Promise.all(
          numbers(40).map((n) =>
            (n % 2 ? server : other).api.post('/api/events', { name: 'nodes', data: n }),
          ),
        );
        await expectOnce(
          id,
          sent.map((r) => r.json.id),
        );
      });
  });
}
