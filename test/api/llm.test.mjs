/* The llm node against a model server that streams, stalls, lies and dies. */
import assert from 'node:assert/strict';
import { stepOf } from '../lib/api.mjs';
import { roomy, until } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { chain, llm, noRetry, output, quickRetry } from '../lib/flow.mjs';

onEachDatabase('llm', (ctx) => {
  const { test } = ctx;
  let n = 0;
  /* Ask a model of its own that behaves as given, once or with the settings' own retries. */
  async function ask(behaviours, more = {}, input = {}) {
    const model = `m${++n}-${ctx.db}`;
    ctx.model.script(model, ...[behaviours].flat());
    const run = await ctx.api.once(
      chain('Asks', { m: llm(model, 'Say hello', { retry: noRetry, ...more }) }),
      input,
    );
    return { run, output: run.output, calls: ctx.model.of(model), step: stepOf(run, 'm') };
  }
  const fails = async (behaviours, more, code, says = /./) => {
    const r = await ask(behaviours, more);
    assert.equal(r.run.state, 'failed', JSON.stringify(r.output));
    assert.match(r.run.error.code, code, JSON.stringify(r.run.error));
    assert.match(r.run.error.message, says);
    return r;
  };

  test('a streamed and a whole answer are the same to the workflow', async () => {
    for (const stream of [true, false]) {
      const { run, output, calls } = await ask({ text: 'Hello \u{1f9f6}, w\u00f6rld.' }, { stream });
      assert.equal(run.state, 'succeeded', JSON.stringify(run.error));
      assert.deepEqual(
        [output.text, output.finish_reason, output.model],
        ['Hello \u{1f9f6}, w\u00f6rld.', 'stop', calls[0].body.model],
      );
      assert.equal(output.usage.total_tokens, output.usage.prompt_tokens + output.usage.completion_tokens);
      assert.ok(output.usage.completion_tokens > 0);
      assert.equal(Boolean(calls[0].body.stream), stream);
      assert.equal(calls[0].headers.authorization, 'Bearer sk-test-0123456789abcdef');
    }
  });

  test('the request is the one that was set', async () => {
    const { calls } = await ask(
      { text: 'ok' },
      {
        prompt: 'Hi {{ input.who }}',
        system: 'You are {{ input.role }}.',
        temperature: 0.2,
        top_p: 0.9,
        max_tokens: 50,
        stop: ['END'],
        seed: 7,
        extra: { user: 'u-1', logit_bias: {} },
      },
      { who: 'Ada', role: 'kind' },
    );
    const { body } = calls[0];
    assert.deepEqual(body.messages, [
      { role: 'system', content: 'You are kind.' },
      { role: 'user', content: 'Hi Ada' },
    ]);
    assert.deepEqual(
      [body.temperature, body.top_p, body.max_tokens, body.stop, body.seed, body.user, body.logit_bias],
      [0.2, 0.9, 50, ['END'], 7, 'u-1', {}],
    );
    const silent = await ask({ text: 'ok' });
    for (const field of ['temperature', 'top_p', 'max_tokens', 'stop', 'seed', 'response_format'])
      assert.ok(!(field in silent.calls[0].body), `${field} was sent though nobody set it`);
  });

  test('messages may be given one by one', async () => {
    const model = `list-${ctx.db}`;
    const messages = [
      { role: 'system', content: 'S' },
      { role: 'user', content: 'Q {{ input.n }}' },
      { role: 'assistant', content: 'A' },
      { role: 'user', content: 'Q2' },
    ];
    const run = await ctx.api.once(chain('L', { m: ['llm', { model, messages }] }), { n: 1 });
    assert.equal(run.state, 'succeeded', JSON.stringify(run.error));
    assert.deepEqual(
      ctx.model.of(model)[0].body.messages.map((m) => m.content),
      ['S', 'Q 1', 'A', 'Q2'],
    );
  });

  test('another server and key can be named', async () => {
    const model = `own-${ctx.db}`;
    await ctx.api.once(
      chain('O', { m: llm(model, 'x', { base_url: `${ctx.model.url}/`, api_key: 'sk-other' }) }),
      {},
    );
    const [q] = ctx.model.of(model);
    assert.deepEqual([q.path, q.headers.authorization], ['/v1/chat/completions', 'Bearer sk-other']);
  });

  test('JSON answers are parsed, fenced or not', async () => {
    const { output, calls } = await ask(
      { text: '{"score": 7, "big": 9007199254740993}' },
      { response_format: 'json' },
    );
    assert.equal(output.json.score, 7);
    assert.equal(calls[0].body.response_format.type, 'json_object');
    await fails({ text: 'Sure! Here you go.' }, { response_format: 'json' }, /./, /JSON/);
  });

  test('an answer that does not meet its schema is asked for again', async () => {
    const schema = {
      type: 'object',
      required: ['score'],
      properties: { score: { type: 'integer', minimum: 0, maximum: 10 } },
      additionalProperties: false,
    };
    const set = { response_format: 'json_schema', schema };
    const good = await ask({ json: { score: 7 } }, set);
    assert.deepEqual(good.output.json, { score: 7 });
    const format = good.calls[0].body.response_format;
    assert.equal(format.type, 'json_schema');
    assert.deepEqual(format.json_schema.schema, schema);
    const second = await ask([{ json: { score: 70 } }, { text: 'no json' }, { json: { score: 3 } }], {
      ...set,
      retry: quickRetry(5),
    });
    assert.deepEqual(
      [second.run.state, second.output?.json, second.calls.length],
      ['succeeded', { score: 3 }, 3],
    );
    const never = await fails({ json: { score: 'high' } }, { ...set, retry: quickRetry(2) }, /./, /score/);
    assert.equal(never.calls.length, 2);
  });

  test('busy and broken servers are tried again', async () => {
    const { run, calls } = await ask(
      [{ status: 500 }, { status: 503 }, { html: true }, { text: 'at last' }],
      { retry: quickRetry(5) },
    );
    assert.deepEqual([run.state, run.output?.text, calls.length], ['succeeded', 'at last', 4]);
  });

  test('429 waits as long as it is told, in seconds and as a date', async () => {
    for (const value of [() => '1', () => new Date(Date.now() + 2000).toUTCString()]) {
      const headers = {};
      Object.defineProperty(headers, 'retry-after', { enumerable: true, get: value });
      const { run, calls } = await ask([{ status: 429, headers }, { text: 'now' }], { retry: quickRetry(3) });
      assert.equal(run.output?.text, 'now', JSON.stringify(run.error));
      assert.ok(calls[1].at - calls[0].at >= 900, `${calls[1].at - calls[0].at} ms`);
    }
    await fails({ status: 429 }, {}, /^rate_limited$/);
  });

  test('what will not get better is not tried again', async () => {
    for (const status of [400, 401, 403, 404]) {
      const { calls } = await fails(
        {
          status,
          body: { error: { message: 'The model `x` does not exist', type: 'invalid_request_error' } },
        },
        { retry: quickRetry(5) },
        /./,
        /401|403|404|400/,
      );
      assert.equal(calls.length, 1, `${status}`);
    }
  });

  test('an answer cut in the middle is an error or tried again, never passed on as whole', async () => {
    await fails({ pieces: ['Half ', 'an '], cut_after: 2 }, {}, /^upstream_cut$/);
    await fails({ text: 'x', cut_after: 0 }, { stream: false }, /^upstream_cut$/);
    const { run, calls } = await ask([{ pieces: ['Half '], cut_after: 1 }, { text: 'Whole.' }], {
      retry: quickRetry(3),
    });
    assert.deepEqual([run.output?.text, calls.length], ['Whole.', 2]);
  });

  test('a stream that ends without [DONE] counts only when the model said it was finished', async () => {
    const { run } = await ask({ text: 'All of it.', no_done: true });
    if (run.state === 'succeeded')
      assert.deepEqual([run.output.text, run.output.finish_reason], ['All of it.', 'stop']);
    else assert.equal(run.error.code, 'upstream_cut');
  });

  test('chunks that are no JSON and errors in mid-stream are errors', async () => {
    await fails({ pieces: ['a', 'b'], malformed_after: 1 }, {}, /^upstream/);
    await fails({ text: 'x', malformed_after: 1 }, { stream: false }, /^upstream/);
    const { run } = await fails({ pieces: ['a', 'b'], error_after: 1 }, {}, /./, /server_error/);
    assert.equal(run.output, null);
    await fails({ html: true, status: 200 }, {}, /^upstream/);
    await fails({ html: true }, {}, /./, /502/);
  });

  test('a model that says nothing is given up and its line closed', async () => {
    for (const stream of [true, false]) {
      const { calls } = await fails({ hang: true }, { timeout: '400ms', stream }, /^timeout$/);
      await until('the far end sees it', () => calls[0].leftAt);
    }
    const { calls } = await fails(
      { pieces: ['a', 'b'], piece_gate: { after: 1, gate: { opened: new Promise(() => {}) } } },
      { timeout: '400ms' },
      /^timeout$/,
    );
    await until('the far end sees it', () => calls[0].leftAt);
  });

  test('a model that never ends is stopped, with bounded memory', async () => {
    const before = ctx.server.peakRss();
    const { calls, run } = await ask({ endless: true }, { total_timeout: '3s' });
    assert.equal(run.state, 'failed');
    assert.match(run.error.code, /^(timeout|too_large)$/);
    await until('the far end sees it', () => calls[0].leftAt);
    assert.ok(ctx.server.peakRss() - before < 300 * roomy, `${ctx.server.peakRss() - before} MiB more`);
  });

  test('a slow model that keeps talking is heard out', async () => {
    /* Each piece comes within the silence that is allowed, all together take longer than it. */
    const { run } = await ask(
      { pieces: Array.from({ length: 8 }, (_, i) => `w${i} `), token_delay: 150 },
      { silence: '1s' },
    );
    assert.equal(run.state, 'succeeded', JSON.stringify(run.error));
    assert.match(run.output.text, /w7/);
  });

  test('the key shows up nowhere', async () => {
    const { run } = await ask({
      status: 401,
      body: { error: { message: 'Incorrect API key provided: sk-test-0123456789abcdef' } },
    });
    const events = await (await ctx.api.events(run.id)).all();
    assert.ok(!JSON.stringify([run, events]).includes('sk-test-0123456789abcdef'));
    assert.ok(!ctx.server.proc.stderr.includes('sk-test-0123456789abcdef'));
  });

  test('many streams at once do not mix', async () => {
    const model = `crowd-${ctx.db}`;
    ctx.model.script(model, {});
    const id = await ctx.api.workflow(
      chain('Crowd', { m: llm(model, 'number {{ input.i }}'), out: output('{{ m.text }}') }),
    );
    const runs = await Promise.all(Array.from({ length: 60 }, (_, i) => ctx.api.run(id, { i })));
    runs.forEach((r, i) => assert.equal(r.output, `echo: number ${i}`));
  });
});
