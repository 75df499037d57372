/* Form triggers: the page, what is checked, what starts a run, and who may. */
import assert from 'node:assert/strict';
import { expectProblem, expectStatus } from '../lib/api.mjs';
import { Gate } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { call, flow, noRetry, output } from '../lib/flow.mjs';

const input = {
  type: 'object',
  required: ['name', 'email'],
  properties: {
    name: { type: 'string', title: 'Your <name>', maxLength: 20 },
    email: { type: 'string', format: 'email', description: 'We answer here.' },
    seats: { type: 'integer', minimum: 1, maximum: 4, default: 2 },
    size: { enum: ['S', 'M', 'L'] },
    topics: { type: 'array', items: { enum: ['a', 'b'] } },
    news: { type: 'boolean' },
    notes: { type: 'string', maxLength: 1000 },
  },
};
const form = (settings = {}, more = {}) => ['trigger', { trigger: 'form', form: settings, input, ...more }];

onEachDatabase('forms', (ctx) => {
  const { test } = ctx;
  const anonymous = () => ctx.api.as(null);
  const made = (settings, more, out = output('{{ input }}')) =>
    ctx.api.published(flow('Sign up', { in: form(settings, more), out }, ['in -> out']));
  const page = (id, path = '', headers = {}) => anonymous().get(`/forms/${id}${path}`, { headers });
  const send = (id, fields, headers = {}, path = `/forms/${id}`) =>
    anonymous().call('POST', path, {
      text: new URLSearchParams(fields).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    });
  const keyOf = (r) => r.text.match(/name="key" value="([^"]+)"/)[1];
  const runsOf = async (id) => (await ctx.api.get(`/api/runs?workflow_id=${id}`)).json.items;
  const ada = { 'f.name': 'Ada', 'f.email': 'ada@example.org' };

  test('the page asks for the inputs, without a script, and gives nothing else away', async () => {
    const id = await made({ title: 'Come & see', description: 'On Friday.', button: 'Sign me up' });
    const r = expectStatus(await page(id), 200);
    assert.match(r.headers['content-type'], /^text\/html/);
    const policy = r.headers['content-security-policy'];
    assert.match(policy, /default-src 'none'/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /script|unsafe/);
    assert.doesNotMatch(r.text, /<script|style="|\son\w+=/);
    for (const part of [
      '<html lang="en">',
      '<h1>Come &amp; see</h1>',
      'On Friday.',
      'Your &lt;name&gt;</label>',
      'type="email" name="f.email"',
      'type="number" name="f.seats" min="1" max="4"',
      'value="2"',
      '<legend>size',
      'type="radio" name="f.size" value="M"',
      'type="checkbox" name="f.topics" value="b"',
      '<textarea id="c6"',
      '<button>Sign me up</button>',
    ])
      assert.ok(r.text.includes(part), part);
    assert.match((await page(id, '', { 'accept-language': 'de-DE,de' })).text, /<html lang="de">/);
  });

  test('what is filled in starts a run with typed values, and is thanked for', async () => {
    const id = await made({ thanks: 'See you soon.' });
    const key = keyOf(await page(id));
    const fields = [
      ...Object.entries(ada),
      ['key', key],
      ['f.seats', '3'],
      ['f.size', 'M'],
      ['f.topics', 'a'],
      ['f.topics', 'b'],
      ['f.news', 'true'],
      ['f.notes', 'one\r\ntwo'],
    ];
    const r = expectStatus(await send(id, fields, { 'user-agent': 'me' }), 200);
    assert.match(r.text, /See you soon\./);
    expectStatus(await send(id, fields), 200); /* pressed twice */
    const runs = await runsOf(id);
    assert.equal(runs.length, 1);
    assert.equal(runs[0].trigger, 'form');
    const run = await ctx.api.finished(runs[0].id);
    assert.deepEqual(run.output, {
      name: 'Ada',
      email: 'ada@example.org',
      seats: 3,
      size: 'M',
      topics: ['a', 'b'],
      news: true,
      notes: 'one\ntwo',
    });
    /* Who went back and changed an answer has sent another one. */
    expectStatus(
      await send(
        id,
        fields.map(([name, value]) => [name, name === 'f.name' ? 'Eve' : value]),
      ),
      200,
    );
    assert.equal((await runsOf(id)).length, 2);
  });

  test('what is wrong is said beside its field, and nothing that was typed is lost', async () => {
    const id = await made();
    const r = expectStatus(
      await send(id, { 'f.name': '"><b>', 'f.email': 'nobody', 'f.seats': '9', 'f.size': 'L' }),
      422,
    );
    assert.match(r.text, /role="alert"/);
    assert.match(r.text, /id="e1">This is no e-mail address/);
    assert.match(r.text, /id="e2">This is too large\. The most is 4\./);
    assert.match(r.text, /name="f\.email"[^>]*aria-describedby="h1 e1" aria-invalid="true" value="nobody"/);
    assert.match(r.text, /value="L" checked/);
    assert.ok(r.text.includes('value="&quot;&gt;&lt;b&gt;"'));
    assert.match((await send(id, {}, { 'accept-language': 'de' })).text, /id="e0">Diese Angabe fehlt\./);
    assert.deepEqual(await runsOf(id), []);
  });

  test('fields can be filled in by the address', async () => {
    const id = await made();
    const { text } = await page(id, '?name=Ada%20L&size=S');
    assert.match(text, /value="Ada L"/);
    assert.match(text, /value="S" checked/);
    assert.match(text, /name="f\.seats"[^>]*value="2"/);
  });

  test('files come as multipart, with name, type and bytes', async () => {
    const file = { type: 'object', format: 'file' };
    const id = await made(
      { respond: 'result' },
      {
        input: {
          type: 'object',
          required: ['cv'],
          properties: { cv: file, more: { type: 'array', items: file } },
        },
      },
      output('{{ input.cv.name }} {{ input.cv.size }} {{ input.cv.data }}'),
    );
    assert.match(
      (await page(id)).text,
      /enctype="multipart\/form-data"[\s\S]*type="file" name="f.cv" required/,
    );
    const body = new FormData();
    body.set('f.cv', new Blob([Buffer.from([0, 1, 2])], { type: 'image/png' }), 'me "1".png');
    const response = new Response(body);
    const r = await anonymous().call('POST', `/forms/${id}`, {
      text: Buffer.from(await response.arrayBuffer()),
      headers: { 'content-type': response.headers.get('content-type') },
    });
    assert.ok(expectStatus(r, 200).text.includes('me &quot;1&quot;.png 3 AAEC'), r.text);
    expectStatus(await send(id, {}), 422);
  });

  test('the result can be shown, or where to go next; a failure gives nothing away', async () => {
    const shown = await made(
      { respond: 'result', thanks_title: 'Done' },
      {},
      output({ 'Your <no>': '{{ input.name }}' }),
    );
    const { text } = expectStatus(await send(shown, ada), 200);
    assert.match(text, /<h1>Done<\/h1>/);
    assert.match(text, /<dt>Your &lt;no&gt;<\/dt><dd>Ada<\/dd>/);
    const away = await made({ respond: 'redirect', redirect: 'https://example.com/next' });
    const policy = (await page(away)).headers['content-security-policy'];
    assert.match(policy, /form-action 'self' https:\/\/example\.com:443/);
    assert.equal(expectStatus(await send(away, ada), 303).headers.location, 'https://example.com/next');
    const broken = await ctx.api.published(
      flow(
        'Broken',
        { in: form({ respond: 'result' }), a: call(`${ctx.web.origin}/status/500`, { retry: noRetry }) },
        ['in -> a'],
      ),
    );
    const failed = expectStatus(await send(broken, ada), 500);
    assert.match(failed.text, /That did not work/);
    assert.ok(failed.text.includes((await runsOf(broken))[0].id));
    assert.ok(!failed.text.includes(ctx.web.origin));
  });

  test('of a result that is longer than a page its beginning is shown', async () => {
    const long = '&é'.repeat(200 << 10);
    for (const out of [long, { first: 'is there', long, last: 'is not' }, [long]]) {
      const { text } = expectStatus(await send(await made({ respond: 'result' }, {}, output(out)), ada), 200);
      assert.match(text, /(&amp;é){1000}/);
      assert.ok(text.includes('The result is longer than this page shows.'));
      assert.ok(!text.includes('\ufffd') && !text.includes('is not'));
      assert.equal(text.includes('is there'), !!out.first);
    }
  });

  test('a form may ask for user and password, and is not sent by other sites', async () => {
    const id = await made({ auth: 'basic', user: 'ada', secret: 'pass-phrase' });
    const asked = expectStatus(await page(id), 401);
    assert.match(asked.headers['www-authenticate'], /^Basic /);
    assert.doesNotMatch(asked.text, /f\.email/);
    const basic = (text) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` });
    expectStatus(await page(id, '', basic('ada:wrong')), 401);
    expectStatus(await page(id, '', basic('ada:pass-phrase')), 200);
    expectStatus(await send(id, ada), 401);
    const from = (headers) => send(id, ada, { ...basic('ada:pass-phrase'), ...headers });
    expectStatus(await from({ origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }), 403);
    expectStatus(await from({ origin: 'null' }), 403);
    assert.deepEqual(await runsOf(id), []);
    expectStatus(await from({ origin: ctx.api.base, 'sec-fetch-site': 'same-origin' }), 200);
    assert.equal((await runsOf(id)).length, 1);
  });

  test('what is no form, or not of this form, is refused', async () => {
    const id = await made();
    const manual = await ctx.api.published(flow('M', { in: ['trigger', {}], out: output(1) }, ['in -> out']));
    for (const other of [manual, '01890a5d-ac96-774b-bcce-b302099a8057', 'x'])
      assert.match(expectStatus(await page(other), 404).text, /There is no form here/);
    expectStatus(await send(id, { ...ada, 'f.other': '1' }), 400);
    expectStatus(await send(id, { ...ada, other: '1' }), 400);
    expectStatus(await send(id, ada, { 'content-type': 'application/json' }), 415);
    const limited = await made({ rate_limit: { limit: 1, per: '1h' } });
    expectStatus(await send(limited, ada), 200);
    const refused = expectStatus(await send(limited, ada), 429);
    assert.ok(Number(refused.headers['retry-after']) > 600);
    const definition = flow('F', { in: form({}, { input: { type: 'object', properties: { a: {} } } }) }, []);
    const { json } = expectStatus(await ctx.api.post('/api/workflows', definition), 422);
    assert.equal(json.errors[0].code, 'bad_form');
    const none = flow('F', { in: ['trigger', { trigger: 'form' }] }, []);
    expectProblem(await ctx.api.post('/api/workflows', none), 422);
  });

  test('the form of a draft is there while somebody listens', async () => {
    const id = await ctx.api.workflow(flow('Draft', { in: form(), out: output(1) }, ['in -> out']));
    expectStatus(await anonymous().get(`/forms-test/${id}`), 404);
    const { json } = expectStatus(await ctx.api.post(`/api/workflows/${id}/listen`, {}), 200);
    assert.ok(json.url.endsWith(`/forms-test/${id}`));
    expectStatus(await anonymous().get(`/forms-test/${id}`), 200);
    expectStatus(await send(id, ada, {}, `/forms-test/${id}`), 200);
    assert.equal((await runsOf(id)).length, 1);
  });

  test('who has guessed too often is refused with the right password as well', async () => {
    const id = await made({ auth: 'basic', user: 'ada', secret: 'pass-phrase' });
    const guarded = ['trigger', { trigger: 'chat', chat: { auth: 'bearer', secret: 'token-of-chat' } }];
    const chat = await ctx.api.published(flow('Chat', { in: guarded, out: output('x') }, ['in -> out']));
    const one = anonymous(); /* on one connection: each shard counts by itself */
    const basic = (text) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` });
    const look = (headers) => one.get(`/forms/${id}`, { headers });
    for (let n = 0; n < 30; n++) expectStatus(await look(basic('ada:pass-phrase')), 200);
    const guesses = [];
    for (let n = 0; n < 40; n++) guesses.push((await look(basic(`ada:guess-${n}`))).status);
    assert.ok(guesses.slice(0, 10).every((status) => status === 401));
    assert.ok(guesses.filter((status) => status === 429).length >= 15);
    const refused = expectStatus(await look(basic('ada:pass-phrase')), 429);
    assert.ok(Number(refused.headers['retry-after']) > 0);
    expectStatus(await look({}), 401);
    const say = (authorization) =>
      one.call('POST', `/chat/${chat}`, { body: { message: 'Hello' }, headers: { authorization } });
    expectStatus(await say('Bearer token-of-chat'), 429);
    expectStatus(await one.get(`/forms/${await made()}`, { headers: basic('nobody:asks') }), 200);
  });

  test('a result that takes its time is waited for once, by whoever sends the same again', async () => {
    const gate = new Gate();
    const id = await ctx.api.published(
      flow(
        'Slow',
        {
          in: form({ respond: 'result' }),
          a: call(ctx.web.plan(`form-${ctx.db}`, { gate })),
          out: output('there'),
        },
        ['in -> a', 'a -> out'],
      ),
    );
    const fields = { ...ada, key: keyOf(await page(id)) };
    const both = [send(id, fields), send(id, fields)];
    gate.open();
    for (const r of await Promise.all(both)) assert.match(expectStatus(r, 200).text, /there/);
    assert.equal((await runsOf(id)).length, 1);
  });
});
