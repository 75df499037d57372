/* Steps that wait for people: by API, by their links, several of them, late, twice, and across a crash. */
import assert from 'node:assert/strict';
import { expectProblem, expectStatus, stepOf } from '../lib/api.mjs';
import { until } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { approval, flow, output, trigger } from '../lib/flow.mjs';

onEachDatabase('approvals', (ctx) => {
  const { test } = ctx;
  const asks = (more) =>
    flow(
      'Asks',
      {
        start: trigger(),
        p: approval('Pay {{ input.n }}?', more),
        yes: output('{{ p.data ?? p.outcome }}'),
        no: output('no: {{ p.comment }}'),
        late: output('late'),
      },
      ['start -> p', 'p:approve -> yes', 'p:reject -> no', 'p:timeout -> late'],
    );
  async function asked(more, input = { n: 7 }) {
    const runId = await ctx.api.start(await ctx.api.workflow(asks(more)), input);
    await until('it is put away', async () => (await ctx.api.runOf(runId)).state === 'waiting', {
      limit: 60_000,
    });
    const { items } = expectStatus(await ctx.api.get('/api/approvals'), 200).json;
    const item = items.find((one) => one.run_id === runId);
    assert.ok(item, 'it is on the list');
    return { runId, item, path: `/api/approvals/${item.id}` };
  }
  const decide = async (path, decision, more = {}, as = ctx.api.key) =>
    expectStatus(await ctx.api.as(as).post(path, { decision, ...more }), 200).json;
  const key = (name) => ctx.server.newKey(`${name}-${ctx.db}`, 'approval.decide,run.read');
  const open = async () => (await ctx.api.get('/api/approvals?limit=200')).json.items;

  test('is listed, and goes on when somebody approves; a second answer says so', async () => {
    const { runId, item, path } = await asked({ message: 'To Ann' });
    assert.deepEqual(
      [item.subject, item.message, item.node, item.needed, item.workflow_name, item.outcome],
      ['Pay 7?', 'To Ann', 'p', 1, 'Asks', null],
    );
    assert.equal(stepOf(await ctx.api.runOf(runId), 'p').waiting_for.subject, 'Pay 7?');
    assert.deepEqual(await decide(path, 'approve', { comment: 'fine' }), {
      recorded: true,
      decision: 'approve',
      outcome: null,
    });
    const run = await ctx.api.finished(runId);
    assert.deepEqual([run.state, run.output, stepOf(run, 'p').handle], ['succeeded', 'approve', 'approve']);
    assert.equal(stepOf(run, 'p').output.comment, 'fine');
    const again = await decide(path, 'reject');
    assert.deepEqual(again, { recorded: false, decision: 'approve', outcome: 'approve' });
    const late = await decide(path, 'reject', {}, await key('late'));
    assert.deepEqual(late, { recorded: false, decision: null, outcome: 'approve' });
    assert.ok(!(await open()).some((one) => one.id === item.id));
    const seen = (await ctx.api.get(path)).json;
    assert.deepEqual(
      [seen.outcome, seen.decisions.length, seen.decisions[0].comment],
      ['approve', 1, 'fine'],
    );
  });

  test('one who rejects decides; time that is up, too', async () => {
    const a = await asked({ approvals: 2 });
    await decide(a.path, 'approve', {}, await key('first'));
    await decide(a.path, 'reject', { comment: 'too much' }, await key('second'));
    assert.equal((await ctx.api.finished(a.runId)).output, 'no: too much');
    const run = await ctx.api.once(asks({ max_wait: '1s' }), { n: 1 });
    assert.equal(run.output, 'late');
  });

  test('several must approve, each counts once, and kill -9 in between changes nothing', async () => {
    const { runId, path } = await asked({ approvals: 3 });
    const keys = [await key('one'), await key('two'), await key('three')];
    await decide(path, 'approve', {}, keys[0]);
    await ctx.server.killAndRestart();
    assert.equal((await decide(path, 'approve', {}, keys[0])).recorded, false);
    await decide(path, 'approve', {}, keys[1]);
    await until('both are heard', async () => {
      const events = await ctx.api.get(path);
      return events.json.decisions.length === 2;
    });
    await ctx.server.killAndRestart();
    assert.equal((await ctx.api.runOf(runId)).output, null);
    await decide(path, 'approve', {}, keys[2]);
    await ctx.server.killAndRestart();
    const run = await ctx.api.finished(runId, { limit: 60_000 });
    assert.deepEqual([run.state, run.output], ['succeeded', 'approve']);
    assert.deepEqual(
      stepOf(run, 'p').output.answers.map((one) => one.by),
      ['one', 'two', 'three'].map((name) => `${name}-${ctx.db}`),
    );
  });

  test('a form is checked, and becomes the output', async () => {
    const form = {
      type: 'object',
      required: ['amount'],
      properties: { amount: { type: 'integer', minimum: 1 }, urgent: { type: 'boolean' } },
    };
    const { runId, path } = await asked({ form });
    const bad = expectProblem(await ctx.api.post(path, { decision: 'approve', data: { amount: 0 } }), 422);
    assert.equal(bad.errors[0].path, '/data/amount');
    expectProblem(await ctx.api.post(path, { decision: 'approve' }), 422);
    await decide(path, 'approve', { data: { amount: 5 } });
    assert.deepEqual((await ctx.api.finished(runId)).output, { amount: 5 });
  });

  test('a link opens a page that works without signing in, once, for its approver alone', async () => {
    const form = {
      type: 'object',
      required: ['amount'],
      properties: {
        amount: { type: 'integer', title: 'Amount <b>' },
        why: { type: 'string', enum: ['x', 'y'] },
      },
    };
    const { runId, path } = await asked({
      approvers: 'ann@x.org, ben',
      form,
      message: '<script>alert(1)</script>',
    });
    const { items } = expectStatus(await ctx.api.get(`${path}/links`), 200).json;
    assert.deepEqual(
      items.map((one) => one.approver),
      ['ann@x.org', 'ben'],
    );
    const nobody = ctx.api.as(null);
    const place = new URL(items[0].url, 'http://x');
    const link = place.pathname + place.search;
    const page = expectStatus(await nobody.get(link), 200);
    assert.match(page.headers['content-type'], /^text\/html/);
    assert.match(page.headers['content-security-policy'], /default-src 'none'; style-src 'sha256-/);
    assert.ok(!page.text.includes('<script>') && page.text.includes('&lt;script&gt;'));
    assert.match(page.text, /Amount &lt;b&gt;/);
    assert.match((await nobody.get(link, { headers: { 'accept-language': 'de-DE' } })).text, /Zustimmen/);
    const post = (to, fields) =>
      nobody.call('POST', to, {
        text: new URLSearchParams(fields).toString(),
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      });
    for (const bent of [
      link.replace('ann', 'eve'),
      `${link.slice(0, -1)}!`,
      link.replace(/signature=.*/, ''),
    ]) {
      expectStatus(await nobody.get(bent), 404);
      expectStatus(await post(bent, { decision: 'approve' }), 404);
    }
    expectStatus(await post(link, { decision: 'approve', 'f.amount': 'many' }), 422);
    assert.equal((await ctx.api.get(path)).json.decisions.length, 0, 'nothing is decided yet');
    expectStatus(
      await post(link, { decision: 'approve', 'f.amount': '5', 'f.why': 'x', comment: 'ok' }),
      200,
    );
    const run = await ctx.api.finished(runId);
    assert.deepEqual(run.output, { amount: 5, why: 'x' });
    assert.equal(stepOf(run, 'p').output.by, 'ann@x.org');
    assert.match((await post(link, { decision: 'reject' })).text, /decided already/);
    const other = new URL(items[1].url, 'http://x');
    assert.match((await nobody.get(other.pathname + other.search)).text, /is decided already/);
  });

  test('a run that is cancelled takes its approval off the list', async () => {
    const { runId, item, path } = await asked({});
    expectStatus(await ctx.api.post(`/api/runs/${runId}/cancel`), 202);
    await ctx.api.finished(runId);
    assert.ok(!(await open()).some((one) => one.id === item.id));
    assert.deepEqual(await decide(path, 'approve'), { recorded: false, decision: null, outcome: 'ended' });
  });

  test('who may not decide is refused, and what is wrong is said', async () => {
    const { runId, path } = await asked({ approvers: ['ann'] });
    const reader = ctx.api.as(await ctx.server.newKey(`reader-${ctx.db}`, 'run.read'));
    expectStatus(await reader.get(path), 200);
    expectProblem(await reader.post(path, { decision: 'approve' }), 403);
    expectProblem(await reader.get(`${path}/links`), 403);
    expectProblem(await ctx.api.post(path, { decision: 'maybe' }), 422);
    expectProblem(await ctx.api.post(path, { decision: 'approve', why: 1 }), 422);
    expectProblem(await ctx.api.get('/api/approvals/00000000-0000-7000-8000-000000000009'), 404);
    expectStatus(await ctx.api.post(`/api/runs/${runId}/cancel`), 202);
    const few = await ctx.api.once(asks({ approvers: 'ann', approvals: 2 }), { n: 1 });
    assert.deepEqual([few.state, few.error.code], ['failed', 'invalid']);
  });
});
