/* OpenAI's client calls models of Anthropic: what goes there, what comes back, and what goes wrong on the way. */
import assert from 'node:assert/strict';
import { after } from 'node:test';
import OpenAI from 'openai';
import { expectStatus } from '../lib/api.mjs';
import { Gate, until } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { startAnthropicServer } from '../doubles/anthropic_server.mjs';

const claude = await startAnthropicServer();
after(() => claude.stop());
const env = { ANTHROPIC_BASE_URL: claude.origin, ANTHROPIC_API_KEY: claude.apiKey };
const messages = [{ role: 'user', content: 'hello' }];
const pixel = 'iVBORw0KGgo=';

onEachDatabase(
  'gateway to Anthropic',
  (ctx) => {
    const { test } = ctx;
    let n = 0;
    const client = (more = {}) =>
      new OpenAI({ baseURL: `${ctx.server.url}/v1`, apiKey: ctx.server.key, maxRetries: 0, ...more });
    function model(...behaviours) {
      const name = `claude-t${++n}-${ctx.db}`;
      claude.script(name, ...behaviours);
      return `anthropic/${name}`;
    }
    const upstream = (name) => claude.of(name.slice('anthropic/'.length));
    const chat = (name, more = {}, options) =>
      client().chat.completions.create({ model: name, messages, ...more }, options);
    async function textOf(stream) {
      let text = '';
      for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? '';
      return text;
    }
    const tool = {
      type: 'function',
      function: {
        name: 'weather',
        description: 'The weather',
        parameters: { type: 'object', properties: { city: { type: 'string' } } },
        strict: true,
      },
    };
    const call = (id, input) => ({ type: 'tool_use', id, name: 'weather', input });

    test('a provider of the environment lists its models and answers', async () => {
      const name = model({ text: 'Grüße \u{1f9f6}.' });
      const providers = (await ctx.api.get('/api/providers')).json.items;
      const { id } = providers.find((p) => p.name === 'anthropic');
      assert.equal((await ctx.api.post(`/api/providers/${id}/test`)).json.ok, true);
      const ids = [];
      for await (const m of client().models.list()) ids.push(m.id);
      assert.ok(ids.includes(name), ids.join(' '));
      const answer = await chat(name);
      assert.equal(answer.object, 'chat.completion');
      assert.equal(answer.choices[0].message.content, 'Grüße \u{1f9f6}.');
      assert.equal(answer.choices[0].finish_reason, 'stop');
      assert.equal(answer.model, name.slice('anthropic/'.length));
      assert.deepEqual(answer.usage, {
        prompt_tokens: 18,
        completion_tokens: 7,
        total_tokens: 25,
        prompt_tokens_details: { cached_tokens: 5, cache_write_tokens: 3 },
        completion_tokens_details: { reasoning_tokens: 0 },
      });
      const [sent] = upstream(name);
      assert.equal(sent.headers['anthropic-version'], '2023-06-01');
      assert.ok(!sent.headers.authorization);
      assert.deepEqual(sent.body, {
        model: name.slice('anthropic/'.length),
        max_tokens: 64000,
        messages: [{ role: 'user', content: [{ type: 'text', text: 'hello' }] }],
      });
    });

    test('a whole conversation is translated', async () => {
      const name = model({ text: 'done' });
      const { response } = await client()
        .chat.completions.create({
          model: name,
          messages: [
            { role: 'system', content: 'Be kind.' },
            {
              role: 'user',
              content: [
                { type: 'text', text: 'What is this?', cache_control: { type: 'ephemeral' } },
                { type: 'image_url', image_url: { url: `data:image/png;base64,${pixel}` } },
                { type: 'image_url', image_url: { url: 'https://example.com/a.jpg' } },
                { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,AAAA' } },
              ],
            },
            {
              role: 'assistant',
              content: 'Let me see.',
              tool_calls: [
                { id: 'c1', type: 'function', function: { name: 'weather', arguments: '{"city":"Köln"}' } },
                { id: 'c2', type: 'function', function: { name: 'weather', arguments: '' } },
              ],
            },
            { role: 'tool', tool_call_id: 'c1', content: 'rain' },
            { role: 'tool', tool_call_id: 'c2', content: [{ type: 'text', text: 'sun' }] },
            { role: 'user', content: 'So?' },
            { role: 'developer', content: 'Be brief.' },
          ],
          tools: [tool],
          tool_choice: 'required',
          parallel_tool_calls: false,
          temperature: 1.5,
          top_p: 0.9,
          stop: 'END',
          max_completion_tokens: 99,
          user: 'u-1',
          seed: 7,
          logit_bias: { 1: 2 },
          frequency_penalty: 0,
          logprobs: null,
          store: false,
          response_format: {
            type: 'json_schema',
            json_schema: { name: 'x', schema: { type: 'object', additionalProperties: false } },
          },
        })
        .withResponse();
      assert.equal(response.headers.get('x-heddle-dropped'), 'logit_bias, seed');
      assert.equal(response.headers.get('x-heddle-changed'), 'temperature');
      const { body } = upstream(name)[0];
      assert.deepEqual(body, {
        model: name.slice('anthropic/'.length),
        max_tokens: 99,
        system: [
          { type: 'text', text: 'Be kind.' },
          { type: 'text', text: 'Be brief.' },
        ],
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: 'What is this?', cache_control: { type: 'ephemeral' } },
              { type: 'image', source: { type: 'base64', media_type: 'image/png', data: pixel } },
              { type: 'image', source: { type: 'url', url: 'https://example.com/a.jpg' } },
              {
                type: 'document',
                source: { type: 'base64', media_type: 'application/pdf', data: 'AAAA' },
                title: 'a.pdf',
              },
            ],
          },
          {
            role: 'assistant',
            content: [{ type: 'text', text: 'Let me see.' }, call('c1', { city: 'Köln' }), call('c2', {})],
          },
          {
            role: 'user',
            content: [
              { type: 'tool_result', tool_use_id: 'c1', content: 'rain' },
              { type: 'tool_result', tool_use_id: 'c2', content: 'sun' },
              { type: 'text', text: 'So?' },
            ],
          },
        ],
        tools: [
          {
            name: 'weather',
            description: 'The weather',
            input_schema: tool.function.parameters,
            strict: true,
          },
        ],
        tool_choice: { type: 'any', disable_parallel_tool_use: true },
        output_config: {
          format: { type: 'json_schema', schema: { type: 'object', additionalProperties: false } },
        },
        temperature: 1,
        top_p: 0.9,
        stop_sequences: ['END'],
        metadata: { user_id: 'u-1' },
      });
    });

    test('what has no translation is refused by its name', async () => {
      const refused = async (more, says) => {
        const name = model({});
        await assert.rejects(chat(name, more), (e) => {
          assert.ok(e instanceof OpenAI.BadRequestError, `${e}`);
          assert.match(e.message, says);
          return true;
        });
        assert.equal(upstream(name).length, 0);
      };
      const content = (part) => ({ messages: [{ role: 'user', content: [part] }] });
      await refused({ n: 2 }, /"n"/);
      await refused({ logprobs: true }, /"logprobs"/);
      await refused({ modalities: ['text', 'audio'] }, /"modalities"/);
      await refused({ functions: [{ name: 'x' }] }, /"functions"/);
      await refused({ web_search_options: {} }, /"web_search_options"/);
      await refused({ tools: [{ type: 'custom', custom: { name: 'x' } }] }, /"tools"/);
      await refused(
        content({ type: 'input_audio', input_audio: { data: '', format: 'wav' } }),
        /input_audio/,
      );
      await refused(
        content({ type: 'image_url', image_url: { url: 'data:image/bmp;base64,AA' } }),
        /image\/bmp/,
      );
      await refused(content({ type: 'file', file: { file_id: 'f-1' } }), /"file_id"/);
      await refused({ messages: [{ role: 'narrator', content: 'x' }] }, /narrator/);
      await refused({ messages: [{ role: 'system', content: 'x' }] }, /"messages"/);
      await refused(
        {
          messages: [
            ...messages,
            {
              role: 'assistant',
              tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{"a"' } }],
            },
          ],
        },
        /arguments/,
      );
      await assert.rejects(client().embeddings.create({ model: model({}), input: 'x' }), (e) => {
        assert.match(e.message, /no embeddings/);
        return e instanceof OpenAI.BadRequestError;
      });
    });

    test('tools come back, whole and streamed, several at once, in whatever parts', async () => {
      const blocks = [
        { type: 'text', text: 'I look.' },
        call('t1', { city: 'Köln \u{1f327}', days: [1, { a: null }] }),
        call('t2', {}),
      ];
      for (const split of [1, 6, 1000]) {
        for (const stream of [false, true]) {
          const name = model({ blocks, split });
          const answer = stream
            ? await client()
                .chat.completions.stream({ model: name, messages, tools: [tool] })
                .finalChatCompletion()
            : await chat(name, { tools: [tool] });
          const [choice] = answer.choices;
          assert.equal(choice.finish_reason, 'tool_calls');
          assert.equal(choice.message.content, 'I look.');
          assert.deepEqual(
            choice.message.tool_calls.map((c) => [
              c.id,
              c.function.name,
              JSON.parse(c.function.arguments || '{}'),
            ]),
            [
              ['t1', 'weather', { city: 'Köln \u{1f327}', days: [1, { a: null }] }],
              ['t2', 'weather', {}],
            ],
          );
        }
      }
      const silent = await chat(model({ blocks: [call('t', {})] }));
      assert.equal(silent.choices[0].message.content, null);
    });

    test('why it ended is told in the words of OpenAI', async () => {
      const pairs = { end_turn: 'stop', stop_sequence: 'stop', pause_turn: 'stop', newest: 'stop' };
      Object.assign(pairs, { max_tokens: 'length', model_context_window_exceeded: 'length' });
      Object.assign(pairs, { refusal: 'content_filter' });
      for (const [stop, finish] of Object.entries(pairs)) {
        const name = model({ stop });
        assert.equal((await chat(name)).choices[0].finish_reason, finish);
        const whole = await client()
          .chat.completions.stream({ model: name, messages })
          .finalChatCompletion()
          .catch((e) => e);
        /* The client's own helper raises on these two. */
        if (!(whole instanceof Error)) assert.equal(whole.choices[0].finish_reason, finish);
        else assert.match(whole.constructor.name, /Finish|Error/);
      }
    });

    test('thinking is shown, and goes back as it came', async () => {
      const blocks = [
        { type: 'thinking', thinking: 'Hmm, well then.', signature: 'c2ln' },
        { type: 'redacted_thinking', data: 'c2VjcmV0' },
        call('t1', { city: 'Rome' }),
      ];
      const name = model({ blocks }, { text: 'Sunny.' });
      const whole = await chat(name, { tools: [tool], reasoning_effort: 'high', temperature: 0.3 });
      const { message } = whole.choices[0];
      assert.equal(message.reasoning_content, 'Hmm, well then.');
      const first = upstream(name)[0].body;
      assert.deepEqual([first.thinking, first.output_config], [{ type: 'adaptive' }, { effort: 'high' }]);
      assert.equal(first.temperature, undefined);
      await chat(name, {
        messages: [...messages, message, { role: 'tool', tool_call_id: 't1', content: 'sun' }],
        tools: [tool],
        reasoning_effort: 'high',
      });
      assert.deepEqual(upstream(name)[1].body.messages[1].content, blocks);
      /* Streamed: the words at once, the block that must go back when it is whole. */
      const seen = [];
      for await (const chunk of await chat(model({ blocks }), { tools: [tool], stream: true }))
        seen.push(chunk.choices[0]?.delta ?? {});
      assert.equal(seen.map((d) => d.reasoning_content ?? '').join(''), 'Hmm, well then.');
      assert.deepEqual(
        seen.flatMap((d) => d.thinking_blocks ?? []),
        blocks.slice(0, 2),
      );
      /* A client that lost it goes on without, and is told. */
      const lost = model({ text: 'Sunny.' });
      const { response } = await chat(lost, {
        messages: [
          ...messages,
          { role: 'assistant', tool_calls: message.tool_calls },
          { role: 'tool', tool_call_id: 't1', content: 'sun' },
        ],
        reasoning_effort: 'low',
      }).withResponse();
      assert.equal(response.headers.get('x-heddle-dropped'), 'reasoning_effort');
      /* Older models count tokens. */
      const old = `claude-3-7-sonnet-${ctx.db}`;
      claude.script(old, {});
      await chat(`anthropic/${old}`, { reasoning_effort: 'medium', max_tokens: 5000 });
      assert.deepEqual(claude.of(old).at(-1).body.thinking, { type: 'enabled', budget_tokens: 4999 });
    });

    test('a stream comes as it is made, its usage to those alone who asked', async () => {
      const gate = new Gate();
      const name = model({ pieces: ['one ', 'two'], gate: { after: 4, gate } });
      const stream = await chat(name, { stream: true });
      let text = '';
      for await (const chunk of stream) {
        text += chunk.choices[0]?.delta?.content ?? '';
        assert.ok(!chunk.usage);
        if (text === 'one ') gate.open(); /* nothing more is sent before this */
      }
      assert.equal(text, 'one two');
      const chunks = [];
      for await (const chunk of await chat(model({}), {
        stream: true,
        stream_options: { include_usage: true },
      }))
        chunks.push(chunk);
      assert.deepEqual(chunks.at(-1).choices, []);
      assert.equal(chunks.at(-1).usage.prompt_tokens, 18);
      assert.equal(chunks.at(-1).usage.completion_tokens, 7);
      assert.equal(chunks.at(-1).usage.prompt_tokens_details.cached_tokens, 5);
    });

    test('streams arrive whole however their bytes are cut and their lines end', async () => {
      const text = 'Grüße, 世界 \u{1f9f6} — fin';
      for (const odd of [{ packet: 7 }, { packet: 1 }, { line_end: '\r\n', packet: 5 }, { no_stop: true }]) {
        const name = model({ text, ...odd });
        assert.equal(await textOf(await chat(name, { stream: true })), text, JSON.stringify(odd));
      }
    });

    test('an upstream that dies, errs or lies in the middle is an error to the client', async () => {
      for (const fault of [{ cut_after: 5 }, { error_after: 5 }, { malformed_after: 5 }]) {
        const name = model({ text: 'a text of several pieces', ...fault });
        await assert.rejects(
          chat(name, { stream: true }).then(textOf),
          OpenAI.APIError,
          JSON.stringify(fault),
        );
        const raw = await ctx.api.call('POST', '/v1/chat/completions', {
          body: { model: name, messages, stream: true },
        });
        assert.doesNotMatch(raw.text, /\[DONE\]/);
        assert.match(raw.text, /data: \{"error":\{"message":/);
        if (fault.error_after) assert.match(raw.text, /overloaded_error/);
      }
      await assert.rejects(
        chat(model({ raw: { type: 'application/json', text: '{"content":7}' } })),
        OpenAI.InternalServerError,
      );
      await assert.rejects(
        chat(model({ raw: { type: 'application/json', text: '{"content":' } })),
        OpenAI.InternalServerError,
      );
    });

    test('errors of Anthropic are those of OpenAI', async () => {
      const of = async (behaviour, type, check) => {
        for (const stream of [false, true])
          await assert.rejects(chat(model(behaviour), { stream }), (e) => {
            assert.ok(e instanceof type, `${e.constructor.name}: ${e.message}`);
            check(e);
            return true;
          });
      };
      const limited = { status: 429, error: 'rate_limit_error', headers: { 'retry-after': '7' } };
      await of(limited, OpenAI.RateLimitError, (e) => {
        assert.match(e.message, /scripted 429/);
        assert.equal(e.code, 'rate_limit_error');
        assert.equal(e.headers.get('retry-after'), '7');
      });
      await of({ status: 529, error: 'overloaded_error' }, OpenAI.InternalServerError, (e) => {
        assert.deepEqual([e.status, e.code], [503, 'overloaded_error']);
      });
      await of({ status: 400, error: 'invalid_request_error' }, OpenAI.BadRequestError, (e) => {
        assert.match(e.message, /scripted 400/);
      });
      await of({ status: 401, error: 'authentication_error' }, OpenAI.InternalServerError, (e) => {
        assert.equal(e.code, 'provider_credential_refused');
      });
      await of({ html: true }, OpenAI.InternalServerError, (e) => assert.equal(e.status, 502));
    });

    test('the table of prices says what a model may say at most, and what a call costs', async () => {
      const name = model({ text: 'ok' });
      const price = { input: 1_000_000, cached_input: 100_000, cache_write: 2_000_000, output: 10_000_000 };
      const row = { provider: 'anthropic', model: name.slice('anthropic/'.length) };
      const put = await ctx.api.put('/api/prices', { ...row, price: { ...price, max_output: 1234 } });
      expectStatus(put, 204);
      await chat(name);
      await textOf(await chat(name, { stream: true }));
      assert.deepEqual(
        upstream(name).map((c) => c.body.max_tokens),
        [1234, 1234],
      );
      /* 10 new tokens, 5 of the cache, 3 into it, 7 said. */
      const cost = Math.ceil(10 + 0.5 + 6 + 70);
      const found = await until('both are recorded', async () => {
        const { items } = (await ctx.api.get('/api/usage?group=model')).json;
        return items.find((i) => i.group === name && i.calls === 2);
      });
      assert.equal(found.cost_micros, 2 * cost);
    });

    test('a client that leaves ends the upstream call at once', async () => {
      for (const stream of [true, false]) {
        const name = model(stream ? { endless: true } : { hang: true });
        const abort = new AbortController();
        const asked = chat(name, { stream }, { signal: abort.signal });
        asked.catch(() => {});
        const [seen] = await until(
          'the upstream has the call',
          () => upstream(name).length && upstream(name),
        );
        if (stream) await until('tokens flow', () => seen.sent > 3);
        abort.abort();
        await until('the upstream sees it leave', () => seen.leftAt);
      }
    });

    test('a route falls back from one dialect to another, and usage counts both', async () => {
      const plain = `plain${++n}-${ctx.db}`;
      ctx.model.script(plain, { status: 503 });
      const inner = model({ text: 'saved' }).slice('anthropic/'.length);
      const name = `both-${ctx.db}`;
      const targets = [
        { provider: 'openai', model: plain },
        { provider: 'anthropic', model: inner },
      ];
      expectStatus(await ctx.api.post('/api/routes', { name, targets }), 201);
      for (const stream of [false, true]) {
        const { data, response } = await chat(name, { stream, seed: 1 }).withResponse();
        assert.equal(stream ? await textOf(data) : data.choices[0].message.content, 'saved');
        assert.equal(response.headers.get('x-heddle-provider'), 'anthropic');
        assert.equal(response.headers.get('x-heddle-attempts'), '2');
        assert.equal(response.headers.get('x-heddle-dropped'), 'seed');
      }
      /* What the second has no words for: the client hears of the first, which may be well again. */
      await assert.rejects(chat(name, { n: 2 }), (e) => e.status === 503 && /scripted 503/.test(e.message));
      const back = `back-${ctx.db}`;
      const second = { provider: 'openai', model: `second${n}-${ctx.db}` };
      ctx.model.script(second.model, { text: 'plain' });
      expectStatus(await ctx.api.post('/api/routes', { name: back, targets: [targets[1], second] }), 201);
      assert.equal((await chat(back, { n: 2 })).choices[0].message.content, 'plain');
      await until('usage has them', async () => {
        const { json } = await ctx.api.get('/api/usage?group=model');
        const row = json.items.find((i) => i.group === name);
        return row && row.prompt_tokens >= 36 && row.completion_tokens >= 14 && row;
      });
    });
  },
  { server: { env } },
);
