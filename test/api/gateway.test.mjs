/* The model gateway, called by the official client of OpenAI, against a model server that behaves and misbehaves. */
import assert from 'node:assert/strict';
import http from 'node:http';
import OpenAI from 'openai';
import { expectStatus } from '../lib/api.mjs';
import { Gate, until } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';

const messages = [{ role: 'user', content: 'hello' }];

onEachDatabase('gateway', (ctx) => {
  const { test } = ctx;
  let n = 0;
  const client = (more = {}) =>
    new OpenAI({ baseURL: `${ctx.server.url}/v1`, apiKey: ctx.server.key, maxRetries: 0, ...more });
  /* A model of its own that behaves as given; the name by which the gateway knows it. */
  function model(...behaviours) {
    const name = `g${++n}-${ctx.db}`;
    ctx.model.script(name, ...behaviours);
    return `openai/${name}`;
  }
  const upstream = (name) => ctx.model.of(name.slice('openai/'.length));
  const chat = (name, more = {}, options) =>
    client().chat.completions.create({ model: name, messages, ...more }, options);
  async function textOf(stream) {
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? '';
    return text;
  }
  const fails = (promise, type, check = () => true) =>
    assert.rejects(promise, (error) => {
      assert.ok(error instanceof type, `${error.constructor.name}: ${error.message}`);
      check(error);
      return true;
    });

  test('a chat is answered, and what the upstream got is what was sent, but for the name', async () => {
    const name = model({ text: 'Hello \u{1f9f6}.' });
    const answer = await chat(name, {
      temperature: 0.25,
      metadata: { a: 'b' },
      unknown_field: [1, { x: null }],
    });
    assert.equal(answer.choices[0].message.content, 'Hello \u{1f9f6}.');
    assert.ok(answer.usage.total_tokens > 0);
    const [call] = upstream(name);
    assert.deepEqual(call.body, {
      model: name.slice('openai/'.length),
      messages,
      temperature: 0.25,
      metadata: { a: 'b' },
      unknown_field: [1, { x: null }],
    });
    assert.equal(call.headers.authorization, 'Bearer sk-test-0123456789abcdef');
    assert.ok(answer._request_id);
  });

  test('the body goes on byte for byte', async () => {
    const name = model({ text: 'ok' });
    const inner = name.slice('openai/'.length);
    const text = (m) =>
      `{ "n" : 1.0e0,\t"model":"${m}", "messages":[{"role":"user","content":"\\u0041\\/ \u00e9"}]\n, "x": 1 }`;
    expectStatus(
      await ctx.api.call('POST', '/v1/chat/completions', {
        text: text(name),
        headers: { 'content-type': 'application/json' },
      }),
      200,
    );
    assert.equal(upstream(name)[0].text, text(inner));
  });

  test('a stream comes as it is made: the first token before the last is written', async () => {
    const gate = new Gate();
    const name = model({ pieces: ['one ', 'two'], piece_gate: { after: 1, gate } });
    const stream = await chat(name, { stream: true });
    let text = '';
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta?.content ?? '';
      if (text === 'one ') gate.open(); /* nothing more is sent before this */
    }
    assert.equal(text, 'one two');
  });

  test('usage is always asked for and shown to those alone who asked', async () => {
    const hidden = model({ text: 'abc' });
    const chunks = [];
    for await (const chunk of await chat(hidden, { stream: true })) chunks.push(chunk);
    assert.equal(upstream(hidden)[0].body.stream_options.include_usage, true);
    assert.ok(chunks.every((c) => c.choices.length === 1 && !c.usage));
    const shown = model({ text: 'abc' });
    const last = [];
    for await (const chunk of await chat(shown, { stream: true, stream_options: { include_usage: true } }))
      last.push(chunk);
    assert.equal(last.at(-1).choices.length, 0);
    assert.ok(last.at(-1).usage.total_tokens > 0);
    const off = model({ text: 'abc' });
    await textOf(await chat(off, { stream: true, stream_options: { include_usage: false, other: 1 } }));
    assert.deepEqual(upstream(off)[0].body.stream_options, { include_usage: true, other: 1 });
  });

  test('streams arrive whole however their bytes are cut and their lines end', async () => {
    const text = 'Grüße, 世界 \u{1f9f6} — fin';
    for (const odd of [{ packet: 7 }, { packet: 1 }, { line_end: '\r\n' }, { line_end: '\r\n', packet: 5 }]) {
      const name = model({ text, ...odd });
      assert.equal(await textOf(await chat(name, { stream: true })), text, JSON.stringify(odd));
    }
    /* An upstream that forgets [DONE] behind a whole answer has ended it. */
    const raw = await ctx.api.call('POST', '/v1/chat/completions', {
      body: { model: model({ text: 'x', no_done: true }), messages, stream: true },
    });
    assert.match(raw.text, /data: \[DONE\]\n\n$/);
  });

  test('tools come through, whole and streamed', async () => {
    const tool = { name: 'weather', arguments: { city: 'Köln', days: [1, 2] } };
    const whole = await chat(model({ tool }));
    assert.equal(whole.choices[0].finish_reason, 'tool_calls');
    assert.deepEqual(JSON.parse(whole.choices[0].message.tool_calls[0].function.arguments), tool.arguments);
    const runner = client().chat.completions.stream({ model: model({ tool }), messages });
    const final = await runner.finalChatCompletion();
    assert.equal(final.choices[0].message.tool_calls[0].function.name, 'weather');
    assert.deepEqual(JSON.parse(final.choices[0].message.tool_calls[0].function.arguments), tool.arguments);
  });

  test('an upstream that dies in the middle is an error to the client, never a short success', async () => {
    for (const fault of [{ cut_after: 2 }, { error_after: 2 }]) {
      const name = model({ text: 'a text of several pieces', ...fault });
      await fails(chat(name, { stream: true }).then(textOf), OpenAI.APIError);
      const raw = await ctx.api.call('POST', '/v1/chat/completions', {
        body: { model: name, messages, stream: true },
      });
      assert.doesNotMatch(raw.text, /\[DONE\]/);
      assert.match(raw.text, /data: \{"error":\{"message":/);
    }
    await fails(chat(model({ text: 'x', cut_after: 0 })), OpenAI.InternalServerError);
  });

  test('a client that leaves ends the upstream call at once, streaming or not', async () => {
    for (const stream of [true, false]) {
      const name = model(stream ? { endless: true, token_delay: 5 } : { hang: true });
      const abort = new AbortController();
      const asked = chat(name, { stream }, { signal: abort.signal });
      asked.catch(() => {});
      const [call] = await until(
        'the upstream has the call',
        () => upstream(name).length > 0 && upstream(name),
      );
      if (stream) await until('tokens flow', () => call.sent > 3);
      abort.abort();
      await until('the upstream sees it leave', () => call.leftAt);
      if (!stream) await fails(asked, OpenAI.APIUserAbortError);
    }
  });

  test('a client that reads slowly holds up the upstream, not our memory', async (t) => {
    const name = model({ pieces: Array(2000).fill('x'.repeat(64 * 1024)) });
    const body = JSON.stringify({ model: name, messages, stream: true });
    const before = ctx.server.rss();
    const response = await new Promise((resolve, reject) => {
      const request = http.request(`${ctx.server.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${ctx.server.key}`, 'content-type': 'application/json' },
      });
      request.on('response', resolve).on('error', reject).end(body);
    });
    t.after(() => response.destroy());
    response.pause();
    const [call] = upstream(name);
    /* It stops somewhere in the sockets: wait until nothing moves for a while. */
    let last = -1;
    let still = 0;
    await until('the upstream stands still', () => {
      still = call.sent > 0 && call.sent === last ? still + 1 : 0;
      last = call.sent;
      return still > 20;
    });
    assert.ok(
      call.sent < 2000,
      `all ${call.sent} pieces were taken`,
    ); /* what was is in the kernel's buffers */
    assert.ok(ctx.server.rss() - before < 16, `${ctx.server.rss() - before} MiB more`);
    /* Once it is read, it flows again. */
    response.resume();
    await until('more is sent', () => call.sent > last + 10);
  });

  test('errors of the upstream are the errors of its client, with what it said', async () => {
    const of = async (behaviour, type, check) => {
      for (const stream of [false, true]) await fails(chat(model(behaviour), { stream }), type, check);
    };
    await of({ status: 429, headers: { 'retry-after': '7' } }, OpenAI.RateLimitError, (e) => {
      assert.match(e.message, /scripted 429/);
      assert.equal(e.headers.get('retry-after'), '7');
    });
    await of({ status: 400 }, OpenAI.BadRequestError, (e) => assert.match(e.message, /scripted 400/));
    await of({ status: 503 }, OpenAI.InternalServerError, (e) => assert.equal(e.status, 503));
    await of({ html: true, status: 502 }, OpenAI.InternalServerError, (e) =>
      assert.match(e.message, /"openai" answered with status 502/),
    );
    await of({ status: 404, body: { detail: 'no such deployment' } }, OpenAI.NotFoundError, (e) =>
      assert.match(e.message, /no such deployment/),
    );
    /* Our credential is not the client's to mend. */
    await of({ status: 401 }, OpenAI.InternalServerError, (e) => {
      assert.equal(e.status, 502);
      assert.equal(e.code, 'provider_credential_refused');
      assert.equal(e.headers.get('x-should-retry'), 'false');
    });
    await fails(chat(model({ malformed_after: 0 })), OpenAI.InternalServerError);
    await fails(chat(model({ raw: { type: 'text/html', text: '<html>' } })), OpenAI.InternalServerError);
    await fails(
      chat(model({ raw: { type: 'application/json', text: '{"error":{"message":"hid","code":429}}' } })),
      OpenAI.RateLimitError,
      (e) => assert.match(e.message, /hid/),
    );
    await fails(
      chat(model({ raw: { type: 'application/json', text: '{"choices":[]}' } }), { stream: true }),
      OpenAI.InternalServerError,
      (e) => assert.match(e.message, /does not stream/),
    );
  });

  test('what is wrong with a request is told in the way the client understands', async () => {
    const bad = async (body, type, says) => {
      const text = typeof body === 'string' ? body : JSON.stringify(body);
      const r = await ctx.api.call('POST', '/v1/chat/completions', {
        text,
        headers: { 'content-type': 'application/json' },
      });
      assert.match(r.json.error.message, says);
      assert.equal(r.json.error.type, 'invalid_request_error');
      assert.equal(r.status, type);
    };
    await bad('', 400, /JSON object/);
    await bad('[]', 400, /JSON object/);
    await bad('{"model":"x"', 400, /ends too early/);
    await bad({ messages }, 400, /model parameter/);
    await bad({ model: 7, messages }, 400, /model parameter/);
    await bad('{"model":"a","mod\\u0065l":"b"}', 400, /twice/);
    await bad({ model: 'openai/x', messages, stream: 'yes' }, 400, /"stream" must be/);
    await bad({ model: 'openai/x', messages, stream_options: {} }, 400, /stream_options/);
    await bad(`{"a":${'['.repeat(300)}${']'.repeat(300)}}`, 413, /nested deeper/);
    await fails(
      client({ apiKey: 'hdl_wrong' }).chat.completions.create({ model: 'openai/x', messages }),
      OpenAI.AuthenticationError,
      (e) => assert.equal(e.code, 'invalid_api_key'),
    );
    const key = await ctx.server.newKey('reader', 'run.read');
    await fails(
      client({ apiKey: key }).chat.completions.create({ model: 'openai/x', messages }),
      OpenAI.PermissionDeniedError,
      (e) => assert.match(e.message, /model\.call/),
    );
    const large = JSON.stringify({
      model: 'openai/x',
      messages: [{ role: 'user', content: 'x'.repeat(33 << 20) }],
    });
    const refused = await ctx.api.open('POST', '/v1/chat/completions', { text: large }).catch((e) => e);
    if (!(refused instanceof Error)) assert.equal(refused.statusCode, 413); /* or it closed on what came */
  });

  test('an unknown model is named together with its near misses', async () => {
    const name = model({ text: 'x' });
    const wrong = name.replace(/g(\d+)/, 'gg$1');
    await fails(chat(wrong.slice('openai/'.length)), OpenAI.NotFoundError, (e) => {
      assert.equal(e.code, 'model_not_found');
      assert.match(e.message, /Did you mean/);
    });
  });

  test('models are listed, found by both names, and called by both', async () => {
    const name = model({ text: 'found' });
    /* What the provider lists is remembered for a while: the test call asks anew. */
    const providers = await ctx.api.get('/api/providers');
    const { id } = providers.json.items.find((p) => p.name === 'openai');
    assert.equal((await ctx.api.post(`/api/providers/${id}/test`)).json.ok, true);
    const ids = [];
    for await (const m of client().models.list()) ids.push(m.id);
    assert.ok(ids.includes(name) && ids.includes('openai/echo'), ids.join(' '));
    const bare = name.slice('openai/'.length);
    assert.equal((await client().models.retrieve(bare)).owned_by, 'openai');
    assert.equal((await client().models.retrieve(name)).id, name);
    assert.equal((await chat(bare)).choices[0].message.content, 'found');
  });

  test('embeddings come in the form that was asked for, whatever the upstream writes', async () => {
    const input = ['a', 'bcd'];
    for (const behaviour of [{}, { floats: true }]) {
      const name = model(behaviour);
      const asked = await client().embeddings.create({ model: name, input }); /* base64 on the wire */
      assert.deepEqual(asked.data[1].embedding, [0.5, -0.25, 3, Math.fround(1e-3)]);
      const raw = await ctx.api.post('/v1/embeddings', { model: name, input, encoding_format: 'base64' });
      assert.equal(typeof raw.json.data[0].embedding, 'string');
      const floats = await ctx.api.post('/v1/embeddings', { model: name, input, encoding_format: 'float' });
      assert.deepEqual(floats.json.data[0].embedding, [0.5, -0.25, 1, Math.fround(1e-3)]);
      assert.equal(floats.json.usage.prompt_tokens, 5);
    }
  });

  test('old completions and paths without /v1 work too', async () => {
    const name = model({ text: 'and so on' });
    const answer = await client().completions.create({ model: name, prompt: 'Once' });
    assert.equal(answer.choices[0].text, 'and so on');
    const bare = new OpenAI({ baseURL: ctx.server.url, apiKey: ctx.server.key, maxRetries: 0 });
    const said = await bare.chat.completions.create({ model: name, messages });
    assert.equal(said.choices[0].message.content, 'and so on');
  });
});
