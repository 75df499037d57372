/* What model calls used is recorded, once each, and summed up. */
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { expectProblem, expectStatus } from '../lib/api.mjs';
import { until } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';

const messages = [{ role: 'user', content: 'hello' }];

onEachDatabase('gateway usage', (ctx) => {
  const { test } = ctx;
  let n = 0;
  const client = () => new OpenAI({ baseURL: `${ctx.server.url}/v1`, apiKey: ctx.server.key, maxRetries: 0 });
  function model(...behaviours) {
    const name = `u${++n}-${ctx.db}`;
    ctx.model.script(name, ...behaviours);
    return `openai/${name}`;
  }
  const chat = (name, more = {}, options) =>
    client().chat.completions.create({ model: name, messages, ...more }, options);
  const usage = async (query = 'group=model') =>
    expectStatus(await ctx.api.get(`/api/usage?${query}`), 200).json.items;
  const of = (name, calls) =>
    until(`${calls} calls of ${name} are recorded`, async () => {
      const row = (await usage()).find((r) => r.group === name);
      return row?.calls >= calls && row;
    });
  async function drained(stream) {
    let count = 0;
    for await (const chunk of stream) count += chunk.choices.length;
    return count;
  }

  function expectProblemOfName({ status, json }) {
    assert.equal(status, 400, JSON.stringify(json));
    assert.match(json.error.message, /"model" must be UTF-8 without control characters/);
  }

  test('tokens are those that the provider counted, streamed or whole', async () => {
    const name = model({ text: 'twelve bytes' });
    const whole = await chat(name);
    await drained(await chat(name, { stream: true }));
    const row = await of(name, 2);
    assert.deepEqual(
      [row.calls, row.failed, row.estimated_calls, row.prompt_tokens, row.completion_tokens],
      [2, 0, 0, 2 * whole.usage.prompt_tokens, 2 * whole.usage.completion_tokens],
    );
    assert.ok(row.total_ms > 0 && row.first_byte_ms > 0 && row.overhead_us >= 0);
  });

  test('a name that cannot be recorded is refused, and stops nothing', async () => {
    for (const name of ['demo/a\u0000b', 'demo/a\nb', 'demo/a\u0085b'])
      for (const path of ['chat/completions', 'embeddings', 'rerank'])
        expectProblemOfName(await ctx.api.post(`/v1/${path}`, { model: name, messages, input: 'x' }));
    const form = ['--x', 'content-disposition: form-data; name="model"', '', 'demo/NAME', '--x--', ''];
    const [before, behind] = form.join('\r\n').split('NAME');
    const sent = await fetch(`${ctx.server.url}/v1/audio/transcriptions`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${ctx.server.key}`,
        'content-type': 'multipart/form-data; boundary=x',
      },
      body: Buffer.concat([Buffer.from(before), Buffer.from([0xff, 0xfe]), Buffer.from(behind)]),
    });
    expectProblemOfName({ status: sent.status, json: await sent.json() });
    const named = await ctx.api.post('/openai/deployments/demo%2Fa%00b/chat/completions', { messages });
    assert.equal(named.status, 400);
    const name = model({ text: 'x' });
    await chat(name);
    await of(name, 1);
  });

  test('calls that end badly count, and what was seen of them', async () => {
    const refused = model({ status: 500 });
    await assert.rejects(chat(refused));
    const bad = await of(refused, 1);
    assert.deepEqual([bad.failed, bad.prompt_tokens, bad.completion_tokens], [1, 0, 0]);

    const left = model({ endless: true, token_delay: 2 });
    const abort = new AbortController();
    let seen = 0;
    try {
      for await (const chunk of await chat(left, { stream: true }, { signal: abort.signal })) {
        seen += chunk.choices.length;
        if (seen === 5) abort.abort();
      }
    } catch (error) {
      assert.ok(error instanceof OpenAI.APIUserAbortError, error.message);
    }
    const row = await of(left, 1);
    assert.deepEqual([row.failed, row.estimated_calls], [1, 1]);
    assert.ok(row.completion_tokens >= 5 && row.prompt_tokens > 0, JSON.stringify(row));

    const cut = model({ text: 'a text of several pieces', cut_after: 2 });
    await assert.rejects(chat(cut, { stream: true }).then(drained));
    assert.equal((await of(cut, 1)).failed, 1);
  });

  test('it is grouped by key, provider and day, and bounded by time', async () => {
    const key = await ctx.server.newKey('counted', 'model.call');
    const name = model({ text: 'x' });
    const other = new OpenAI({ baseURL: `${ctx.server.url}/v1`, apiKey: key, maxRetries: 0 });
    await other.chat.completions.create({ model: name, messages });
    await of(name, 1);
    const { items } = (await ctx.api.get('/api/keys')).json;
    const { id } = items.find((k) => k.name === 'counted');
    assert.equal((await usage('group=key')).find((r) => r.group === id).calls, 1);
    assert.ok((await usage('group=provider')).find((r) => r.group === 'openai').calls >= 1);
    const days = await usage('group=day');
    assert.ok(days.length >= 1 && days.length <= 2 && /^\d{4}-\d\d-\d\d$/.test(days[0].group));
    assert.deepEqual(await usage('group=model&from=2020-01-01T00:00:00Z&to=2020-02-01T00:00:00Z'), []);
    expectProblem(await ctx.api.get('/api/usage?group=colour'), 400);
    expectProblem(await ctx.api.get('/api/usage?from=yesterday'), 400);
    expectProblem(await ctx.api.as(key).get('/api/usage'), 403);
  });

  test('nothing is lost or counted twice over a stop', async () => {
    const name = model({ text: 'x' });
    await Promise.all(Array.from({ length: 40 }, () => chat(name)));
    await ctx.server.restart();
    assert.equal((await of(name, 40)).calls, 40);
  });
});
