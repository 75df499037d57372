/* What the caller of a webhook hears: a node's answer, a stream, the same again; the test address; a rate limit. */
import assert from 'node:assert/strict';
import { expectProblem, expectStatus } from '../lib/api.mjs';
import { Gate, until } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { call, flow, hook, llm, noRetry, output, set } from '../lib/flow.mjs';

const respond = (body, more = {}) => ['respond', { body, ...more }];

onEachDatabase('hook answers', (ctx) => {
  const { test } = ctx;
  const anonymous = () => ctx.api.as(null);
  const deliver = (id, body, headers = {}, path = `/hooks/${id}`) =>
    anonymous().call('POST', path, {
      text: JSON.stringify(body),
      headers: { 'content-type': 'application/json', ...headers },
    });
  const runsOf = async (id) => (await ctx.api.get(`/api/runs?workflow_id=${id}`)).json.items;

  test('a respond node answers, and the run goes on', async () => {
    const gate = new Gate();
    const id = await ctx.api.published(
      flow(
        'Answered',
        {
          in: hook({ respond: 'node' }),
          say: respond(
            { hello: '{{ input.name }}' },
            { status: 201, headers: { 'X-Order': '{{ input.n }}' } },
          ),
          later: call(ctx.web.plan(`answered-${ctx.db}`, { gate })),
          again: respond('too late'),
          out: output('end'),
        },
        ['in -> say', 'say -> later', 'later -> again', 'again -> out'],
      ),
    );
    const r = expectStatus(await deliver(id, { name: 'Ada', n: 7 }), 201);
    assert.deepEqual(r.json, { hello: 'Ada' });
    assert.equal(r.headers['x-order'], '7');
    assert.match(r.headers['content-security-policy'], /^sandbox /);
    const [run] = await runsOf(id);
    assert.equal(r.headers['x-run-id'], run.id);
    assert.equal(run.state, 'running');
    gate.open();
    assert.equal((await ctx.api.finished(run.id)).output, 'end');
  });

  test('an answer may be text, bytes, nothing, or another address', async () => {
    const answer = async (data) => {
      const id = await ctx.api.published(
        flow('Kinds', { in: hook({ respond: 'node' }), say: ['respond', data] }, ['in -> say']),
      );
      return deliver(id, {});
    };
    const html = await answer({
      respond_with: 'text',
      body: '<p>Hi</p>',
      headers: { 'Content-Type': 'text/html; charset=utf-8' },
    });
    assert.equal(expectStatus(html, 200).text, '<p>Hi</p>');
    assert.equal(html.headers['content-type'], 'text/html; charset=utf-8');
    const bytes = expectStatus(await answer({ respond_with: 'base64', body: 'AAEC' }), 200);
    assert.equal(bytes.headers['content-length'], '3');
    assert.equal(expectStatus(await answer({ respond_with: 'none' }), 204).text, '');
    const there = await answer({ respond_with: 'redirect', location: 'https://example.com/', status: 303 });
    assert.equal(expectStatus(there, 303).headers.location, 'https://example.com/');
    expectStatus(await answer({ body: { error: 'no such order' }, status: 404 }), 404);
  });

  test('without an answer the end of the run is one', async () => {
    const id = await ctx.api.published(
      flow(
        'Branches',
        {
          in: hook({ respond: 'node' }),
          if: [
            'condition',
            {
              cases: [
                { id: 'a', conditions: [{ left: '{{ input.say }}', operator: 'is_true' }] },
                { id: 'b', conditions: [{ left: '{{ input.fail }}', operator: 'is_true' }] },
              ],
            },
          ],
          say: respond('yes'),
          stop: ['error', { message: 'no' }],
          out: output('quiet'),
        },
        ['in -> if', 'if:a -> say', 'if:b -> stop', 'if:else -> out'],
      ),
    );
    assert.equal(expectStatus(await deliver(id, { say: true, fail: false }), 200).json, 'yes');
    const quiet = expectStatus(await deliver(id, { say: false, fail: false }), 200);
    assert.deepEqual(Object.keys(quiet.json), ['run_id']);
    assert.ok(expectProblem(await deliver(id, { say: false, fail: true }), 500).run_id);
  });

  test('a delivery that comes again gets the answer of the first one', async () => {
    const both = async (respondMode, nodes, edges, body) => {
      const gate = new Gate();
      const id = await ctx.api.published(
        flow(
          'Again',
          {
            in: hook({ respond: respondMode }),
            wait: call(ctx.web.plan(`again-${respondMode}-${ctx.db}`, { gate })),
            ...nodes,
          },
          ['in -> wait', ...edges],
        ),
      );
      const headers = { 'webhook-id': 'one' };
      const first = deliver(id, body, headers);
      await until('the run waits', async () => (await runsOf(id)).length === 1);
      const second = deliver(id, body, headers);
      gate.open();
      const answers = await Promise.all([first, second]);
      answers.push(await deliver(id, body, headers));
      assert.equal((await runsOf(id)).length, 1);
      assert.equal(answers[2].headers['idempotency-replayed'], 'true');
      assert.equal(answers[2].headers['x-run-id'], answers[0].headers['x-run-id']);
      return answers;
    };
    for (const r of await both('result', { out: output('{{ input.n }}') }, ['wait -> out'], { n: 4 }))
      assert.equal(expectStatus(r, 200).json, 4);
    for (const r of await both('node', { say: respond('{{ input.n }}', { status: 202 }) }, ['wait -> say'], {
      n: 5,
    }))
      assert.equal(expectStatus(r, 202).json, 5);
    for (const r of await both('result', { no: ['error', { message: 'no' }] }, ['wait -> no'], {}))
      expectProblem(r, 500, 'run_failed');
  });

  test('a stream gives words as they come, answers on the way, and the end; and goes on where it broke off', async () => {
    const model = `streamed-${ctx.db}`;
    const gate = new Gate();
    ctx.model.script(model, { pieces: ['Hel', 'lo'], piece_gate: { after: 0, gate } });
    const id = await ctx.api.published(
      flow(
        'Streamed',
        {
          in: hook({ respond: 'stream', stream_nodes: ['say'] }),
          hidden: set({ secret: 'not for the caller' }),
          progress: respond({ step: 1 }),
          say: llm(model, 'x'),
          aside: llm(model, 'y'),
          out: output('{{ say.text }}!'),
        },
        ['in -> hidden', 'hidden -> progress', 'progress -> say', 'say -> aside', 'aside -> out'],
      ),
    );
    const open = (headers = {}) =>
      anonymous().sse('POST', `/hooks/${id}`, {
        text: '{"password":"p"}',
        headers: { 'content-type': 'application/json', 'webhook-id': 'stream', ...headers },
      });
    const stream = await open();
    const events = [await stream.next()]; /* from here on it is listened to */
    gate.open();
    events.push(...(await stream.all()));
    const named = (name) => events.filter((event) => event.event === name).map((event) => event.json);
    assert.equal(named('run').length, 1);
    assert.deepEqual(named('answer'), [{ node: 'progress', body: { step: 1 } }]);
    assert.equal(
      named('delta')
        .map((piece) => piece.text)
        .join(''),
      'Hello',
    );
    assert.ok(named('delta').every((piece) => piece.node === 'say'));
    assert.deepEqual(named('text'), [{ node: 'say', text: 'Hello' }]);
    assert.deepEqual(named('done'), [
      { run_id: named('run')[0].run_id, state: 'succeeded', output: 'Hello!' },
    ]);
    assert.ok(!/not for the caller|password/.test(JSON.stringify(events)));

    /* The same delivery again: the same run, from what was seen last. */
    const text = events.find((event) => event.event === 'text');
    const rest = await (await open({ 'last-event-id': text.id })).all();
    assert.deepEqual(
      rest.map((event) => event.event),
      ['done'],
    );
    const whole = await (await open()).all();
    assert.deepEqual(
      whole.map((event) => event.event),
      ['run', 'answer', 'text', 'done'],
    );
    assert.equal((await runsOf(id)).length, 1);
  });

  test('a stream of a run that fails ends with its error', async () => {
    const id = await ctx.api.published(
      flow(
        'Broken',
        {
          in: hook({ respond: 'stream' }),
          a: call(`${ctx.web.origin}/status/500`, { retry: noRetry }),
          out: output(1),
        },
        ['in -> a', 'a -> out'],
      ),
    );
    const events = await (await anonymous().sse('POST', `/hooks/${id}`, { body: {} })).all();
    assert.deepEqual(
      events.map((event) => event.event),
      ['run', 'error'],
    );
    assert.equal(events[1].json.state, 'failed');
    assert.equal(events[1].json.error.code, 'unavailable');
  });

  test('calls over the limit of a hook get 429, other starts do not', async () => {
    const id = await ctx.api.published(
      flow(
        'Limited',
        { in: hook({ respond: 'result', rate_limit: { limit: 2, per: '1h' } }), out: output('ok') },
        ['in -> out'],
      ),
    );
    expectStatus(await deliver(id, {}), 200);
    expectStatus(await ctx.api.post(`/api/workflows/${id}/execute`, {}), 200);
    expectStatus(await deliver(id, {}), 200);
    const refused = await deliver(id, {});
    expectProblem(refused, 429, 'rate_limited');
    assert.ok(Number(refused.headers['retry-after']) > 600);
    expectStatus(await ctx.api.post(`/api/workflows/${id}/execute`, {}), 200);
    assert.equal((await runsOf(id)).length, 4);
  });

  test('the draft answers at its test address while somebody listens, and shows what came', async () => {
    const draft = (say) =>
      flow(
        'Draft',
        {
          in: hook(
            { method: 'ANY', respond: 'node', auth: 'header', header: 'X-Api-Key', secret: 's3cret-value' },
            { input: { type: 'object', required: ['a'] } },
          ),
          say: respond(say),
        },
        ['in -> say'],
      );
    const id = await ctx.api.published(draft('published'));
    const path = `/hooks-test/${id}`;
    const right = { 'x-api-key': 's3cret-value' };
    const { json: row } = await ctx.api.get(`/api/workflows/${id}`);
    const saved = await ctx.api.put(`/api/workflows/${id}`, draft('draft {{ request.query?.q ?? 0 }}'), {
      headers: { 'if-match': `"${row.revision}"` },
    });
    expectStatus(saved, 200);
    expectProblem(await deliver(id, { a: 1 }, right, path), 404, 'not_found');

    const begun = expectStatus(await ctx.api.post(`/api/workflows/${id}/listen`, { seconds: 600 }), 200).json;
    assert.equal(begun.listening, true);
    assert.ok(begun.url.endsWith(path));
    assert.deepEqual(begun.calls, []);
    assert.equal(expectStatus(await deliver(id, { a: 1 }, right, `${path}?q=2`), 200).json, 'draft 2');
    assert.equal(expectStatus(await deliver(id, { a: 1 }, right), 200).json, 'published');
    expectProblem(await deliver(id, { a: 1 }, { 'x-api-key': 'wrong-value' }, path), 401);
    expectProblem(await deliver(id, { b: 1 }, right, path), 422);
    expectStatus(await anonymous().get(`${path}?a=1`, { headers: right }), 200);

    const seen = expectStatus(await ctx.api.get(`/api/workflows/${id}/listen`), 200);
    const { calls } = seen.json;
    assert.deepEqual(
      calls.map((one) => one.outcome),
      ['started', 'refused', 'refused', 'started'],
    );
    assert.deepEqual(calls[3].input, { a: 1 });
    assert.deepEqual(calls[3].request.query, { q: '2' });
    assert.equal(calls[2].error.status, 401);
    assert.equal(calls[1].errors.length, 1);
    assert.ok(!/s3cret-value|wrong-value/.test(seen.text));
    const run = await ctx.api.finished(calls[3].run_id);
    assert.equal(run.version, 0);

    expectStatus(await ctx.api.delete(`/api/workflows/${id}/listen`), 204);
    expectProblem(await deliver(id, { a: 1 }, right, path), 404);
    assert.equal((await ctx.api.get(`/api/workflows/${id}/listen`)).json.listening, false);
    expectStatus(await anonymous().post(`/api/workflows/${id}/listen`, {}), 401);
  });

  test('only the last ten calls of a listener are kept', async () => {
    const id = await ctx.api.workflow(flow('Many', { in: hook(), out: output(1) }, ['in -> out']));
    expectStatus(await ctx.api.post(`/api/workflows/${id}/listen`, {}), 200);
    for (let n = 0; n < 12; n++) expectStatus(await deliver(id, { n }, {}, `/hooks-test/${id}`), 202);
    const { calls } = (await ctx.api.get(`/api/workflows/${id}/listen`)).json;
    assert.deepEqual(
      calls.map((one) => one.input.n),
      [11, 10, 9, 8, 7, 6, 5, 4, 3, 2],
    );
  });
});
