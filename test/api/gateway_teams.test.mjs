/* Whom keys belong to: users and teams, their limits and those of end-users, and usage summed up by them. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import OpenAI from 'openai';
import Anthropic from '@anthropic-ai/sdk';
import { expectProblem, expectStatus } from '../lib/api.mjs';
import { until } from '../lib/gate.mjs';
import { heddle } from '../lib/server.mjs';
import { onEachDatabase } from '../lib/suite.mjs';

const messages = [{ role: 'user', content: 'hello' }];

onEachDatabase('gateway teams', (ctx) => {
  const { test } = ctx;
  let n = 0;
  function model(...behaviours) {
    const name = `t${++n}-${ctx.db}`;
    ctx.model.script(name, ...(behaviours.length ? behaviours : [{ text: 'x' }]));
    return `openai/${name}`;
  }
  const make = async (path, body) => expectStatus(await ctx.api.post(path, body), 201).json;
  const team = (name = `team-${++n}`) => make('/api/teams', { name });
  const user = (more = {}) => make('/api/users', { name: `user-${++n}`, ...more });
  const newKey = (more = {}) =>
    make('/api/keys', { name: `key-${++n}`, capabilities: 'model.call', ...more });
  const limit = async (path, limits) => expectStatus(await ctx.api.put(`${path}/limits`, { limits }), 200);
  /* With the client's own retries: a limit must not be asked again. */
  const chat = (key, name, more = {}, options = {}) =>
    new OpenAI({ baseURL: `${ctx.server.url}/v1`, apiKey: key.key }).chat.completions.create(
      { model: name, messages, ...more },
      options,
    );
  const asked = (name) => ctx.model.of(name.slice(7)).length;
  const stop = (status, whose) => (e) => {
    assert.equal(e.status, status, e.message);
    if (status === 429) assert.ok(e instanceof OpenAI.RateLimitError);
    assert.equal(e.headers.get('x-should-retry'), 'false');
    assert.match(e.message, new RegExp(`The ${whose}'s limit`));
    return true;
  };
  const used = async (path, what) =>
    (await ctx.api.get(`${path}/limits`)).json.counters.find((c) => c.what === what).used;

  test('the limit of a user holds for all its keys together', async () => {
    const ann = await user();
    const keys = [await newKey({ user: ann.id }), await newKey({ user: ann.id })];
    await limit(`/api/users/${ann.id}`, { requests: { month: 3 } });
    const name = model();
    for (const i of [0, 1, 0]) await chat(keys[i], name);
    for (const key of keys) await assert.rejects(chat(key, name), stop(429, 'user'));
    assert.equal(asked(name), 3);
    assert.equal(await used(`/api/users/${ann.id}`, 'requests'), 3);
    await chat(await newKey(), name);
  });

  test('the limit of a team holds for its keys, and for the keys of its users', async () => {
    const crew = await team();
    const keys = [
      await newKey({ team: crew.id }),
      await newKey({ user: (await user({ team: crew.id })).id }),
    ];
    await limit(`/api/teams/${crew.id}`, { tokens: { month: 1 } });
    const name = model();
    await chat(keys[0], name);
    for (const key of keys) await assert.rejects(chat(key, name), stop(429, 'team'));
    expectStatus(
      await ctx.api.put('/api/prices', {
        provider: 'openai',
        model: name.slice(7),
        price: { input: 0, output: 0, request: 50 },
      }),
      204,
    );
    await limit(`/api/teams/${crew.id}`, { cost_micros: { month: 60 } });
    await chat(keys[0], name);
    await chat(keys[1], name);
    for (const key of keys) await assert.rejects(chat(key, name), stop(402, 'team'));
    assert.equal(asked(name), 3);
    assert.equal(await used(`/api/teams/${crew.id}`, 'cost_micros'), 100);
  });

  test('what one limit stops uses nothing of the others', async () => {
    const crew = await team();
    const ann = await user({ team: crew.id });
    const key = await newKey({ user: ann.id });
    await limit(`/api/teams/${crew.id}`, { requests: { month: 1 } });
    await limit(`/api/users/${ann.id}`, { requests: { month: 10 } });
    await limit(`/api/keys/${key.id}`, { requests: { month: 10 }, tokens: { month: 1_000_000 } });
    const name = model();
    await chat(key, name);
    const tokens = await used(`/api/keys/${key.id}`, 'tokens');
    for (let i = 0; i < 3; i++) await assert.rejects(chat(key, name), stop(429, 'team'));
    assert.equal(await used(`/api/users/${ann.id}`, 'requests'), 1);
    assert.equal(await used(`/api/keys/${key.id}`, 'requests'), 1);
    assert.equal(await used(`/api/keys/${key.id}`, 'tokens'), tokens);
  });

  test('scopes of a user and a team hold, too', async () => {
    const crew = await team();
    const key = await newKey({ team: crew.id });
    expectStatus(await ctx.api.put(`/api/teams/${crew.id}/limits`, { models: ['openai/other*'] }), 200);
    await assert.rejects(chat(key, model()), OpenAI.PermissionDeniedError);
  });

  test('a key is given to another one, and its calls count there', async () => {
    const [one, two] = [await team(), await team()];
    const key = await newKey({ team: one.id });
    await limit(`/api/teams/${one.id}`, { requests: { month: 1 } });
    const name = model();
    await chat(key, name);
    await assert.rejects(chat(key, name), stop(429, 'team'));
    expectStatus(await ctx.api.put(`/api/keys/${key.id}/owner`, { team: two.id }), 204);
    await chat(key, name);
    const listed = (await ctx.api.get('/api/keys?limit=200')).json.items.find((k) => k.id === key.id);
    assert.deepEqual([listed.team, listed.user], [two.id, null]);
    const rows = await until('both are recorded', async () => {
      const { items } = (await ctx.api.get('/api/usage?group=team')).json;
      const found = [one, two].map((t) => items.find((r) => r.group === t.id));
      return found.every(Boolean) && found;
    });
    assert.deepEqual(
      rows.map((r) => r.calls),
      [1, 1],
    );
  });

  test('each end-user has a limit, however it is named, and the others do not feel it', async () => {
    const key = await newKey();
    const ann = await user();
    const owned = await newKey({ user: ann.id });
    const name = model();
    const limits = { requests: { month: 2 } };
    const of = async (group, value) =>
      (await ctx.api.get(`/api/usage?group=${group}`)).json.items.find((r) => r.group === value);
    expectProblem(await ctx.api.put(`/api/keys/${key.id}/limits`, { end_users: { limits } }), 422);
    expectProblem(await ctx.api.put('/api/limits', { end_users: { limit: {} } }), 422);
    const set = { end_users: { limits, tracked: 4 } };
    const shown = expectStatus(await ctx.api.put('/api/limits', set), 200).json;
    assert.deepEqual(shown.end_users, set.end_users);
    try {
      await chat(key, name, { user: 'eva' });
      await chat(owned, name, {}, { headers: { 'x-heddle-user': 'eva' } });
      await assert.rejects(chat(key, name, { user: 'eva' }), stop(429, 'end-user'));
      const anthropic = new Anthropic({ baseURL: ctx.server.url, apiKey: key.key });
      await assert.rejects(
        anthropic.messages.create({
          model: name,
          max_tokens: 10,
          messages,
          metadata: { user_id: 'eva' },
        }),
        (e) => {
          assert.ok(e instanceof Anthropic.RateLimitError, String(e));
          return /end-user/.test(e.message);
        },
      );
      await chat(key, name, { user: 'e'.repeat(1000) });
      await chat(key, name, { user: 'tom' });
      await chat(key, name);
      await chat(key, name, { user: 'ida' });
      /* Four are tracked; from here on all new ones are one. */
      await chat(key, name, { user: 'new-1' });
      await chat(key, name, { user: 'new-2' });
      await assert.rejects(chat(key, name, { user: 'new-3' }), stop(429, 'end-user'));
      await chat(key, name, { user: 'tom' });
      await until('all is recorded', async () => (await of('end_user', 'tom'))?.calls === 2);
      await ctx.server.killAndRestart();
      await assert.rejects(chat(key, name, { user: 'tom' }), stop(429, 'end-user'));
      await assert.rejects(chat(key, name, { user: 'new-4' }), stop(429, 'end-user'));
      await chat(key, name, { user: 'ida' });
    } finally {
      expectStatus(await ctx.api.put('/api/limits', {}), 200);
    }
    await chat(key, name, { user: 'eva' });
    await until('it is recorded', async () => (await of('end_user', 'eva'))?.calls === 3);
    assert.equal((await of('user', ann.id)).calls, 1);
  });

  test('names are given once, and what is of use stays', async () => {
    const crew = await team();
    const ann = await user({ team: crew.id });
    const key = await newKey({ user: ann.id });
    expectProblem(await ctx.api.post('/api/teams', { name: crew.name }), 409);
    expectProblem(await ctx.api.post('/api/users', { name: 'x', colour: 1 }), 422);
    expectProblem(await ctx.api.post('/api/users', { name: 'x', team: ann.id }), 404);
    expectProblem(await ctx.api.post('/api/keys', { name: 'x', user: crew.id }), 404);
    expectProblem(await ctx.api.put(`/api/keys/${key.id}/owner`, { team: ann.id }), 404);
    expectProblem(await ctx.api.get(`/api/teams/${ann.id}/limits`), 404);
    expectProblem(await ctx.api.delete(`/api/teams/${crew.id}`), 409);
    expectProblem(await ctx.api.delete(`/api/users/${ann.id}`), 409);
    const renamed = await ctx.api.put(`/api/users/${ann.id}`, { name: `ann-${n}` });
    assert.deepEqual([renamed.json.name, renamed.json.team], [`ann-${n}`, null]);
    expectStatus(await ctx.api.delete(`/api/teams/${crew.id}`), 204);
    expectStatus(await ctx.api.delete(`/api/keys/${key.id}`), 204);
    expectStatus(await ctx.api.delete(`/api/users/${ann.id}`), 204);
    expectProblem(await ctx.api.get(`/api/users/${ann.id}`), 404);
    const names = (await ctx.api.get('/api/users?limit=200')).json.items.map((u) => u.name);
    assert.ok(!names.includes(`ann-${n}`));
  });

  test('the command line and a file make them', async () => {
    const run = (...args) =>
      heddle([...args, '--data', ctx.server.data], { env: ctx.server.env, cwd: ctx.server.dir });
    const ok = async (...args) => {
      const r = await run(...args);
      assert.equal(r.code, 0, r.stderr);
      return r.stdout;
    };
    await ok('team', 'add', 'weavers');
    await ok('user', 'add', 'penelope', '--team', 'weavers');
    assert.notEqual((await run('user', 'add', 'x', '--team', 'nobody')).code, 0);
    assert.match(await ok('user', 'list'), /penelope {2}of weavers/);
    assert.match(await ok('team', 'list'), /weavers/);
    await ok('team', 'limit', 'weavers', '--requests', '1/month');
    assert.match(await ok('team', 'limit', 'weavers'), /requests +month +0 of 1/);
    const value = (
      await ok('key', 'create', '--name', 'loom', '--user', 'penelope', '--capability', 'model.call')
    ).trim();
    const name = model();
    await chat({ key: value }, name);
    await assert.rejects(chat({ key: value }, name), stop(429, 'team'));
    const { id } = (await ctx.api.get('/api/keys?limit=200')).json.items.find((k) => k.name === 'loom');
    await ok('key', 'assign', id, '--user', 'penelope', '--team', 'weavers');
    assert.notEqual((await run('team', 'delete', 'weavers')).code, 0);
    const file = path.join(ctx.server.dir, 'people.yaml');
    fs.writeFileSync(
      file,
      `
teams:
  - name: spinners
    limits: {requests: {month: 5}}
users:
  - {name: arachne, team: spinners, limits: {tokens: {day: 1000}}}
keys:
  - {name: spindle, capabilities: [model.call], user: arachne}
  - {name: loom, capabilities: [model.call], user: penelope, team: spinners}
limits:
  end_users: {limits: {requests: {minute: 1000}}}
`,
    );
    const dry = await ok('apply', file, '--dry-run');
    for (const line of ['+ team spinners', '+ user arachne', '+ key spindle', '~ key loom: owner'])
      assert.ok(dry.includes(line), dry);
    await ok('apply', file);
    assert.ok(!/^[+~]/m.test(await ok('apply', file)));
    const teams = (await ctx.api.get('/api/teams?limit=200')).json.items;
    const spinners = teams.find((t) => t.name === 'spinners');
    const limits = (await ctx.api.get(`/api/teams/${spinners.id}/limits`)).json.limits;
    assert.deepEqual(limits, { requests: { month: 5 } });
    fs.writeFileSync(file, 'users:\n  - {name: x, team: nobody}\n');
    assert.match((await run('apply', file)).stderr, /There is no team "nobody"/);
    expectStatus(await ctx.api.put('/api/limits', {}), 200);
  });
});
