/* Definitions: made, read, changed, listed, published, rolled back, deleted. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { expectProblem, expectStatus } from '../lib/api.mjs';
import { Gate } from '../lib/gate.mjs';
import { top } from '../lib/server.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { call, chain, hook, flow, output, set } from '../lib/flow.mjs';

const nobody = '01890a5d-ac96-774b-bcce-b302099a8057';
const saying = (word, name = 'Says') => chain(name, { a: set({ word }), out: output('{{ a.word }}') });

onEachDatabase('workflows', (ctx) => {
  const { test } = ctx;

  test('a definition comes back as it was sent', async () => {
    const definition = {
      ...saying('h\u00e9llo "quoted" \\ \u{1f9f6} \u0000'.replace('\u0000', '')),
      description: 'Line one\nline two\ttab',
      variables: [{ name: 'channel', type: 'string', value: '#sales' }],
      settings: { timeout: '10m', max_steps: 50, max_parallel: 4 },
      viewport: { x: 1.5, y: -20, zoom: 0.75 },
    };
    const made = await ctx.api.post('/api/workflows', definition);
    expectStatus(made, 201);
    assert.match(made.json.id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const { json: w } = expectStatus(await ctx.api.get(`/api/workflows/${made.json.id}`), 200);
    assert.deepEqual(w.definition, definition);
    assert.equal(w.name, definition.name);
    assert.equal(w.description, definition.description);
    assert.equal(w.published_version, null);
    assert.deepEqual(w.warnings, []);
    assert.match(w.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
    assert.ok(w.updated_at >= w.created_at);
  });

  test('numbers beyond 2^53 and the looks of the canvas survive', async () => {
    const definition = saying('x');
    definition.nodes[1].width = 180;
    definition.nodes[1].style = { color: 'red' };
    definition.nodes[1].selected = true; /* accepted and dropped */
    const text = JSON.stringify(definition).replace(
      '"word":"x"',
      '"word":"x","big":12345678901234567890,"exact":9007199254740993',
    );
    const made = await ctx.api.call('POST', '/api/workflows', {
      text,
      headers: { 'content-type': 'application/json' },
    });
    expectStatus(made, 201);
    const back = await ctx.api.get(`/api/workflows/${made.json.id}`);
    assert.match(back.text, /12345678901234567890/);
    assert.match(back.text, /9007199254740993/);
    assert.equal(back.json.definition.nodes[1].width, 180);
    assert.deepEqual(back.json.definition.nodes[1].style, { color: 'red' });
    assert.equal(back.json.definition.nodes[1].selected, undefined);
  });

  test('a changed draft has a new revision; If-Match guards against lost updates', async () => {
    const id = await ctx.api.workflow(saying('one'));
    const first = await ctx.api.get(`/api/workflows/${id}`);
    const put = (word, revision) =>
      ctx.api.put(
        `/api/workflows/${id}`,
        saying(word),
        revision === undefined ? {} : { headers: { 'if-match': `"${revision}"` } },
      );
    const second = expectStatus(await put('two', first.json.revision), 200);
    assert.notEqual(second.json.revision, first.json.revision);
    expectProblem(await put('lost', first.json.revision), 412, 'precondition');
    expectStatus(await put('three'), 200);
    expectProblem(await put('late', second.json.revision), 412, 'precondition');
    const now = await ctx.api.get(`/api/workflows/${id}`);
    assert.equal(now.json.definition.nodes[1].data.values.word, 'three');
  });

  test('of many writers with the same revision one wins', async () => {
    const id = await ctx.api.workflow(saying('start'));
    const { json: w } = await ctx.api.get(`/api/workflows/${id}`);
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        ctx.api.put(`/api/workflows/${id}`, saying(`writer ${i}`), {
          headers: { 'if-match': `"${w.revision}"` },
        }),
      ),
    );
    const won = answers.map((r, i) => (r.status === 200 ? i : -1)).filter((i) => i >= 0);
    assert.equal(won.length, 1, `answers: ${answers.map((r) => r.status)}`);
    for (const r of answers) expectStatus(r, [200, 412, 409]);
    const now = await ctx.api.get(`/api/workflows/${id}`);
    assert.equal(now.json.definition.nodes[1].data.values.word, `writer ${won[0]}`);
  });

  test('publishing makes immutable versions, the same content the same version', async () => {
    const id = await ctx.api.workflow(saying('v1'));
    const publish = async () =>
      expectStatus(await ctx.api.post(`/api/workflows/${id}/publish`), 200).json.version;
    assert.equal(await publish(), 1);
    assert.equal(await publish(), 1);

    await ctx.api.put(`/api/workflows/${id}`, saying('v2'));
    assert.equal(
      (await ctx.api.run(id, {})).output,
      'v1',
      'a draft does not run by itself once something is published',
    );
    assert.equal((await ctx.api.run(id, {}, { version: 'draft' })).output, 'v2');
    assert.equal(await publish(), 2);
    assert.equal((await ctx.api.run(id, {})).output, 'v2');
    const pinned = await ctx.api.run(id, {}, { version: 1 });
    assert.deepEqual([pinned.output, pinned.version], ['v1', 1]);

    const { json: list } = expectStatus(await ctx.api.get(`/api/workflows/${id}/versions`), 200);
    assert.deepEqual(
      list.items.map((v) => v.version),
      [2, 1],
    );
    const { json: one } = expectStatus(await ctx.api.get(`/api/workflows/${id}/versions/1`), 200);
    assert.equal(one.definition.nodes[1].data.values.word, 'v1');
    expectProblem(await ctx.api.get(`/api/workflows/${id}/versions/3`), 404, 'not_found');
    for (const odd of ['0', '-1', 'x', '99999999999999999999'])
      expectStatus(await ctx.api.get(`/api/workflows/${id}/versions/${odd}`), [400, 404], odd);

    expectStatus(await ctx.api.post(`/api/workflows/${id}/versions/1/publish`), 200);
    assert.equal((await ctx.api.run(id, {})).output, 'v1', 'rolled back');
    const { json: w } = await ctx.api.get(`/api/workflows/${id}`);
    assert.deepEqual([w.published_version, w.latest_version], [1, 2]);
    assert.equal(w.definition.nodes[1].data.values.word, 'v2', 'the draft stays');
    expectProblem(await ctx.api.post(`/api/workflows/${id}/versions/7/publish`), 404, 'not_found');
  });

  test('lists are newest first, found by name, paged by cursor', async () => {
    const mark = `mark${process.pid}${ctx.db}`;
    const ids = [];
    for (let i = 0; i < 7; i++) ids.push(await ctx.api.workflow(saying('x', `${mark} number ${i}`)));
    const found = [];
    let cursor;
    let pages = 0;
    do {
      const { json } = expectStatus(
        await ctx.api.get(
          `/api/workflows?limit=3&q=${mark}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`,
        ),
        200,
      );
      assert.ok(json.items.length <= 3);
      found.push(...json.items.map((w) => w.id));
      cursor = json.next_cursor;
      pages++;
    } while (cursor);
    assert.deepEqual(found, ids.reverse());
    assert.equal(pages, 3);
    assert.equal((await ctx.api.get(`/api/workflows?q=${mark}%20number%204`)).json.items.length, 1);
    assert.equal(
      (await ctx.api.get(`/api/workflows?q=${mark}%25`)).json.items.length,
      0,
      '% is a character, no pattern',
    );
    for (const bad of ['limit=0', 'limit=201', 'limit=x', 'cursor=nonsense%21'])
      expectProblem(await ctx.api.get(`/api/workflows?${bad}`), 400, 'bad_input');
  });

  test('a deleted workflow is gone, its runs stay, its open runs are cancelled', async () => {
    const gate = new Gate();
    const url = ctx.web.plan('held', { gate });
    const id = await ctx.api.published(chain('Doomed', { a: call(url, { timeout: '60s' }) }));
    const open = await ctx.api.start(id, {});
    await ctx.web.reached(1, (r) => r.path === '/plan/held');
    expectStatus(await ctx.api.delete(`/api/workflows/${id}`), 204);
    expectProblem(await ctx.api.get(`/api/workflows/${id}`), 404, 'not_found');
    expectProblem(await ctx.api.post(`/api/workflows/${id}/execute`, {}), 404, 'not_found');
    expectProblem(await ctx.api.delete(`/api/workflows/${id}`), 404, 'not_found');
    const { json: list } = await ctx.api.get('/api/workflows?limit=200');
    assert.ok(!list.items.some((w) => w.id === id));
    const run = await ctx.api.finished(open);
    assert.equal(run.state, 'cancelled');
    gate.open();
  });

  test('ids that are nowhere or no ids answer 404', async () => {
    for (const id of [nobody, 'x', '..', '%00', nobody.slice(0, -1), `${nobody}0`, 'a'.repeat(300)]) {
      expectStatus(
        await ctx.api.get(`/api/workflows/${id}`),
        id === '..' || id === '%00' ? [400, 404] : 404,
        id,
      );
    }
    expectProblem(await ctx.api.put(`/api/workflows/${nobody}`, saying('x')), 404, 'not_found');
    expectProblem(await ctx.api.post(`/api/workflows/${nobody}/publish`), 404, 'not_found');
  });

  test('a webhook workflow tells its address', async () => {
    const id = await ctx.api.published(flow('Hooked', { in: hook() }));
    const { json: w } = await ctx.api.get(`/api/workflows/${id}`);
    assert.ok(w.webhook_url.endsWith(`/hooks/${id}`), w.webhook_url);
  });

  test('every node type is described', async () => {
    const { json } = expectStatus(await ctx.api.get('/api/node-types'), 200);
    const types = json.types.map((t) => t.type ?? t.name);
    for (const type of ['api-call', 'condition', 'data-transform', 'llm', 'output', 'trigger', 'webhook'])
      assert.ok(types.includes(type), type);
    assert.equal(new Set(types).size, types.length);
  });

  /* The console's tests read that file: whether every word is there in German, how panels look. */
  test('the console knows every node type and setting as they are (web/test/node-types.json)', async () => {
    const { json } = expectStatus(await ctx.api.get('/api/node-types'), 200);
    const known = fs.readFileSync(path.join(top, 'web/test/node-types.json'), 'utf8');
    assert.equal(known, `${JSON.stringify(json, null, 1)}\n`);
  });

  test('what the server says of itself needs no second look', async () => {
    const r = await ctx.api.get('/api/workflows');
    assert.match(r.headers['content-type'], /^application\/json/);
    assert.ok(r.headers['x-request-id']);
    const own = await ctx.api.get('/api/workflows', { headers: { 'x-request-id': 'mine-123' } });
    assert.equal(own.headers['x-request-id'], 'mine-123');
    const head = await ctx.api.call('HEAD', '/healthz');
    assert.deepEqual([head.status, head.text], [200, '']);
    const wrong = await ctx.api.call('PATCH', '/api/workflows');
    expectProblem(wrong, 405, 'method');
    assert.match(wrong.headers.allow, /GET/);
    assert.match(wrong.headers.allow, /POST/);
  });
});
