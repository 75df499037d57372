/* The log of model calls: who, what for, how it went; and what was said, where that is wanted. */
import assert from 'node:assert/strict';
import { after } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { expectProblem, expectStatus } from '../lib/api.mjs';
import { until } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { startAnthropicServer } from '../doubles/anthropic_server.mjs';

const claude = await startAnthropicServer();
after(() => claude.stop());
const env = { ANTHROPIC_BASE_URL: `${claude.origin}/v1`, ANTHROPIC_API_KEY: claude.apiKey };
const messages = [{ role: 'user', content: 'hello' }];

onEachDatabase(
  'gateway calls',
  (ctx) => {
    const { test } = ctx;
    let n = 0;
    function model(...behaviours) {
      const name = `log${++n}-${ctx.db}`;
      ctx.model.script(name, ...behaviours);
      return `openai/${name}`;
    }
    async function newKey(policy, capabilities = 'model.call') {
      const name = `logged-${++n}`;
      const key = await ctx.server.newKey(name, capabilities);
      const { items } = (await ctx.api.get('/api/keys?limit=200')).json;
      const { id } = items.find((k) => k.name === name);
      if (policy) expectStatus(await ctx.api.put(`/api/keys/${id}/limits`, policy), 200);
      return { id, key };
    }
    const client = (key = ctx.server.key) =>
      new OpenAI({ baseURL: `${ctx.server.url}/v1`, apiKey: key, maxRetries: 0 });
    const chat = (name, more = {}, { key, ...options } = {}) =>
      client(key).chat.completions.create({ model: name, messages, ...more }, options);
    async function drained(stream) {
      for await (const chunk of stream) void chunk;
    }
    const list = async (query, api = ctx.api) => expectStatus(await api.get(`/api/calls?${query}`), 200).json;
    /* The @count newest calls of a model, once they are written. */
    const callsOf = (name, count = 1) =>
      until(`${count} calls of ${name} are recorded`, async () => {
        const { items } = await list(`model=${encodeURIComponent(name)}`);
        return items.length >= count && items;
      });
    const detail = async (call, api = ctx.api) =>
      expectStatus(await api.get(`/api/calls/${call.id}`), 200).json;
    const logged = async (name, ...rest) => detail((await callsOf(name))[0], ...rest);

    test('each call is there with what it was for and how it went, and nothing of what was said', async () => {
      const name = model({ text: 'twelve bytes' }, { status: 500 });
      const headers = {
        'x-heddle-agent': 'Dexter',
        'x-heddle-workflow': 'nightly',
        'x-heddle-step': 'summarise',
        'x-request-id': `req-${n}-${ctx.db}`,
      };
      const answer = await chat(name, { user: 'ann' }, { headers });
      await assert.rejects(chat(name));
      const [failed, good] = await callsOf(name, 2);
      assert.deepEqual(
        [
          good.agent,
          good.workflow,
          good.step,
          good.end_user,
          good.request_id,
          good.outcome,
          good.status,
          good.error,
        ],
        ['Dexter', 'nightly', 'summarise', 'ann', `req-${n}-${ctx.db}`, 'ok', 200, null],
      );
      assert.deepEqual(
        [good.prompt_tokens, good.completion_tokens, good.attempts, good.streamed, good.from_cache],
        [answer.usage.prompt_tokens, answer.usage.completion_tokens, 1, false, false],
      );
      assert.ok(
        good.tokens_per_second > 0 && good.first_byte_ms > 0 && good.total_ms > 0 && good.overhead_us >= 0,
      );
      assert.deepEqual(
        [failed.outcome, failed.status, failed.error, failed.agent, failed.tokens_per_second],
        ['failed', 500, 'upstream', null, null],
      );
      const { logged: kept, request, answer: said } = await detail(good);
      assert.deepEqual([kept, request, said], [false, null, null]);
    });

    test('labels that cannot be are refused, users that cannot be are no labels', async () => {
      const name = model({ text: 'x' });
      await assert.rejects(chat(name, {}, { headers: { 'x-heddle-agent': 'a'.repeat(129) } }), (e) => {
        assert.equal(e.status, 400);
        return /x-heddle-agent/.test(e.message);
      });
      await chat(name, { user: 'a\u0000b' });
      await chat(name, { user: 'x'.repeat(500) });
      for (const call of await callsOf(name, 2)) assert.equal(call.end_user, null);
    });

    test('the list is filtered and comes in pages', async () => {
      const name = model({ text: 'x' }, { text: 'x' }, { status: 400 });
      const key = await newKey();
      await chat(name, {}, { headers: { 'x-heddle-agent': `a-${ctx.db}` } });
      await chat(name, {}, key);
      await assert.rejects(chat(name));
      const all = await callsOf(name, 3);
      const m = `model=${encodeURIComponent(name)}`;
      const ids = async (query) => (await list(`${m}&${query}`)).items.map((c) => c.id);
      assert.deepEqual(await ids('outcome=refused'), [all[0].id]);
      assert.deepEqual(await ids(`key=${key.id}`), [all[1].id]);
      assert.deepEqual(await ids(`agent=a-${ctx.db}`), [all[2].id]);
      assert.deepEqual(await ids('operation=embeddings'), []);
      assert.deepEqual(
        await ids('provider=openai&from_cache=false'),
        all.map((c) => c.id),
      );
      assert.deepEqual(await ids('from_cache=true'), []);
      assert.deepEqual(await ids('to=2020-01-01T00:00:00Z'), []);
      const seen = [];
      for (let cursor = ''; cursor !== null;) {
        const page = await list(`${m}&limit=2${cursor && `&cursor=${cursor}`}`);
        seen.push(...page.items.map((c) => c.id));
        cursor = page.next_cursor;
      }
      assert.deepEqual(
        seen,
        all.map((c) => c.id),
      );
      for (const bad of ['key=x', 'from_cache=maybe', 'from=yesterday', 'limit=0', 'cursor=x'])
        expectProblem(await ctx.api.get(`/api/calls?${bad}`), 400);
    });

    test('usage is grouped by what calls were for', async () => {
      const name = model({ text: 'some words of an answer' });
      const headers = {
        'x-heddle-agent': `ag-${ctx.db}`,
        'x-heddle-workflow': `wf-${ctx.db}`,
        'x-heddle-step': `st-${ctx.db}`,
      };
      await chat(name, { user: `en-${ctx.db}` }, { headers });
      await callsOf(name);
      for (const group of ['agent', 'workflow', 'step', 'end_user']) {
        const { items } = expectStatus(await ctx.api.get(`/api/usage?group=${group}&bucket=day`), 200).json;
        const row = items.find((r) => r.group === `${group.slice(0, 2).replace('wo', 'wf')}-${ctx.db}`);
        assert.equal(row?.calls, 1, JSON.stringify(items));
        assert.ok(row.tokens_per_second > 0);
      }
    });

    test("what is said is kept where the key's policy says so, without credentials", async () => {
      const name = model({ text: 'The secret is sk-abcdefghijklmnop0123 for ann@example.org!' });
      const key = await newKey({ log: { rate: 1, redact: ['[a-z]+@[a-z.]+'] } });
      const content = `my key hdl_0123456789abcdefghij, mail bob@example.org ${ctx.model.apiKey ?? ''}`;
      await chat(name, { messages: [{ role: 'user', content }], metadata: { password: 'p' } }, key);
      const got = await logged(name);
      assert.equal(got.logged, true);
      assert.equal(got.request.messages[0].content.trim(), 'my key [redacted], mail [redacted]');
      assert.equal(got.request.metadata.password, '[redacted]');
      assert.equal(got.request.model, name);
      assert.equal(got.answer.choices[0].message.content, 'The secret is [redacted] for [redacted]!');
      const shown = (await ctx.api.get(`/api/keys/${key.id}/limits`)).json;
      assert.deepEqual(shown.log, { rate: 1, redact: ['[a-z]+@[a-z.]+'] });
    });

    test('a stream is kept as the message it made, also when it was cut', async () => {
      const { key } = await newKey({ log: { rate: 1 } });
      const whole = model({ text: 'several words of an answer' });
      await drained(await chat(whole, { stream: true }, { key }));
      const got = await logged(whole);
      assert.deepEqual(
        [
          got.answer.object,
          got.answer.choices[0].message.content,
          got.answer.choices[0].finish_reason,
          got.streamed,
        ],
        ['chat.completion', 'several words of an answer', 'stop', true],
      );
      const called = model({ tool: { name: 'weather', arguments: { city: 'Paris' } } });
      await drained(await chat(called, { stream: true }, { key }));
      const [call] = (await logged(called)).answer.choices[0].message.tool_calls;
      assert.deepEqual(
        [call.function.name, JSON.parse(call.function.arguments)],
        ['weather', { city: 'Paris' }],
      );
      const cut = model({ text: 'a text of several pieces', cut_after: 2 });
      await assert.rejects(chat(cut, { stream: true }, { key }).then(drained));
      const part = await logged(cut);
      assert.ok(
        part.answer.error.message &&
          'a text of several pieces'.startsWith(part.answer.choices[0].message.content),
      );
      assert.equal(part.answer.choices[0].finish_reason, null);
      const refused = model({ status: 400 });
      await assert.rejects(chat(refused, {}, { key }));
      assert.match((await logged(refused)).answer.error.message, /scripted 400/);
    });

    test('a message of Anthropic is kept in her form, streamed or not', async () => {
      const { key } = await newKey({ log: { rate: 1 } });
      const name = `log${++n}-${ctx.db}`;
      claude.script(name, { text: 'her words' });
      const anthropic = new Anthropic({ baseURL: ctx.server.url, apiKey: key, maxRetries: 0 });
      const asked = { model: `anthropic/${name}`, max_tokens: 9, messages };
      await anthropic.messages.create(asked);
      await anthropic.messages.stream(asked).finalMessage();
      for (const call of await callsOf(`anthropic/${name}`, 2)) {
        const { answer } = await detail(call);
        assert.deepEqual(
          [answer.type, answer.content[0].text, answer.stop_reason],
          ['message', 'her words', 'end_turn'],
        );
      }
    });

    test('what the cache answered is kept as well', async () => {
      const { key } = await newKey({ log: { rate: 1 }, cache: { ttl: '1h' } });
      const name = model({ text: 'once made' });
      await chat(name, {}, { key });
      await chat(name, {}, { key });
      const [hit] = await callsOf(name, 2);
      assert.deepEqual([hit.from_cache, hit.cost_micros, hit.attempts], [true, 0, 0]);
      assert.equal((await detail(hit)).answer.choices[0].message.content, 'once made');
    });

    test('only a part is kept where the rate says so, and long bodies are cut', async () => {
      const never = await newKey({ log: { rate: 0 } });
      const some = await newKey({ log: { rate: 0.5 } });
      const name = model({ text: 'x' });
      await chat(name, {}, never);
      assert.equal((await logged(name)).logged, false);
      const sampled = model({ text: 'x' });
      await Promise.all(Array.from({ length: 64 }, () => chat(sampled, {}, some)));
      await callsOf(sampled, 50);
      const { items } = await until('all are recorded', async () => {
        const page = await list(`model=${encodeURIComponent(sampled)}&limit=200`);
        return page.items.length === 64 && page;
      });
      const kept = (await Promise.all(items.map((c) => detail(c)))).filter((c) => c.logged).length;
      assert.ok(kept > 0 && kept < 64, `${kept} of 64`); /* else once in 2^63 */
      const { key } = await newKey({ log: { rate: 1 } });
      const long = model({ text: 'x' });
      await chat(long, { messages: [{ role: 'user', content: 'é'.repeat(100_000) }] }, { key });
      assert.match((await logged(long)).request.messages[0].content, /^é+\.\.\. \[200000 bytes\]$/);
    });

    test('what the demo says is kept as what others say', async () => {
      const made = await ctx.api.post('/api/providers', { kind: 'demo', name: `demo-${ctx.db}` });
      expectStatus(made, 201);
      const { key } = await newKey({ log: { rate: 1 } });
      const name = `demo-${ctx.db}/demo`;
      const answer = await chat(name, {}, { key });
      await drained(await chat(name, { stream: true }, { key }));
      for (const call of await callsOf(name, 2))
        assert.equal(
          (await detail(call)).answer.choices[0].message.content,
          answer.choices[0].message.content,
        );
    });

    test('who may see what', async () => {
      const name = model({ text: 'private' });
      await chat(name, {}, await newKey({ log: { rate: 1 } }));
      const [call] = await callsOf(name);
      const viewer = ctx.api.as((await newKey(null, 'usage.read')).key);
      const reader = ctx.api.as((await newKey(null, 'usage.read call.read')).key);
      const nobody = ctx.api.as((await newKey()).key);
      const seen = await detail(call, viewer);
      assert.deepEqual([seen.logged, seen.request, seen.answer], [true, null, null]);
      assert.equal((await detail(call, reader)).answer.choices[0].message.content, 'private');
      expectProblem(await nobody.get('/api/calls'), 403);
      expectProblem(await nobody.get(`/api/calls/${call.id}`), 403);
      expectProblem(await ctx.api.get('/api/calls/01a1f9b5-3ec6-7069-ae6c-2a47e5c22407'), 404);
      expectProblem(await ctx.api.get('/api/calls/x'), 404);
    });

    test('wrong rules are refused by name', async () => {
      const key = await newKey();
      for (const log of [{}, { rate: 2 }, { rate: 1, redact: ['('] }, { rate: 1, colour: 1 }])
        expectProblem(await ctx.api.put(`/api/keys/${key.id}/limits`, { log }), 422, 'invalid');
    });

    test('nothing of it is lost over a stop', async () => {
      const name = model({ text: 'kept' });
      const { key } = await newKey({ log: { rate: 1 } });
      await chat(name, {}, { key });
      await ctx.server.restart();
      assert.equal((await logged(name)).answer.choices[0].message.content, 'kept');
    });
  },
  { server: { env } },
);
