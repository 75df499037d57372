/* The doubles by themselves: what the other tests rest on does what it says, over real sockets. */
import { after, before, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import net from 'node:net';
import { Gate, until } from '../lib/gate.mjs';
import { Api } from '../lib/api.mjs';
import { createDatabase, dropDatabase, psql, stopShared } from '../lib/postgres.mjs';
import { databases } from '../lib/suite.mjs';
import { startHttpApi } from '../doubles/http_api.mjs';
import { startModelServer } from '../doubles/model_server.mjs';
import { sign, startWebhookReceiver, verify } from '../doubles/webhook_receiver.mjs';

const chat = (model, more = {}) => ({ model, messages: [{ role: 'user', content: 'hello' }], ...more });

describe('the model server', () => {
  let model, api;
  before(async () => {
    model = await startModelServer();
    api = new Api(model.origin);
  });
  after(() => model.stop());
  const ask = (body, options) => api.post('/v1/chat/completions', body, options);
  const stream = (body) => api.sse('POST', '/v1/chat/completions', { body: { stream: true, ...body } });

  it('answers whole, with usage', async () => {
    const r = await ask(chat('echo'));
    assert.equal(r.status, 200);
    assert.equal(r.json.choices[0].message.content, 'echo: hello');
    assert.equal(r.json.usage.total_tokens, r.json.usage.prompt_tokens + r.json.usage.completion_tokens);
  });

  it('streams the same answer in pieces, with usage when asked, and [DONE]', async () => {
    const events = await (await stream(chat('echo', { stream_options: { include_usage: true } }))).all();
    assert.equal(events.at(-1).data, '[DONE]');
    assert.ok(events.at(-2).json.usage.total_tokens > 0);
    assert.equal(events.map((e) => e.json?.choices?.[0]?.delta.content ?? '').join(''), 'echo: hello');
  });

  it('follows its script by turns and keeps the last entry', async () => {
    model.script(
      'turns',
      { status: 429, headers: { 'retry-after': '1' } },
      { status: 500 },
      { text: 'fine' },
    );
    const seen = [
      await ask(chat('turns')),
      await ask(chat('turns')),
      await ask(chat('turns')),
      await ask(chat('turns')),
    ];
    assert.deepEqual(
      seen.map((r) => r.status),
      [429, 500, 200, 200],
    );
    assert.equal(seen[0].headers['retry-after'], '1');
    assert.equal(seen[0].json.error.type, 'rate_limit_exceeded');
  });

  it('cuts, breaks and poisons streams where told', async () => {
    model.script('cut', { pieces: ['a', 'b', 'c'], cut_after: 2 });
    await assert.rejects((await stream(chat('cut'))).all());
    model.script('malformed', { pieces: ['a'], malformed_after: 1 });
    const malformed = await (await stream(chat('malformed'))).all();
    assert.equal(malformed.at(-1).json, undefined);
    model.script('error', { pieces: ['a', 'b'], error_after: 1 });
    const failed = await (await stream(chat('error'))).all();
    assert.equal(failed.at(-1).json.error.type, 'server_error');
    model.script('undone', { text: 'x', no_done: true });
    assert.notEqual((await (await stream(chat('undone'))).all()).at(-1).data, '[DONE]');
  });

  it('notices when a client leaves an endless stream', async () => {
    model.script('endless', { endless: true, token_delay: 5 });
    const s = await stream(chat('endless'));
    await s.next();
    await s.next();
    s.close();
    const entry = model.of('endless')[0];
    await until('the leaving is noticed', () => entry.leftAt);
    assert.equal(entry.answeredAt, null);
  });

  it('waits behind a gate', async () => {
    const gate = new Gate();
    model.script('gated', { gate, text: 'now' });
    const answer = ask(chat('gated'));
    await model.reached(1, (r) => r.body.model === 'gated');
    gate.open();
    assert.equal((await answer).json.choices[0].message.content, 'now');
  });

  it('refuses what a real one refuses', async () => {
    assert.equal((await ask({ model: 'x', messages: [] })).status, 400);
    assert.equal((await ask({ messages: [{ role: 'user', content: 'x' }] })).status, 400);
    assert.equal((await ask(chat('x', { response_format: { type: 'json_schema' } }))).status, 400);
    assert.equal((await api.get('/v1/models')).json.object, 'list');
  });
});

describe('the HTTP API', () => {
  let web, api;
  before(async () => {
    web = await startHttpApi();
    api = new Api(web.origin);
  });
  after(() => web.stop());

  it('enriches and echoes', async () => {
    assert.equal((await api.get('/people?email=ada%40example.com')).json.company.employees, 1843);
    assert.equal((await api.get('/people?email=nobody')).status, 404);
    const echo = await api.post('/echo?a=1', { b: 2 });
    assert.deepEqual([echo.json.query, echo.json.json], [{ a: '1' }, { b: 2 }]);
  });

  it('dies in the middle of a body', async () => {
    await assert.rejects(api.get('/die'));
    await assert.rejects(api.get('/die-chunked'));
  });

  it('sends exactly the megabytes it says', async () => {
    const r = await api.open('GET', '/big/3');
    let n = 0;
    for await (const piece of r) n += piece.length;
    assert.equal(n, 3 << 20);
  });

  it('follows a plan', async () => {
    web.plan('p', { status: 503, headers: { 'retry-after': '2' } }, { body: { ok: true } });
    assert.equal((await api.get('/plan/p')).headers['retry-after'], '2');
    assert.deepEqual((await api.get('/plan/p')).json, { ok: true });
  });

  it('speaks something else than HTTP when told', async () => {
    const said = await new Promise((resolve) => {
      let text = '';
      const s = net.connect(web.port, '127.0.0.1', () =>
        s.write('GET /not-http HTTP/1.1\r\nhost: x\r\n\r\n'),
      );
      s.on('data', (d) => (text += d));
      s.on('close', () => resolve(text));
    });
    assert.match(said, /^SSH-2\.0/);
  });
});

describe('the webhook receiver', () => {
  let hooks, api;
  before(async () => {
    hooks = await startWebhookReceiver();
    api = new Api(hooks.origin);
  });
  after(() => hooks.stop());

  it('knows the published test vector of Standard Webhooks', () => {
    /* Of the reference implementations: https://github.com/standard-webhooks/standard-webhooks */
    const headers = {
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    };
    assert.equal(
      verify(
        'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
        headers,
        Buffer.from('{"test": 2432232314}'),
        1614265330e3,
      ),
      'good',
    );
    assert.equal(
      verify(
        'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
        headers,
        Buffer.from('{"test": 2432232315}'),
        1614265330e3,
      ),
      'no signature fits',
    );
  });

  it('takes good signatures, refuses others, and fails when planned', async () => {
    hooks.secret('/s', 'a plain secret');
    const good = {
      text: '{"a":1}',
      headers: { 'content-type': 'application/json', ...sign('a plain secret', '{"a":1}') },
    };
    assert.equal((await api.call('POST', '/s', good)).status, 200);
    assert.equal((await api.call('POST', '/s', { ...good, text: '{"a":2}' })).status, 401);
    const old = { text: '{"a":1}', headers: sign('a plain secret', '{"a":1}', { at: Date.now() - 3600e3 }) };
    assert.equal((await api.call('POST', '/s', old)).status, 401);
    hooks.plan('/f', 500, 500, 200);
    assert.deepEqual(
      [
        (await api.post('/f', {})).status,
        (await api.post('/f', {})).status,
        (await api.post('/f', {})).status,
      ],
      [500, 500, 200],
    );
    assert.equal(hooks.at('/f').length, 3);
  });
});

describe(
  'the PostgreSQL starter',
  { skip: !databases.includes('postgres') && 'HEDDLE_TEST_DB leaves PostgreSQL out' },
  () => {
    after(stopShared);
    it('gives each caller a database of its own', async () => {
      const [a, b] = [await createDatabase(), await createDatabase()];
      assert.notEqual(a, b);
      await psql(a, 'CREATE TABLE t (x int)');
      assert.equal(await psql(b, "SELECT count(*) FROM pg_tables WHERE tablename = 't'"), '0');
      await dropDatabase(a);
      await dropDatabase(b);
    });
  },
);
