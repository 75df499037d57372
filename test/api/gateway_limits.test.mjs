/* What keys may use: limits of requests, tokens and money, models and endpoints; over kills and nodes. */
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { expectProblem, expectStatus } from '../lib/api.mjs';
import { until } from '../lib/gate.mjs';
import { Server, heddle } from '../lib/server.mjs';
import { onEachDatabase } from '../lib/suite.mjs';

const messages = [{ role: 'user', content: 'hello' }];

onEachDatabase('gateway limits', (ctx) => {
  const { test } = ctx;
  let n = 0;
  function model(...behaviours) {
    const name = `l${++n}-${ctx.db}`;
    ctx.model.script(name, ...behaviours);
    return `openai/${name}`;
  }
  async function newKey(policy) {
    const name = `limited-${++n}`;
    const key = await ctx.server.newKey(name, 'model.call');
    const { items } = (await ctx.api.get('/api/keys?limit=200')).json;
    const { id } = items.find((k) => k.name === name);
    if (policy) expectStatus(await ctx.api.put(`/api/keys/${id}/limits`, policy), 200);
    return { id, key };
  }
  const caller = (key, server = ctx.server) =>
    new OpenAI({ baseURL: `${server.url}/v1`, apiKey: key.key, maxRetries: 0 });
  const chat = (key, name, more = {}, server) =>
    caller(key, server).chat.completions.create({ model: name, messages, ...more });
  const counter = async (key, what, api = ctx.api) =>
    expectStatus(await api.get(`/api/keys/${key.id}/limits`), 200).json.counters.find((c) => c.what === what);
  const logged = async (key) =>
    (await ctx.api.get('/api/usage?group=key')).json.items.find((r) => r.group === key.id);
  const refusal = (status, code, retry) => (e) => {
    assert.ok(e instanceof OpenAI.APIError, String(e));
    assert.deepEqual([e.status, e.code], [status, code], e.message);
    assert.equal(e.headers.get('x-should-retry') === 'false', !retry);
    return true;
  };
  const price = (name, value) =>
    ctx.api.put('/api/prices', { provider: 'openai', model: name.slice(7), price: value });

  test('so many requests are let in, also after a kill', async () => {
    const key = await newKey({ limits: { requests: { month: 4 } } });
    const name = model({ text: 'x' });
    await chat(key, name);
    await chat(key, name);
    await ctx.server.killAndRestart();
    await chat(key, name);
    await chat(key, name);
    await assert.rejects(chat(key, name), (e) => {
      refusal(429, 'rate_limit_exceeded', false)(e);
      return e instanceof OpenAI.RateLimitError && Number(e.headers.get('retry-after')) > 0;
    });
    assert.equal(ctx.model.of(name.slice(7)).length, 4);
    assert.deepEqual(await counter(key, 'requests').then((c) => [c.used, c.max, c.per]), [4, 4, 'month']);
  });

  test('a limit of a minute says when to come again', async () => {
    const key = await newKey({ limits: { requests: { minute: 0 } } });
    await assert.rejects(chat(key, model({ text: 'x' })), (e) => {
      refusal(429, 'rate_limit_exceeded', true)(e);
      return Number(e.headers.get('retry-after')) <= 60;
    });
  });

  test('five hundred callers exceed a budget by one call at most, and the log agrees', async () => {
    const name = model({ text: 'some words' });
    expectStatus(await price(name, { input: 0, output: 10_000_000, request: 100 }), 204);
    const key = await newKey({ limits: { cost_micros: { month: 5000 } } });
    const probe = await chat(key, name);
    const cost = 100 + 10 * probe.usage.completion_tokens;
    const done = await Promise.allSettled(Array.from({ length: 500 }, () => chat(key, name)));
    const failed = done.filter((d) => d.status === 'rejected');
    for (const f of failed) refusal(402, 'budget_exceeded', false)(f.reason);
    const calls = 1 + done.length - failed.length;
    assert.equal(calls, Math.ceil(5000 / cost));
    const row = await until('all are recorded', async () => {
      const r = await logged(key);
      return r?.calls >= calls && r;
    });
    assert.deepEqual([row.calls, row.cost_micros], [calls, calls * cost]);
    const { used, reserved } = await counter(key, 'cost_micros');
    assert.deepEqual([used, reserved], [calls * cost, 0]);
  });

  test('a stream that is left settles with what was seen', async () => {
    const name = model({ endless: true, token_delay: 2 });
    expectStatus(await price(name, { input: 1_000_000, output: 1_000_000 }), 204);
    const key = await newKey({ limits: { cost_micros: { month: 1_000_000 }, tokens: { month: 1_000_000 } } });
    const abort = new AbortController();
    let seen = 0;
    try {
      const stream = await caller(key).chat.completions.create(
        { model: name, messages, stream: true },
        { signal: abort.signal },
      );
      assert.ok((await counter(key, 'tokens')).reserved > 0);
      for await (const chunk of stream) {
        seen += chunk.choices.length;
        if (seen === 5) abort.abort();
      }
    } catch (error) {
      assert.ok(error instanceof OpenAI.APIUserAbortError, error.message);
    }
    const row = await until('it is recorded', () => logged(key));
    const tokens = row.prompt_tokens + row.completion_tokens;
    assert.ok(row.completion_tokens >= 5);
    assert.equal(row.cost_micros, tokens);
    for (const what of ['tokens', 'cost_micros']) {
      const c = await counter(key, what);
      assert.deepEqual([c.used, c.reserved], [tokens, 0], what);
    }
  });

  test('what does not reach a provider uses nothing', async () => {
    const key = await newKey({ limits: { requests: { month: 5 } } });
    await assert.rejects(chat(key, 'openai'), (e) => e.status === 404);
    assert.equal((await counter(key, 'requests')).used, 0);
  });

  test('a key calls the models and endpoints that it may', async () => {
    const name = model({ text: 'x' });
    const key = await newKey({ models: ['openai/l*'], endpoints: ['chat'] });
    await chat(key, name);
    await assert.rejects(chat(key, 'openai/other'), OpenAI.PermissionDeniedError);
    await assert.rejects(
      caller(key).embeddings.create({ model: name, input: 'x' }),
      OpenAI.PermissionDeniedError,
    );
  });

  test('the tenant has limits, too', async () => {
    const key = await newKey();
    const name = model({ text: 'x' });
    try {
      expectStatus(await ctx.api.put('/api/limits', { limits: { tokens: { month: 0 } } }), 200);
      await assert.rejects(chat(key, name), refusal(429, 'rate_limit_exceeded', false));
    } finally {
      expectStatus(await ctx.api.put('/api/limits', {}), 200);
    }
    await chat(key, name);
  });

  test('what is no limit is refused by name', async () => {
    const { id } = await newKey();
    const at = `/api/keys/${id}/limits`;
    expectProblem(await ctx.api.put(at, { limits: { words: { day: 1 } } }), 422);
    expectProblem(await ctx.api.put(at, { limits: { tokens: { week: 1 } } }), 422);
    expectProblem(await ctx.api.put(at, { limits: { tokens: { day: -1 } } }), 422);
    expectProblem(await ctx.api.put(at, { endpoints: ['telepathy'] }), 422);
    expectProblem(await ctx.api.put(at, { colour: 1 }), 422);
    expectProblem(await ctx.api.put('/api/keys/0193b8f0-0000-7000-8000-000000000000/limits', {}), 404);
    expectProblem(await ctx.api.get('/api/keys/0193b8f0-0000-7000-8000-000000000000/limits'), 404);
  });

  test('the command line sets and shows limits', async () => {
    const { id } = await newKey();
    const run = (...args) =>
      heddle(['key', 'limit', id, ...args, '--data', ctx.server.data], {
        env: ctx.server.env,
        cwd: ctx.server.dir,
      });
    const set = await run(
      '--cost',
      '2.5/day',
      '--requests',
      '60/minute',
      '--model',
      'chat',
      '--model',
      'openai/*',
    );
    assert.equal(set.code, 0, set.stderr);
    const { limits, models } = (await ctx.api.get(`/api/keys/${id}/limits`)).json;
    assert.deepEqual(limits, { requests: { minute: 60 }, cost_micros: { day: 2_500_000 } });
    assert.deepEqual(models, ['chat', 'openai/*']);
    assert.match((await run()).stdout, /cost_micros +day +0 of 2500000/);
    assert.equal((await run('--none')).code, 0);
    assert.deepEqual((await ctx.api.get(`/api/keys/${id}/limits`)).json.limits, {});
    assert.notEqual((await run('--cost', 'much')).code, 0);
  });

  test('nodes on one database share a limit', { skip: ctx.db !== 'postgres' }, async () => {
    const key = await newKey({ limits: { requests: { month: 20 } } });
    const name = model({ text: 'x' });
    const other = await Server.make({
      db: 'sqlite',
      env: { ...ctx.server.env, DATABASE_URL: ctx.server.databaseUrl },
    });
    try {
      await other.up();
      const all = Array.from({ length: 60 }, (_, i) => chat(key, name, {}, i % 2 ? other : ctx.server));
      const ok = (await Promise.allSettled(all)).filter((d) => d.status === 'fulfilled').length;
      assert.equal(ok, 20);
      assert.equal(ctx.model.of(name.slice(7)).length, 20);
    } finally {
      await other.drop();
    }
  });
});
