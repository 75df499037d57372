/* Providers that send too much, repeat the credential they were called with, or move. */
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before } from 'node:test';
import { expectProblem, expectStatus } from '../lib/api.mjs';
import { onEachDatabase } from '../lib/suite.mjs';

const secret = 'sk-very-secret-credential';

onEachDatabase('a hostile provider', (ctx) => {
  const { test } = ctx;
  let server, url, answer;
  const seen = [];

  before(async () => {
    server = http.createServer((req, res) => {
      seen.push(req.headers.authorization);
      const parts = [];
      req.on('data', (part) => parts.push(part));
      req.on('end', () => answer(req, res, Buffer.concat(parts).toString()));
    });
    await new Promise((done) => server.listen(0, '127.0.0.1', done));
    url = `http://127.0.0.1:${server.address().port}/v1`;
    const made = await ctx.api.post('/api/providers', {
      name: 'bad',
      kind: 'openai-compatible',
      base_url: url,
      credential: secret,
      private_network: true,
    });
    expectStatus(made, 201);
    ctx.provider = made.json.id;
  });
  after(() => server.close());

  const json =
    (status, text, headers = {}) =>
    (req, res) => {
      res.writeHead(status, { 'content-type': 'application/json', ...headers });
      res.end(text);
    };
  const chat = (more = {}) =>
    ctx.api.post('/v1/chat/completions', {
      model: 'bad/m',
      messages: [{ role: 'user', content: 'x' }],
      ...more,
    });
  const lives = async () => expectStatus(await ctx.api.get('/healthz'), 200);

  test('a credential that an error repeats stays here', async () => {
    for (const status of [401, 403, 400, 500])
      for (const said of [secret, secret.replace('s', '\\u0073')]) {
        answer = json(status, `{"error":{"message":"Received API Key = Bearer ${said}","type":"x"}}`);
        const r = await chat();
        assert.ok(r.status >= 400, `${r.status}`);
        assert.ok(!r.text.includes('very-secret'), r.text);
      }
    answer = json(400, '{"error":{"message":"max_tokens is too large","type":"invalid_request_error"}}');
    assert.equal((await chat()).json.error.message, 'max_tokens is too large');
  });

  test('a credential does not follow its provider to another server', async () => {
    const other = http.createServer((req, res) => json(200, '{"data":[]}')(req, res));
    const stolen = [];
    other.on('request', (req) => stolen.push(req.headers.authorization));
    await new Promise((done) => other.listen(0, '127.0.0.1', done));
    try {
      const path = `/api/providers/${ctx.provider}`;
      const base_url = `http://127.0.0.1:${other.address().port}/v1`;
      expectProblem(await ctx.api.call('PATCH', path, { body: { base_url } }), 422, 'invalid');
      expectStatus(await ctx.api.call('PATCH', path, { body: { base_url, credential: 'sk-other' } }), 200);
      await ctx.api.post(`${path}/test`, {});
      assert.deepEqual([...new Set(stolen)], ['Bearer sk-other']);
      expectStatus(await ctx.api.call('PATCH', path, { body: { base_url: url, credential: secret } }), 200);
    } finally {
      other.close();
    }
  });

  test('answers of any size are bounded, and the server lives', async () => {
    const many = `[${'[0,0,0,0,0,0,0,0,0,0],'.repeat(3_000_000)}0]`; /* 66 MB */
    for (const [status, text] of [
      [500, many],
      [400, `{"error":{"message":"x","more":${many.slice(0, 30_000_000)}0]}}`],
      [200, `{"error":${many}}`],
    ]) {
      answer = json(status, text);
      const r = await chat();
      assert.ok(r.status >= 400 && r.text.length < 10_000, `${r.status} ${r.text.length}`);
      await lives();
    }
    answer = json(200, `{"choices":[],"usage":${many.slice(0, 40_000_000)}0]}`);
    await chat();
    await lives();
  });

  test('embeddings of any size are converted or refused, and right', async () => {
    const values = Array.from({ length: 3072 }, (_, i) => Math.fround(Math.sin(i)));
    const text = Buffer.from(new Float32Array(values).buffer).toString('base64');
    const items = (n) =>
      Array.from({ length: n }, (_, i) => ({ object: 'embedding', index: i, embedding: text }));
    answer = json(200, JSON.stringify({ object: 'list', model: 'm', data: items(1000) }));
    const r = expectStatus(await ctx.api.post('/v1/embeddings', { model: 'bad/m', input: 'x' }), 200);
    assert.equal(r.json.data.length, 1000);
    assert.deepEqual(r.json.data[999].embedding.map(Math.fround), values);
    assert.equal(r.json.data[999].index, 999);
    answer = json(200, JSON.stringify({ data: [{ embedding: 'A'.repeat(44_000_000) }] }));
    await ctx.api.post('/v1/embeddings', { model: 'bad/m', input: 'x' });
    await lives();
  });

  test('a flood of headers costs none of the answer', async () => {
    const headers = Object.fromEntries(
      Array.from({ length: 300 }, (_, i) => [`x-ratelimit-${i}`, 'y'.repeat(100)]),
    );
    answer = json(200, '{"choices":[{"message":{"content":"ok"}}]}', headers);
    const r = expectStatus(await chat(), 200);
    assert.equal(r.json.choices[0].message.content, 'ok');
  });

  test('lists of models that are too long are cut', async () => {
    answer = json(
      200,
      JSON.stringify({
        data: Array.from({ length: 100_000 }, (_, i) => ({ id: `m${i}-${'x'.repeat(60)}` })),
      }),
    );
    expectStatus(await ctx.api.get('/v1/models'), 200);
    await lives();
  });
});
