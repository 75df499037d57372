/* The api-call node against an API that behaves, and against every way one can fail to. */
import assert from 'node:assert/strict';
import net from 'node:net';
import { stepOf } from '../lib/api.mjs';
import { Server } from '../lib/server.mjs';
import { roomy, until } from '../lib/gate.mjs';
import { freePort } from '../lib/postgres.mjs';
import { onEachDatabase, testWith } from '../lib/suite.mjs';
import { call, chain, noRetry, quickRetry } from '../lib/flow.mjs';

const once = { retry: noRetry };

onEachDatabase('api-call', (ctx) => {
  const { test } = ctx;
  const run = (url, more = {}, input = {}) => ctx.api.once(chain('Calls', { a: call(url, more) }), input);
  const fails = async (url, more, code, says = /./) => {
    const r = await run(url, { ...once, ...more });
    assert.equal(r.state, 'failed', JSON.stringify(r.output)?.slice(0, 300));
    if (code) assert.match(r.error.code, code, JSON.stringify(r.error));
    assert.match(r.error.message, says);
    assert.ok(r.error.message.length > 15, `says too little: ${r.error.message}`);
    return r;
  };
  const gives = async (path, more, input) => {
    const r = await run(ctx.web.origin + path, { ...once, ...more }, input);
    assert.equal(r.state, 'succeeded', JSON.stringify(r.error));
    return r.output;
  };

  test('methods, query, headers and bodies arrive as they were set', async () => {
    const input = { email: 'ada+x@example.com', n: 5, list: [1, 2] };
    const got = (
      await gives(
        '/echo?fixed=1',
        {
          method: 'POST',
          query: { email: '{{ input.email }}', n: '{{ input.n }}' },
          headers: { 'X-Trace': 't-{{ input.n }}' },
          body: { who: '{{ input.email }}', list: '{{ input.list }}' },
        },
        input,
      )
    ).body;
    assert.deepEqual(
      [got.method, got.query, got.json],
      ['POST', { fixed: '1', email: 'ada+x@example.com', n: '5' }, { who: input.email, list: [1, 2] }],
    );
    assert.equal(got.headers['x-trace'], 't-5');
    assert.match(got.headers['content-type'], /^application\/json/);
    assert.match(got.headers['user-agent'], /heddle/i);

    for (const method of ['GET', 'PUT', 'PATCH', 'DELETE'])
      assert.equal((await gives('/echo', { method })).body.method, method);
    const form = (
      await gives('/echo', { method: 'POST', body_type: 'form', body: { a: 'x y&z', b: '\u00e4' } })
    ).body;
    assert.match(form.headers['content-type'], /^application\/x-www-form-urlencoded/);
    assert.deepEqual(
      [...new URLSearchParams(form.text)],
      [
        ['a', 'x y&z'],
        ['b', '\u00e4'],
      ],
    );
    const plain = (
      await gives('/echo', { method: 'POST', body_type: 'text', body: 'Hello {{ input.n }}' }, input)
    ).body;
    assert.deepEqual([plain.text, plain.headers['content-type'].split(';')[0]], ['Hello 5', 'text/plain']);
    const head = await gives('/echo', { method: 'HEAD' });
    assert.equal(head.status, 200);
  });

  test('values in the address cannot break out of it', async () => {
    const input = { p: 'a/../b?x=1#frag', q: 'v&admin=1', h: 'one\r\nX-Evil: 1' };
    const r = (await gives('/echo', { query: { q: '{{ input.q }}' } }, input)).body;
    assert.deepEqual(r.query, { q: 'v&admin=1' });
    const evil = await run(`${ctx.web.origin}/echo`, { ...once, headers: { 'x-h': '{{ input.h }}' } }, input);
    if (evil.state === 'succeeded') assert.equal(evil.output.body.headers['x-evil'], undefined);
    else assert.match(evil.error.message, /header|x-h/i);
    assert.ok(!ctx.web.requests.some((q) => q.headers['x-evil']), 'a header was smuggled in');
  });

  test('credentials are sent in the form asked for', async () => {
    const sent = async (auth) => (await gives('/echo', { auth })).body.headers;
    assert.equal(
      (await sent({ type: 'bearer', token: 'tok-{{ input.x ?? 1 }}' })).authorization,
      'Bearer tok-1',
    );
    assert.equal(
      (await sent({ type: 'basic', user: 'ada', password: 'p:w' })).authorization,
      `Basic ${Buffer.from('ada:p:w').toString('base64')}`,
    );
    assert.equal((await sent({ type: 'header', header: 'X-Api-Key', value: 'k1' }))['x-api-key'], 'k1');
    assert.equal((await sent({ type: 'none' })).authorization, undefined);
  });

  test('answers are read by their type, or as told', async () => {
    assert.deepEqual((await gives('/gzip')).body, { squeezed: true });
    assert.equal((await gives('/text')).body, 'plain words: \u00e4\u00f6\u00fc \u{1f9f6}');
    assert.match((await gives('/html')).body, /^<!doctype html>/);
    assert.equal(typeof (await gives('/echo', { response: 'text' })).body, 'string');
    const empty = await gives('/status/204');
    assert.deepEqual([empty.status, empty.body || null], [204, null]);
    const { headers } = await gives('/headers');
    assert.equal(headers['x-mixed-case'], 'Value');
    await fails(`${ctx.web.origin}/html`, { response: 'json' }, null, /JSON/);
    await fails(`${ctx.web.origin}/bad-json`, {}, null, /JSON/);
    await fails(`${ctx.web.origin}/bad-utf8`, {}, null, /UTF-8|JSON/);
  });

  test('4xx and 5xx are errors unless told otherwise', async () => {
    for (const status of [400, 401, 404, 409, 422, 500, 501, 503])
      await fails(`${ctx.web.origin}/status/${status}`, {}, null, new RegExp(String(status)));
    const output = await gives('/status/404', { fail_on_status: false });
    assert.deepEqual([output.status, output.body], [404, { status: 404 }]);
    await fails(`${ctx.web.origin}/html/500`, {}, null, /500/);
  });

  test('an API that hangs, stalls or drips is given up in time', async () => {
    for (const path of ['/hang', '/stall', '/drip']) {
      const at = Date.now();
      await fails(ctx.web.origin + path, { timeout: '400ms' }, /^timeout$/);
      assert.ok(Date.now() - at < 20_000, path);
      const [entry] = ctx.web.at(path).slice(-1);
      await until('the connection is closed', () => entry.leftAt);
    }
  });

  test('an API that dies in mid-answer or speaks no HTTP is an error', async () => {
    await fails(`${ctx.web.origin}/die`, {}, /^upstream_cut$/);
    await fails(`${ctx.web.origin}/die-chunked`, {}, /^upstream_cut$/);
    await fails(`${ctx.web.origin}/not-http`, {}, /^upstream|connect$/);
    await fails(`${ctx.web.origin}/huge-header`, {}, /^(too_large|header_size|upstream)$/);
  });

  test('nobody listens, or the name does not exist', async () => {
    await fails(`http://127.0.0.1:${await freePort()}/`, {}, /^connect$/);
    await fails('http://no-such-host.invalid/', {}, /^connect$/, /no-such-host\.invalid/);
  });

  test('addresses with schemes that are not HTTP are refused', async () => {
    for (const url of [
      'ftp://127.0.0.1/x',
      'file:///etc/passwd',
      'gopher://127.0.0.1/',
      'dict://127.0.0.1:6379/',
      'http://',
      'http://127.0.0.1:99999/',
    ]) {
      const r = await run('{{ input.url }}', once, { url });
      assert.equal(r.state, 'failed', url);
      assert.ok(!/root:/.test(JSON.stringify(r)), url);
    }
  });

  test('a hundred megabytes are cut off early and cost no memory', async () => {
    const before = ctx.server.peakRss();
    await fails(`${ctx.web.origin}/big/100`, {}, /^too_large$/);
    await fails(`${ctx.web.origin}/flood`, {}, /^too_large$/);
    await fails(`${ctx.web.origin}/gzip-bomb`, {}, /^too_large$/);
    for (const path of ['/big/100', '/flood'])
      assert.ok(
        ctx.web.at(path)[0].sentBytes < 80 << 20,
        `${ctx.web.at(path)[0].sentBytes} bytes were taken from ${path}`,
      );
    assert.ok(ctx.server.peakRss() - before < 200 * roomy, `${ctx.server.peakRss() - before} MiB more`);
    const output = await gives('/big/3', { max_response: '4MiB' });
    assert.equal(output.body.length, (3 << 20) - 2);
    await fails(`${ctx.web.origin}/big/3`, { max_response: '1MiB' }, /^too_large$/);
  });

  test('redirects are followed as far as told, never to forbidden places', async () => {
    const to = (path, status = 302) => `/redirect?status=${status}&to=${encodeURIComponent(path)}`;
    assert.equal((await gives(to('/echo?moved=1'))).body.query.moved, '1');
    assert.equal(
      (await gives(to(`${ctx.web.origin}/echo`, 307), { method: 'POST', body: { keep: 1 } })).body.method,
      'POST',
    );
    await fails(`${ctx.web.origin}/redirect-loop`, { redirects: 5 }, null, /redirect/);
    assert.ok(ctx.web.seen((r) => r.path.startsWith('/redirect-loop')).length <= 6);
    const stay = await gives(to('/echo'), { redirects: 0, fail_on_status: false });
    assert.equal(stay.status, 302);
    const at = Date.now();
    await fails(`${ctx.web.origin}/redirect-metadata`, {}, /^egress$/);
    await fails(ctx.web.origin + to('file:///etc/passwd'), {}, null);
    await fails(ctx.web.origin + to('http://169.254.169.254:80/'), {}, /^egress$/);
    assert.ok(Date.now() - at < 20_000, 'it was refused, not tried');
  });

  test('a redirect to another origin does not take credentials along', async () => {
    const other = ctx.model; /* listens on another port */
    const r = await run(`${ctx.web.origin}/redirect?to=${encodeURIComponent(`${other.origin}/elsewhere`)}`, {
      ...once,
      fail_on_status: false,
      auth: { type: 'bearer', token: 'very-secret' },
    });
    assert.equal(r.state, 'succeeded', JSON.stringify(r.error));
    const [arrived] = other.seen((q) => q.path === '/elsewhere');
    assert.ok(arrived);
    assert.equal(arrived.headers.authorization, undefined);
  });

  test('calls that change something carry one Idempotency-Key over all attempts', async () => {
    const url = ctx.web.plan('keyed', { status: 503 }, { status: 503 }, { body: {} });
    const r = await run(url, { method: 'POST', body: {}, retry: quickRetry(5) });
    assert.equal(r.state, 'succeeded');
    const keys = ctx.web.at('/plan/keyed').map((q) => q.key);
    assert.equal(keys.length, 3);
    assert.ok(keys[0] && keys.every((k) => k === keys[0]), `${keys}`);
    await run(url, { method: 'POST', body: {} });
    assert.notEqual(ctx.web.at('/plan/keyed').at(-1).key, keys[0], 'another run, another key');
  });

  test('Retry-After is honoured, in seconds and as a date', async () => {
    for (const [kind, value] of [
      ['seconds', () => '1'],
      ['date', () => new Date(Date.now() + 2000).toUTCString()],
    ]) {
      const headers = {};
      Object.defineProperty(headers, 'retry-after', { enumerable: true, get: value });
      const url = ctx.web.plan(`after-${kind}`, { status: 429, headers }, { body: {} });
      const r = await run(url, { retry: quickRetry(2) });
      assert.equal(r.state, 'succeeded', JSON.stringify(r.error));
      const [first, second] = ctx.web.at(`/plan/after-${kind}`);
      assert.ok(
        second.at - first.at >= (kind === 'date' ? 900 : 990),
        `${kind}: tried again after ${second.at - first.at} ms`,
      );
    }
  });

  test('secrets of a call are in no answer of the API and in no log line', async () => {
    const secret = 'hunter2-hunter2-hunter2';
    const id = await ctx.api.workflow(
      chain('Secret', {
        a: call(`${ctx.web.origin}/status/500`, { ...once, auth: { type: 'bearer', token: secret } }),
      }),
    );
    const r = await ctx.api.run(id, {});
    const events = await (await ctx.api.events(r.id)).all();
    assert.ok(!JSON.stringify([r, events]).includes(secret));
    assert.ok(!ctx.server.proc.stderr.includes(secret));
  });
});

/* The door, closed as it is when nobody opens it. */
onEachDatabase('egress', (ctx) => {
  let closed;
  const test = testWith(() => closed);
  const blocked = async (url, more = {}) => {
    const r = await closed.api.once(
      chain('Door', { a: call('{{ input.url }}', { ...once, timeout: '5s', ...more }) }),
      { url },
    );
    assert.equal(r.state, 'failed', url);
    return r.error;
  };

  test('private, loopback and link-local places are refused however they are written', async () => {
    closed = await Server.start({ db: ctx.db, env: { HEDDLE_EGRESS_ALLOW: undefined } });
    try {
      const port = ctx.web.port;
      for (const host of [
        '127.0.0.1',
        'localhost',
        '[::1]',
        '0.0.0.0',
        '[::]',
        '127.1',
        '2130706433',
        '0x7f000001',
        '0177.0.0.1',
        '[::ffff:127.0.0.1]',
        '[::ffff:7f00:1]',
        '10.0.0.1',
        '172.16.0.1',
        '192.168.1.1',
        '169.254.169.254',
        '[fd00:ec2::254]',
        '[fe80::1]',
        '100.64.0.1',
        '224.0.0.1',
        'user@127.0.0.1',
        '127.0.0.1.',
      ]) {
        const error = await blocked(`http://${host}:${port}/echo`);
        assert.match(
          error.code,
          /^(egress|connect|bad_input|invalid|syntax)$/,
          `${host}: ${JSON.stringify(error)}`,
        );
      }
      assert.equal(ctx.web.requests.length, 0, 'a call went through the closed door');
      assert.equal((await blocked(`http://127.0.0.1:${port}/`)).code, 'egress');
      assert.equal((await blocked('http://169.254.169.254/latest/meta-data/')).code, 'egress');
      const model = await closed.api.once(
        chain('M', { m: ['llm', { model: 'x', prompt: 'y', base_url: ctx.model.url, retry: noRetry }] }),
        {},
      );
      assert.equal(stepOf(model, 'm').error.code, 'egress');
      const hook = await closed.api.once(
        chain('W', { w: ['webhook', { url: ctx.hooks.url(), payload: {}, retry: noRetry }] }),
        {},
      );
      assert.equal(stepOf(hook, 'w').error.code, 'egress');
      assert.equal(ctx.model.requests.length + ctx.hooks.requests.length, 0);
    } finally {
      await closed.drop();
    }
  });

  test('an allow rule opens one address and port, metadata stays closed even when private is open', async () => {
    closed = await Server.start({ db: ctx.db, env: { HEDDLE_EGRESS_ALLOW: `127.0.0.1:${ctx.web.port}` } });
    try {
      const ok = await closed.api.once(chain('Open', { a: call(`${ctx.web.origin}/echo`, once) }), {});
      assert.equal(ok.state, 'succeeded', JSON.stringify(ok.error));
      assert.equal((await blocked(`http://127.0.0.1:${ctx.model.port}/`)).code, 'egress');
    } finally {
      await closed.drop();
    }
    const r = await ctx.api.once(
      chain('Meta', { a: call('http://169.254.169.254/latest/', { ...once, timeout: '5s' }) }),
      {},
    );
    assert.equal(r.error.code, 'egress');
  });

  test('a name that resolves to a private address is refused', async () => {
    closed = await Server.start({ db: ctx.db, env: { HEDDLE_EGRESS_ALLOW: '*' } });
    try {
      const listener = net.createServer((s) => s.destroy()).unref();
      await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
      let reached = 0;
      listener.on('connection', () => reached++);
      assert.equal((await blocked(`http://localhost:${listener.address().port}/`)).code, 'egress');
      assert.equal(reached, 0);
      listener.close();
    } finally {
      await closed.drop();
    }
  });
});
