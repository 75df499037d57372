/* Who may do what: nobody without a key or a session, and each key no more than its capabilities. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { Api, expectProblem, expectStatus } from '../lib/api.mjs';
import { heddle } from '../lib/server.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { chain, flow, hook, output, set, trigger } from '../lib/flow.mjs';

const nobody = '01890a5d-ac96-774b-bcce-b302099a8057'; /* an id that is well formed and nowhere */
const tiny = chain('Tiny', { a: set({ x: 1 }) });

/* Paths that answer without a credential (docs/formats/api.md). */
const open = [/^\/healthz$/, /^\/readyz$/, /^\/(hooks|forms)(-test)?\//, /^\/chat\//, /^\/signin$/];

onEachDatabase('auth', (ctx) => {
  const { test } = ctx;
  const anonymous = () => ctx.api.as(null);

  test('nothing of the API answers without a credential', async () => {
    const { json: doc } = await ctx.api.get('/api/openapi.json');
    let asked = 0;
    for (const [pattern, item] of Object.entries(doc.paths)) {
      if (open.some((p) => p.test(pattern))) continue;
      for (const method of ['get', 'put', 'post', 'delete', 'patch']) {
        if (!item[method]) continue;
        const r = await anonymous().call(
          method.toUpperCase(),
          pattern.replace(/\{version\}/g, '1').replace(/\{[^}]+\}/g, nobody),
          method === 'get' ? {} : { body: {} },
        );
        if (pattern.startsWith('/v1/messages'))
          assert.equal(expectStatus(r, 401).json.error.type, 'authentication_error');
        else if (pattern.startsWith('/v1beta/'))
          assert.equal(expectStatus(r, 401).json.error.status, 'UNAUTHENTICATED');
        else if (pattern.startsWith('/v1/'))
          assert.equal(expectStatus(r, 401).json.error.code, 'invalid_api_key');
        else expectProblem(r, 401, 'unauthorized');
        asked++;
      }
    }
    assert.ok(asked >= 15, `the document lists only ${asked} guarded operations`);
  });

  test('paths that are nowhere say the same to everybody without a key', async () => {
    expectProblem(await anonymous().get('/api/no-such-thing'), [401, 404]);
    expectStatus(await anonymous().get('/metrics'), 401);
    expectStatus(await anonymous().get('/api/openapi.json'), 401);
  });

  test('health answers everybody', async () => {
    expectStatus(await anonymous().get('/healthz'), 200);
    expectStatus(await anonymous().get('/readyz'), 200);
    for (const door of ['hooks', 'hooks-test', 'chat'])
      expectStatus(await anonymous().post(`/${door}/${nobody}`, {}), 404);
    for (const door of ['forms', 'forms-test', 'chat'])
      expectStatus(await anonymous().get(`/${door}/${nobody}`), 404);
  });

  test('a wrong, cut, long or oddly written key is refused', async () => {
    const key = ctx.server.key;
    const last = key.at(-1);
    const wrong = [
      key.slice(0, -1),
      key + 'x',
      key.slice(0, -1) + (last === 'a' ? 'b' : 'a'),
      'x',
      key.toUpperCase(),
      'k'.repeat(8000),
    ];
    for (const k of wrong) expectProblem(await ctx.api.as(k).get('/api/me'), 401, 'unauthorized');
    for (const authorization of [
      '',
      'Bearer',
      'Bearer ',
      `Basic ${Buffer.from(`x:${key}`).toString('base64')}`,
      `Token ${key}`,
      key,
    ])
      expectStatus(await anonymous().get('/api/me', { headers: { authorization } }), 401, authorization);
    expectStatus(await anonymous().get(`/api/me?key=${key}&token=${key}`), 401);
  });

  test('a key says who it is', async () => {
    const { json: me } = await ctx.api.get('/api/me');
    assert.deepEqual([me.name, me.kind, me.capabilities], ['t', 'key', ['*']]);
    assert.ok(me.tenant);
  });

  test('a key made while the server runs works at once, within its capabilities', async () => {
    const reader = ctx.api.as(await ctx.server.newKey('reader', 'workflow.read,run.read'));
    const { json: me } = await reader.get('/api/me');
    assert.deepEqual([me.name, [...me.capabilities].sort()], ['reader', ['run.read', 'workflow.read']]);

    const id = await ctx.api.workflow(tiny);
    const run = await ctx.api.run(id, {});
    for (const allowed of [
      '/api/workflows',
      `/api/workflows/${id}`,
      '/api/runs',
      `/api/runs/${run.id}`,
      '/api/node-types',
    ])
      expectStatus(await reader.get(allowed), 200, allowed);
    expectProblem(await reader.post('/api/workflows', tiny), 403, 'forbidden');
    expectProblem(await reader.put(`/api/workflows/${id}`, tiny), 403, 'forbidden');
    expectProblem(await reader.delete(`/api/workflows/${id}`), 403, 'forbidden');
    expectProblem(await reader.post(`/api/workflows/${id}/publish`), 403, 'forbidden');
    expectProblem(await reader.post(`/api/workflows/${id}/execute`, { input: {} }), 403, 'forbidden');
    expectProblem(await reader.post(`/api/runs/${run.id}/cancel`), 403, 'forbidden');
    expectStatus(await reader.get('/metrics'), 403);

    const starter = ctx.api.as(await ctx.server.newKey('starter', 'run.start'));
    expectStatus(await starter.post(`/api/workflows/${id}/execute`, { input: {} }), 200);
    expectProblem(await starter.get('/api/runs'), 403, 'forbidden');
    const scraper = ctx.api.as(await ctx.server.newKey('scraper', 'metrics.read'));
    expectStatus(await scraper.get('/metrics'), 200);
    expectStatus(await scraper.get('/api/workflows'), 403);
  });

  test('secrets of a definition are shown only to who may change it', async () => {
    const hooked = flow('Keeps a secret', { t: hook({ auth: 'bearer', secret: 'open sesame' }) });
    const id = await ctx.api.workflow(hooked);
    const run = await ctx.api.run(id, {});
    expectStatus(await ctx.api.post(`/api/workflows/${id}/publish`), 200);
    const reader = ctx.api.as(await ctx.server.newKey('looks', 'workflow.read,run.read'));
    for (const where of [`/api/workflows/${id}`, `/api/workflows/${id}/versions/1`, `/api/runs/${run.id}`]) {
      const { json: all } = await ctx.api.get(where);
      assert.equal(all.definition.nodes[0].data.webhook.secret, 'open sesame', where);
      const { json: part } = await reader.get(where);
      assert.equal(part.definition.nodes[0].data.webhook.secret, '********', where);
    }
  });

  test('what a reader was not shown he cannot write back, and the variables of a run are hidden too', async () => {
    const definition = {
      ...flow('Has variables', { t: trigger(), o: output('{{ vars.region }}') }, ['t -> o']),
      variables: [
        { name: 'region', value: 'eu' },
        { name: 'api_token', value: 'open sesame' },
      ],
    };
    const id = await ctx.api.workflow(definition);
    const reader = ctx.api.as(await ctx.server.newKey('looks', 'workflow.read,run.read'));
    const { json } = await reader.get(`/api/workflows/${id}`);
    expectProblem(await ctx.api.put(`/api/workflows/${id}`, json.definition), 422, 'invalid');
    assert.equal(
      (await ctx.api.get(`/api/workflows/${id}`)).json.definition.variables[1].value,
      'open sesame',
    );

    const vars = { region: 'us', api_token: 'of this run' };
    const run = expectStatus(await ctx.api.post(`/api/workflows/${id}/execute`, { vars }), 200).json;
    const started = async (api) => (await (await api.events(run.id)).all())[0].json.vars;
    assert.deepEqual(await started(reader), { region: 'us', api_token: '********' });
    assert.deepEqual(await started(ctx.api), vars);
  });

  test('a key with an unknown capability is not made', async () => {
    const args = [
      'key',
      'create',
      '--data',
      ctx.server.data,
      '--name',
      'x',
      '--capability',
      'run.read,run.everything',
    ];
    const r = await heddle(args, { env: ctx.server.env });
    assert.notEqual(r.code, 0);
    assert.equal(r.stdout, '');
    assert.match(r.stderr, /run\.everything/);
  });

  test('the one-time link signs in once and only once', async () => {
    const token = await ctx.server.signInToken();
    const refused = (r) => {
      assert.equal(r.headers['set-cookie'], undefined);
      assert.notEqual(r.headers.location, '/');
    };
    for (const wrong of ['A'.repeat(token.length), token.slice(1), token + 'A', '%00'])
      refused(await anonymous().get(`/signin?token=${wrong}`));
    refused(await anonymous().call('HEAD', `/signin?token=${token}`)); /* who only looks uses nothing up */
    const first = await anonymous().get(`/signin?token=${token}`);
    expectStatus(first, [302, 303]);
    assert.equal(first.headers.location, '/');
    const [cookie] = first.headers['set-cookie'];
    assert.match(cookie, /^heddle_session=[^;]{20,}/);
    assert.match(cookie, /;\s*HttpOnly/i);
    assert.match(cookie, /;\s*SameSite=(Lax|Strict)/i);
    assert.match(cookie, /;\s*Path=\/(;|$)/i);
    assert.doesNotMatch(cookie, /;\s*Domain=/i);

    refused(await anonymous().get(`/signin?token=${token}`));

    /* What the session may do, and from where. */
    const me = new Api(ctx.server.url, null, { cookie: cookie.split(';')[0] });
    const { json: who } = expectStatus(await me.get('/api/me'), 200);
    assert.deepEqual([who.kind, who.capabilities], ['session', ['*']]);
    const from = (headers) => me.post('/api/workflows', tiny, { headers });
    expectProblem(await from({ origin: 'http://evil.example' }), 403, 'forbidden');
    expectProblem(await from({ origin: 'null' }), 403, 'forbidden');
    expectProblem(await from({ origin: `http://127.0.0.1:${ctx.server.port + 1}` }), 403, 'forbidden');
    expectProblem(
      await from({ origin: `https://127.0.0.1:${ctx.server.port}.evil.example` }),
      403,
      'forbidden',
    );
    expectProblem(await from({ 'sec-fetch-site': 'cross-site' }), 403, 'forbidden');
    expectStatus(await from({ origin: ctx.server.url, 'sec-fetch-site': 'same-origin' }), 201);
    /* A key is not sent by browsers on their own: its origin does not matter. */
    expectStatus(
      await ctx.api.post('/api/workflows', tiny, { headers: { origin: 'http://evil.example' } }),
      201,
    );

    expectStatus(
      await me.post('/api/signout', undefined, { headers: { origin: 'http://evil.example' } }),
      403,
    );
    expectStatus(await me.get('/api/me'), 200);
    expectStatus(
      await me.post('/api/signout', undefined, { headers: { origin: ctx.server.url } }),
      [200, 204],
    );
    expectProblem(await me.get('/api/me'), 401, 'unauthorized');
    const forged = new Api(ctx.server.url, null, { cookie: 'heddle_session=' + 'A'.repeat(43) });
    expectProblem(await forged.get('/api/me'), 401, 'unauthorized');
  });

  test('keys are listed in pages', async () => {
    for (let i = 0; i < 3; i++) expectStatus(await ctx.api.post('/api/keys', { name: `page ${i}` }), 201);
    const all = (await ctx.api.get('/api/keys?limit=200')).json.items.map((key) => key.id);
    const paged = [];
    for (let cursor = ''; cursor !== null;) {
      const { json } = expectStatus(await ctx.api.get(`/api/keys?limit=2${cursor}`), 200);
      paged.push(...json.items.map((key) => key.id));
      cursor = json.next_cursor && `&cursor=${json.next_cursor}`;
    }
    assert.deepEqual(paged, all);
    expectProblem(await ctx.api.get('/api/keys?cursor=x'), 400, 'bad_input');
  });

  test('keys are made, listed without their secret, and revoked over the API', async () => {
    const made = expectStatus(
      await ctx.api.post('/api/keys', { name: 'by-api', capabilities: 'run.read' }),
      201,
    );
    const other = ctx.api.as(made.json.key);
    expectStatus(await other.get('/api/runs'), 200);
    const list = expectStatus(await ctx.api.get('/api/keys'), 200);
    assert.ok(list.json.items.some((k) => k.id === made.json.id && k.name === 'by-api'));
    assert.ok(!list.text.includes(made.json.key));
    expectProblem(await other.get('/api/keys'), 403, 'forbidden');
    /* 1970 is no "never". */
    for (const expires_at of ['1970-01-01T00:00:00Z', '2020-02-02T00:00:00Z'])
      expectProblem(await ctx.api.post('/api/keys', { name: 'old', expires_at }), 400, 'bad_input');
    /* Nobody hands out more than they hold. */
    const maker = ctx.api.as(await ctx.server.newKey('maker', 'key.write,run.read'));
    expectStatus(await maker.post('/api/keys', { name: 'more', capabilities: 'workflow.write' }), 403);
    expectStatus(await maker.post('/api/keys', { name: 'all', capabilities: '*' }), 403);
    expectStatus(await maker.post('/api/keys', { name: 'same', capabilities: 'run.read' }), 201);
    expectStatus(await ctx.api.delete(`/api/keys/${made.json.id}`), 204);
    expectProblem(await other.get('/api/runs'), 401, 'unauthorized');
  });

  test('neither the log nor the files hold a key in clear', async () => {
    const { key, proc, data } = ctx.server;
    assert.ok(!(proc.stdout + proc.stderr).includes(key));
    for (const file of fs.readdirSync(data, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue;
      const bytes = fs.readFileSync(path.join(file.parentPath ?? file.path, file.name));
      assert.ok(!bytes.includes(key), `${file.name} has the key in it`);
    }
  });
});
