/* Requests that are longer than their model can read: sent, refused before they are sent, or trimmed. */
import assert from 'node:assert/strict';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { expectStatus } from '../lib/api.mjs';
import { onEachDatabase } from '../lib/suite.mjs';

const long = (name, n = 60) => `${name}: ${'some more words '.repeat(n)}`;
const said = (role, content) => ({ role, content });

onEachDatabase('context of models', (ctx) => {
  const { test } = ctx;
  let n = 0;
  const client = () => new OpenAI({ baseURL: `${ctx.server.url}/v1`, apiKey: ctx.server.key, maxRetries: 0 });
  /* A model that reads so many tokens. */
  async function model(window, ...behaviours) {
    const name = `c${++n}-${ctx.db}`;
    ctx.model.script(name, ...behaviours);
    if (window) {
      const price = { input: 1, output: 1, max_input: window };
      expectStatus(await ctx.api.put('/api/prices', { provider: 'openai', model: name, price }), 204);
    }
    return { name, target: { provider: 'openai', model: name }, seen: () => ctx.model.of(name) };
  }
  async function route(context, ...targets) {
    const name = `r${++n}-${ctx.db}`;
    const body = { name, targets: targets.map((t) => t.target), ...(context && { context }) };
    const made = expectStatus(await ctx.api.post('/api/routes', body), 201);
    assert.equal(made.json.context, context ?? null);
    return name;
  }
  const ask = (name, messages, more) =>
    client()
      .chat.completions.create({ model: name, messages, ...more })
      .withResponse();

  const turns = [
    said('system', 'Be kind.'),
    said('user', long('q1')),
    said('assistant', long('a1')),
    said('user', long('q2')),
    said('assistant', long('a2')),
    said('user', 'q3: and now?'),
  ];

  test('a request that is too long is sent all the same unless something else is said', async () => {
    const m = await model(100);
    const { response } = await ask(await route(null, m), turns);
    assert.equal(response.headers.get('x-heddle-trimmed'), null);
    await ask(await route('none', m), turns);
    await ask(`openai/${m.name}`, turns);
    assert.deepEqual(
      m.seen().map((r) => r.body.messages.length),
      [6, 6, 6],
    );
  });

  test('or refused before it is sent, as clients know it', async () => {
    const m = await model(100);
    const name = await route('error', m);
    await assert.rejects(ask(name, turns), (e) => {
      assert.ok(e instanceof OpenAI.BadRequestError, `${e}`);
      assert.equal(e.code, 'context_length_exceeded');
      assert.match(e.message, /about \d+ tokens; the model .* reads 100/);
      return true;
    });
    await ask(name, [said('user', 'short')]);
    assert.equal(m.seen().length, 1);
    const anthropic = new Anthropic({ baseURL: ctx.server.url, apiKey: ctx.server.key, maxRetries: 0 });
    const messages = turns.slice(1);
    await assert.rejects(
      anthropic.messages.create({ model: name, max_tokens: 5, messages }),
      (e) => e instanceof Anthropic.BadRequestError && /tokens/.test(e.message),
    );
  });

  test('or goes to a target that can read it', async () => {
    const [small, large] = [await model(100), await model(100_000)];
    await ask(await route('error', small, large), turns);
    assert.deepEqual([small.seen().length, large.seen().length], [0, 1]);
  });

  test('or trimmed: the oldest turns go, the system stays, and the answer says so', async () => {
    const m = await model(500);
    const name = await route('trim', m);
    const { response } = await ask(name, turns, { metadata: { kept: '\u00e9' }, seed: 7 });
    const [seen] = m.seen();
    assert.deepEqual(seen.body.messages, [turns[0], ...turns.slice(3)]);
    assert.deepEqual([seen.body.metadata, seen.body.seed], [{ kept: '\u00e9' }, 7]);
    const header = response.headers.get('x-heddle-trimmed');
    assert.match(header, /^messages=2; tokens=\d+; by=estimate$/);
    assert.ok(Number(header.match(/tokens=(\d+)/)[1]) <= 500);
    /* What the client wants of the answer needs room, too. */
    await ask(name, turns, { max_tokens: 200 });
    assert.deepEqual(m.seen()[1].body.messages, [turns[0], turns[5]]);
    const { data } = await client()
      .chat.completions.create({ model: name, messages: turns, stream: true })
      .withResponse();
    for await (const chunk of data) assert.ok(chunk.id);
    assert.equal(m.seen()[2].body.messages.length, 4);
    assert.deepEqual(m.seen()[2].body.stream_options, { include_usage: true });
  });

  test('calls of tools stay with their results', async () => {
    const m = await model(450);
    const name = await route('trim', m);
    const round = (id) => [
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id, type: 'function', function: { name: 'f', arguments: '{}' } }],
      },
      { role: 'tool', tool_call_id: id, content: long(id) },
    ];
    const messages = [said('user', 'go'), ...round('c1'), ...round('c2'), ...round('c3')];
    await ask(name, messages);
    assert.deepEqual(m.seen()[0].body.messages, [messages[0], ...messages.slice(5)]);
  });

  test('a question alone that is too long is refused, and each target is given what it can read', async () => {
    const [small, large] = [await model(500, { status: 503 }), await model(100_000)];
    const name = await route('trim', small, large);
    await ask(name, turns);
    assert.equal(small.seen()[0].body.messages.length, 4);
    assert.deepEqual(large.seen()[0].body.messages, turns);
    const alone = await route('trim', await model(100));
    await assert.rejects(
      ask(alone, [said('user', long('q', 300))]),
      (e) => e.code === 'context_length_exceeded',
    );
  });

  test('a model whose window is not known is asked', async () => {
    const m = await model(0);
    await ask(await route('trim', m), turns);
    assert.equal(m.seen()[0].body.messages.length, 6);
    const bad = { name: `x${++n}`, targets: [m.target], context: 'cut' };
    expectStatus(await ctx.api.post('/api/routes', bad), 422);
  });
});
