/* What a key has left stands in the headers of answers; who subscribes is told of targets and budgets. */
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { expectStatus } from '../lib/api.mjs';
import { until } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';

const messages = [{ role: 'user', content: 'hello' }];

onEachDatabase('gateway headers and alerts', (ctx) => {
  const { test } = ctx;
  let n = 0;
  function model(...behaviours) {
    const name = `a${++n}-${ctx.db}`;
    ctx.model.script(name, ...behaviours);
    return name;
  }
  async function newKey(policy) {
    const name = `key-${++n}`;
    const key = await ctx.server.newKey(name, 'model.call');
    const { items } = (await ctx.api.get('/api/keys?limit=200')).json;
    const { id } = items.find((k) => k.name === name);
    expectStatus(await ctx.api.put(`/api/keys/${id}/limits`, policy), 200);
    const client = new OpenAI({ baseURL: `${ctx.server.url}/v1`, apiKey: key, maxRetries: 0 });
    return { id, chat: (more) => client.chat.completions.create({ messages, ...more }).withResponse() };
  }
  async function subscribe(path, events) {
    const r = await ctx.api.post('/api/subscriptions', { url: ctx.hooks.url(path), events });
    expectStatus(r, 201);
    ctx.hooks.secret(path, r.json.secret);
    return r.json;
  }
  const told = (path, count) =>
    until(
      `${path} has ${count} deliveries`,
      () => ctx.hooks.at(path).length >= count && ctx.hooks.at(path).map((d) => d.body),
    );

  test('answers and refusals say what the key has left, by the names of OpenAI', async () => {
    const key = await newKey({
      limits: { requests: { day: 3, month: 100 }, tokens: { day: 1_000_000 }, cost_micros: { day: 1000 } },
    });
    const headers = {
      'x-ratelimit-limit-requests': '9999',
      'x-ratelimit-remaining-requests': '9998',
      'x-ratelimit-limit-input-images': '7',
    };
    const name = model({ text: 'x', headers });
    const { response } = await key.chat({ model: `openai/${name}`, max_tokens: 100 });
    const of = (what, r = response.headers) =>
      ['limit', 'remaining', 'reset'].map((part) => r.get(`x-ratelimit-${part}-${what}`));
    assert.deepEqual(of('requests').slice(0, 2), ['3', '2']);
    assert.match(of('requests')[2], /^(\d+h)?(\d+m)?[\d.]+m?s$/);
    const [limit, remaining] = of('tokens').map(Number);
    assert.ok(limit === 1_000_000 && remaining < limit - 100 && remaining > limit - 1000, `${remaining}`);
    assert.deepEqual(of('cost-micros').slice(0, 2), ['1000', '1000']);
    assert.equal(response.headers.get('x-ratelimit-limit-input-images'), '7');
    const stream = await key.chat({ model: `openai/${name}`, stream: true });
    assert.equal(of('requests', stream.response.headers)[1], '1');
    for await (const part of stream.data) assert.ok(part);
    await key.chat({ model: `openai/${name}` });
    await assert.rejects(key.chat({ model: `openai/${name}` }), (e) => {
      assert.equal(e.status, 429);
      assert.deepEqual(of('requests', e.headers).slice(0, 2), ['3', '0']);
      return true;
    });
    const free = await newKey({});
    const { response: other } = await free.chat({ model: `openai/${name}` });
    assert.equal(of('requests', other.headers)[0], '9999');
  });

  test('the client’s own retries count as attempts', async () => {
    const name = model({ status: 503 });
    const made = await ctx.api.post('/api/routes', {
      name: `tried-${n}`,
      attempts: 3,
      targets: [{ provider: 'openai', model: name }],
    });
    expectStatus(made, 201);
    const client = new OpenAI({ baseURL: `${ctx.server.url}/v1`, apiKey: ctx.server.key, maxRetries: 2 });
    await assert.rejects(client.chat.completions.create({ model: `tried-${n}`, messages }), { status: 503 });
    assert.equal(ctx.model.of(name).length, 3 + 2 + 1 - 1);
  });

  test('a target that goes down and comes back is told once each', async () => {
    const s = await subscribe('/health', ['provider.down', 'provider.up']);
    const name = model(...Array(5).fill({ status: 500 }), { text: 'well again' });
    const made = await ctx.api.post('/api/routes', {
      name: `down-${n}`,
      attempts: 10,
      targets: [{ provider: 'openai', model: name }],
    });
    expectStatus(made, 201);
    const client = new OpenAI({ baseURL: `${ctx.server.url}/v1`, apiKey: ctx.server.key, maxRetries: 0 });
    await assert.rejects(client.chat.completions.create({ model: `down-${n}`, messages }));
    const [down] = await told('/health', 1);
    assert.deepEqual([down.type, down.data], ['provider.down', { provider: 'openai', model: name }]);
    expectStatus(await ctx.api.delete(`/api/subscriptions/${s.id}`), 204);
  });

  test('a budget that is nearly, and wholly, used up is told once each', async () => {
    await subscribe('/budget', ['budget.warning', 'budget.exhausted']);
    const key = await newKey({ limits: { cost_micros: { month: 100 } } });
    const name = model({ text: 'x' });
    const price = { input: 0, output: 0, request: 45 };
    expectStatus(await ctx.api.put('/api/prices', { provider: 'openai', model: name, price }), 204);
    const call = () => key.chat({ model: `openai/${name}` });
    await call();
    await call();
    const [warning] = await told('/budget', 1);
    assert.deepEqual(
      [warning.type, warning.data],
      [
        'budget.warning',
        {
          key_id: key.id,
          user_id: null,
          team_id: null,
          per: 'month',
          max_cost_micros: 100,
          used_cost_micros: 90,
        },
      ],
    );
    await call();
    await assert.rejects(call(), { status: 402 });
    const all = await told('/budget', 2);
    assert.deepEqual([all[1].type, all[1].data.used_cost_micros], ['budget.exhausted', 135]);
    await assert.rejects(call(), { status: 402 });
    assert.equal(ctx.hooks.at('/budget').length, 2);
  });
});
