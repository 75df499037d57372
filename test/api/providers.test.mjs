/* Model providers: over the API, from the command line, from the environment; their credentials never come out. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { expectProblem, expectStatus } from '../lib/api.mjs';
import { until } from '../lib/gate.mjs';
import { cleanEnv, binary, heddle, Server } from '../lib/server.mjs';
import { psql } from '../lib/postgres.mjs';
import { run } from '../lib/proc.mjs';
import { onEachDatabase } from '../lib/suite.mjs';

const credential = 'sk-secret-9876543210';
const messages = [{ role: 'user', content: 'hi' }];

onEachDatabase('providers', (ctx) => {
  const { test } = ctx;
  let n = 0;
  const make = (more = {}) => ({
    kind: 'openai-compatible',
    name: `p${++n}`,
    base_url: ctx.model.url,
    private_network: true,
    credential,
    ...more,
  });
  const created = async (more) => expectStatus(await ctx.api.post('/api/providers', make(more)), 201).json;
  const call = (model, more = {}) => ctx.api.post('/v1/chat/completions', { model, messages }, more);

  test('a provider is made, called, changed, switched off and deleted', async () => {
    const p = await created();
    assert.deepEqual(
      [p.kind, p.base_url, p.has_credential, p.enabled, p.origin, p.timeout],
      ['openai-compatible', ctx.model.url, true, true, 'store', '10m'],
    );
    ctx.model.forget();
    assert.equal(expectStatus(await call(`${p.name}/echo`), 200).json.choices[0].message.content, 'echo: hi');
    assert.equal(ctx.model.requests[0].headers.authorization, `Bearer ${credential}`);
    const at = `/api/providers/${p.id}`;
    const changed = expectStatus(
      await ctx.api.call('PATCH', at, { body: { credential: 'other-key', timeout: '30s' } }),
      200,
    );
    assert.deepEqual([changed.json.timeout, changed.json.revision], ['30s', 2]);
    await call(`${p.name}/echo`);
    assert.equal(ctx.model.requests[1].headers.authorization, 'Bearer other-key');
    expectProblem(
      await ctx.api.call('PATCH', at, { body: { enabled: false, revision: 1 } }),
      409,
      'conflict',
    );
    expectStatus(await ctx.api.call('PATCH', at, { body: { enabled: false } }), 200);
    const off = expectStatus(await call(`${p.name}/echo`), 503);
    assert.match(off.json.error.message, /switched off/);
    /* Neither the credential nor the secret part of it is anywhere in what the API says. */
    for (const path of ['/api/providers', at])
      assert.doesNotMatch((await ctx.api.get(path)).text, /other-key/);
    expectStatus(await ctx.api.delete(at), 204);
    expectProblem(await ctx.api.get(at), 404);
    expectStatus(await call(`${p.name}/echo`), [404, 503]);
  });

  test('what cannot be is refused with the reason', async () => {
    const bad = async (more, status, code, says) =>
      assert.match(
        expectProblem(await ctx.api.post('/api/providers', make(more)), status, code).detail,
        says,
      );
    await bad({ kind: 'opnai' }, 422, 'invalid', /There are: .*openai/);
    await bad({ name: 'a/b' }, 422, 'invalid', /name/);
    await bad({ base_url: 'ftp://x' }, 422, 'invalid', /base_url/);
    await bad({ base_url: 'https://user:pw@example.com/v1' }, 422, 'invalid', /user/);
    await bad({ base_url: undefined }, 422, 'invalid', /base_url is needed/);
    await bad({ timeout: 'soon' }, 422, 'invalid', /timeout/);
    await bad({ credential: 'a\nb' }, 422, 'invalid', /characters/);
    await bad({ colour: 'red' }, 422, 'invalid', /./);
    const p = await created();
    await bad({ name: p.name }, 409, 'exists', new RegExp(`"${p.name}"`));
    expectProblem(await ctx.api.get('/api/providers/00000000-0000-7000-8000-000000000009'), 404);
    const reader = ctx.api.as(await ctx.server.newKey('reader', 'provider.read'));
    expectStatus(await reader.get('/api/providers'), 200);
    expectProblem(await reader.post('/api/providers', make()), 403, 'forbidden');
  });

  test('the provider of the environment is there without a further step and can be replaced', async () => {
    const { items } = (await ctx.api.get('/api/providers')).json;
    const env = items.find((p) => p.name === 'openai');
    assert.deepEqual([env.origin, env.has_credential, env.base_url], ['environment', true, ctx.model.url]);
    expectProblem(await ctx.api.delete(`/api/providers/${env.id}`), 409);
    const own = await created({ kind: 'openai', name: 'openai' });
    const now = (await ctx.api.get('/api/providers')).json.items.filter((p) => p.name === 'openai');
    assert.deepEqual(
      now.map((p) => p.origin),
      ['store'],
    );
    expectStatus(await ctx.api.delete(`/api/providers/${own.id}`), 204);
    assert.ok((await ctx.api.get('/api/providers')).json.items.some((p) => p.id === env.id));
  });

  test('a test call says whether a provider answers', async () => {
    const p = await created();
    const good = expectStatus(await ctx.api.post(`/api/providers/${p.id}/test`), 200).json;
    assert.equal(good.ok, true);
    assert.ok(good.models >= 1 && good.latency_ms > 0);
    const listed = expectStatus(await ctx.api.get(`/api/providers/${p.id}/models`), 200).json;
    assert.ok(listed.items.some((m) => m.name === 'echo'));
    const dead = await created({ base_url: 'http://127.0.0.1:1/v1' });
    const no = expectStatus(await ctx.api.post(`/api/providers/${dead.id}/test`), 200).json;
    assert.deepEqual([no.ok, no.error.code], [false, 'connect']);
    assert.match(no.error.message, /could not be reached/);
    ctx.model.apiKey = 'another';
    try {
      const refused = (await ctx.api.post(`/api/providers/${p.id}/test`)).json;
      assert.match(refused.error.message, /refuses the credential/);
    } finally {
      ctx.model.apiKey = null;
    }
    await ctx.api.delete(`/api/providers/${dead.id}`);
  });

  test('credentials are sealed in the database and survive a restart', async () => {
    const p = await created();
    await ctx.server.restart();
    ctx.model.forget();
    expectStatus(await call(`${p.name}/echo`), 200);
    assert.equal(ctx.model.requests[0].headers.authorization, `Bearer ${credential}`);
    assert.equal(fs.statSync(path.join(ctx.server.data, 'master.key')).mode & 0o777, 0o600);
    if (ctx.db === 'sqlite') {
      for (const name of fs.readdirSync(ctx.server.data))
        assert.ok(!fs.readFileSync(path.join(ctx.server.data, name)).includes(credential), name);
    } else {
      const text = await psql(ctx.server.databaseUrl, "SELECT encode(credential, 'escape') FROM provider");
      assert.doesNotMatch(String(text), new RegExp(credential));
    }
    assert.ok(!ctx.server.proc.stderr.includes(credential));
  });

  test('with another master key the server starts, says so, and takes the credential anew', async () => {
    const p = await created();
    await ctx.server.restart({ env: { HEDDLE_MASTER_KEY: 'ab'.repeat(32) } });
    const shown = (await ctx.api.get(`/api/providers/${p.id}`)).json;
    assert.deepEqual([shown.has_credential, shown.credential_opens], [true, false]);
    const r = expectStatus(await call(`${p.name}/echo`), 503);
    assert.match(r.json.error.message, /does not open/);
    expectStatus(await ctx.api.call('PATCH', `/api/providers/${p.id}`, { body: { credential } }), 200);
    expectStatus(await call(`${p.name}/echo`), 200);
    await ctx.server.restart();
  });

  test('the command line adds, lists and tests; a running server sees it', async () => {
    const env = { ...ctx.server.env };
    const verb = (...args) =>
      heddle(['provider', ...args, '--data', ctx.server.data], { env, cwd: ctx.server.dir });
    const added = await run(
      binary,
      [
        'provider',
        'add',
        'vllm',
        '--name',
        'shelf',
        '--base-url',
        ctx.model.url,
        '--credential-stdin',
        '--data',
        ctx.server.data,
      ],
      { env: cleanEnv(env), cwd: ctx.server.dir, stdin: `${credential}\n` },
    );
    assert.equal(added.code, 0, added.stderr);
    assert.match(added.stdout, /^[0-9a-f-]{36}\n$/);
    await until('the server knows it', async () =>
      (await ctx.api.get('/api/providers')).json.items.some((p) => p.name === 'shelf'),
    );
    ctx.model.forget();
    expectStatus(await call('shelf/echo'), 200);
    assert.equal(ctx.model.requests[0].headers.authorization, `Bearer ${credential}`);
    const list = await verb('list');
    assert.match(list.stdout, /shelf .* vllm .* with key/);
    assert.ok(!list.stdout.includes(credential));
    assert.match((await verb('test', 'shelf')).stdout, /^shelf answers in \d+ ms and has \d+ models$/m);
    const unknown = await verb('test', 'nobody');
    assert.notEqual(unknown.code, 0);
    assert.match(unknown.stderr, /no provider "nobody"/);
  });
});

onEachDatabase(
  'providers without private networks',
  (ctx) => {
    ctx.test('a private address needs a setting that says so', async () => {
      const server = await Server.start({
        env: { HEDDLE_EGRESS_ALLOW: undefined, OPENAI_BASE_URL: undefined, OPENAI_API_KEY: undefined },
      });
      try {
        assert.deepEqual((await server.api.get('/api/providers')).json.items, []);
        const body = { kind: 'openai-compatible', name: 'lan', base_url: ctx.model.url };
        assert.match(
          expectProblem(await server.api.post('/api/providers', body), 422, 'egress').detail,
          /private_network/,
        );
        expectStatus(await server.api.post('/api/providers', { ...body, private_network: true }), 201);
        expectStatus(await server.api.post('/v1/chat/completions', { model: 'lan/echo', messages }), 200);
      } finally {
        await server.drop();
      }
    });
  },
  { databases: ['sqlite'], server: false },
);
