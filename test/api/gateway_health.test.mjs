/* How providers are: what became of calls, probes that are asked for, and what both do to routes. */
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { expectProblem, expectStatus } from '../lib/api.mjs';
import { until } from '../lib/gate.mjs';
import { heddle } from '../lib/server.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { gone, sendJson } from '../doubles/listener.mjs';
import { startModelServer } from '../doubles/model_server.mjs';

const messages = [{ role: 'user', content: 'hello' }];

onEachDatabase('gateway health', (ctx) => {
  const { test } = ctx;
  const own = [];
  let n = 0;

  /* A provider with a model server of its own; `list` says what asking for its models does. */
  async function provider(probe, more = {}) {
    const server = await startModelServer();
    own.push(server);
    const answer = server.answer.bind(server);
    server.list = 'ok';
    server.answer = (entry, req, res) => {
      if (entry.path !== '/v1/models' || server.list === 'ok') return answer(entry, req, res);
      return server.list === 'hang' ? gone(res) : sendJson(res, server.list, { error: { message: 'no' } });
    };
    const body = {
      kind: 'openai-compatible',
      name: `health-${++n}`,
      base_url: server.url,
      private_network: true,
    };
    const made = expectStatus(await ctx.api.post('/api/providers', { ...body, probe, ...more }), 201).json;
    const asked = () => server.requests.filter((r) => r.path === '/v1/models').length;
    return { ...made, server, asked, calls: (model) => server.of(model).length };
  }
  const look = async (p) => expectStatus(await ctx.api.get(`/api/providers/${p.id}`), 200).json.health;
  const state = (p, want) =>
    until(`${p.name} is ${want}`, async () => {
      const health = await look(p);
      return health.state === want && health;
    });
  const chat = (model, more = {}) =>
    new OpenAI({
      baseURL: `${ctx.server.url}/v1`,
      apiKey: ctx.server.key,
      maxRetries: 0,
    }).chat.completions.create({
      model,
      messages,
      ...more,
    });
  const text = async (model) => (await chat(model)).choices[0].message.content;
  async function route(targets, more = {}) {
    const r = await ctx.api.post('/api/routes', { name: `health-${++n}`, targets, ...more });
    return expectStatus(r, 201).json;
  }
  const target = (p, model, ...behaviours) => {
    p.server.script(model, ...behaviours);
    return { provider: p.name, model };
  };
  const quick = { every: '1s', timeout: '500ms', down_after: 1, up_after: 1 };

  test('what became of calls is shown, and nobody is asked who did not want it', async () => {
    const p = await provider();
    assert.equal(p.probe, null);
    const before = await look(p);
    assert.deepEqual(
      [before.state, before.calls, before.errors, before.latency_ms, before.last_probe, before.targets],
      ['unknown', 0, {}, null, null, []],
    );
    const behaviours = [{ text: 'x' }, { status: 500 }, { status: 500 }, { status: 429 }, { status: 400 }];
    behaviours.push({ status: 401 }, { cut_after: 0 }, { malformed_after: 0 }, { text: 'x', delay: 30 });
    p.server.script('m', ...behaviours);
    for (let i = 0; i < behaviours.length; i++) await chat(`${p.name}/m`).catch(() => {});
    const after = await look(p);
    assert.equal(after.state, 'up');
    assert.equal(after.calls, 9);
    assert.deepEqual(after.errors, { refused: 1, limited: 1, denied: 1, failed: 2, cut: 1, unusable: 1 });
    assert.ok(after.latency_ms >= 30 && after.last_call);
    const r = await route([target(p, 'm', { text: 'x' })]);
    await chat(r.name);
    const [t] = (await look(p)).targets;
    assert.deepEqual([t.model, t.breaker, t.failures, t.under_way], ['m', 'well', 0, 0]);
    const { items } = (await ctx.api.get('/api/providers')).json;
    assert.equal(items.find((i) => i.id === p.id).health.calls, 10);
    p.server.script('m', { status: 503 });
    for (let i = 0; i < 5; i++) await assert.rejects(chat(`${p.name}/m`));
    assert.equal((await look(p)).state, 'failing');
    await p.server.stop();
    await assert.rejects(chat(`${p.name}/m`));
    assert.equal((await look(p)).errors.unreachable, 1);
    assert.equal(p.asked(), 0);
  });

  test('a provider that does not answer its probes is passed over until it does', async () => {
    const path = '/health';
    const made = await ctx.api.post('/api/subscriptions', {
      url: ctx.hooks.url(path),
      events: ['provider.down', 'provider.up'],
    });
    ctx.hooks.secret(path, expectStatus(made, 201).json.secret);
    const p = await provider(quick);
    assert.deepEqual(p.probe, { every: '1s', kind: 'models', timeout: '500ms', down_after: 1, up_after: 1 });
    const spare = await provider();
    const r = await route([target(p, 'm', { text: 'first' }), target(spare, 'm', { text: 'spare' })]);
    const up = await state(p, 'up');
    assert.ok(up.last_probe.ok && up.last_probe.took_ms > 0 && up.last_probe.error === null);
    assert.equal(await text(r.name), 'first');

    p.server.list = 'hang';
    const down = await state(p, 'down');
    assert.deepEqual([down.last_probe.ok, down.last_probe.in_a_row >= 1], [false, true]);
    assert.match(down.last_probe.error, /did not answer in time/);
    const before = p.calls('m');
    assert.equal(await text(r.name), 'spare');
    assert.equal(p.calls('m'), before);
    const shown = (await ctx.api.get(`/api/routes/${r.id}`)).json;
    assert.deepEqual(
      shown.targets.map((t) => t.state),
      ['down', 'well'],
    );

    p.server.list = 'ok';
    await state(p, 'up');
    assert.equal(await text(r.name), 'first');
    const told = await until('both are told', () => {
      const bodies = ctx.hooks.at(path).map((d) => d.body);
      const mine = bodies.filter((b) => JSON.stringify(b).includes(p.name));
      return mine.length >= 2 && mine;
    });
    assert.deepEqual(
      told.map((b) => [b.type, b.data.model]),
      [
        ['provider.down', null],
        ['provider.up', null],
      ],
    );
  });

  test('a call that is answered takes a provider for up, and its targets are tried', async () => {
    const p = await provider({ ...quick, up_after: 20 });
    const r = await route([target(p, 'm', { text: 'back' })]);
    p.server.list = 500;
    assert.match((await state(p, 'down')).last_probe.error, /status 500/);
    assert.equal((await ctx.api.get(`/api/routes/${r.id}`)).json.targets[0].state, 'down');
    assert.equal(await text(`${p.name}/m`), 'back'); /* its own names go there all the same */
    assert.equal((await look(p)).state, 'up');
    assert.equal(await text(r.name), 'back');
  });

  test('a probe lets the next call try a target that rests', async () => {
    const p = await provider(quick);
    const t = target(p, 'm', ...Array(5).fill({ status: 500 }), { text: 'well again' });
    const r = await route([t], { attempts: 1 });
    await state(p, 'up');
    for (let i = 0; i < 5; i++) await assert.rejects(chat(r.name));
    const started = Date.now();
    await until('it is tried', async () => (await chat(r.name).catch(() => null)) !== null, { every: 100 });
    assert.ok(Date.now() - started < 25_000, 'before its rest of 30 seconds is over');
    assert.equal((await look(p)).targets[0].breaker, 'well');
  });

  test('a probe is changed, kept and taken away', async () => {
    const p = await provider(quick);
    await until('it is asked', () => p.asked() >= 2);
    const at = `/api/providers/${p.id}`;
    const patch = async (body) => expectStatus(await ctx.api.call('PATCH', at, { body }), 200).json;
    assert.deepEqual((await patch({ timeout: '30s' })).probe, p.probe);
    assert.equal((await patch({ probe: { every: '1h' } })).probe.every, '1h');
    const off = await patch({ probe: null });
    assert.deepEqual([off.probe, off.health.last_probe], [null, null]);
    const slower = await patch({ probe: quick, enabled: false });
    assert.equal(slower.health.state, 'off');
    const asked = p.asked();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    assert.equal(p.asked(), asked, 'one that is switched off is not asked');
  });

  test('a word of a model is a call of the tenant, and its limits hold', async () => {
    const words = { every: '10s', kind: 'completion', model: 'word', timeout: '5s' };
    const p = await provider(words);
    p.server.script('word', { text: 'ok' });
    const name = `${p.name}/word`;
    await state(p, 'up');
    assert.equal(p.asked(), 0);
    const { body } = p.server.of('word')[0];
    assert.ok(body.max_tokens === 16 || body.max_completion_tokens === 16);
    const [row] = await until('it is recorded', async () => {
      const { items } = (await ctx.api.get(`/api/calls?operation=probe&model=${name}`)).json;
      return items.length && items;
    });
    assert.deepEqual([row.outcome, row.provider, row.upstream_model], ['ok', p.name, 'word']);
    assert.ok(row.prompt_tokens > 0 && row.completion_tokens > 0);
    assert.equal((await look(p)).targets[0].breaker, 'well');
    expectStatus(await ctx.api.put('/api/limits', { limits: { tokens: { month: 1 } } }), 200);
    try {
      const poor = await provider({ ...words, model: 'poor' });
      const health = await until('it could not be asked', async () => {
        const h = await look(poor);
        return h.last_probe && h;
      });
      assert.match(health.last_probe.error, /limit/);
      assert.deepEqual([health.state, poor.calls('poor')], ['unknown', 0]);
    } finally {
      expectStatus(await ctx.api.put('/api/limits', {}), 200);
    }
  });

  test('what cannot be is refused with the reason', async () => {
    for (const probe of [
      {},
      { every: '10ms' },
      { every: '1m', timeout: '2m' },
      { every: '1m', kind: 'ping' },
      { every: '1m', kind: 'completion' },
      { every: '1m', model: 'm' },
      { every: '5s', kind: 'completion', model: 'm' },
      { every: '1m', down_after: 21 },
      { every: '1m', colour: 'red' },
    ]) {
      const body = {
        kind: 'openai-compatible',
        name: `bad-${++n}`,
        base_url: ctx.model.url,
        private_network: true,
      };
      expectProblem(await ctx.api.post('/api/providers', { ...body, probe }), 422);
    }
    const demo = { kind: 'demo', name: `bad-${++n}`, probe: { every: '1m' } };
    expectProblem(await ctx.api.post('/api/providers', demo), 422);
  });

  test('the command line makes providers that are probed, and shows how they are', async () => {
    const server = await startModelServer();
    own.push(server);
    const run = (...args) =>
      heddle(['provider', ...args, '--data', ctx.server.data], { env: ctx.server.env, cwd: ctx.server.dir });
    const name = `cli-${++n}`;
    const made = await run(
      ...['add', 'openai-compatible', '--name', name, '--base-url', server.url, '--private-network'],
      ...['--probe', '1s'],
    );
    assert.equal(made.code, 0, made.stderr);
    const id = made.stdout.trim();
    await until('the server sees it', async () => (await ctx.api.get(`/api/providers/${id}`)).status === 200);
    await state({ id, name }, 'up');
    const list = await until('its state is stored', async () => {
      const r = await run('list');
      return /asked/.test(r.stdout) && r.stdout;
    });
    assert.match(list, new RegExp(`${name} .*  up, asked \\d{4}-`));
    const bad = await run('add', 'openai', '--probe-model', 'm');
    assert.notEqual(bad.code, 0);
    assert.match(bad.stderr, /--probe/);
    await Promise.all(own.map((s) => s.stop()));
  });
});
