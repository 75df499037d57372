/* Anthropic's client calls models: of Anthropic, where nothing is touched, and of OpenAI, where all is translated. */
import assert from 'node:assert/strict';
import { after } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { expectStatus } from '../lib/api.mjs';
import { Gate, until } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { startAnthropicServer } from '../doubles/anthropic_server.mjs';

const claude = await startAnthropicServer();
after(() => claude.stop());
const env = { ANTHROPIC_BASE_URL: `${claude.origin}/v1`, ANTHROPIC_API_KEY: claude.apiKey };
const messages = [{ role: 'user', content: 'hello' }];
const tools = [
  { name: 'weather', input_schema: { type: 'object', properties: { city: { type: 'string' } } } },
];

onEachDatabase(
  'gateway of messages',
  (ctx) => {
    const { test } = ctx;
    let n = 0;
    const client = (more = {}) =>
      new Anthropic({ baseURL: ctx.server.url, apiKey: ctx.server.key, maxRetries: 0, ...more });
    function at(provider, ...behaviours) {
      const name = `m${++n}-${ctx.db}`;
      (provider === 'openai' ? ctx.model : claude).script(name, ...behaviours);
      return `${provider}/${name}`;
    }
    const upstream = (name) =>
      (name.startsWith('openai/') ? ctx.model : claude).of(name.slice(name.indexOf('/') + 1));
    const ask = (model, more = {}, options) =>
      client().messages.create({ model, max_tokens: 100, messages, ...more }, options);
    async function eventsOf(stream) {
      const events = [];
      for await (const event of stream) events.push(event);
      return events;
    }
    const textOf = (events) => events.map((e) => e.delta?.text ?? '').join('');
    const fails = (promise, type, check = () => true) =>
      assert.rejects(promise, (error) => {
        assert.ok(error instanceof type, `${error.constructor.name}: ${error.message}`);
        check(error);
        return true;
      });

    test('at Anthropic a call goes on byte for byte, but for the name of the model', async () => {
      const name = at('anthropic', { text: 'Grüße.' });
      const text = (m) =>
        `{ "max_tokens":5, "model" : "${m}","messages":[{"role":"user","content":"\\u0041"}],\n"top_k":1.0e0 }`;
      const headers = { 'content-type': 'application/json', 'anthropic-version': '2024-01-01' };
      Object.assign(headers, {
        'anthropic-beta': 'b-1',
        'x-api-key': ctx.server.key,
        authorization: undefined,
      });
      const response = await fetch(`${ctx.server.url}/v1/messages`, {
        method: 'POST',
        headers: Object.fromEntries(Object.entries(headers).filter(([, v]) => v)),
        body: text(name),
      });
      const answer = await response.json();
      assert.equal(response.status, 200, JSON.stringify(answer));
      assert.ok(response.headers.get('request-id'));
      assert.deepEqual(answer.content, [{ type: 'text', text: 'Grüße.' }]);
      const [sent] = upstream(name);
      assert.equal(sent.text, text(name.slice('anthropic/'.length)));
      assert.equal(sent.headers['anthropic-version'], '2024-01-01');
      assert.equal(sent.headers['anthropic-beta'], 'b-1');
      assert.equal(sent.headers['x-api-key'], claude.apiKey);
      assert.ok(!sent.headers.authorization);
    });

    test('the same answers come whole and streamed, from either kind of provider', async () => {
      for (const provider of ['anthropic', 'openai']) {
        const text = 'Grüße, 世界 \u{1f9f6} — fin';
        const whole = await ask(at(provider, { text }));
        assert.equal(whole.type, 'message');
        assert.equal(whole.content[0].text, text);
        assert.equal(whole.stop_reason, 'end_turn');
        assert.ok(whole.usage.input_tokens > 0 && whole.usage.output_tokens > 0);
        assert.ok(whole._request_id);
        for (const odd of [{}, { packet: 7 }, { packet: 1 }, { line_end: '\r\n', packet: 5 }]) {
          const name = at(provider, { text, ...odd });
          const stream = client().messages.stream({ model: name, max_tokens: 9, messages });
          const final = await stream.finalMessage();
          assert.equal(final.content[0].text, text, `${provider} ${JSON.stringify(odd)}`);
          assert.equal(final.stop_reason, 'end_turn');
          assert.ok(final.usage.input_tokens > 0 && final.usage.output_tokens > 0);
        }
      }
    });

    test('tools come back in blocks, one after the other, and end as tools', async () => {
      const input = { city: 'Köln', days: [1, null] };
      for (const finish of [undefined, 'stop']) {
        const name = at('openai', { tool: { name: 'weather', arguments: input }, finish });
        const whole = await ask(name, { tools });
        assert.deepEqual(whole.content, [{ type: 'tool_use', id: 'call_1', name: 'weather', input }]);
        assert.equal(whole.stop_reason, 'tool_use');
        const final = await client()
          .messages.stream({ model: name, max_tokens: 9, messages, tools })
          .finalMessage();
        assert.deepEqual(final.content, whole.content);
        assert.equal(final.stop_reason, 'tool_use');
      }
      const events = await eventsOf(
        await ask(at('openai', { tool: { name: 'weather', arguments: input } }), { tools, stream: true }),
      );
      const order = events.map((e) => e.type).filter((t) => t !== 'content_block_delta');
      assert.deepEqual(order, [
        'message_start',
        'content_block_start',
        'content_block_stop',
        'message_delta',
        'message_stop',
      ]);
    });

    test('a whole conversation is translated', async () => {
      const name = at('openai', { text: 'done' });
      const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } };
      const { response } = await client()
        .messages.create({
          model: name,
          max_tokens: 77,
          system: [{ type: 'text', text: 'Be kind.', cache_control: { type: 'ephemeral' } }],
          messages: [
            { role: 'user', content: [{ type: 'text', text: 'Look.' }, image] },
            {
              role: 'assistant',
              content: [
                { type: 'thinking', thinking: 'Hm', signature: 'c2ln' },
                { type: 'text', text: 'I look.' },
                { type: 'tool_use', id: 't1', name: 'weather', input: { city: 'Rome' } },
                { type: 'tool_use', id: 't2', name: 'weather', input: {} },
              ],
            },
            {
              role: 'user',
              content: [
                { type: 'tool_result', tool_use_id: 't1', content: 'sun' },
                { type: 'tool_result', tool_use_id: 't2', content: [{ type: 'text', text: 'rain' }, image] },
                { type: 'text', text: 'So?' },
              ],
            },
          ],
          tools,
          tool_choice: { type: 'tool', name: 'weather', disable_parallel_tool_use: true },
          stop_sequences: ['END'],
          temperature: 0.5,
          metadata: { user_id: 'u-1' },
          thinking: { type: 'enabled', budget_tokens: 2000 },
        })
        .withResponse();
      assert.equal(response.headers.get('x-heddle-dropped'), 'cache_control, messages.thinking, thinking');
      const url = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } };
      const call = (id, text) => ({ id, type: 'function', function: { name: 'weather', arguments: text } });
      assert.deepEqual(upstream(name)[0].body, {
        model: name.slice('openai/'.length),
        messages: [
          { role: 'system', content: 'Be kind.' },
          { role: 'user', content: [{ type: 'text', text: 'Look.' }, url] },
          {
            role: 'assistant',
            content: 'I look.',
            tool_calls: [call('t1', '{"city":"Rome"}'), call('t2', '{}')],
          },
          { role: 'tool', tool_call_id: 't1', content: 'sun' },
          { role: 'tool', tool_call_id: 't2', content: 'rain' },
          { role: 'user', content: [url, { type: 'text', text: 'So?' }] },
        ],
        tools: [{ type: 'function', function: { name: 'weather', parameters: tools[0].input_schema } }],
        tool_choice: { type: 'function', function: { name: 'weather' } },
        parallel_tool_calls: false,
        max_completion_tokens: 77,
        temperature: 0.5,
        stop: ['END'],
        user: 'u-1',
      });
    });

    test('a stream comes as it is made, from either kind', async () => {
      for (const provider of ['anthropic', 'openai']) {
        const gate = new Gate();
        const wait = { openai: { piece_gate: { after: 1, gate } }, anthropic: { gate: { after: 4, gate } } };
        const name = at(provider, { pieces: ['one ', 'two'], ...wait[provider] });
        let text = '';
        for await (const event of await ask(name, { stream: true })) {
          text += event.delta?.text ?? '';
          if (text === 'one ') gate.open(); /* nothing more is sent before this */
        }
        assert.equal(text, 'one two');
      }
    });

    test('what has no translation is refused by its name', async () => {
      const refused = (more, says) =>
        fails(ask(at('openai', {}), more), Anthropic.BadRequestError, (e) => {
          assert.equal(e.error.error.type, 'invalid_request_error');
          assert.match(e.error.error.message, says);
        });
      await refused({ tools: [{ type: 'web_search_20250305', name: 'web_search' }] }, /web_search_20250305/);
      await refused({ mcp_servers: [{ type: 'url', url: 'https://x.y', name: 'x' }] }, /"mcp_servers"/);
      await refused({ container: 'c' }, /"container"/);
      const part = { type: 'image', source: { type: 'file', file_id: 'f' } };
      await refused({ messages: [{ role: 'user', content: [part] }] }, /"source"/);
      await refused({ messages: [{ role: 'user', content: [{ type: 'mystery' }] }] }, /mystery/);
      await refused({ messages: [] }, /"messages"/);
      await refused({ temperature: 'hot' }, /"temperature"/);
    });

    test('failures have the shape that its client knows', async () => {
      await fails(ask('nobody/nothing'), Anthropic.NotFoundError, (e) =>
        assert.equal(e.error.error.type, 'not_found_error'),
      );
      await fails(
        client({ apiKey: 'hdl_wrong' }).messages.create({ model: 'openai/x', max_tokens: 1, messages }),
        Anthropic.AuthenticationError,
      );
      for (const stream of [false, true]) {
        for (const provider of ['anthropic', 'openai']) {
          const headers = { 'retry-after': '7' };
          const limited = at(provider, { status: 429, error: 'rate_limit_error', headers });
          await fails(ask(limited, { stream }), Anthropic.RateLimitError, (e) => {
            assert.equal(e.error.error.type, 'rate_limit_error');
            assert.match(e.message, /scripted 429/);
            assert.equal(e.headers.get('retry-after'), '7');
          });
          await fails(ask(at(provider, { html: true }), { stream }), Anthropic.InternalServerError);
          await fails(ask(at(provider, { status: 401 }), { stream }), Anthropic.InternalServerError, (e) =>
            assert.match(e.message, /credential/),
          );
        }
        await fails(
          ask(at('anthropic', { status: 529, error: 'overloaded_error' }), { stream }),
          Anthropic.InternalServerError,
          (e) => assert.deepEqual([e.status, e.error.error.type], [529, 'overloaded_error']),
        );
      }
    });

    test('an upstream that dies, errs or lies in the middle is an error, never a short success', async () => {
      const faults = [{ cut_after: 2 }, { error_after: 2 }];
      for (const provider of ['anthropic', 'openai']) {
        for (const fault of provider === 'openai' ? [...faults, { malformed_after: 1 }] : faults) {
          const name = at(provider, { text: 'a text of several pieces', ...fault });
          const what = `${provider} ${JSON.stringify(fault)}`;
          await assert.rejects(ask(name, { stream: true }).then(eventsOf), Anthropic.APIError, what);
          const raw = await ctx.api.call('POST', '/v1/messages', {
            body: { model: name, max_tokens: 9, messages, stream: true },
          });
          assert.doesNotMatch(raw.text, /message_stop|\[DONE\]/, what);
          assert.match(raw.text, /event: error\ndata: \{"type":"error"/, what);
        }
      }
    });

    test('a client that leaves ends the upstream call at once', async () => {
      for (const provider of ['anthropic', 'openai']) {
        const name = at(provider, { endless: true, token_delay: 5 });
        const abort = new AbortController();
        const asked = ask(name, { stream: true }, { signal: abort.signal });
        asked.catch(() => {});
        const [seen] = await until(
          'the upstream has the call',
          () => upstream(name).length && upstream(name),
        );
        await until('tokens flow', () => seen.sent > 3);
        abort.abort();
        await until('the upstream sees it leave', () => seen.leftAt);
      }
    });

    test('tokens are counted by Anthropic, or estimated and called so', async () => {
      const count = (model) =>
        client()
          .messages.countTokens({ model, messages: [{ role: 'user', content: 'How are you today? '.repeat(200) }], tools })
          .withResponse();
      const real = await count(at('anthropic'));
      assert.equal(real.data.input_tokens, 42);
      assert.equal(real.response.headers.get('x-heddle-estimated'), null);
      const name = at('openai');
      const guess = await count(name);
      assert.ok(
        guess.data.input_tokens > 900 && guess.data.input_tokens < 1200,
        `${guess.data.input_tokens}`,
      );
      assert.equal(guess.response.headers.get('x-heddle-estimated'), 'input_tokens');
      assert.equal(upstream(name).length, 0);
    });

    test('models are listed in the form of the client that asks', async () => {
      const name = at('openai', { text: 'x' });
      const providers = (await ctx.api.get('/api/providers')).json.items;
      const { id } = providers.find((p) => p.name === 'openai');
      assert.equal((await ctx.api.post(`/api/providers/${id}/test`)).json.ok, true);
      const all = [];
      for await (const model of client().models.list()) all.push(model);
      const found = all.find((m) => m.id === name);
      assert.deepEqual([found.type, found.display_name], ['model', name]);
      assert.ok(!Number.isNaN(Date.parse(found.created_at)));
      assert.equal((await client().models.retrieve(name.slice('openai/'.length))).type, 'model');
      assert.equal((await ctx.api.get('/v1/models')).json.object, 'list');
    });

    test('a route falls back across dialects, and usage is counted', async () => {
      const name = `messages-${ctx.db}`;
      const target = (full) => {
        const [provider, model] = full.split('/');
        return { provider, model };
      };
      const targets = [target(at('anthropic', { status: 529 })), target(at('openai', { text: 'saved' }))];
      expectStatus(await ctx.api.post('/api/routes', { name, targets }), 201);
      assert.equal((await ask(name)).content[0].text, 'saved');
      assert.equal(textOf(await eventsOf(await ask(name, { stream: true }))), 'saved');
      const direct = `direct-${ctx.db}`;
      expectStatus(
        await ctx.api.post('/api/routes', { name: direct, targets: [target(at('anthropic', {}))] }),
        201,
      );
      await eventsOf(await ask(direct, { stream: true }));
      await ask(direct);
      await until('usage has them', async () => {
        const { items } = (await ctx.api.get('/api/usage?group=model')).json;
        const row = items.find((i) => i.group === direct);
        return (
          row &&
          row.prompt_tokens === 36 &&
          row.completion_tokens === 14 &&
          items.some((i) => i.group === name)
        );
      });
    });
  },
  { server: { env } },
);
