/* What is left of limits is shared by servers in Redis: exact among them, and safe when Redis goes. */
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import OpenAI from 'openai';
import { expectStatus } from '../lib/api.mjs';
import { until } from '../lib/gate.mjs';
import { Redis } from '../lib/redis.mjs';
import { Server, heddle } from '../lib/server.mjs';
import { onEachDatabase } from '../lib/suite.mjs';

const messages = [{ role: 'user', content: 'hello' }];

onEachDatabase(
  'gateway limits over redis',
  (ctx) => {
    const { test } = ctx;
    const flats = Array.from({ length: 10 }, (_, i) => `flat-${i}-${ctx.db}`);
    let redis, servers;
    let n = 0;
    let owners = 0;
    before(async () => {
      redis = await Redis.start();
      const env = {
        REDIS_URL: redis.url,
        OPENAI_BASE_URL: ctx.model.url,
        OPENAI_API_KEY: 'sk-test-0123456789abcdef',
      };
      ctx.server = await Server.start({ db: ctx.db, env });
      servers = [ctx.server];
      /* A server sees prices of others after a while: they are there before the second one is. */
      for (const [model, price] of Object.entries({
        [`words-${ctx.db}`]: { input: 0, output: 10_000_000, request: 100 },
        ...Object.fromEntries(flats.map((name) => [name, { input: 0, output: 0, request: 100 }])),
      }))
        expectStatus(await ctx.api.put('/api/prices', { provider: 'openai', model, price }), 204);
      if (ctx.db !== 'postgres') return; /* a file of SQLite has one server */
      servers.push(
        await Server.make({ db: 'sqlite', env: { ...ctx.server.env, DATABASE_URL: ctx.server.databaseUrl } }),
      );
      await servers[1].up();
      const drop = ctx.server.drop.bind(ctx.server); /* with the database, so it goes last */
      ctx.server.drop = async () => {
        await servers[1].drop();
        await drop();
      };
    });
    after(() => redis?.drop());

    /* A model of which each call costs 100 millionths of a dollar. */
    function model(behaviour = { text: 'x' }) {
      const name = flats[n++];
      ctx.model.script(name, behaviour);
      return name;
    }
    async function owned(limits, where) {
      const made = async (path, body) => expectStatus(await ctx.api.post(path, body), 201).json;
      const team = await made('/api/teams', { name: `team-${++owners}` });
      const user = await made('/api/users', { name: `user-${owners}`, team: team.id });
      const key = await made('/api/keys', {
        name: `key-${owners}`,
        capabilities: 'model.call',
        user: user.id,
      });
      const path = {
        team: `/api/teams/${team.id}`,
        user: `/api/users/${user.id}`,
        key: `/api/keys/${key.id}`,
      }[where];
      expectStatus(await ctx.api.put(`${path}/limits`, { limits }), 200);
      return { ...key, user: user.id, path: `${path}/limits` };
    }
    const clients = (key, options = {}) =>
      servers.map((s) => new OpenAI({ baseURL: `${s.url}/v1`, apiKey: key.key, ...options }));
    const call = (client, name) => client.chat.completions.create({ model: `openai/${name}`, messages });
    const counter = async (key) => (await ctx.api.get(key.path)).json.counters[0];
    const logged = async (key, calls) =>
      until('all are recorded', async () => {
        const rows = (await ctx.api.get('/api/usage?group=key')).json.items;
        const row = rows.find((r) => r.group === key.id);
        return row?.calls >= calls && row;
      });
    async function crowd(key, name, size) {
      const of = clients(key, { maxRetries: 0 });
      const all = Array.from({ length: size }, (_, i) => call(of[i % of.length], name));
      const done = await Promise.allSettled(all);
      return done.filter((d) => d.status === 'rejected').map((d) => d.reason);
    }

    test('five hundred callers of two servers exceed a budget by one call at most', async () => {
      const name = `words-${ctx.db}`;
      ctx.model.script(name, { text: 'some words' });
      const key = await owned({ cost_micros: { month: 20_000 } }, 'team');
      const probe = await call(clients(key)[0], name);
      const cost = 100 + 10 * probe.usage.completion_tokens;
      const failed = await crowd(key, name, 500);
      for (const e of failed) assert.equal(e.status, 402, e.message);
      const calls = 501 - failed.length;
      assert.ok(calls * cost < 20_000 + cost, `${calls}`);
      const row = await logged(key, calls);
      assert.deepEqual([row.calls, row.cost_micros], [calls, calls * cost]);
      assert.equal(ctx.model.of(name).length, calls);
      await until('what is counted is what was used', async () => (await counter(key)).used === calls * cost);
      /* Nothing is stranded: one by one they take what is left to the last. */
      let more = 0;
      for (let i = 0; ; i++) {
        try {
          await call(clients(key, { maxRetries: 0 })[i % servers.length], name);
          more++;
        } catch (e) {
          assert.equal(e.status, 402, e.message);
          break;
        }
      }
      assert.equal(calls + more, Math.ceil(20_000 / cost));
    });

    test('servers take from one pool in redis', async () => {
      const name = model();
      const key = await owned({ requests: { month: 1_000_000 } }, 'user');
      for (const client of clients(key)) await call(client, name);
      const pool = (id) => redis.command(`KEYS heddle:limit:*:${id}:*`);
      await until('what they did not need is shared', async () => /heddle/.test(await pool(key.user)));
      const used = servers.length;
      await until('nobody keeps anything', async () => (await counter(key)).used === used);
      await redis.command('CONFIG RESETSTAT');
      for (let i = 0; i < 6; i++) await call(clients(key)[i % servers.length], name);
      const evals = /cmdstat_eval:calls=(\d+)/.exec(await redis.command('INFO commandstats'));
      assert.ok(Number(evals?.[1]) >= 1, evals?.[0]); /* what one call took may serve the next, too */
      assert.equal((await counter(key)).used, used + 6);
    });

    test('limits of users and teams stop the client, which does not ask again', async () => {
      for (const [where, limits, status] of [
        ['user', { requests: { month: 2 } }, 429],
        ['team', { tokens: { month: 1 } }, 429],
        ['team', { cost_micros: { month: 150 } }, 402],
      ]) {
        const name = model();
        const key = await owned(limits, where);
        const all = clients(key); /* with their own retries */
        const let_in = limits.tokens ? 1 : 2;
        for (let i = 0; i < let_in; i++) await call(all[i % all.length], name);
        for (const client of all)
          await assert.rejects(call(client, name), (e) => {
            assert.equal(e.status, status, e.message);
            assert.equal(e instanceof OpenAI.RateLimitError, status === 429);
            assert.equal(e.headers.get('x-should-retry'), 'false');
            assert.match(e.message, new RegExp(`The ${where}'s limit`));
            return true;
          });
        assert.equal(ctx.model.of(name).length, let_in);
      }
    });

    test('redis that is killed and comes back lets in no call too many, and is told of', async () => {
      const hook = `/limits-${ctx.db}`;
      const events = ['limits.degraded', 'limits.restored'];
      const made = await ctx.api.post('/api/subscriptions', { url: ctx.hooks.url(hook), events });
      ctx.hooks.secret(hook, expectStatus(made, 201).json.secret);
      const told = (type) =>
        until(`${type} is told`, () => ctx.hooks.at(hook).find((d) => d.body.type === type));
      const name = model({ text: 'x', delay: 5 });
      const key = await owned({ cost_micros: { month: 30_000 } }, 'team');
      let failed = 0;
      const wave = async (size) => {
        const errors = await crowd(key, name, size);
        for (const e of errors) assert.equal(e.status, 402, e.message);
        failed += errors.length;
      };
      await wave(60);
      const under_way = wave(80);
      await redis.kill();
      await under_way;
      await told('limits.degraded');
      await wave(60);
      await redis.up();
      await told('limits.restored');
      await wave(150);
      await wave(150);
      const calls = 500 - failed;
      const row = await logged(key, calls);
      assert.deepEqual([row.calls, row.cost_micros], [calls, calls * 100]);
      assert.ok(calls <= 300, `${calls}`);
      /* Lost with Redis: what stood in the pool, and what was on its way to and from it. */
      assert.ok(calls >= 200, `${calls}`);
      assert.ok((await counter(key)).used >= calls * 100);
    });

    test('counters stay when servers and redis start anew', async () => {
      const name = model();
      const key = await owned({ requests: { month: 10 } }, 'team');
      for (let i = 0; i < 6; i++) await call(clients(key)[i % servers.length], name);
      await redis.command('FLUSHALL');
      for (const s of servers) await s.killAndRestart();
      let more = 0;
      for (let i = 0; i < 10; i++)
        await call(clients(key, { maxRetries: 0 })[i % servers.length], name).then(
          () => more++,
          (e) => assert.equal(e.status, 429, e.message),
        );
      assert.ok(more <= 4 && more >= 2, `${more}`);
      assert.ok((await counter(key)).used >= 6 + more);
    });

    test('redis is called by TLS and with a password, and doctor says so', async () => {
      const secured = await Redis.start({ password: 'open sesame', tls: true });
      const doctor = async (env) => {
        const all = { ...ctx.server.env, ...env };
        const r = await heddle(['doctor', '--json', '--data', ctx.server.data], {
          env: all,
          cwd: ctx.server.dir,
        });
        return JSON.parse(r.stdout).checks.find((c) => c.name === 'redis');
      };
      try {
        const env = { REDIS_URL: secured.url, HEDDLE_REDIS_CA_FILE: secured.ca };
        assert.equal((await doctor(env)).level, 'ok');
        assert.equal((await doctor({ REDIS_URL: secured.url })).level, 'warn');
        const wrong = await doctor({ ...env, REDIS_URL: secured.url.replace('open', 'close') });
        assert.match(wrong.found, /WRONGPASS/);
        assert.ok(!JSON.stringify(wrong).includes('sesame'));
      } finally {
        await secured.drop();
      }
    });
  },
  { server: false },
);
