/* Routes that call a second target beside a slow one: who answers, who is left, and what it counts as. */
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { expectProblem, expectStatus } from '../lib/api.mjs';
import { Gate, pause, until, within } from '../lib/gate.mjs';
import { heddle } from '../lib/server.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { startAnthropicServer } from '../doubles/anthropic_server.mjs';

const messages = [{ role: 'user', content: 'hello' }];

onEachDatabase('gateway hedge', (ctx) => {
  const { test } = ctx;
  let n = 0;
  const client = (key = ctx.server.key) =>
    new OpenAI({ baseURL: `${ctx.server.url}/v1`, apiKey: key, maxRetries: 0 });
  const chat = (model, more = {}, options, key) =>
    client(key).chat.completions.create({ model, messages, ...more }, options);
  async function asked(model, more = {}, options, key) {
    const { data, response } = await chat(model, more, options, key).withResponse();
    let text = '';
    if (more.stream) for await (const chunk of data) text += chunk.choices[0]?.delta?.content ?? '';
    else text = data.choices[0].message.content;
    const header = (name) => response.headers.get(`x-heddle-${name}`);
    return { text, hedged: header('hedged'), attempts: header('attempts') };
  }
  function target(behaviour, more = {}) {
    const model = `h${++n}-${ctx.db}`;
    ctx.model.script(model, ...[behaviour].flat());
    return { provider: 'openai', model, ...more };
  }
  async function route(targets, hedge = { after: '20ms' }, more = {}) {
    const r = await ctx.api.post('/api/routes', { name: `hedge-${++n}`, targets, hedge, ...more });
    return expectStatus(r, 201).json;
  }
  const calls = (t) => ctx.model.of(t.model).length;
  const called = (t, times = 1) => until(`${t.model} is called`, () => calls(t) >= times);
  const left = (t) => until(`${t.model} is left`, () => ctx.model.of(t.model).at(-1)?.leftAt);
  const look = async (r) => (await ctx.api.get(`/api/routes/${r.id}`)).json.targets;
  const atRest = (r) => until('nothing is under way', async () => (await look(r)).every((t) => !t.under_way));
  const logged = (r, many) =>
    until(`${many} calls are recorded`, async () => {
      const { items } = (await ctx.api.get(`/api/calls?model=${r.name}`)).json;
      return items.length >= many && items;
    });
  async function newKey(policy) {
    const name = `hedging-${++n}`;
    const key = await ctx.server.newKey(name, 'model.call');
    const { id } = (await ctx.api.get('/api/keys?limit=200')).json.items.find((k) => k.name === name);
    expectStatus(await ctx.api.put(`/api/keys/${id}/limits`, policy), 200);
    return { id, key };
  }
  const counter = async (key, what) =>
    (await ctx.api.get(`/api/keys/${key.id}/limits`)).json.counters.find((c) => c.what === what).used;

  for (const stream of [false, true]) {
    const kind = stream ? 'stream' : 'whole answer';

    test(`the second target answers when the first is silent: a ${kind}`, async () => {
      const slow = target({ hang: true });
      const quick = target({ text: 'second' });
      const r = await route([slow, quick]);
      assert.deepEqual(r.hedge, { after: '20ms', max: 1 });
      const got = await asked(r.name, { stream });
      assert.deepEqual(got, { text: 'second', hedged: 'true', attempts: '2' });
      await left(slow);
      const rows = await logged(r, 2);
      const lost = rows.find((row) => row.upstream_model === slow.model);
      const won = rows.find((row) => row.upstream_model === quick.model);
      assert.deepEqual([won.outcome, won.hedged, won.attempts, won.error], ['ok', true, 2, null]);
      assert.deepEqual(
        [lost.outcome, lost.status, lost.hedged, lost.error, lost.estimated],
        ['cancelled', 499, true, 'hedge_lost', true],
      );
      assert.ok(lost.prompt_tokens > 0 && lost.completion_tokens === 0 && lost.request_id === won.request_id);
      await atRest(r);
      const [first, second] = await look(r);
      assert.deepEqual([first.state, second.state], ['well', 'well']);
      assert.ok(first.latency_ms >= 20, `it took at least 20 ms, not ${first.latency_ms}`);
      const usage = (await ctx.api.get('/api/usage?group=model')).json.items.find((u) => u.group === r.name);
      assert.deepEqual([usage.calls, usage.failed], [2, 0]);
    });

    test(`the first target answers after all: a ${kind}`, async () => {
      const gate = new Gate();
      const late = target({ text: 'first', gate });
      const second = target({ hang: true });
      const r = await route([late, second]);
      const answer = asked(r.name, { stream });
      await called(second);
      gate.open();
      assert.deepEqual(await answer, { text: 'first', hedged: 'true', attempts: '2' });
      await left(second);
      assert.equal((await look(r))[1].state, 'well');
      assert.equal(calls(late), 1);
    });

    test(`a target that fails beside another one is passed over: a ${kind}`, async () => {
      const gate = new Gate();
      const first = target({ status: 500, gate });
      const second = target({ status: 503 });
      const third = target({ text: 'third' });
      const r = await route([first, second, third]);
      const answer = asked(r.name, { stream });
      await called(second);
      gate.open();
      assert.deepEqual(await answer, { text: 'third', hedged: 'true', attempts: '3' });
      assert.deepEqual(
        (await look(r)).map((t) => t.state),
        ['failing', 'failing', 'well'],
      );
      assert.deepEqual([calls(first), calls(second), calls(third)], [1, 1, 1]);
      assert.equal((await logged(r, 1)).length, 1);
    });

    test(`a client that leaves closes both: a ${kind}`, async () => {
      const both = [target({ hang: true }), target({ hang: true })];
      const r = await route(both);
      const abort = new AbortController();
      const answer = chat(r.name, { stream }, { signal: abort.signal });
      await called(both[1]);
      abort.abort();
      await assert.rejects(answer, OpenAI.APIUserAbortError);
      await within(1000, 'both upstreams are closed', Promise.all(both.map(left)));
      assert.deepEqual(
        (await logged(r, 2)).map((row) => row.outcome),
        ['cancelled', 'cancelled'],
      );
      await atRest(r);
      assert.deepEqual(
        (await look(r)).map((t) => t.state),
        ['well', 'well'],
      );
    });
  }

  test('a refusal that is the request’s fault is the answer', async () => {
    const wrong = target({ status: 400, delay: 100 });
    const r = await route([wrong, target({ hang: true })]);
    await assert.rejects(chat(r.name), (e) => e.status === 400 && e instanceof OpenAI.BadRequestError);
    await atRest(r);
  });

  test('no second target is called once the first has begun to answer', async () => {
    const gate = new Gate();
    const first = target({ pieces: ['one ', 'two'], piece_gate: { after: 1, gate } });
    const second = target({ text: 'second' });
    const r = await route([first, second], { after: '1500ms' });
    const stream = await chat(r.name, { stream: true });
    await pause(2000);
    gate.open();
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? '';
    assert.deepEqual([text, calls(second)], ['one two', 0]);
    assert.equal((await logged(r, 1))[0].hedged, false);
  });

  test('an answer that breaks after it has begun goes on to the next target, or is told', async () => {
    const cut = target({ delay: 60, text: 'x', cut_after: 0 });
    const second = target({ hang: true });
    const third = target({ text: 'third' });
    const r = await route([cut, second, third]);
    assert.deepEqual(await asked(r.name), { text: 'third', hedged: 'true', attempts: '3' });
    assert.deepEqual(
      (await look(r)).map((t) => t.state),
      ['failing', 'well', 'well'],
    );
    const told = await route([
      target({ pieces: ['a', 'b'], cut_after: 1, delay: 60 }),
      target({ hang: true }),
    ]);
    await assert.rejects(asked(told.name, { stream: true }), OpenAI.APIError);
    await atRest(told);
  });

  test('there are no more attempts than the route has', async () => {
    const gate = new Gate();
    const all = ['a', 'b', 'c'].map((text) => target({ text, gate }));
    const two = await route(all, { after: '20ms', max: 3 }, { attempts: 2 });
    const answer = asked(two.name);
    await called(all[1]);
    await pause(200);
    gate.open();
    assert.equal((await answer).attempts, '2');
    assert.equal(calls(all[2]), 0);
    const one = await route(
      [target({ text: 'only', delay: 200 }), all[2]],
      { after: '20ms' },
      { attempts: 1 },
    );
    assert.deepEqual(await asked(one.name), { text: 'only', hedged: null, attempts: '1' });
    assert.equal(calls(all[2]), 0);
  });

  test('three of them may be called beside each other', async () => {
    const hang = [target({ hang: true }), target({ hang: true })];
    const last = target({ text: 'last' });
    const r = await route([...hang, last], { after: '20ms', max: 2 });
    assert.deepEqual(await asked(r.name), { text: 'last', hedged: 'true', attempts: '3' });
    await Promise.all(hang.map(left));
    const rows = await logged(r, 3);
    assert.equal(rows.filter((row) => row.error === 'hedge_lost').length, 2);
  });

  test('a target without room is not called beside another one', async () => {
    const gate = new Gate();
    const full = target({ text: 'full', gate }, { max_concurrent: 1 });
    const busy = await route([full], null);
    const first = chat(busy.name);
    await called(full);
    const r = await route([target({ text: 'slow', delay: 300 }), full]);
    assert.deepEqual(await asked(r.name), { text: 'slow', hedged: null, attempts: '1' });
    gate.open();
    await first;
    assert.equal(calls(full), 1);
  });

  test('the loser counts: as a request and as tokens', async () => {
    const key = await newKey({ limits: { requests: { month: 10 }, tokens: { month: 100000 } } });
    const r = await route([target({ hang: true }), target({ text: 'second' })]);
    assert.equal((await asked(r.name, { max_tokens: 100 }, {}, key.key)).text, 'second');
    const rows = await logged(r, 2);
    const sum = rows.reduce((s, row) => s + row.prompt_tokens + row.completion_tokens, 0);
    await until('both are settled', async () => (await counter(key, 'tokens')) === sum);
    assert.equal(await counter(key, 'requests'), 2);
  });

  test('nobody else is called when a limit has no room for it', async () => {
    const spare = target({ text: 'spare' });
    const slow = () => target({ text: 'slow', delay: 300 });
    const requests = await newKey({ limits: { requests: { month: 1 } } });
    const r = await route([slow(), spare]);
    assert.deepEqual(await asked(r.name, {}, {}, requests.key), {
      text: 'slow',
      hedged: null,
      attempts: '1',
    });
    assert.equal(await counter(requests, 'requests'), 1);
    /* What is reserved by the call itself is not waited for. */
    const tokens = await newKey({ limits: { tokens: { month: 1000 } } });
    const more = await route([slow(), spare]);
    const got = await asked(more.name, { max_tokens: 600 }, {}, tokens.key);
    assert.deepEqual(got, { text: 'slow', hedged: null, attempts: '1' });
    /* Money. */
    const money = await newKey({ limits: { cost_micros: { month: 1000 } } });
    const first = slow();
    const other = target({ text: 'other' });
    const price = { input: 0, output: 1000000 };
    for (const t of [first, other])
      expectStatus(await ctx.api.put('/api/prices', { provider: 'openai', model: t.model, price }), 204);
    const paid = await route([first, other]);
    const one = await asked(paid.name, { max_tokens: 600 }, {}, money.key);
    assert.deepEqual(one, { text: 'slow', hedged: null, attempts: '1' });
    assert.deepEqual([calls(spare), calls(other)], [0, 0]);
  });

  test('"p95" waits for what is usual of the target', async () => {
    const first = target([...Array(20).fill({ text: 'first' }), { hang: true }]);
    const second = target({ text: 'second' });
    const r = await route([first, second], { after: 'p95' });
    assert.equal(r.hedge.after, 'p95');
    for (let i = 0; i < 20; i++) assert.equal((await asked(r.name)).text, 'first');
    assert.equal(calls(second), 0, 'too few calls are known');
    assert.deepEqual(await asked(r.name), { text: 'second', hedged: 'true', attempts: '2' });
  });

  test('a body without room for the other name goes to both as it was', async () => {
    const slow = target({ hang: true });
    const quick = target({});
    const r = await route([slow, quick]);
    const long = [{ role: 'user', content: 'x'.repeat(50000) }];
    const { data } = await client().chat.completions.create({ model: r.name, messages: long }).withResponse();
    assert.ok(data.choices[0].message.content.includes('x'.repeat(1000)));
    const bodies = [slow, quick].map((t) => ctx.model.of(t.model)[0].body);
    assert.deepEqual(bodies[0].messages, long);
    assert.deepEqual({ ...bodies[0], model: quick.model }, bodies[1]);
  });

  test('what passes through and what is translated race each other', async () => {
    const claude = await startAnthropicServer();
    try {
      const provider = `claude-${++n}`;
      expectStatus(
        await ctx.api.post('/api/providers', {
          name: provider,
          kind: 'anthropic',
          base_url: claude.origin,
          credential: claude.apiKey,
          private_network: true,
        }),
        201,
      );
      claude.script('quick', { pieces: ['translated'] });
      claude.script('dead', { hang: true });
      for (const stream of [false, true]) {
        const hang = target({ hang: true });
        const to = await route([hang, { provider, model: 'quick' }]);
        const got = await asked(to.name, { stream, max_tokens: 100 });
        assert.deepEqual(got, { text: 'translated', hedged: 'true', attempts: '2' });
        await left(hang);
        const from = await route([{ provider, model: 'dead' }, target({ text: 'passed' })]);
        assert.equal((await asked(from.name, { stream, max_tokens: 100 })).text, 'passed');
        await until('it is left', () => claude.of('dead').at(-1)?.leftAt);
      }
    } finally {
      await claude.stop();
    }
  });

  test('calls in every dialect race, also the demo', async () => {
    expectStatus(await ctx.api.post('/api/providers', { kind: 'demo' }), [201, 409]);
    const compat = { kind: 'openai-compatible', name: `compat-${++n}`, private_network: true };
    expectStatus(await ctx.api.post('/api/providers', { ...compat, base_url: ctx.model.url }), 201);
    const content = { contents: [{ parts: [{ text: 'hello' }] }] };
    for (const [path, body] of [
      ['/v1/chat/completions', { messages }],
      ['/v1/messages', { messages, max_tokens: 10 }],
      ['/v1/responses', { input: 'hello' }],
      ['/v1/embeddings', { input: 'hello' }],
      [':generateContent', content],
      [':streamGenerateContent?alt=sse', content],
    ])
      for (const stream of path.startsWith('/v1') && path !== '/v1/embeddings'
        ? [false, true]
        : [undefined]) {
        const hang = { ...target({ hang: true }), provider: compat.name };
        const r = await route([
          hang,
          { provider: 'demo', model: path.includes('emb') ? 'demo-embedding' : 'demo' },
        ]);
        const at = path.startsWith('/') ? path : `/v1beta/models/${r.name}${path}`;
        const got = await ctx.api.post(at, path.startsWith('/') ? { ...body, model: r.name, stream } : body);
        expectStatus(got, 200);
        assert.equal(got.headers['x-heddle-hedged'], 'true', at);
        await left(hang);
      }
  });

  test('what cannot be is refused with the reason, and a hedge can be taken away', async () => {
    const t = target({});
    for (const hedge of [
      {},
      { after: '1us' },
      { after: 'p99' },
      { after: '1s', max: 4 },
      { after: '1s', x: 1 },
      5,
    ])
      expectProblem(await ctx.api.post('/api/routes', { name: `bad-${++n}`, targets: [t], hedge }), 422);
    const r = await route([t]);
    const put = await ctx.api.put(`/api/routes/${r.id}`, { targets: [t] });
    assert.equal(expectStatus(put, 200).json.hedge, null);
  });

  test('the command line makes a route that hedges', async () => {
    const run = (...args) =>
      heddle(['route', ...args, '--data', ctx.server.data], { env: ctx.server.env, cwd: ctx.server.dir });
    const made = await run(
      'add',
      `cli-${++n}`,
      '--target',
      'openai/a',
      '--target',
      'openai/b',
      '--hedge',
      '800ms',
    );
    assert.equal(made.code, 0, made.stderr);
    const r = await until('the server sees it', async () => {
      const got = await ctx.api.get(`/api/routes/${made.stdout.trim()}`);
      return got.status === 200 && got.json;
    });
    assert.deepEqual(r.hedge, { after: '800ms', max: 1 });
    const bad = await run('add', `cli-${++n}`, '--target', 'openai/a', '--hedge', 'soon');
    assert.notEqual(bad.code, 0);
    assert.match(bad.stderr, /"after" of a hedge/);
  });
});
