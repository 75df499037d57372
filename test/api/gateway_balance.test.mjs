/* Routes that share calls out: by weight, by speed, by session, and no more at once than a target takes. */
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { expectProblem, expectStatus } from '../lib/api.mjs';
import { Gate, until } from '../lib/gate.mjs';
import { heddle } from '../lib/server.mjs';
import { onEachDatabase } from '../lib/suite.mjs';

const messages = [{ role: 'user', content: 'hello' }];

onEachDatabase('gateway balance', (ctx) => {
  const { test } = ctx;
  let n = 0;
  const chat = (model, headers = {}, key = ctx.server.key, more = {}) =>
    new OpenAI({ baseURL: `${ctx.server.url}/v1`, apiKey: key, maxRetries: 0 }).chat.completions.create(
      { model, messages, ...more },
      { headers },
    );
  const text = async (...args) => (await chat(...args)).choices[0].message.content;
  function target(behaviour, more = {}) {
    const model = `b${++n}-${ctx.db}`;
    ctx.model.script(model, behaviour);
    return { provider: 'openai', model, ...more };
  }
  async function route(targets, more = {}) {
    const r = await ctx.api.post('/api/routes', { name: `balance-${++n}`, targets, ...more });
    return expectStatus(r, 201).json;
  }
  const calls = (t) => ctx.model.of(t.model).length;
  const look = async (r) => (await ctx.api.get(`/api/routes/${r.id}`)).json;

  test('calls are shared out by weight', async () => {
    const light = target({ text: 'x' });
    const heavy = target({ text: 'x' }, { weight: 9 });
    const r = await route([light, heavy], { balance: 'weighted' });
    assert.deepEqual([r.balance, r.targets[0].weight, r.targets[1].weight], ['weighted', 1, 9]);
    await Promise.all(Array.from({ length: 200 }, () => chat(r.name)));
    assert.equal(calls(light) + calls(heavy), 200);
    assert.ok(calls(light) > 0 && calls(light) < 60, `${calls(light)} of 200 at a weight of 1 in 10`);
  });

  test('the target that answers sooner gets the calls', async () => {
    const slow = target({ text: 'x', delay: 300 });
    const quick = target({ text: 'x' });
    const r = await route([slow, quick], { balance: 'fastest' });
    for (let i = 0; i < 12; i++) await chat(r.name);
    assert.ok(calls(slow) <= 2, `the slow one was called ${calls(slow)} times`);
    const [s, q] = (await look(r)).targets;
    assert.ok(q.latency_ms > 0 && (s.latency_ms === null || s.latency_ms > q.latency_ms));
  });

  test('a session stays at its target, and goes elsewhere when that fails', async () => {
    const all = ['a', 'b', 'c'].map((t) => target({ text: t }));
    const r = await route(all, { balance: 'weighted', sticky: 'x-session-id' });
    const at = {};
    for (let s = 0; s < 12; s++) {
      at[s] = await text(r.name, { 'x-session-id': `s${s}` });
      assert.equal(await text(r.name, { 'x-session-id': `s${s}` }), at[s]);
    }
    assert.ok(new Set(Object.values(at)).size > 1, 'all sessions are at one target');
    const gone = at[0];
    ctx.model.script(all['abc'.indexOf(gone)].model, { status: 500 });
    assert.notEqual(await text(r.name, { 'x-session-id': 's0' }), gone);
    const other = Object.keys(at).find((s) => at[s] !== gone);
    assert.equal(await text(r.name, { 'x-session-id': `s${other}` }), at[other]);
  });

  test('calls wait for a target that has as many as it takes, in turns by key', async () => {
    const gate = new Gate();
    const t = target({ text: 'x', gate, delay: 150 }, { max_concurrent: 2 });
    const r = await route([t]);
    const many = Array.from({ length: 8 }, () => chat(r.name));
    const state = (what, want) =>
      until(`${want} ${what}`, async () => (await look(r)).targets[0][what] === want);
    await state('waiting', 6);
    const key = await ctx.server.newKey(`other-${++n}`, 'model.call');
    const one = chat(r.name, {}, key, { user: 'other' });
    await state('waiting', 7);
    assert.equal((await look(r)).targets[0].under_way, 2);
    assert.equal(calls(t), 2);
    gate.open();
    await Promise.all([...many, one]);
    assert.equal(calls(t), 9);
    const at = ctx.model.of(t.model).findIndex((call) => call.body.user === 'other');
    assert.ok(at >= 2 && at <= 5, `the other key's call was number ${at + 1} of 9`);
    await state('under_way', 0);
  });

  test('a second target is called at once when the first has no room', async () => {
    const gate = new Gate();
    const full = target({ text: 'first', gate }, { max_concurrent: 1 });
    const spare = target({ text: 'second' });
    const r = await route([full, spare]);
    const first = text(r.name);
    await until('the first is busy', () => calls(full) === 1);
    assert.equal(await text(r.name), 'second');
    gate.open();
    assert.equal(await first, 'first');
  });

  test('who waits and leaves, leaves the place to the next', async () => {
    const gate = new Gate();
    const t = target({ text: 'x', gate }, { max_concurrent: 1 });
    const r = await route([t]);
    const first = chat(r.name);
    await until('it is busy', () => calls(t) === 1);
    const abort = new AbortController();
    const client = new OpenAI({ baseURL: `${ctx.server.url}/v1`, apiKey: ctx.server.key, maxRetries: 0 });
    const left = client.chat.completions.create({ model: r.name, messages }, { signal: abort.signal });
    await until('one waits', async () => (await look(r)).targets[0].waiting === 1);
    const last = chat(r.name);
    await until('two wait', async () => (await look(r)).targets[0].waiting === 2);
    abort.abort();
    await assert.rejects(left, OpenAI.APIUserAbortError);
    await until('one waits', async () => (await look(r)).targets[0].waiting === 1);
    gate.open();
    await Promise.all([first, last]);
    assert.equal(calls(t), 2);
  });

  test('what cannot be is refused with the reason', async () => {
    const t = target({});
    for (const [body, status] of [
      [{ balance: 'luck' }, 422],
      [{ sticky: 'no header' }, 422],
      [{ targets: [{ ...t, weight: 0 }] }, 422],
      [{ targets: [{ ...t, weight: 1001 }] }, 422],
      [{ targets: [{ ...t, max_concurrent: -1 }] }, 422],
    ])
      expectProblem(await ctx.api.post('/api/routes', { name: `bad-${++n}`, targets: [t], ...body }), status);
  });

  test('the command line makes, lists and deletes routes', async () => {
    const t = target({ text: 'by hand' });
    const run = (...args) =>
      heddle(['route', ...args, '--data', ctx.server.data], { env: ctx.server.env, cwd: ctx.server.dir });
    const name = `cli-${++n}`;
    const made = await run(
      ...['add', name, '--target', `openai/${t.model},weight=3,max=5`, '--target', 'openai/other'],
      ...['--balance', 'weighted', '--sticky', 'x-session-id', '--attempts', '2', '--timeout', '20s'],
    );
    assert.equal(made.code, 0, made.stderr);
    const list = await run('list');
    assert.match(
      list.stdout,
      new RegExp(`${name} +weighted  openai/${t.model},weight=3,max=5  openai/other\n`),
    );
    const r = await until('the server sees it', async () => {
      const got = await ctx.api.get(`/api/routes/${made.stdout.trim()}`);
      return got.status === 200 && got.json;
    });
    assert.deepEqual([r.balance, r.sticky, r.attempts, r.timeout], ['weighted', 'x-session-id', 2, '20s']);
    assert.notEqual((await run('add', 'x', '--target', 'openai')).code, 0);
    assert.notEqual((await run('add', 'x', '--target', 'openai/m,size=3')).code, 0);
    assert.equal((await run('delete', name)).code, 0);
    assert.notEqual((await run('delete', name)).code, 0);
  });
});
