/* Dry runs: everything is computed, nothing is called, nobody is asked or told. */
import assert from 'node:assert/strict';
import { onEachDatabase } from '../lib/suite.mjs';
import { until } from '../lib/gate.mjs';
import {
  approval,
  call,
  chain,
  condition,
  delay,
  flow,
  inside,
  iteration,
  llm,
  output,
  set,
  sub,
  trigger,
  waitEvent,
  webhook,
  when,
} from '../lib/flow.mjs';

onEachDatabase('dry runs', (ctx) => {
  const { test } = ctx;
  const execute = (id, body) => ctx.api.post(`/api/workflows/${id}/execute`, { dry_run: true, ...body });
  const stepsOf = (doc) => Object.fromEntries(doc.steps.map((s) => [s.node, s]));
  const calls = () => ctx.web.requests.length + ctx.hooks.requests.length + ctx.model.requests.length;

  const everything = () =>
    flow(
      'Everything',
      {
        start: trigger(),
        look: call(`${ctx.web.origin}/people`, { query: { email: '{{ input.email }}' } }),
        think: llm('analyst', 'Who is {{ look.body.name }}?'),
        ask: approval('Write to {{ look.body.name }}?'),
        rest: delay('3d'),
        paid: waitEvent('payment.received', '{{ input.email }}'),
        post: call(`${ctx.web.origin}/people`, { method: 'POST', body: { text: '{{ think.text }}' } }),
        each: iteration('{{ look.body.rows }}'),
        ...inside('each', { tell: webhook(`${ctx.hooks.origin}/lead`, { row: '{{ item.id }}' }) }),
        out: output('{{ input.email }}: {{ post.status }}'),
      },
      [
        'start -> look',
        'look -> think',
        'think -> ask',
        'ask:approve -> rest',
        'rest -> paid',
        'paid -> post',
        'post -> each',
        'each -> out',
      ],
    );

  test('a server that counts sees no call, nobody is asked, and every such step says so', async () => {
    const id = await ctx.api.published(everything());
    const before = calls();
    const r = await execute(id, { input: { email: 'ada@example.com' } });
    assert.equal(r.status, 200, r.text);
    assert.equal(r.json.state, 'succeeded', JSON.stringify(r.json.error));
    assert.equal(r.json.output, 'ada@example.com: 200');
    assert.equal(r.json.dry_run, true);
    const doc = (await ctx.api.get(`/api/runs/${r.json.id}`)).json;
    assert.equal(doc.dry_run, true);
    const steps = stepsOf(doc);
    for (const node of ['look', 'think', 'ask', 'rest', 'paid', 'post'])
      assert.equal(steps[node].kept, 'placeholder', node);
    for (const node of ['start', 'each', 'out']) assert.equal(steps[node].kept, null, node);
    assert.deepEqual(steps.look.output.body, {
      name: 'placeholder',
      rows: Array(3).fill({ id: 'placeholder' }),
    });
    assert.equal(steps.each.output.count, 3);
    assert.equal(calls(), before);
    const open = await ctx.api.get('/api/approvals');
    assert.ok(!open.json.items.some((one) => one.run_id === r.json.id));
    const list = await ctx.api.get(`/api/runs?workflow_id=${id}`);
    assert.deepEqual(
      list.json.items.map((one) => one.dry_run),
      [true],
    );
  });

  test('mocks stand where they are given, and decide the way', async () => {
    const id = await ctx.api.published(
      flow(
        'Ways',
        {
          start: trigger(),
          look: call(`${ctx.web.origin}/people`),
          big: condition(when('yes', '{{ look.body.size }}', 'gt', 10)),
          post: call(`${ctx.web.origin}/people`, { method: 'POST', body: {} }),
          small: output('small'),
        },
        ['start -> look', 'look -> big', 'big:yes -> post', 'big:else -> small'],
      ),
    );
    const before = calls();
    const mocks = { look: { output: { body: { size: 40 } } } };
    const r = await execute(id, { input: {}, mocks });
    assert.equal(r.json.state, 'succeeded', JSON.stringify(r.json.error));
    const steps = stepsOf(r.json);
    assert.equal(steps.look.kept, 'mock');
    assert.equal(steps.post.kept, 'placeholder');
    assert.equal(steps.small.state, 'skipped');
    assert.equal(calls(), before);
  });

  test('settings that cannot be answered fail as they would, and no error workflow hears of it', async () => {
    const alarm = await ctx.api.published(chain('Alarm', { out: output('{{ input.error.code }}') }));
    const id = await ctx.api.published(
      chain(
        'Wrong',
        { a: set({ x: 1 }), b: call(`${ctx.web.origin}/people?x={{ a.nowhere }}`) },
        { settings: { error_workflow: alarm } },
      ),
    );
    const r = await execute(id, { input: {} });
    assert.equal(r.json.state, 'failed');
    assert.equal(r.json.error.node, 'b');
    assert.match(r.json.error.message, /nowhere/);
    assert.deepEqual((await ctx.api.get(`/api/runs?workflow_id=${alarm}`)).json.items, []);
  });

  test('workflows that it runs are dry too', async () => {
    const below = await ctx.api.published(
      chain('Below', {
        a: call(`${ctx.web.origin}/people`, { method: 'POST', body: {} }),
        out: output({ status: '{{ a.status }}' }),
      }),
    );
    const id = await ctx.api.published(
      chain('Above', { s: sub(below, { input: {} }), out: output('{{ s.status }}') }),
    );
    const before = calls();
    const r = await execute(id, { input: {} });
    assert.equal(r.json.state, 'succeeded', JSON.stringify(r.json.error));
    assert.equal(r.json.output, 200);
    const [child] = (await ctx.api.get(`/api/runs?workflow_id=${below}`)).json.items;
    assert.equal(child.dry_run, true);
    assert.equal(calls(), before);
  });

  test('a dry run passes no gate and counts for none', async () => {
    const slow = ctx.web.plan('dry-held', { delay: 60_000 });
    const id = await ctx.api.published(
      chain('One', { a: call(slow), out: output(1) }, { settings: { flow: { singleton: 'skip' } } }),
    );
    const real = await ctx.api.post(`/api/workflows/${id}/execute`, { input: {}, mode: 'async' });
    assert.equal(real.status, 202, real.text);
    const dry = await execute(id, { input: {} });
    assert.equal(dry.status, 200, dry.text);
    assert.equal(dry.json.state, 'succeeded');
    await ctx.api.post(`/api/runs/${real.json.id}/cancel`);
    await until('the real run ends', async () => {
      const { json } = await ctx.api.get(`/api/runs/${real.json.id}`);
      return json.state === 'cancelled';
    });
  });

  test('nobody who subscribed hears of a dry run', async () => {
    const to = ctx.hooks.url('/dry-subscription');
    const s = await ctx.api.post('/api/subscriptions', { url: to, events: ['run.succeeded'] });
    assert.equal(s.status, 201, s.text);
    const id = await ctx.api.published(chain('Heard', { out: output('{{ input.n }}') }));
    assert.equal((await execute(id, { input: { n: 1 } })).json.state, 'succeeded');
    const real = await ctx.api.post(`/api/workflows/${id}/execute`, { input: { n: 2 } });
    assert.equal(real.json.state, 'succeeded');
    await until('the real run is told', () => ctx.hooks.at('/dry-subscription').length > 0);
    assert.deepEqual(
      ctx.hooks.at('/dry-subscription').map((one) => one.body.data.run_id),
      [real.json.id],
    );
  });

  test('what is run again of a dry run is dry', async () => {
    const id = await ctx.api.published(
      chain('Again', { a: call(`${ctx.web.origin}/people`), out: output('{{ a.status }}') }),
    );
    const before = calls();
    const first = await execute(id, { input: {} });
    const r = await ctx.api.post(`/api/runs/${first.json.id}/rerun`, { from: 'out' });
    assert.ok([200, 202].includes(r.status), r.text);
    assert.equal(r.json.dry_run, true);
    assert.equal(calls(), before);
  });

  test('an idempotency key stands for a dry run or a real one, not both', async () => {
    const id = await ctx.api.published(chain('Keyed', { out: output(1) }));
    const post = (body) =>
      ctx.api.post(`/api/workflows/${id}/execute`, body, { headers: { 'idempotency-key': 'k1' } });
    assert.equal((await post({ input: {}, dry_run: true })).status, 200);
    assert.equal((await post({ input: {} })).status, 409);
  });
});
