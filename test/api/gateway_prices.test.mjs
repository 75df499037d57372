/* What models cost: prices written by hand and imported, and the cost of each call in the usage. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import OpenAI from 'openai';
import { expectProblem, expectStatus } from '../lib/api.mjs';
import { until } from '../lib/gate.mjs';
import { Server, heddle } from '../lib/server.mjs';
import { onEachDatabase } from '../lib/suite.mjs';

const messages = [{ role: 'user', content: 'hello' }];
const list = {
  sample_spec: { input_cost_per_token: 0, output_cost_per_token: 0, mode: 'one of: chat, embedding' },
  'listed-1': {
    litellm_provider: 'openai',
    mode: 'chat',
    input_cost_per_token: 1e-6,
    output_cost_per_token: 2e-6,
    max_output_tokens: 4096,
  },
  'openai/listed-2': {
    litellm_provider: 'openai',
    mode: 'chat',
    input_cost_per_token: 3e-6,
    output_cost_per_token: 4e-6,
  },
  'groq/other': { litellm_provider: 'groq', input_cost_per_token: 5e-8, output_cost_per_token: 8e-8 },
  'an-image': { litellm_provider: 'openai', mode: 'image_generation', output_cost_per_image: 0.04 },
};

onEachDatabase('gateway prices', (ctx) => {
  const { test } = ctx;
  const chat = (model, server = ctx.server) =>
    new OpenAI({ baseURL: `${server.url}/v1`, apiKey: server.key, maxRetries: 0 }).chat.completions.create({
      model,
      messages,
    });
  const row = (model, calls) =>
    until(`${calls} calls of ${model} are recorded`, async () => {
      const { items } = expectStatus(await ctx.api.get('/api/usage?group=model'), 200).json;
      const found = items.find((r) => r.group === model);
      return found?.calls >= calls && found;
    });
  const set = (provider, model, price) => ctx.api.put('/api/prices', { provider, model, price });

  test('a call costs what its tokens do at the price of its provider', async () => {
    ctx.model.script('priced', { text: 'two words' });
    expectStatus(await set('openai', 'priced', { input: 2_500_000, output: 10_000_000 }), 204);
    const { usage } = await chat('openai/priced');
    const { cost_micros, unpriced_calls } = await row('openai/priced', 1);
    const cost = Math.ceil((usage.prompt_tokens * 5) / 2 + usage.completion_tokens * 10);
    assert.deepEqual([cost_micros, unpriced_calls], [cost, 0]);
    expectStatus(await set('openai', 'priced', { input: 0, output: 1_000_000, request: 7 }), 204);
    await chat('openai/priced');
    assert.equal((await row('openai/priced', 2)).cost_micros, cost + usage.completion_tokens + 7);
  });

  test('a call without a price costs nothing and says so', async () => {
    ctx.model.script('unpriced', { text: 'x' });
    await chat('openai/unpriced');
    const { cost_micros, unpriced_calls } = await row('openai/unpriced', 1);
    assert.deepEqual([cost_micros, unpriced_calls], [0, 1]);
  });

  test("LiteLLM's list is imported; prices by hand come before it and stay", async () => {
    const done = expectStatus(await ctx.api.post('/api/prices/import', list), 200).json;
    assert.deepEqual(done, { imported: 4, skipped: 1 });
    for (const model of ['listed-1', 'listed-2']) ctx.model.script(model, { text: 'a few words here' });
    expectStatus(await set('openai', 'listed-2', { input: 0, output: 0, request: 11 }), 204);
    const { usage } = await chat('openai/listed-1');
    await chat('openai/listed-2');
    assert.equal(
      (await row('openai/listed-1', 1)).cost_micros,
      usage.prompt_tokens + 2 * usage.completion_tokens,
    );
    assert.equal((await row('openai/listed-2', 1)).cost_micros, 11);

    const { 'listed-1': gone, ...rest } = list;
    assert.equal(gone.litellm_provider, 'openai');
    assert.equal(expectStatus(await ctx.api.post('/api/prices/import', rest), 200).json.imported, 3);
    const left = (await ctx.api.get('/api/prices?provider=openai')).json.items;
    assert.equal(left.filter((p) => p.model === 'listed-1').length, 0);
    assert.deepEqual(
      left
        .filter((p) => p.model === 'listed-2')
        .map((p) => p.origin)
        .sort(),
      ['import', 'own'],
    );
    const own = left.find((p) => p.model === 'listed-2' && p.origin === 'own');
    expectStatus(await ctx.api.delete(`/api/prices/${own.id}`), 204);
    expectProblem(await ctx.api.delete(`/api/prices/${own.id}`), 404);
    await chat('openai/listed-2');
    assert.ok((await row('openai/listed-2', 2)).cost_micros > 11 + 3);
  });

  test('what is no price is refused by name', async () => {
    const bad = expectProblem(await set('openai', 'm', { input: 1, output: 1, colour: 3 }), 422);
    assert.match(JSON.stringify(bad), /colour/);
    expectProblem(await set('openai', 'm', { input: -1, output: 1 }), 422);
    expectProblem(await set('openai', 'm', { input: 1 }), 422);
    expectProblem(await ctx.api.post('/api/prices/import', { a: 1 }), 422);
    expectProblem(await ctx.api.post('/api/prices/import', []), 422);
  });

  test('usage is grouped by more than one thing', async () => {
    ctx.model.script('grouped', { text: 'x' });
    expectStatus(await set('openai', 'grouped', { input: 0, output: 0, request: 1 }), 204);
    await chat('openai/grouped');
    await row('openai/grouped', 1);
    const usage = async (query) => expectStatus(await ctx.api.get(`/api/usage?${query}`), 200).json.items;
    const hourly = (await usage('group=upstream_model&bucket=hour')).filter((r) => r.group === 'grouped');
    assert.equal(hourly.length, 1);
    assert.match(hourly[0].time, /^\d{4}-\d\d-\d\dT\d\d:00:00/);
    const total = (rows) => rows.reduce((sum, r) => sum + r.cost_micros, 0);
    const whole = total(await usage('group=model'));
    for (const query of ['group=hour', 'group=day', 'group=key&bucket=day', 'group=operation'])
      assert.equal(total(await usage(query)), whole, query);
    assert.ok((await usage('group=outcome')).find((r) => r.group === 'ok').calls > 0);
    expectProblem(await ctx.api.get('/api/usage?group=day&bucket=hour'), 400);
    expectProblem(await ctx.api.get('/api/usage?bucket=week'), 400);
  });

  test('the command line sets, lists and imports prices', async () => {
    const at = { env: ctx.server.env, cwd: ctx.server.dir };
    const run = async (...args) => {
      const done = await heddle(['price', ...args, '--data', ctx.server.data], at);
      assert.equal(done.code, 0, done.stderr);
      return done.stdout;
    };
    const file = path.join(ctx.server.dir, 'prices.json');
    fs.writeFileSync(file, JSON.stringify(list));
    assert.match(await run('import', file), /^4 prices/);
    await run('set', 'openai', 'by-hand', '--input', '0.15', '--output', '0.6');
    assert.match(
      await run('list', 'openai'),
      /own +openai +by-hand +input 0\.15 +cached 0\.15 +output 0\.6\n/,
    );
    await run('set', 'openai', 'sound', '--minute', '0.006', '--image', '0.04', '--characters', '15');
    assert.match(await run('list', 'openai'), /sound .* image 0\.04 +characters 15 +minute 0\.006\n/);
    const wrong = await heddle(
      ['price', 'set', 'openai', 'm', '--input', '1,5', '--output', '1', '--data', ctx.server.data],
      at,
    );
    assert.notEqual(wrong.code, 0);
    assert.match(wrong.stderr, /1,5/);
    ctx.model.script('by-hand', { text: 'x' });
    await until('the server sees the price', async () => {
      await chat('openai/by-hand');
      return (await row('openai/by-hand', 1)).cost_micros > 0;
    });
  });

  test('a call without a price is refused where that is set', async () => {
    const strict = await Server.start({
      db: ctx.db,
      env: { ...ctx.server.env, DATABASE_URL: undefined, HEDDLE_MODELS_UNKNOWN_PRICE: 'refuse' },
    });
    try {
      ctx.model.script('strict', { text: 'x' });
      await assert.rejects(
        chat('openai/strict', strict),
        (e) => e.status === 422 && /price of "strict"/.test(e.message),
      );
      expectStatus(
        await strict.api.put('/api/prices', {
          provider: 'openai',
          model: 'strict',
          price: { input: 1, output: 1 },
        }),
        204,
      );
      await chat('openai/strict', strict);
      assert.equal(ctx.model.of('strict').length, 1);
    } finally {
      await strict.drop();
    }
  });
});
