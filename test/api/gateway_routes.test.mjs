/* Routes of the model gateway: who answers when one does not, and when nobody may be asked. */
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { expectProblem, expectStatus } from '../lib/api.mjs';
import { until } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';

const messages = [{ role: 'user', content: 'hello' }];

onEachDatabase('gateway routes', (ctx) => {
  const { test } = ctx;
  let n = 0;
  const client = (more = {}) =>
    new OpenAI({ baseURL: `${ctx.server.url}/v1`, apiKey: ctx.server.key, maxRetries: 0, ...more });
  const chat = (model, more = {}, options) =>
    client().chat.completions.create({ model, messages, ...more }, options);
  function target(...behaviours) {
    const model = `r${++n}-${ctx.db}`;
    ctx.model.script(model, ...behaviours);
    return { provider: 'openai', model };
  }
  async function route(targets, more = {}) {
    const name = `route-${++n}`;
    const r = await ctx.api.post('/api/routes', { name, targets, ...more });
    return expectStatus(r, 201).json;
  }
  const calls = (t) => ctx.model.of(t.model).length;
  const stateOf = async (r, i = 0) => (await ctx.api.get(`/api/routes/${r.id}`)).json.targets[i].state;
  async function textOf(stream) {
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? '';
    return text;
  }

  test('a route is made, listed, called, changed and deleted', async () => {
    const first = target({ text: 'first' });
    const second = target({ text: 'second' });
    const r = await route([first]);
    assert.deepEqual([r.attempts, r.timeout, r.targets[0].state], [3, null, 'well']);
    assert.equal((await chat(r.name)).choices[0].message.content, 'first');
    const ids = [];
    for await (const m of client().models.list()) ids.push(m.id);
    assert.ok(ids.includes(r.name));
    assert.equal((await client().models.retrieve(r.name)).owned_by, 'heddle');
    const at = `/api/routes/${r.id}`;
    const put = expectStatus(await ctx.api.put(at, { targets: [second], attempts: 1, timeout: '20s' }), 200);
    assert.deepEqual([put.json.attempts, put.json.timeout, put.json.revision], [1, '20s', 2]);
    assert.equal((await chat(r.name)).choices[0].message.content, 'second');
    expectProblem(await ctx.api.put(at, { targets: [first], revision: 1 }), 409, 'conflict');
    expectStatus(await ctx.api.delete(at), 204);
    expectProblem(await ctx.api.get(at), 404);
    await assert.rejects(chat(r.name), OpenAI.NotFoundError);
  });

  test('what cannot be a route is refused with the reason', async () => {
    const t = target({});
    const bad = async (body, says) => {
      const r = await ctx.api.post('/api/routes', { name: `bad-${++n}`, targets: [t], ...body });
      assert.match(expectProblem(r, 422, 'invalid').detail, says);
    };
    await bad({ targets: [] }, /targets/);
    await bad({ targets: [{ provider: 'nobody', model: 'x' }] }, /no provider "nobody"/);
    await bad({ targets: [{ ...t, colour: 1 }] }, /./);
    await bad({ targets: Array(17).fill(t) }, /./);
    await bad({ attempts: 11 }, /attempts/);
    await bad({ timeout: '1us' }, /timeout/);
    await bad({ name: 'openai/mine' }, /provider/);
    await bad({ name: 'with space' }, /name/);
    const r = await route([t]);
    expectProblem(await ctx.api.post('/api/routes', { name: r.name, targets: [t] }), 409, 'exists');
  });

  test('the next target answers when one fails before its first byte, streaming or not', async () => {
    const good = target({ text: 'saved' });
    const refusals = [{ status: 429 }, { status: 500 }, { status: 503 }, { status: 401 }, { html: true }];
    for (const behaviour of [...refusals, { cut_after: 0 }]) {
      for (const stream of [true, false]) {
        if (stream && behaviour.cut_after === 0) continue; /* its first byte is out */
        const r = await route([target(behaviour), good]);
        const answer = await chat(r.name, { stream }).withResponse();
        const text = stream ? await textOf(answer.data) : answer.data.choices[0].message.content;
        assert.equal(text, 'saved', JSON.stringify(behaviour));
        assert.equal(answer.response.headers.get('x-heddle-attempts'), '2');
      }
    }
    const made = await ctx.api.post('/api/providers', {
      kind: 'openai-compatible',
      name: 'dead',
      base_url: 'http://127.0.0.1:1/v1',
      private_network: true,
    });
    expectStatus(made, 201);
    const r = await route([{ provider: 'dead', model: 'x' }, good]);
    assert.equal((await chat(r.name)).choices[0].message.content, 'saved');
    const silent = await route([target({ hang: true }), good], { timeout: '300ms' });
    assert.equal((await chat(silent.name)).choices[0].message.content, 'saved');
    assert.equal(await textOf(await chat(silent.name, { stream: true })), 'saved');
  });

  test('what the request itself is at fault for is not asked elsewhere', async () => {
    for (const status of [400, 404, 422]) {
      const spare = target({ text: 'never' });
      const r = await route([target({ status }), spare]);
      await assert.rejects(chat(r.name), (e) => e.status === status);
      assert.equal(calls(spare), 0);
    }
  });

  test('nothing is asked again once a part of the answer is out', async () => {
    const spare = target({ text: 'never' });
    const r = await route([target({ text: 'a longer text', cut_after: 1 }), spare]);
    await assert.rejects(chat(r.name, { stream: true }).then(textOf), OpenAI.APIError);
    assert.equal(calls(spare), 0);
    assert.equal(await stateOf(r), 'failing');
  });

  test('each target gets the same bytes but for its name of the model, longer or shorter', async () => {
    const names = ['s', 'a-name-that-is-longer-than-that-of-the-route-itself', 'r', 'in-between'].map(
      (name) => `${name}-${++n}-${ctx.db}`,
    );
    names.splice(1, 0, `s${++n}`, `route-${n + 1}`); /* short ones, and that of the route itself */
    for (const [i, name] of names.entries())
      ctx.model.script(name, i < names.length - 1 ? { status: 500 } : { text: 'at last' });
    const r = await route(
      names.map((model) => ({ provider: 'openai', model })),
      { attempts: 6 },
    );
    assert.equal(r.name, names[2]);
    const body = (model) =>
      `{"messages":[{"role":"user","content":"a \\"quote\\" \\u00e9"}], "model" : ${model} ,"n":1, "max_tokens":9}`;
    const answer = await ctx.api.call('POST', '/v1/chat/completions', {
      text: body(`"${r.name.replace('r', '\\u0072')}"`),
      headers: { 'content-type': 'application/json' },
    });
    expectStatus(answer, 200);
    for (const name of names)
      assert.deepEqual(
        ctx.model.of(name).map((e) => e.text),
        [body(`"${name}"`)],
      );
  });

  test('attempts are bounded, those of the client included, and the last refusal is told', async () => {
    const t = [target({ status: 500 }), target({ status: 502 }), target({ status: 503 })];
    const r = await route(t, { attempts: 2 });
    await assert.rejects(chat(r.name), (e) => e.status === 502 && /scripted 502/.test(e.message));
    assert.deepEqual(t.map(calls), [1, 1, 0]);
    await assert.rejects(chat(r.name, {}, { headers: { 'x-stainless-retry-count': '1' } }));
    assert.deepEqual(t.map(calls), [2, 1, 0]);
  });

  test('one target alone is asked again after a pause', async () => {
    const t = target({ status: 500 }, { text: 'again' });
    const r = await route([t]);
    assert.equal((await chat(r.name)).choices[0].message.content, 'again');
    assert.equal(calls(t), 2);
    const limited = target({ status: 429, headers: { 'retry-after-ms': '1' } }, { text: 'later' });
    const wait = await route([limited]);
    const from = Date.now();
    assert.equal((await chat(wait.name)).choices[0].message.content, 'later');
    assert.ok(Date.now() - from >= 900, 'it was asked too early');
  });

  test('a target that asks for a long rest gets it, and the client is told how long', async () => {
    const t = target({ status: 429, headers: { 'retry-after': '60' } });
    const r = await route([t]);
    await assert.rejects(chat(r.name), OpenAI.RateLimitError);
    assert.equal(await stateOf(r), 'resting');
    const before = calls(t);
    await assert.rejects(chat(r.name), (e) => {
      assert.equal(e.status, 503);
      const seconds = Number(e.headers.get('retry-after'));
      assert.ok(seconds > 30 && seconds <= 60, `retry-after ${seconds}`);
      return true;
    });
    assert.equal(calls(t), before);
  });

  test('a target that fails again and again rests, and the others are asked at once', async () => {
    const sick = target({ status: 500 });
    const good = target({ text: 'well' });
    const r = await route([sick, good]);
    for (let i = 0; i < 5; i++) await chat(r.name);
    await until('it rests', async () => (await stateOf(r)) === 'resting');
    assert.equal(calls(sick), 5);
    const answer = await chat(r.name).withResponse();
    assert.equal(answer.response.headers.get('x-heddle-attempts'), '1');
    assert.equal(calls(sick), 5);
  });

  test('routes survive a restart', async () => {
    const r = await route([target({ text: 'still there' })]);
    await ctx.server.restart();
    assert.equal((await chat(r.name)).choices[0].message.content, 'still there');
  });
});
