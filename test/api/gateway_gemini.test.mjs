/* The clients of OpenAI and Anthropic call models of Gemini. */
import assert from 'node:assert/strict';
import { after } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { expectStatus } from '../lib/api.mjs';
import { Gate, until } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { startGeminiServer } from '../doubles/gemini_server.mjs';

const gemini = await startGeminiServer();
after(() => gemini.stop());
const env = { GOOGLE_GEMINI_BASE_URL: gemini.origin, GEMINI_API_KEY: gemini.apiKey };
const messages = [{ role: 'user', content: 'hello' }];
const parameters = { type: 'object', properties: { city: { type: 'string' } }, $schema: 'x' };
const tools = [{ type: 'function', function: { name: 'weather', description: 'd', parameters } }];

onEachDatabase(
  'gateway to Gemini',
  (ctx) => {
    const { test } = ctx;
    let n = 0;
    const client = (more = {}) =>
      new OpenAI({ baseURL: `${ctx.server.url}/v1`, apiKey: ctx.server.key, maxRetries: 0, ...more });
    const anthropic = () => new Anthropic({ baseURL: ctx.server.url, apiKey: ctx.server.key, maxRetries: 0 });
    function model(...behaviours) {
      const name = `gemini-3-t${++n}-${ctx.db}`;
      gemini.script(name, ...behaviours);
      return `gemini/${name}`;
    }
    const upstream = (name) => gemini.of(name.slice('gemini/'.length));
    const chat = (name, more = {}, options) =>
      client().chat.completions.create({ model: name, messages, ...more }, options);
    async function textOf(stream) {
      let text = '';
      for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? '';
      return text;
    }

    test('a provider of the environment lists its models of texts and answers', async () => {
      const name = model({ text: 'Grüße \u{1f9f6}.' });
      const providers = (await ctx.api.get('/api/providers')).json.items;
      const { id } = providers.find((p) => p.name === 'gemini');
      assert.equal((await ctx.api.post(`/api/providers/${id}/test`)).json.ok, true);
      const ids = [];
      for await (const m of client().models.list()) ids.push(m.id);
      assert.ok(ids.includes(name) && ids.includes('gemini/embeds-only'), ids.join(' '));
      assert.ok(!ids.includes('gemini/draws-only'));
      const answer = await chat(name);
      assert.equal(answer.choices[0].message.content, 'Grüße \u{1f9f6}.');
      assert.equal(answer.choices[0].finish_reason, 'stop');
      assert.deepEqual(
        [answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens],
        [11, 10, 21],
      );
      assert.equal(answer.usage.prompt_tokens_details.cached_tokens, 5);
      assert.equal(answer.usage.completion_tokens_details.reasoning_tokens, 4);
      assert.deepEqual(upstream(name)[0].body, {
        contents: [{ role: 'user', parts: [{ text: 'hello' }] }],
      });
    });

    test('a whole conversation is translated', async () => {
      const name = model({ text: 'done' });
      const schema = { type: 'object', properties: {} };
      const call = (id, text, more) => ({
        id,
        type: 'function',
        function: { name: 'weather', arguments: text },
        ...more,
      });
      const { response } = await chat(name, {
        messages: [
          { role: 'system', content: 'Be kind.' },
          {
            role: 'user',
            content: [
              { type: 'text', text: 'What is this?' },
              { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
            ],
          },
          {
            role: 'assistant',
            content: 'Let me see.',
            tool_calls: [call('c1', '{"city":"Köln"}'), call('c2', '')],
          },
          { role: 'tool', tool_call_id: 'c1', content: 'rain' },
          { role: 'tool', tool_call_id: 'c2', content: 'sun' },
          { role: 'user', content: 'So?' },
        ],
        tools,
        tool_choice: { type: 'function', function: { name: 'weather' } },
        temperature: 1.5,
        top_p: 0.9,
        stop: ['END'],
        max_tokens: 99,
        seed: 7,
        presence_penalty: 0.5,
        logit_bias: { 1: 2 },
        user: 'u-1',
        reasoning_effort: 'medium',
        response_format: { type: 'json_schema', json_schema: { name: 'x', schema } },
      }).withResponse();
      assert.equal(response.headers.get('x-heddle-dropped'), 'logit_bias, user');
      const nobody = Buffer.from('skip_thought_signature_validator').toString('base64');
      assert.deepEqual(upstream(name)[0].body, {
        systemInstruction: { parts: [{ text: 'Be kind.' }] },
        contents: [
          {
            role: 'user',
            parts: [{ text: 'What is this?' }, { inlineData: { mimeType: 'image/png', data: 'AAAA' } }],
          },
          {
            role: 'model',
            parts: [
              { text: 'Let me see.' },
              { functionCall: { name: 'weather', args: { city: 'Köln' } }, thoughtSignature: nobody },
              { functionCall: { name: 'weather', args: {} } },
            ],
          },
          {
            role: 'user',
            parts: [
              { functionResponse: { name: 'weather', response: { output: 'rain' } } },
              { functionResponse: { name: 'weather', response: { output: 'sun' } } },
              { text: 'So?' },
            ],
          },
        ],
        tools: [
          { functionDeclarations: [{ name: 'weather', description: 'd', parametersJsonSchema: parameters }] },
        ],
        toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['weather'] } },
        generationConfig: {
          temperature: 1.5,
          topP: 0.9,
          seed: 7,
          presencePenalty: 0.5,
          maxOutputTokens: 99,
          stopSequences: ['END'],
          responseMimeType: 'application/json',
          responseJsonSchema: schema,
          thinkingConfig: { thinkingLevel: 'medium', includeThoughts: true },
        },
      });
      const old = `gemini-2.5-flash-${ctx.db}`;
      gemini.script(old, {});
      await chat(`gemini/${old}`, { reasoning_effort: 'none' });
      assert.deepEqual(gemini.of(old)[0].body.generationConfig.thinkingConfig, {
        thinkingBudget: 0,
        includeThoughts: false,
      });
    });

    test('tools come back with ids and signatures, which go there again', async () => {
      const parts = [
        { text: 'Hm.', thought: true },
        { functionCall: { name: 'weather', args: { city: 'Köln' } }, thoughtSignature: 'c2ln' },
        { functionCall: { name: 'weather', args: { city: 'Rom' } } },
      ];
      for (const stream of [false, true]) {
        const name = model({ parts }, { text: 'Both fine.' });
        const answer = stream
          ? await client().chat.completions.stream({ model: name, messages, tools }).finalChatCompletion()
          : await chat(name, { tools });
        const [{ message, finish_reason }] = answer.choices;
        assert.equal(finish_reason, 'tool_calls');
        assert.equal(message.reasoning_content ?? 'Hm.', 'Hm.');
        const calls = message.tool_calls;
        assert.deepEqual(
          calls.map((c) => [c.function.name, JSON.parse(c.function.arguments).city]),
          [
            ['weather', 'Köln'],
            ['weather', 'Rom'],
          ],
        );
        assert.ok(calls[0].id && calls[0].id !== calls[1].id);
        await chat(name, {
          messages: [
            ...messages,
            { role: 'assistant', content: null, tool_calls: calls },
            ...calls.map((c) => ({ role: 'tool', tool_call_id: c.id, content: c.function.arguments })),
          ],
          tools,
        });
        const sent = upstream(name)[1].body.contents;
        assert.equal(sent[1].parts[0].thoughtSignature, 'c2ln');
        assert.equal(sent[2].parts[1].functionResponse.response.output, '{"city":"Rom"}');
      }
      const name = model({ parts });
      const said = { model: name, max_tokens: 9, messages };
      const whole = await anthropic().messages.create(said);
      const streamed = await anthropic().messages.stream(said).finalMessage();
      for (const m of [whole, streamed]) {
        assert.equal(m.stop_reason, 'tool_use');
        assert.deepEqual(
          m.content.map((b) => b.thinking ?? b.input.city),
          ['Hm.', 'Köln', 'Rom'],
        );
      }
    });

    test('a whole conversation of a client of Anthropic is translated', async () => {
      const name = model({ text: 'done' });
      const input_schema = { type: 'object', properties: {} };
      const { data, response } = await anthropic()
        .messages.create({
          model: name,
          max_tokens: 99,
          system: [{ type: 'text', text: 'Be kind.', cache_control: { type: 'ephemeral' } }],
          messages: [
            {
              role: 'user',
              content: [
                { type: 'text', text: 'What is this?' },
                { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
                { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: 'BBBB' } },
              ],
            },
            {
              role: 'assistant',
              content: [
                { type: 'thinking', thinking: 'Hm.', signature: 'c2ln' },
                { type: 'tool_use', id: 't1', name: 'weather', input: { city: 'Köln' } },
                { type: 'tool_use', id: 't2', name: 'news', input: {} },
              ],
            },
            {
              role: 'user',
              content: [
                { type: 'tool_result', tool_use_id: 't2', content: 'none', is_error: true },
                { type: 'tool_result', tool_use_id: 't1', content: [{ type: 'text', text: 'rain' }] },
                { type: 'text', text: 'So?' },
              ],
            },
          ],
          tools: [
            { name: 'weather', description: 'd', input_schema },
            { name: 'news', input_schema },
          ],
          tool_choice: { type: 'any', disable_parallel_tool_use: true },
          stop_sequences: ['END'],
          temperature: 0.5,
          top_k: 7,
          metadata: { user_id: 'u-1' },
          output_config: { effort: 'low', format: { type: 'json_schema', schema: input_schema } },
        })
        .withResponse();
      assert.equal(data.content[0].text, 'done');
      assert.equal(data.stop_reason, 'end_turn');
      assert.deepEqual(response.headers.get('x-heddle-dropped').split(', ').sort(), [
        'cache_control',
        'messages.thinking',
        'metadata.user_id',
        'tool_choice.disable_parallel_tool_use',
      ]);
      const nobody = Buffer.from('skip_thought_signature_validator').toString('base64');
      assert.deepEqual(upstream(name)[0].body, {
        systemInstruction: { parts: [{ text: 'Be kind.' }] },
        contents: [
          {
            role: 'user',
            parts: [
              { text: 'What is this?' },
              { inlineData: { mimeType: 'image/png', data: 'AAAA' } },
              { inlineData: { mimeType: 'application/pdf', data: 'BBBB' } },
            ],
          },
          {
            role: 'model',
            parts: [
              { functionCall: { name: 'weather', args: { city: 'Köln' } }, thoughtSignature: nobody },
              { functionCall: { name: 'news', args: {} } },
            ],
          },
          {
            role: 'user',
            parts: [
              { functionResponse: { name: 'news', response: { error: 'none' } } },
              { functionResponse: { name: 'weather', response: { output: 'rain' } } },
              { text: 'So?' },
            ],
          },
        ],
        tools: [
          {
            functionDeclarations: [
              { name: 'weather', description: 'd', parametersJsonSchema: input_schema },
              { name: 'news', parametersJsonSchema: input_schema },
            ],
          },
        ],
        toolConfig: { functionCallingConfig: { mode: 'ANY' } },
        generationConfig: {
          temperature: 0.5,
          topK: 7,
          maxOutputTokens: 99,
          stopSequences: ['END'],
          responseMimeType: 'application/json',
          responseJsonSchema: input_schema,
          thinkingConfig: { thinkingLevel: 'low', includeThoughts: true },
        },
      });
    });

    test('why it ended is told, and what was blocked is no empty success', async () => {
      const pairs = {
        STOP: 'stop',
        MAX_TOKENS: 'length',
        SAFETY: 'content_filter',
        RECITATION: 'content_filter',
      };
      for (const [reason, finish] of Object.entries(pairs))
        assert.equal((await chat(model({ reason }))).choices[0].finish_reason, finish);
      const blocked = await chat(model({ blocked: true }));
      assert.equal(blocked.choices[0].finish_reason, 'content_filter');
      assert.equal(blocked.usage.prompt_tokens, 11);
      const chunks = [];
      for await (const chunk of await chat(model({ blocked: true }), { stream: true })) chunks.push(chunk);
      assert.equal(chunks.at(-1).choices[0].finish_reason, 'content_filter');
      await assert.rejects(chat(model({ empty: true })), OpenAI.InternalServerError);
      await assert.rejects(chat(model({ empty: true }), { stream: true }).then(textOf), OpenAI.APIError);
      await assert.rejects(chat(model({ reason: 'MALFORMED_FUNCTION_CALL' })), OpenAI.InternalServerError);
      await assert.rejects(
        chat(model({ reason: 'MALFORMED_FUNCTION_CALL' }), { stream: true }).then(textOf),
        OpenAI.APIError,
      );
    });

    test('streams come as they are made, whole however they are cut', async () => {
      const gate = new Gate();
      let text = '';
      const slow = model({ pieces: ['one ', 'two'], gate: { after: 1, gate } });
      for await (const chunk of await chat(slow, { stream: true })) {
        text += chunk.choices[0]?.delta?.content ?? '';
        if (text === 'one ') gate.open(); /* nothing more is sent before this */
      }
      assert.equal(text, 'one two');
      text = 'Grüße, 世界 \u{1f9f6} — fin';
      for (const odd of [{ packet: 7 }, { packet: 1 }, { line_end: '\n', packet: 5 }])
        assert.equal(await textOf(await chat(model({ text, ...odd }), { stream: true })), text);
      const chunks = [];
      const asked = { stream: true, stream_options: { include_usage: true } };
      for await (const chunk of await chat(model({ text }), asked)) chunks.push(chunk);
      assert.equal(chunks.at(-1).usage.total_tokens, 21);
      assert.equal(chunks.filter((c) => c.usage).length, 1);
      const final = await anthropic()
        .messages.stream({ model: model({ text }), max_tokens: 9, messages })
        .finalMessage();
      assert.equal(final.content[0].text, text);
      assert.deepEqual([final.usage.input_tokens, final.usage.cache_read_input_tokens], [6, 5]);
    });

    test('an upstream that dies, errs or lies in the middle is an error to the client', async () => {
      for (const fault of [{ cut_after: 2 }, { error_after: 2 }, { malformed_after: 2 }]) {
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
      }
      for (const text of [
        '{"candidates":',
        '[]',
        '{"candidates":[{"content":{"parts":[{"inlineData":{}}]}}]}',
      ])
        await assert.rejects(
          chat(model({ raw: { type: 'application/json', text } })),
          OpenAI.InternalServerError,
        );
    });

    test('errors of Gemini are those of the client, with the time that it asks for', async () => {
      const details = [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '16.2s' }];
      for (const stream of [false, true]) {
        const limited = model({ status: 429, name: 'RESOURCE_EXHAUSTED', details });
        await assert.rejects(chat(limited, { stream }), (e) => {
          assert.ok(e instanceof OpenAI.RateLimitError);
          assert.deepEqual([e.code, e.headers.get('retry-after')], ['RESOURCE_EXHAUSTED', '17']);
          return /scripted 429/.test(e.message);
        });
        const said = { model: limited, max_tokens: 1, messages, stream };
        await assert.rejects(anthropic().messages.create(said), Anthropic.RateLimitError);
        await assert.rejects(chat(model({ status: 503 }), { stream }), OpenAI.InternalServerError);
        await assert.rejects(chat(model({ html: true }), { stream }), OpenAI.InternalServerError);
      }
      const made = await ctx.api.post('/api/providers', {
        kind: 'gemini',
        name: `wrong-${ctx.db}`,
        base_url: `${gemini.origin}/v1beta`,
        credential: 'AIza-wrong',
        private_network: true,
      });
      expectStatus(made, 201);
      await assert.rejects(chat(`wrong-${ctx.db}/x`), (e) => e.code === 'provider_credential_refused');
    });

    test('what has no translation is refused by its name', async () => {
      const refused = (more, says) =>
        assert.rejects(chat(model({}), more), (e) => {
          assert.ok(e instanceof OpenAI.BadRequestError, `${e}`);
          assert.match(e.message, says);
          return true;
        });
      await refused({ n: 2 }, /"n"/);
      await refused({ logprobs: true }, /"logprobs"/);
      const part = { type: 'image_url', image_url: { url: 'https://example.com/a.png' } };
      await refused({ messages: [{ role: 'user', content: [part] }] }, /"image_url"/);
      const result = { role: 'tool', tool_call_id: 'nowhere', content: 'x' };
      await refused({ messages: [...messages, result] }, /nowhere/);
      const tokens = client().embeddings.create({ model: model({}), input: [1, 2] });
      await assert.rejects(tokens, /takes no tokens/);
    });

    test('a client that leaves ends the upstream call at once', async () => {
      const name = model({ endless: true });
      const abort = new AbortController();
      const asked = chat(name, { stream: true }, { signal: abort.signal });
      asked.catch(() => {});
      const [seen] = await until('the upstream has the call', () => upstream(name).length && upstream(name));
      await until('tokens flow', () => seen.sent > 3);
      abort.abort();
      await until('the upstream sees it leave', () => seen.leftAt);
    });

    test('a route falls back from Gemini to OpenAI, and usage counts it', async () => {
      const plain = `plain${++n}-${ctx.db}`;
      ctx.model.script(plain, { text: 'saved' });
      const name = `gemini-${ctx.db}`;
      const targets = [
        { provider: 'gemini', model: model({ status: 503 }, { text: 'first' }).slice('gemini/'.length) },
        { provider: 'openai', model: plain },
      ];
      expectStatus(await ctx.api.post('/api/routes', { name, targets }), 201);
      assert.equal((await chat(name)).choices[0].message.content, 'saved');
      assert.equal(await textOf(await chat(name, { stream: true })), 'first');
      await until('usage has it', async () => {
        const { items } = (await ctx.api.get('/api/usage?group=provider')).json;
        return items.some((i) => i.group === 'gemini' && i.completion_tokens >= 10);
      });
    });
  },
  { server: { env } },
);
