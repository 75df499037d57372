/* Starting runs: three modes, versions, inputs, and the promise of the Idempotency-Key. */
import assert from 'node:assert/strict';
import { expectProblem, expectStatus, stepOf } from '../lib/api.mjs';
import { Gate } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { call, chain, noRetry, output, set, trigger } from '../lib/flow.mjs';

onEachDatabase('execute', (ctx) => {
  const { test } = ctx;
  const echo = () => chain('Echo', { out: output('{{ input }}') });

  test('mode wait gives the whole run when it ended', async () => {
    const id = await ctx.api.workflow(
      chain('Sum', { a: set({ greeting: 'Hello {{ input.name }}' }), out: output('{{ a.greeting }}!') }),
    );
    const r = await ctx.api.post(`/api/workflows/${id}/execute`, { input: { name: 'Ada' } });
    expectStatus(r, 200);
    const run = r.json;
    assert.deepEqual(
      [run.state, run.output, run.error, run.workflow_id, run.workflow_name],
      ['succeeded', 'Hello Ada!', null, id, 'Sum'],
    );
    assert.deepEqual(run.input, { name: 'Ada' });
    assert.deepEqual(
      run.steps.map((s) => [s.node, s.state, s.attempts]),
      [
        ['start', 'succeeded', 1],
        ['a', 'succeeded', 1],
        ['out', 'succeeded', 1],
      ],
    );
    assert.deepEqual(stepOf(run, 'a').output, { greeting: 'Hello Ada' });
    assert.ok(run.created_at <= run.started_at && run.started_at <= run.finished_at);
    assert.ok(run.duration_ms >= 0);
  });

  test('mode async answers before the end, and the run goes on', async () => {
    const gate = new Gate();
    const id = await ctx.api.workflow(
      chain('Later', {
        a: call(ctx.web.plan('async', { gate, body: { n: 5 } })),
        out: output('{{ a.body.n }}'),
      }),
    );
    const runId = await ctx.api.start(id, {});
    await ctx.web.reached(1, (r) => r.path === '/plan/async');
    const now = await ctx.api.runOf(runId);
    assert.equal(now.state, 'running');
    assert.equal(stepOf(now, 'a').state, 'running');
    gate.open();
    assert.equal((await ctx.api.finished(runId)).output, 5);
  });

  test('mode wait gives 202 and the run as it is when its time is up', async () => {
    const gate = new Gate();
    const id = await ctx.api.workflow(chain('Slow', { a: call(ctx.web.plan('slow', { gate })) }));
    const r = await ctx.api.post(`/api/workflows/${id}/execute`, {
      input: {},
      mode: 'wait',
      timeout: '300ms',
    });
    expectStatus(r, 202);
    assert.ok(['queued', 'running'].includes(r.json.state), r.json.state);
    gate.open();
    assert.equal((await ctx.api.finished(r.json.id)).state, 'succeeded');
  });

  test('mode stream gives the events, and the answer as it is made', async () => {
    const id = await ctx.api.workflow(echo());
    const events = await (await ctx.api.stream(id, { x: 1 })).all();
    assert.equal(events[0].event, 'run.started');
    assert.equal(events.at(-1).event, 'run.succeeded');
    assert.equal(new Set(events.map((e) => e.json.run_id)).size, 1);
    const run = await ctx.api.runOf(events[0].json.run_id);
    assert.deepEqual(run.output, { x: 1 });
  });

  test('a run that failed is an answer, not an error', async () => {
    const run = await ctx.api.once(
      chain('Fails', { a: call(`${ctx.web.origin}/status/404`, { retry: noRetry }), out: output(1) }),
      {},
    );
    assert.equal(run.state, 'failed');
    assert.equal(typeof run.error.code, 'string');
    assert.match(run.error.message, /404/);
    assert.equal(stepOf(run, 'a').state, 'failed');
    assert.equal(run.output, null);
  });

  test('any JSON is an input, numbers keep every digit', async () => {
    const id = await ctx.api.workflow(echo());
    for (const input of [
      'null',
      'true',
      '"text"',
      '[]',
      '[1,"two",{"three":3}]',
      '{"deep":{"er":[[[{"x":null}]]]}}',
      '9007199254740993',
      '123456789012345678901234567890',
      '0.1',
      '-0.0001',
      '1e300',
      '"\\u0000 \\ud83e\\uddf6 \\u00e9"',
    ]) {
      const r = await ctx.api.call('POST', `/api/workflows/${id}/execute`, {
        text: `{"input": ${input}}`,
        headers: { 'content-type': 'application/json' },
      });
      if (input.includes('u0000')) {
        /* PostgreSQL's text has no NUL: kept or refused, never cut. */
        expectStatus(r, [200, 400, 422]);
        if (r.status !== 200) continue;
      }
      expectStatus(r, 200, input);
      assert.deepEqual(r.json.output, JSON.parse(input));
      if (/^\d{16,}$/.test(input)) assert.ok(r.text.includes(input), `${input} was rounded`);
    }
  });

  test('an empty body runs with no input', async () => {
    const id = await ctx.api.workflow(chain('Nothing', { a: set({ ok: true }) }));
    expectStatus(await ctx.api.call('POST', `/api/workflows/${id}/execute`), 200);
    expectStatus(await ctx.api.post(`/api/workflows/${id}/execute`, {}), 200);
  });

  test('bodies with mistakes are refused and start nothing', async () => {
    const id = await ctx.api.workflow(echo());
    for (const body of [
      { imput: {} },
      { mode: 'later' },
      { mode: 3 },
      { timeout: 'soon' },
      { timeout: -1 },
      { version: 'latest' },
      { version: 1.5 },
      { version: 0 },
      [],
      'x',
    ])
      expectStatus(
        await ctx.api.post(`/api/workflows/${id}/execute`, body),
        [400, 404, 422],
        JSON.stringify(body),
      );
    expectProblem(await ctx.api.post(`/api/workflows/${id}/execute`, { version: 9 }), [404, 422]);
    const { json } = await ctx.api.get(`/api/runs?workflow_id=${id}`);
    assert.deepEqual(json.items, []);
  });

  test('an input that does not meet the schema starts nothing and says why', async () => {
    const schema = {
      type: 'object',
      required: ['email'],
      properties: { email: { type: 'string', minLength: 3 }, age: { type: 'integer' } },
      additionalProperties: false,
    };
    const id = await ctx.api.workflow(
      chain('Checked', { start: trigger({ input: schema }), out: output('{{ input.email }}') }),
    );
    expectStatus(await ctx.api.post(`/api/workflows/${id}/execute`, { input: { email: 'a@b.c' } }), 200);
    for (const [input, where] of [
      [{}, /email/],
      [{ email: 7 }, /email/],
      [{ email: 'a@b.c', age: 1.5 }, /age/],
      [{ email: 'a@b.c', extra: 1 }, /extra/],
      ['x', /object/],
    ]) {
      const problem = expectProblem(
        await ctx.api.post(`/api/workflows/${id}/execute`, { input }),
        422,
        'invalid',
      );
      assert.match(JSON.stringify(problem.errors ?? problem), where);
    }
    assert.equal((await ctx.api.get(`/api/runs?workflow_id=${id}`)).json.items.length, 1);
  });

  test('the same Idempotency-Key gives the same run', async () => {
    ctx.web.forget();
    const id = await ctx.api.workflow(
      chain('Once', {
        a: call(`${ctx.web.origin}/echo`, { method: 'POST', body: { n: '{{ input.n }}' } }),
        out: output('{{ a.body.json.n }}'),
      }),
    );
    const headers = { 'idempotency-key': `order-${ctx.db}-1` };
    const first = await ctx.api.run(id, { n: 1 }, {}, headers);
    const again = await ctx.api.run(id, { n: 1 }, {}, headers);
    assert.deepEqual([again.id, again.output], [first.id, 1]);
    assert.equal(ctx.web.at('/echo').length, 1);
    /* Also by another mode of asking. */
    const events = await (await ctx.api.stream(id, { n: 1 }, {}, { headers })).all();
    assert.equal(events[0].json.run_id, first.id);
    expectProblem(await ctx.api.post(`/api/workflows/${id}/execute`, { input: { n: 2 } }, { headers }), 409);
    assert.equal((await ctx.api.get(`/api/runs?workflow_id=${id}`)).json.items.length, 1);
    const other = await ctx.api.run(id, { n: 1 }, {}, { 'idempotency-key': `order-${ctx.db}-2` });
    assert.notEqual(other.id, first.id);
  });

  test('many at once with one Idempotency-Key are one run', async () => {
    ctx.web.forget();
    const id = await ctx.api.workflow(
      chain('Rush', {
        a: call(`${ctx.web.origin}/echo`, { method: 'POST', body: {} }),
        out: output('{{ run.id }}'),
      }),
    );
    const headers = { 'idempotency-key': `rush-${ctx.db}` };
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, i) =>
        ctx.api.post(
          `/api/workflows/${id}/execute`,
          { input: { same: true }, mode: i % 2 ? 'wait' : 'async' },
          { headers },
        ),
      ),
    );
    for (const r of answers) expectStatus(r, [200, 202]);
    assert.equal(new Set(answers.map((r) => r.json.id)).size, 1);
    await ctx.api.finished(answers[0].json.id);
    assert.equal(ctx.web.at('/echo').length, 1);
    assert.equal((await ctx.api.get(`/api/runs?workflow_id=${id}`)).json.items.length, 1);
  });

  test('of many at once with one key and different bodies one body wins', async () => {
    const id = await ctx.api.workflow(echo());
    const headers = { 'idempotency-key': `fight-${ctx.db}` };
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        ctx.api.post(`/api/workflows/${id}/execute`, { input: i % 3 }, { headers }),
      ),
    );
    const won = answers.filter((r) => r.status === 200);
    assert.equal(won.length, 4, `${answers.map((r) => r.status)}`);
    assert.equal(new Set(won.map((r) => r.json.id)).size, 1);
    for (const r of answers) if (r.status !== 200) expectProblem(r, 409);
  });

  test('odd Idempotency-Keys are taken as they are or refused, never cut', async () => {
    const id = await ctx.api.workflow(echo());
    const long = 'k'.repeat(255);
    const a = await ctx.api.post(
      `/api/workflows/${id}/execute`,
      { input: 1 },
      { headers: { 'idempotency-key': long } },
    );
    expectStatus(a, [200, 400]);
    const b = await ctx.api.post(
      `/api/workflows/${id}/execute`,
      { input: 1 },
      { headers: { 'idempotency-key': `${long}x` } },
    );
    expectStatus(b, [200, 400]);
    if (a.status === 200 && b.status === 200) assert.notEqual(a.json.id, b.json.id);
    expectStatus(
      await ctx.api.post(
        `/api/workflows/${id}/execute`,
        { input: 1 },
        { headers: { 'idempotency-key': 'x'.repeat(5000) } },
      ),
      400,
    );
  });
});
