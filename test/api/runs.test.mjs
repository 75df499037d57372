/* Looking at runs: lists, pages, filters, one whole. */
import assert from 'node:assert/strict';
import { expectProblem, expectStatus, stepOf } from '../lib/api.mjs';
import { Gate } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import {
  call,
  chain,
  condition,
  flow,
  noRetry,
  output,
  quickRetry,
  set,
  trigger,
  when,
} from '../lib/flow.mjs';

onEachDatabase('runs', (ctx) => {
  const { test } = ctx;

  async function pages(query, limit) {
    const ids = [];
    let cursor;
    do {
      const { json } = expectStatus(
        await ctx.api.get(
          `/api/runs?${query}&limit=${limit}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`,
        ),
        200,
      );
      assert.ok(json.items.length <= limit);
      ids.push(...json.items.map((r) => r.id));
      cursor = json.next_cursor;
    } while (cursor);
    return ids;
  }

  test('pages hold every run once, newest first, whatever the page size', async () => {
    const id = await ctx.api.workflow(chain('Many', { a: set({ n: '{{ input.n }}' }) }));
    const ids = [];
    for (let n = 0; n < 11; n++) ids.push((await ctx.api.run(id, { n })).id);
    ids.reverse();
    for (const limit of [1, 3, 10, 11, 12, 200])
      assert.deepEqual(await pages(`workflow_id=${id}`, limit), ids, `limit ${limit}`);
  });

  test('runs that begin while somebody turns pages disturb nothing', async () => {
    const id = await ctx.api.workflow(chain('Busy', { a: set({ x: 1 }) }));
    const before = [];
    for (let n = 0; n < 6; n++) before.push((await ctx.api.run(id, {})).id);
    const first = await ctx.api.get(`/api/runs?workflow_id=${id}&limit=2`);
    for (let n = 0; n < 3; n++) await ctx.api.run(id, {});
    const second = await ctx.api.get(
      `/api/runs?workflow_id=${id}&limit=10&cursor=${encodeURIComponent(first.json.next_cursor)}`,
    );
    assert.deepEqual(
      [...first.json.items, ...second.json.items].map((r) => r.id),
      before.reverse(),
    );
  });

  test('a run shows what each step was given, without secrets', async () => {
    const url = `${ctx.web.origin}/people`;
    const definition = {
      ...flow(
        'Given',
        {
          t: trigger(),
          s: set({ greeting: 'Hello {{ input.name }}', n: '{{ input.n }}', from: '{{ vars.region }}' }),
          c: call(url, {
            query: { email: 'ada@example.com', q: '{{ s.greeting }}' },
            headers: { authorization: 'Bearer {{ vars.api_token }}', 'x-of': 'of {{ api_token }}' },
          }),
          never: output('of {{ input.name }}'),
        },
        ['t -> s', 's -> c'],
      ),
      variables: [
        { name: 'region', value: 'eu' },
        { name: 'api_token', value: 'open sesame' },
      ],
    };
    const id = await ctx.api.workflow(definition);
    const run = await ctx.api.run(id, { name: 'Ada', n: 3 });
    const doc = (await ctx.api.get(`/api/runs/${run.id}`)).json;
    const given = (node) => doc.steps.find((step) => step.node === node).input;
    assert.deepEqual(given('t'), { name: 'Ada', n: 3 });
    assert.deepEqual(given('s').values, { greeting: 'Hello Ada', n: 3, from: 'eu' });
    assert.deepEqual(given('c').query, { email: 'ada@example.com', q: 'Hello Ada' });
    assert.deepEqual(given('c').headers, { authorization: '********', 'x-of': 'of ********' });
    assert.equal(given('never'), null);
    assert.ok(!JSON.stringify(doc.steps).includes('open sesame'));
  });

  test('lists are filtered by state and carry no steps', async () => {
    const gate = new Gate();
    const id = await ctx.api.workflow(
      flow(
        'Mixed',
        {
          start: trigger(),
          c: condition(
            when('bad', '{{ input.kind }}', 'equals', 'bad'),
            when('held', '{{ input.kind }}', 'equals', 'held'),
          ),
          bad: call(`${ctx.web.origin}/status/400`, { retry: noRetry }),
          held: call(ctx.web.plan('held-list', { gate })),
          fine: output('fine'),
        },
        ['start -> c', 'c:bad -> bad', 'c:held -> held', 'c:else -> fine'],
      ),
    );
    const [good, bad] = [await ctx.api.run(id, { kind: 'good' }), await ctx.api.run(id, { kind: 'bad' })];
    const held = await ctx.api.start(id, { kind: 'held' });
    await ctx.web.reached(1, (r) => r.path === '/plan/held-list');
    const ids = async (state) =>
      (await ctx.api.get(`/api/runs?workflow_id=${id}&state=${state}`)).json.items.map((r) => r.id);
    assert.deepEqual(await ids('succeeded'), [good.id]);
    assert.deepEqual(await ids('failed'), [bad.id]);
    assert.deepEqual(await ids('running'), [held]);
    assert.deepEqual(await ids('cancelled'), []);
    gate.open();
    await ctx.api.finished(held);
    assert.deepEqual((await ids('succeeded')).length, 2);
    const { json } = await ctx.api.get(`/api/runs?workflow_id=${id}`);
    for (const r of json.items) {
      assert.equal(r.steps, undefined);
      for (const field of ['id', 'workflow_id', 'workflow_name', 'version', 'state', 'trigger', 'created_at'])
        assert.ok(field in r, field);
    }
  });

  test('bad filters are refused by name', async () => {
    for (const [query, names] of [
      ['state=done', /state/],
      ['limit=0', /limit/],
      ['limit=201', /limit/],
      ['limit=ten', /limit/],
      ['cursor=%21%21', /cursor/],
      ['workflow_id=x', /workflow_id/],
    ]) {
      const problem = expectProblem(await ctx.api.get(`/api/runs?${query}`), 400, 'bad_input');
      assert.match(problem.detail, names);
    }
  });

  test('a run tells of each step what happened, when, how often and how long', async () => {
    const url = ctx.web.plan('third-time', { status: 503 }, { status: 503 }, { body: { ok: 1 } });
    const run = await ctx.api.once(
      flow(
        'Told',
        {
          start: trigger(),
          a: call(url, { title: 'Ask', retry: quickRetry(5) }),
          c: condition(when('yes', '{{ a.body.ok }}', 'equals', 1)),
          yes: output('{{ a.body }}'),
          no: output('never'),
        },
        ['start -> a', 'a -> c', 'c:yes -> yes', 'c:else -> no'],
      ),
      { from: 'test' },
    );
    assert.equal(run.state, 'succeeded');
    assert.equal(run.trigger, 'api');
    const a = stepOf(run, 'a');
    assert.deepEqual(
      [a.title, a.type, a.state, a.attempts, a.handle, a.error],
      ['Ask', 'api-call', 'succeeded', 3, 'out', null],
    );
    assert.ok(a.started_at <= a.finished_at && a.duration_ms >= 0);
    assert.equal(a.output.status, 200);
    assert.deepEqual([stepOf(run, 'c').handle, stepOf(run, 'c').output], ['yes', { case: 'yes' }]);
    assert.deepEqual([stepOf(run, 'no').state, stepOf(run, 'no').attempts], ['skipped', 0]);
    assert.deepEqual(run.output, { ok: 1 });
  });

  test('a run that is nowhere is not found', async () => {
    for (const path of ['/api/runs/01890a5d-ac96-774b-bcce-b302099a8057', '/api/runs/x']) {
      expectProblem(await ctx.api.get(path), 404, 'not_found');
      expectProblem(await ctx.api.get(`${path}/events`), 404, 'not_found');
      expectProblem(await ctx.api.post(`${path}/cancel`), 404, 'not_found');
    }
  });
});
