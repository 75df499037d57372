/* Webhooks in: who may call, what becomes the input, what is answered. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import crypto from 'node:crypto';
import { expectProblem, expectStatus } from '../lib/api.mjs';
import { Gate } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { call, flow, hook, noRetry, output } from '../lib/flow.mjs';
import { raw } from '../lib/raw.mjs';
import { sign } from '../doubles/webhook_receiver.mjs';

onEachDatabase('hooks', (ctx) => {
  const { test } = ctx;
  const anonymous = () => ctx.api.as(null);
  const echo = (webhook, out = '{{ input }}') =>
    ctx.api.published(
      flow('Hook', { in: hook({ respond: 'result', ...webhook }), out: output(out) }, ['in -> out']),
    );
  const deliver = (id, text, headers = {}, path = '') =>
    anonymous().call('POST', `/hooks/${id}${path}`, {
      text,
      headers: { 'content-type': 'application/json', ...headers },
    });
  const runsOf = async (id) => (await ctx.api.get(`/api/runs?workflow_id=${id}`)).json.items;

  test('an open hook takes JSON, forms and text', async () => {
    const id = await echo({ auth: 'none' });
    const sent = async (text, type) =>
      expectStatus(await deliver(id, text, { 'content-type': type }), 200).json;
    assert.deepEqual(await sent('{"a":[1,2]}', 'application/json'), { a: [1, 2] });
    assert.deepEqual(await sent('{"a":1}', 'application/vnd.api+json; charset=utf-8'), { a: 1 });
    assert.deepEqual(
      await sent('name=Ada+Lovelace&note=100%25%20%C3%A4', 'application/x-www-form-urlencoded'),
      { name: 'Ada Lovelace', note: '100% \u00e4' },
    );
    assert.equal(await sent('just words', 'text/plain'), 'just words');
    const run = (await runsOf(id))[0];
    assert.equal(run.trigger, 'webhook');
  });

  const upload = async (id, form, headers = {}) => {
    const { body, type } = await encoded(form);
    return deliver(id, body, { 'content-type': type, ...headers });
  };
  /* As fetch would send it; the bytes are needed to be signed. */
  const encoded = async (form) => {
    const request = new Response(form);
    return {
      body: Buffer.from(await request.arrayBuffer()),
      type: request.headers.get('content-type'),
    };
  };

  test('an open hook takes multipart bodies, of fetch and of curl', async () => {
    const id = await echo({ auth: 'none' });
    const bytes = crypto.randomBytes(300_000);
    const form = new FormData();
    form.append('note', 'J\u00fcrgen "x"\r\n--');
    form.append('tag', 'a');
    form.append('tag', 'b');
    form.append('one', new Blob([bytes], { type: 'image/png' }), 'a "b"\u00e4.png');
    form.append('many', new Blob(['1'], { type: 'text/plain' }), '1.txt');
    form.append('many', new Blob([]), 'empty');
    const file = (name, type, data) => ({ name, type, size: data.length, data: data.toString('base64') });
    assert.deepEqual(expectStatus(await upload(id, form), 200).json, {
      note: 'J\u00fcrgen "x"\r\n--',
      tag: ['a', 'b'],
      one: file('a "b"\u00e4.png', 'image/png', bytes),
      many: [
        file('1.txt', 'text/plain', Buffer.from('1')),
        file('empty', 'application/octet-stream', Buffer.alloc(0)),
      ],
    });
    const said = execFileSync(
      'curl',
      [
        ...['-sS', '--max-time', '60', '-F', 'a=1', '-F', 'a=2', '-F', 'up=@-;filename=in.txt;type=text/csv'],
        `${ctx.server.url}/hooks/${id}`,
      ],
      { input: 'x,y' },
    );
    assert.deepEqual(JSON.parse(said), { a: ['1', '2'], up: file('in.txt', 'text/csv', Buffer.from('x,y')) });
  });

  test('a multipart body is signed as it is sent, and bounded', async () => {
    const id = await echo({ auth: 'hmac', secret: 'right', timestamp_header: '', signature_header: 'X-Sig' });
    const form = new FormData();
    form.append('f', new Blob(['x'.repeat(10)]), 'f');
    const { body, type } = await encoded(form);
    const mac = crypto.createHmac('sha256', 'right').update(body).digest('hex');
    const send = (text, more) => deliver(id, text, { 'content-type': type, ...more });
    assert.equal(expectStatus(await send(body, { 'x-sig': `sha256=${mac}` }), 200).json.f.size, 10);
    const other = Buffer.from(body);
    other[other.indexOf('xxxx')] = 121;
    expectProblem(await send(other, { 'x-sig': `sha256=${mac}` }), 401);

    const open = await echo({ auth: 'none' });
    for (let i = 0; i < 100; i++) form.append('more', new Blob(['x']), 'x');
    expectProblem(await upload(open, form), 413);
    const cut = (await encoded(new FormData())).type;
    expectProblem(await deliver(open, 'nothing', { 'content-type': cut }), 400);
    expectProblem(await deliver(open, '--', { 'content-type': 'multipart/form-data' }), 400);
    expectProblem(await deliver(open, '--', { 'content-type': 'multipart/mixed; boundary=x' }), 415);
    assert.equal((await runsOf(open)).length, 0);
  });

  test('a body that is not what it says starts nothing', async () => {
    const id = await echo({ auth: 'none' });
    expectProblem(await deliver(id, '{"a":'), 400);
    expectProblem(await deliver(id, Buffer.from('{"a":"\xff"}', 'latin1')), 400);
    /* The answer may come before the body is sent: then the line is cut under the sender. */
    const large = await deliver(id, `{"a":"${'x'.repeat(17 << 20)}"}`).catch((error) => error);
    if (large instanceof Error) assert.match(large.code ?? '', /EPIPE|ECONNRESET/);
    else expectProblem(large, 413);
    assert.deepEqual(await runsOf(id), []);
  });

  test('method, headers and query are there for templates', async () => {
    const id = await echo(
      { auth: 'none', method: 'ANY' },
      { how: '{{ request.method }}', q: '{{ request.query.q }}', h: '{{ request.headers["x-from"] }}' },
    );
    const r = await anonymous().call('PUT', `/hooks/${id}?q=a%20b`, {
      text: '{}',
      headers: { 'content-type': 'application/json', 'X-From': 'me' },
    });
    assert.deepEqual(expectStatus(r, 200).json, { how: 'PUT', q: 'a b', h: 'me' });
    const get = await anonymous().get(`/hooks/${id}?q=1`, { headers: { 'x-from': 'get' } });
    assert.deepEqual(expectStatus(get, 200).json, { how: 'GET', q: '1', h: 'get' });
  });

  test('another method than the one set is refused', async () => {
    const id = await echo({ auth: 'none', method: 'PUT' });
    expectStatus(await deliver(id, '{}'), 405);
    expectStatus(
      await anonymous().call('PUT', `/hooks/${id}`, {
        text: '{}',
        headers: { 'content-type': 'application/json' },
      }),
      200,
    );
  });

  test('a hook that is not there or no hook is not found', async () => {
    const manual = await ctx.api.published(
      flow('Manual', { in: ['trigger', { trigger: 'manual' }], out: output(1) }, ['in -> out']),
    );
    for (const id of [manual, '01890a5d-ac96-774b-bcce-b302099a8057', 'x'])
      expectProblem(await deliver(id, '{}'), 404, 'not_found');
  });

  test('a draft answers nobody, and an open hook is warned of', async () => {
    const definition = flow('Hook', { in: hook({ auth: 'none' }), out: output('x') }, ['in -> out']);
    const { json } = expectStatus(await ctx.api.post('/api/workflows', definition), 201);
    assert.deepEqual(
      json.warnings.map((w) => w.code),
      ['open_webhook'],
    );
    expectProblem(await deliver(json.id, '{}'), 404, 'not_found');
    assert.deepEqual(await runsOf(json.id), []);
    expectStatus(await ctx.api.post(`/api/workflows/${json.id}/publish`), [200, 201]);
    expectStatus(await deliver(json.id, '{}'), 202);
  });

  test('a signature that is missing or old is refused before the body has come', async () => {
    const id = await echo({ auth: 'hmac', secret: 'right' });
    const head = (more) =>
      `POST /hooks/${id} HTTP/1.1\r\nHost: x\r\n${more}Content-Type: application/json\r\n` +
      'Content-Length: 8000000\r\nExpect: 100-continue\r\n\r\n';
    const signed = (at) => `webhook-id: 1\r\nwebhook-timestamp: ${at}\r\nwebhook-signature: v1,x\r\n`;
    const enough = (text) => text.includes('\r\n\r\n');
    const now = Math.floor(Date.now() / 1000);
    for (const [more, status] of [
      ['', 401],
      [signed(now - 86400), 401],
      [signed('soon'), 401],
      [signed(now), 100],
    ])
      assert.deepEqual((await raw(ctx.server.port, head(more), { enough })).statuses, [status], more);
  });

  test('who is refused by his head alone is refused before his body has come', async () => {
    const id = await echo({ auth: 'bearer', secret: 'right' });
    const head = (secret) =>
      `POST /hooks/${id} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${secret}\r\n` +
      'Content-Type: application/json\r\nContent-Length: 8000000\r\nExpect: 100-continue\r\n\r\n';
    const enough = (text) => text.includes('\r\n\r\n');
    assert.deepEqual((await raw(ctx.server.port, head('wrong'), { enough })).statuses, [401]);
    assert.deepEqual((await raw(ctx.server.port, head('right'), { enough })).statuses, [100]);
  });

  test('header, basic and bearer guards let in who knows the secret, nobody else', async () => {
    const secret = 's3cret \u00fc'.slice(0, 6);
    const b64 = (text) => Buffer.from(text).toString('base64');
    const kinds = [
      [
        { auth: 'header', header: 'X-Api-Key', secret },
        { 'x-api-key': secret },
        [
          {},
          { 'x-api-key': secret + 'x' },
          { 'x-api-key': secret.slice(1) },
          { 'x-api-key': '' },
          { authorization: `Bearer ${secret}` },
        ],
      ],
      [
        { auth: 'basic', user: 'ada', secret },
        { authorization: `Basic ${b64(`ada:${secret}`)}` },
        [
          {},
          { authorization: `Basic ${b64(`eve:${secret}`)}` },
          { authorization: `Basic ${b64('ada:')}` },
          { authorization: 'Basic !!' },
          { authorization: `Bearer ${secret}` },
        ],
      ],
      [
        { auth: 'bearer', secret },
        { authorization: `Bearer ${secret}` },
        [{}, { authorization: `Bearer ${secret}x` }, { authorization: 'Bearer ' }, { authorization: secret }],
      ],
    ];
    for (const [webhook, right, wrong] of kinds) {
      const id = await echo(webhook);
      for (const headers of wrong) expectProblem(await deliver(id, '{"n":1}', headers), 401, 'unauthorized');
      assert.deepEqual(await runsOf(id), [], `${webhook.auth}: nothing started`);
      assert.deepEqual(expectStatus(await deliver(id, '{"n":1}', right), 200).json, { n: 1 });
      /* Keys of the API are of no use here, and the secret is shown to nobody. */
      expectStatus(
        await ctx.api.call('POST', `/hooks/${id}`, {
          text: '{}',
          headers: { 'content-type': 'application/json' },
        }),
        401,
      );
    }
  });

  test('hmac: the signature of Standard Webhooks, fresh and over these bytes', async () => {
    for (const secret of ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'any text']) {
      const id = await echo({ auth: 'hmac', secret, tolerance: '5m' });
      const body = '{"n": 1}';
      assert.deepEqual(expectStatus(await deliver(id, body, sign(secret, body)), 200).json, { n: 1 });
      const several = sign(secret, body);
      several['webhook-signature'] =
        `v1,${Buffer.alloc(32).toString('base64')} v1a,zzz ${several['webhook-signature']}`;
      expectStatus(await deliver(id, body, several), 200);

      const refused = async (headers, text = body) =>
        expectProblem(await deliver(id, text, headers), 401, 'unauthorized');
      const started = (await runsOf(id)).length;
      await refused({});
      await refused(sign('another', body));
      await refused(sign(secret, body), '{"n": 2}');
      await refused(sign(secret, body), '{"n":1}'); /* the same value in other bytes */
      await refused(sign(secret, body, { at: Date.now() - 6 * 60e3 }));
      await refused(sign(secret, body, { at: Date.now() + 6 * 60e3 }));
      await refused({
        ...sign(secret, body),
        'webhook-timestamp': String(Math.floor(Date.now() / 1000) - 1),
      });
      await refused({ ...sign(secret, body), 'webhook-id': 'msg_other' });
      await refused({ ...sign(secret, body), 'webhook-timestamp': 'yesterday' });
      await refused({ ...sign(secret, body), 'webhook-signature': 'v1,' });
      await refused({
        ...sign(secret, body),
        'webhook-signature': sign(secret, body)['webhook-signature'].slice(3),
      });
      expectStatus(
        await deliver(id, body, sign(secret, body, { at: Date.now() - 4 * 60e3 })),
        200,
        'within the tolerance',
      );
      assert.equal((await runsOf(id)).length, started + 1);
    }
  });

  test('hmac: the form GitHub sends', async () => {
    const secret = "It's a Secret to Everybody";
    const id = await echo({
      auth: 'hmac',
      secret,
      signature_header: 'X-Hub-Signature-256',
      timestamp_header: '',
    });
    const hub = (text, key = secret) => ({
      'x-hub-signature-256': `sha256=${crypto.createHmac('sha256', key).update(text).digest('hex')}`,
    });
    /* The example of GitHub's documentation is no JSON, its signature is public. */
    assert.equal(
      hub('Hello, World!')['x-hub-signature-256'],
      'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17',
    );
    expectStatus(
      await deliver(id, 'Hello, World!', { ...hub('Hello, World!'), 'content-type': 'text/plain' }),
      200,
    );
    expectStatus(await deliver(id, '{"action":"opened"}', hub('{"action":"opened"}')), 200);
    expectProblem(await deliver(id, '{"action":"closed"}', hub('{"action":"opened"}')), 401);
    expectProblem(await deliver(id, '{"a":1}', hub('{"a":1}', 'x')), 401);
    expectProblem(await deliver(id, '{"a":1}', { 'x-hub-signature-256': 'sha256=' }), 401);
  });

  test('a delivery that comes twice starts one run', async () => {
    const secret = 'once';
    const id = await echo({ auth: 'hmac', secret });
    const headers = sign(secret, '{"n":1}', { id: `msg_twice_${ctx.db}` });
    const answers = await Promise.all([1, 2, 3].map(() => deliver(id, '{"n":1}', headers)));
    for (const r of answers) expectStatus(r, [200, 202]);
    assert.equal((await runsOf(id)).length, 1);
  });

  test("an Idempotency-Key of the API takes no webhook's place", async () => {
    const id = await echo({ auth: 'none' });
    const headers = { 'idempotency-key': 'hook:msg_1' };
    expectStatus(await ctx.api.post(`/api/workflows/${id}/execute`, { input: 1 }, { headers }), 200);
    const r = await deliver(id, '2', { 'webhook-id': 'msg_1' });
    assert.equal(expectStatus(r, 200).json, 2);
  });

  test('respond immediately answers before the run ends', async () => {
    const gate = new Gate();
    const id = await ctx.api.published(
      flow(
        'Quick',
        {
          in: hook({ auth: 'none', respond: 'immediately' }),
          a: call(ctx.web.plan(`quick-${ctx.db}`, { gate })),
          out: output('done'),
        },
        ['in -> a', 'a -> out'],
      ),
    );
    const r = await deliver(id, '{}');
    expectStatus(r, [200, 202]);
    const [run] = await runsOf(id);
    assert.ok(['queued', 'running'].includes(run.state));
    gate.open();
    assert.equal((await ctx.api.finished(run.id)).output, 'done');
  });

  test('respond result: a failed run is a plain error that gives nothing away', async () => {
    const id = await ctx.api.published(
      flow(
        'Fails',
        {
          in: hook({ auth: 'none', respond: 'result' }),
          a: call(`${ctx.web.origin}/status/500`, { retry: noRetry }),
          out: output('x'),
        },
        ['in -> a', 'a -> out'],
      ),
    );
    const r = await deliver(id, '{}');
    assert.ok(r.status >= 500, `${r.status}`);
    assert.ok(!r.text.includes(ctx.web.origin), r.text);
  });

  test("the trigger's schema guards the hook too", async () => {
    const id = await ctx.api.published(
      flow(
        'Schema',
        {
          in: hook({ auth: 'none', respond: 'result' }, { input: { type: 'object', required: ['email'] } }),
          out: output('{{ in.email }}'),
        },
        ['in -> out'],
      ),
    );
    expectProblem(await deliver(id, '{"x":1}'), 422);
    assert.equal(expectStatus(await deliver(id, '{"email":"a@b.c"}'), 200).json, 'a@b.c');
  });

  test('the secret of a hook is not in the log', async () => {
    const id = await echo({ auth: 'bearer', secret: 'visible-to-nobody' });
    expectStatus(await deliver(id, '{}', { authorization: 'Bearer visible-to-nobody' }), 200);
    expectStatus(await deliver(id, '{}', { authorization: 'Bearer visible-to-nobody2' }), 401);
    assert.ok(!ctx.server.proc.stderr.includes('visible-to-nobody'));
    /* Nor in what the run knows of its request. */
    const [run] = await runsOf(id);
    const { text } = await ctx.api.get(`/api/runs/${run.id}/events`);
    assert.ok(!text.includes('visible-to-nobody'));
  });
});
