/* The client of Google calls models of every dialect. */
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { ApiError, FunctionCallingConfigMode, GoogleGenAI, Type } from '@google/genai';
import OpenAI from 'openai';
import { expectStatus } from '../lib/api.mjs';
import { Gate, until } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { startAnthropicServer } from '../doubles/anthropic_server.mjs';
import { startGeminiServer } from '../doubles/gemini_server.mjs';

const [anthropic, gemini] = await Promise.all([startAnthropicServer(), startGeminiServer()]);
after(() => Promise.all([anthropic.stop(), gemini.stop()]));
const env = {
  ANTHROPIC_BASE_URL: anthropic.origin,
  ANTHROPIC_API_KEY: anthropic.apiKey,
  GOOGLE_GEMINI_BASE_URL: gemini.origin,
  GEMINI_API_KEY: gemini.apiKey,
  HEDDLE_LOG_LEVEL: 'debug',
};
const kinds = ['openai', 'anthropic', 'gemini'];
const contents = 'hello';
const said = [{ role: 'user', parts: [{ text: 'hello' }] }];
const weather = {
  name: 'weather',
  description: 'd',
  parameters: {
    type: Type.OBJECT,
    properties: { city: { type: Type.STRING, nullable: true }, days: { type: Type.INTEGER } },
    required: ['city'],
    propertyOrdering: ['days', 'city'],
  },
};
const tools = [{ functionDeclarations: [weather] }];

onEachDatabase(
  'gateway for Google clients',
  (ctx) => {
    const { test } = ctx;
    let n = 0;
    const client = (more = {}, key = ctx.server.key) =>
      new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: ctx.server.url, ...more } });
    const double = (kind) => ({ openai: ctx.model, anthropic, gemini })[kind];
    /* A model of @kind that does this. */
    function model(kind, ...behaviours) {
      const name = `${kind === 'gemini' ? 'gemini-3' : 'm'}-g${++n}-${ctx.db}`;
      double(kind).script(name, ...behaviours);
      return `${kind}/${name}`;
    }
    const upstream = (name) => {
      const [, kind, own] = name.match(/^(\w+)\/(.*)$/);
      return double(kind).of(own);
    };
    const generate = (name, config = {}, more = contents) =>
      client().models.generateContent({ model: name, contents: more, config });
    async function collect(stream) {
      const all = { text: '', chunks: [] };
      for await (const chunk of stream) {
        all.chunks.push(chunk);
        all.text += chunk.text ?? '';
      }
      return all;
    }
    const stream = async (name, config = {}, more = contents) =>
      collect(await client().models.generateContentStream({ model: name, contents: more, config }));
    const raw = (name, method, body, options = {}) =>
      ctx.api.call('POST', `/v1beta/models/${name}:${method}`, { body, ...options });

    test('a model of each dialect answers, whole and streamed, with what it used', async () => {
      const text = 'Grüße \u{1f9f6}, 世界.';
      for (const kind of kinds) {
        const name = model(kind, { text });
        const whole = await generate(name);
        assert.equal(whole.text, text, kind);
        assert.equal(whole.candidates[0].finishReason, 'STOP');
        assert.ok(whole.responseId && whole.modelVersion);
        const { chunks, text: streamed } = await stream(name);
        assert.equal(streamed, text, kind);
        assert.ok(chunks.length > 1, kind);
        assert.equal(chunks.at(-1).candidates[0].finishReason, 'STOP');
        for (const { usageMetadata: u } of [whole, chunks.at(-1)]) {
          assert.ok(u.promptTokenCount > 0 && u.totalTokenCount > u.promptTokenCount, kind);
          assert.equal(
            u.totalTokenCount,
            u.promptTokenCount + u.candidatesTokenCount + (u.thoughtsTokenCount ?? 0),
          );
        }
      }
    });

    test('at Gemini a call goes on byte for byte', async () => {
      const name = model('gemini', {});
      const body =
        '{ "contents":[{"role":"user","parts":[{"text":"h\\u0069"}]}],  "generationConfig":{"topK":1e1}}\n';
      const options = { raw: body, headers: { 'content-type': 'application/json' } };
      for (const method of ['generateContent', 'streamGenerateContent?alt=sse']) {
        const answer = await fetch(`${ctx.server.url}/v1beta/models/${name}:${method}`, {
          method: 'POST',
          headers: { ...options.headers, 'x-goog-api-key': ctx.server.key },
          body,
        });
        assert.equal(answer.status, 200, await answer.text());
      }
      for (const seen of upstream(name)) {
        assert.equal(seen.raw.toString(), body);
        assert.equal(seen.headers['x-goog-api-key'], gemini.apiKey);
      }
    });

    test('a whole conversation is translated', async () => {
      const name = model('openai', { text: 'done' });
      const { headers } = await raw(name, 'generateContent', {
        system_instruction: { parts: [{ text: 'Be kind.' }] },
        contents: [
          { parts: [{ text: 'What is this?' }, { inline_data: { mime_type: 'image/png', data: 'AAAA' } }] },
          {
            role: 'model',
            parts: [
              { text: 'Hm', thought: true },
              { text: 'Let me see.' },
              { functionCall: { name: 'weather', args: { city: 'Köln' } }, thoughtSignature: 'c2ln' },
              { functionCall: { name: 'weather', args: {} } },
            ],
          },
          {
            role: 'user',
            parts: [
              { functionResponse: { name: 'weather', response: { output: 'rain' } } },
              { functionResponse: { name: 'weather', response: { sky: 'blue', n: [1] } } },
              { text: 'So?' },
            ],
          },
        ],
        tools,
        toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['weather'] } },
        safetySettings: [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'BLOCK_NONE' }],
        generationConfig: {
          temperature: 1.5,
          topP: 0.9,
          topK: 7,
          maxOutputTokens: 99,
          stopSequences: ['END'],
          seed: 7,
          presencePenalty: 0.5,
          frequency_penalty: 0.25,
          candidateCount: 1,
          mediaResolution: 'MEDIA_RESOLUTION_LOW',
          responseMimeType: 'application/json',
          responseSchema: { type: 'OBJECT', properties: { a: { type: 'STRING' } }, required: ['a'] },
          thinkingConfig: { thinkingBudget: 1024 },
        },
      });
      assert.equal(
        headers['x-heddle-dropped'],
        'contents.thought, contents.thoughtSignature, safetySettings, generationConfig.mediaResolution, ' +
          'generationConfig.thinkingConfig, generationConfig.topK',
      );
      const schema = { type: 'object', properties: { a: { type: 'string' } }, additionalProperties: false };
      assert.deepEqual(upstream(name)[0].body, {
        model: name.slice('openai/'.length),
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
            tool_calls: [
              {
                id: 'call_0',
                type: 'function',
                function: { name: 'weather', arguments: '{"city":"Köln"}' },
              },
              { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{}' } },
            ],
          },
          { role: 'tool', tool_call_id: 'call_0', content: 'rain' },
          { role: 'tool', tool_call_id: 'call_1', content: '{"sky":"blue","n":[1]}' },
          { role: 'user', content: 'So?' },
        ],
        tools: [
          {
            type: 'function',
            function: {
              name: 'weather',
              description: 'd',
              parameters: {
                type: 'object',
                properties: { days: { type: 'integer' }, city: { type: ['string', 'null'] } },
                additionalProperties: false,
                required: ['city'],
              },
            },
          },
        ],
        tool_choice: { type: 'function', function: { name: 'weather' } },
        response_format: {
          type: 'json_schema',
          json_schema: { name: 'answer', strict: true, schema: { ...schema, required: ['a'] } },
        },
        max_completion_tokens: 99,
        temperature: 1.5,
        top_p: 0.9,
        seed: 7,
        presence_penalty: 0.5,
        frequency_penalty: 0.25,
        stop: ['END'],
      });
    });

    test('tools are called and answered in a loop, whole and streamed', async () => {
      const args = { city: 'Köln' };
      const scripts = {
        openai: { tool: { name: 'weather', arguments: args } },
        anthropic: { blocks: [{ type: 'tool_use', id: 't1', name: 'weather', input: args }], split: 3 },
        gemini: { parts: [{ functionCall: { name: 'weather', args }, thoughtSignature: 'c2ln' }] },
      };
      for (const kind of kinds)
        for (const streamed of [false, true]) {
          const name = model(kind, scripts[kind], { text: 'It rains.' });
          const chat = client().chats.create({ model: name, config: { tools } });
          const send = async (message) => {
            if (!streamed) return chat.sendMessage({ message });
            const all = await collect(await chat.sendMessageStream({ message }));
            const calls = all.chunks.flatMap((c) => c.functionCalls ?? []);
            return { text: all.text, functionCalls: calls };
          };
          const [call, ...more] = (await send('Weather?')).functionCalls;
          assert.deepEqual([call.name, call.args, more], ['weather', args, []], kind);
          assert.ok(chat.getHistory(true).at(-1).parts.length, `${kind}: the turn is kept`);
          const response = { output: 'rain' };
          const final = await send([{ functionResponse: { name: call.name, id: call.id, response } }]);
          assert.equal(final.text, 'It rains.', kind);
          const sent = upstream(name)[1].body;
          if (kind === 'openai') {
            assert.equal(sent.messages[1].tool_calls[0].id, sent.messages[2].tool_call_id);
            assert.equal(sent.messages[2].content, 'rain');
          } else if (kind === 'anthropic') {
            assert.deepEqual(sent.messages[1].content, [
              { type: 'tool_use', id: 't1', name: 'weather', input: args },
            ]);
            assert.deepEqual(sent.messages[2].content, [
              { type: 'tool_result', tool_use_id: 't1', content: 'rain' },
            ]);
          } else assert.ok(JSON.stringify(sent.contents).includes('"thoughtSignature":"c2ln"'));
        }
    });

    test('which tools may be called is told in the words of others', async () => {
      const both = [{ functionDeclarations: [weather, { name: 'news' }, { name: 'time' }] }];
      const choose = async (kind, functionCallingConfig) => {
        const name = model(kind, {});
        await generate(name, { tools: both, toolConfig: { functionCallingConfig } });
        const { tools: got, tool_choice } = upstream(name)[0].body;
        return [got.map((t) => t.name ?? t.function.name).join(' '), tool_choice?.type ?? tool_choice];
      };
      const mode = FunctionCallingConfigMode;
      assert.deepEqual(await choose('openai', { mode: mode.NONE }), ['weather news time', 'none']);
      assert.deepEqual(await choose('anthropic', { mode: mode.AUTO }), ['weather news time', 'auto']);
      const some = { mode: mode.ANY, allowedFunctionNames: ['news', 'time'] };
      assert.deepEqual(await choose('openai', some), ['news time', 'required']);
      assert.deepEqual(await choose('anthropic', some), ['news time', 'any']);
    });

    test('structured output is asked for in the words of others', async () => {
      const responseSchema = {
        type: Type.OBJECT,
        properties: { names: { type: Type.ARRAY, items: { type: Type.STRING }, minItems: '1' } },
        required: ['names'],
      };
      const json = {
        type: 'object',
        properties: { names: { type: 'array', items: { type: 'string' }, minItems: 1 } },
        required: ['names'],
        additionalProperties: false,
      };
      const text = '{"names":["a"]}';
      for (const config of [{ responseSchema }, { responseJsonSchema: json }]) {
        const name = model('openai', { text });
        const answer = await generate(name, { responseMimeType: 'application/json', ...config });
        assert.deepEqual(JSON.parse(answer.text), { names: ['a'] });
        const format = upstream(name)[0].body.response_format.json_schema;
        assert.deepEqual([format.schema, format.strict], [json, true]);
        const claude = model('anthropic', { text });
        await generate(claude, { responseMimeType: 'application/json', ...config });
        assert.deepEqual(upstream(claude)[0].body.output_config.format.schema, json);
      }
      const loose = model('openai', { text });
      await generate(loose, { responseMimeType: 'application/json' });
      assert.deepEqual(upstream(loose)[0].body.response_format, { type: 'json_object' });
    });

    test('thinking comes back with its signature and goes there again', async () => {
      const blocks = [
        { type: 'thinking', thinking: 'Let me think about it.', signature: 'c2ln' },
        { type: 'redacted_thinking', data: 'aGlkZGVu' },
        { type: 'text', text: 'Two.' },
      ];
      for (const streamed of [false, true]) {
        const name = model('anthropic', { blocks });
        const config = { thinkingConfig: { thinkingBudget: 2048, includeThoughts: true } };
        const chat = client().chats.create({ model: name, config: { ...config, maxOutputTokens: 4096 } });
        const turn = async (message) =>
          streamed ? collect(await chat.sendMessageStream({ message })) : chat.sendMessage({ message });
        assert.equal((await turn('1+1?')).text, 'Two.');
        await turn('Sure?');
        const [first, second] = upstream(name).map((r) => r.body);
        assert.deepEqual(first.thinking.type ?? first, 'adaptive');
        assert.deepEqual(second.messages[1].content.slice(0, 2), blocks.slice(0, 2));
        const last = second.messages[1].content.slice(2);
        assert.equal(last.map((b) => b.text).join(''), 'Two.');
      }
    });

    test('why it ended is told in the words of Google', async () => {
      assert.equal(
        (await generate(model('openai', { finish: 'length' }))).candidates[0].finishReason,
        'MAX_TOKENS',
      );
      const filtered = model('openai', { text: 'no', finish: 'content_filter' });
      assert.equal((await generate(filtered)).candidates[0].finishReason, 'SAFETY');
      assert.equal((await stream(filtered)).chunks.at(-1).candidates[0].finishReason, 'SAFETY');
      const blocked = model('anthropic', { blocks: [], stop: 'refusal' });
      const answer = await generate(blocked);
      assert.equal(answer.promptFeedback.blockReason, 'SAFETY');
      assert.equal(answer.text, undefined);
      const broken = { tool: { name: 'weather', arguments: '{"city":' } };
      const { chunks } = await stream(model('openai', broken), { tools });
      assert.equal(chunks.at(-1).candidates[0].finishReason, 'MALFORMED_FUNCTION_CALL');
      await assert.rejects(generate(model('openai', broken), { tools }), (e) => e.status === 502);
      const own = await generate(model('gemini', { blocked: true }));
      assert.equal(own.promptFeedback.blockReason, 'PROHIBITED_CONTENT');
    });

    test('a stream comes as it is made, as events or as a growing list', async () => {
      for (const kind of ['openai', 'gemini']) {
        const gate = new Gate();
        const hold = kind === 'openai' ? { piece_gate: { after: 1, gate } } : { gate: { after: 1, gate } };
        const name = model(kind, { pieces: ['one ', 'two'], ...hold });
        let text = '';
        for await (const chunk of await client().models.generateContentStream({ model: name, contents })) {
          text += chunk.text ?? '';
          if (text === 'one ') gate.open(); /* nothing more is sent before this */
        }
        assert.equal(text, 'one two');
      }
      for (const kind of kinds)
        for (const odd of [{}, { packet: 7 }, { packet: 1, line_end: '\r\n' }]) {
          const name = model(kind, { text: 'Grüße, 世界 \u{1f9f6} — fin', ...odd });
          const answer = await raw(name, 'streamGenerateContent', { contents: said });
          assert.match(answer.headers['content-type'], /^application\/json/);
          const list = JSON.parse(answer.text);
          const parts = list.flatMap((e) => e.candidates[0].content.parts);
          assert.equal(parts.map((p) => p.text).join(''), 'Grüße, 世界 \u{1f9f6} — fin', kind);
          assert.equal((await stream(name)).text, 'Grüße, 世界 \u{1f9f6} — fin', kind);
        }
      const failed = await raw(model('openai', { text: 'a b c', error_after: 1 }), 'streamGenerateContent', {
        contents: said,
      });
      assert.equal(JSON.parse(failed.text).at(-1).error.status, 'INTERNAL');
      expectStatus(await raw(model('openai'), 'streamGenerateContent?alt=xml', { contents: said }), 400);
    });

    test('an upstream that dies, errs or lies is an error to the client, never a short success', async () => {
      for (const kind of kinds) {
        for (const fault of [{ cut_after: 2 }, { error_after: 2 }, { malformed_after: 2 }]) {
          const name = model(kind, { text: 'a text of several pieces', ...fault });
          if (kind === 'gemini' && fault.malformed_after) continue; /* its client tells of it, as it came */
          await assert.rejects(stream(name), ApiError, `${kind} ${JSON.stringify(fault)}`);
        }
        for (const streamed of [false, true]) {
          const call = streamed ? stream : generate;
          for (const [behaviour, status] of [
            [{ html: true }, 502],
            [{ status: 429 }, 429],
            [{ status: 503 }, 503],
            [{ status: 400 }, 400],
            [{ raw: { type: 'application/json', text: '{"a":' } }, 502],
            [{ raw: { type: 'text/html', text: '<html>' } }, 502],
          ])
            await assert.rejects(call(model(kind, behaviour)), (e) => {
              assert.ok(e instanceof ApiError, `${kind} ${e}`);
              assert.equal(e.status, status, `${kind} ${streamed} ${JSON.stringify(behaviour)} ${e}`);
              return JSON.parse(e.message).error.code === status;
            });
        }
      }
      for (const name of [model('openai', { raw: { type: 'application/json', text: '{"choices":[]}' } })])
        await assert.rejects(generate(name), (e) => e.status === 502);
    });

    test('errors have the shape that its client knows, with the time to wait', async () => {
      const details = [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '16.2s' }];
      const names = [
        model('openai', { status: 429, headers: { 'retry-after': '17' } }),
        model('anthropic', {
          status: 429,
          error: 'rate_limit_error',
          headers: { 'retry-after-ms': '17000' },
        }),
        model('gemini', { status: 429, name: 'RESOURCE_EXHAUSTED', details }),
      ];
      for (const name of names)
        await assert.rejects(generate(name), (e) => {
          const { error } = JSON.parse(e.message);
          const retry = error.details.find((d) => d.retryDelay);
          assert.deepEqual([e.status, error.status], [429, 'RESOURCE_EXHAUSTED']);
          return /^1(7|6\.2|7\.000)s$/.test(retry.retryDelay);
        });
      const rejected = async (promise, status, name, says) =>
        assert.rejects(promise, (e) => {
          const { error } = JSON.parse(e.message);
          assert.deepEqual([e.status, error.code, error.status], [status, status, name]);
          assert.match(error.message, says);
          return e instanceof ApiError;
        });
      await rejected(generate('mini-none'), 404, 'NOT_FOUND', /mini-none/);
      const stranger = client({}, 'AIza-nobody').models.generateContent({ model: 'x', contents });
      await rejected(stranger, 401, 'UNAUTHENTICATED', /unknown, expired or revoked/);
      await rejected(client({}, 'AIza-nobody').models.list(), 401, 'UNAUTHENTICATED', /revoked/);
      expectStatus(await raw('x', 'predict', {}), 404);
      for (const text of ['{"contents":', '[]', '{"contents":[{"parts":1}]}', '{}']) {
        const answer = await ctx.api.call('POST', `/v1beta/models/${model('openai')}:generateContent`, {
          text,
          headers: { 'content-type': 'application/json' },
        });
        expectStatus(answer, 400);
        assert.equal(answer.json.error.status, 'INVALID_ARGUMENT');
      }
    });

    test('what has no translation is refused by its name', async () => {
      const refused = async (config, says, more) => {
        for (const kind of ['openai', 'anthropic']) {
          const name = model(kind);
          await assert.rejects(generate(name, config, more), (e) => {
            assert.equal(e.status, 400, `${e}`);
            assert.match(JSON.parse(e.message).error.message, says);
            return true;
          });
          assert.equal(upstream(name).length, 0);
        }
      };
      await refused({ tools: [{ googleSearch: {} }] }, /"tools\.googleSearch"/);
      await refused({ tools: [{ codeExecution: {} }] }, /"tools\.codeExecution"/);
      await refused({ tools: [{ urlContext: {} }] }, /"tools\.urlContext"/);
      await refused({ candidateCount: 2 }, /"generationConfig\.candidateCount"/);
      await refused({ responseLogprobs: true }, /"generationConfig\.responseLogprobs"/);
      await refused({ responseModalities: ['IMAGE'] }, /"generationConfig\.responseModalities"/);
      await refused({ cachedContent: 'cachedContents/x' }, /"cachedContent"/);
      const part = (p) => [{ role: 'user', parts: [p] }];
      await refused({}, /executableCode/, part({ executableCode: { code: 'x', language: 'PYTHON' } }));
      await refused({}, /audio\/mp3/, part({ inlineData: { mimeType: 'audio/mp3', data: 'AAAA' } }));
      await refused({}, /fileUri/, part({ fileData: { mimeType: 'image/png', fileUri: 'gs://a/b' } }));
      await refused({}, /answers no/, part({ functionResponse: { name: 'f', response: {} } }));
    });

    test('texts become vectors, one or several, at either kind of provider', async () => {
      for (const kind of ['openai', 'gemini']) {
        const name = model(kind, { vector: (text) => [text.length, 0.5, -1] });
        const embed = (more) => client().models.embedContent({ model: name, ...more });
        const one = await embed({ contents: 'abc' });
        assert.deepEqual(one.embeddings[0].values, [3, 0.5, -1], kind);
        const two = await embed({ contents: ['a', 'abcd'], config: { outputDimensionality: 3 } });
        assert.deepEqual(
          two.embeddings.map((e) => e.values[0]),
          [1, 4],
        );
        const plain = await raw(name, 'embedContent', { content: { parts: [{ text: 'ab' }] } });
        assert.deepEqual(plain.json.embedding.values, [2, 0.5, -1], kind);
        if (kind === 'openai') {
          assert.equal(upstream(name)[1].body.dimensions, 3);
          const typed = await raw(name, 'embedContent', {
            content: { parts: [{ text: 'ab' }] },
            taskType: 'RETRIEVAL_QUERY',
          });
          assert.equal(typed.headers['x-heddle-dropped'], 'taskType');
        }
      }
      await assert.rejects(
        client().models.embedContent({ model: model('anthropic'), contents: 'x' }),
        (e) => e.status === 400 && /no embeddings/.test(e.message),
      );
      const openai = new OpenAI({ baseURL: `${ctx.server.url}/v1`, apiKey: ctx.server.key, maxRetries: 0 });
      const made = await openai.embeddings.create({ model: model('gemini'), input: ['a', 'abc'] });
      assert.deepEqual(
        made.data.map((d) => [d.index, [...d.embedding]]),
        [
          [0, [1, 0.5, -1]],
          [1, [3, 0.5, -1]],
        ],
      );
    });

    test('tokens are counted by Gemini, or estimated and called so', async () => {
      const own = await client().models.countTokens({ model: model('gemini', { tokens: 42 }), contents });
      assert.equal(own.totalTokens, 42);
      const name = model('gemini', { tokens: 7 });
      const nested = await raw(name, 'countTokens', {
        generateContentRequest: { model: 'models/whatever', contents: said },
      });
      assert.equal(nested.json.totalTokens, 7);
      const other = await raw(model('openai'), 'countTokens', { contents: said });
      assert.ok(other.json.totalTokens > 0);
      assert.equal(other.headers['x-heddle-estimated'], 'totalTokens');
    });

    test('models are listed and called by every form of their names', async () => {
      const name = model('openai', { text: 'here' });
      const names = [];
      for await (const m of await client().models.list()) names.push(m.name);
      assert.ok(names.includes('models/openai/echo'), names.join(' '));
      assert.equal((await client().models.get({ model: name })).name, `models/${name}`);
      for (const form of [name, `models/${name}`]) assert.equal((await generate(form)).text, 'here');
      assert.match((await generate('echo')).text, /hello/);
      const v1 = new GoogleGenAI({
        apiKey: ctx.server.key,
        apiVersion: 'v1',
        httpOptions: { baseUrl: ctx.server.url },
      });
      assert.equal((await v1.models.generateContent({ model: name, contents })).text, 'here');
      const list = await ctx.api.get('/v1/models');
      assert.equal(list.json.object, 'list');
    });

    test('a key in the address is taken where models are called, and told to nobody', async () => {
      const name = model('openai', { text: 'here' });
      const call = (path, method = 'POST') =>
        fetch(`${ctx.server.url}${path}?key=${ctx.server.key}`, {
          method,
          headers: { 'content-type': 'application/json' },
          body: method === 'POST' ? JSON.stringify({ contents: said }) : undefined,
        });
      assert.equal((await call(`/v1beta/models/${name}:generateContent`)).status, 200);
      assert.equal((await call('/v1beta/models', 'GET')).status, 200);
      assert.equal((await call(`/v1beta/models/none-such:generateContent`)).status, 404);
      assert.equal((await call('/api/providers', 'GET')).status, 401);
      assert.equal((await call('/v1/messages')).status, 401);
      assert.ok(
        !JSON.stringify(upstream(name).map((r) => [r.headers, r.path, `${r.url}`])).includes(ctx.server.key),
      );
      await until('the log has it', () => ctx.server.proc.stderr.includes('none-such'));
      assert.ok(!ctx.server.proc.stderr.includes(ctx.server.key));
    });

    test('a client that leaves ends the upstream call at once', async () => {
      for (const kind of kinds) {
        const name = model(kind, { endless: true });
        const abort = new AbortController();
        const asked = stream(name, { abortSignal: abort.signal });
        asked.catch(() => {});
        const [seen] = await until(
          'the upstream has the call',
          () => upstream(name).length && upstream(name),
        );
        await until('tokens flow', () => seen.sent > 3);
        abort.abort();
        await until('the upstream sees it leave', () => seen.leftAt);
        await assert.rejects(asked);
        const hung = model(kind, { hang: true });
        const whole = new AbortController();
        const waiting = generate(hung, { abortSignal: whole.signal });
        waiting.catch(() => {});
        const [held] = await until('the upstream has it', () => upstream(hung).length && upstream(hung));
        whole.abort();
        await until('the upstream sees it leave', () => held.leftAt);
        await assert.rejects(waiting);
      }
    });

    test('a route falls back across dialects, and each call is recorded with what it used', async () => {
      const name = `google-${ctx.db}`;
      const [down, up] = [model('gemini', { status: 503 }), model('anthropic', { text: 'saved' })];
      const targets = [down, up].map((m) => ({
        provider: m.split('/')[0],
        model: m.split('/').slice(1).join('/'),
      }));
      expectStatus(await ctx.api.post('/api/routes', { name, targets }), 201);
      assert.equal((await generate(name)).text, 'saved');
      assert.equal((await stream(name)).text, 'saved');
      await until('the log has both', async () => {
        const { items } = (await ctx.api.get('/api/usage?group=model')).json;
        const mine = items.find((i) => i.group === name);
        return mine?.calls === 2 && mine.completion_tokens === 14;
      });
    });

    test('limits, prices and endpoints of a key hold, and what is kept is given again', async () => {
      const key = await ctx.server.newKey(`g${++n}`);
      const keys = (await ctx.api.get('/api/keys')).json.items;
      const { id } = keys.find((k) => k.name === `g${n}`);
      const mine = client({}, key);
      const name = model('gemini', { text: 'kept' });
      const put = async (limits) => expectStatus(await ctx.api.put(`/api/keys/${id}/limits`, limits), 200);
      await put({ endpoints: ['chat', 'embeddings'] });
      const ask = () => mine.models.generateContent({ model: name, contents });
      await assert.rejects(ask(), (e) => e.status === 403);
      await put({ endpoints: ['generate_content'], cache: { ttl: '1h' } });
      assert.equal((await ask()).text, 'kept');
      assert.equal((await ask()).text, 'kept');
      for (const form of ['sse', 'json']) {
        const again = () =>
          fetch(`${ctx.server.url}/v1beta/models/${name}:streamGenerateContent?alt=${form}`, {
            method: 'POST',
            headers: { 'content-type': 'application/json', 'x-goog-api-key': key },
            body: JSON.stringify({ contents: said }),
          });
        const first = await (await again()).text();
        const second = await again();
        assert.equal(second.headers.get('x-heddle-cache'), 'hit');
        assert.equal(await second.text(), first);
      }
      assert.equal(upstream(name).length, 2);
      await assert.rejects(mine.models.embedContent({ model: name, contents }), (e) => e.status === 403);
      await put({ limits: { tokens: { month: 1_000_000 } } });
      const reserved = async (generationConfig) => {
        const options = { headers: { authorization: `Bearer ${key}` } };
        const answer = await raw(name, 'generateContent', { contents: said, generationConfig }, options);
        expectStatus(answer, 200);
        const left = Number(answer.headers['x-ratelimit-remaining-tokens']);
        const used = (reserved.used = (reserved.used ?? 0) + 21);
        return 1_000_000 + 21 - used - left;
      };
      const most = (n) => (got) => assert.ok(got > n && got < n + 200, `${got} for ${n}`);
      most(200)(await reserved({ maxOutputTokens: 200 }));
      most(800)(await reserved({ maxOutputTokens: '200', candidateCount: 4 }));
      most(9000)(await reserved({ maxOutputTokens: 2, max_output_tokens: 9000 }));
      expectStatus(
        await raw(name, 'generateContent', { contents: said, generationConfig: { candidateCount: '4e9' } }),
        400,
      );
      await put({ limits: { tokens: { month: 1 } } });
      await assert.rejects(ask(), (e) => {
        const { error } = JSON.parse(e.message);
        return (
          e.status === 429 && error.status === 'RESOURCE_EXHAUSTED' && error.details.some((d) => d.retryDelay)
        );
      });
      const price = { input: 1_000_000, output: 1_000_000 };
      const own = name.slice('gemini/'.length);
      expectStatus(await ctx.api.put('/api/prices', { provider: 'gemini', model: own, price }), 204);
      await put({ limits: { cost_micros: { month: 0 } } });
      await assert.rejects(ask(), (e) => e.status === 402);
    });

    test('a prompt is called with what is said and its variables', async () => {
      const name = model('gemini', { text: 'well' });
      const version = {
        model: name,
        messages: [
          { role: 'system', content: 'Speak {{tongue}}.' },
          { role: 'user', content: 'I am {{who}}.' },
          { role: 'assistant', content: 'Hello.' },
        ],
        defaults: { who: 'Ada' },
        parameters: { temperature: 0.5, max_tokens: 99 },
      };
      expectStatus(await ctx.api.post('/api/prompts', { name: 'greet', prompt: version }), 201);
      const answer = await raw('prompt/greet@1', 'generateContent', {
        contents: said,
        system_instruction: { parts: [{ text: 'Be short.' }] },
        generationConfig: { temperature: 1, topP: 0.5 },
        prompt_variables: { tongue: 'German' },
      });
      expectStatus(answer, 200);
      assert.equal(answer.headers['x-heddle-prompt'], 'greet@1');
      assert.deepEqual(upstream(name)[0].body, {
        system_instruction: { parts: [{ text: 'Speak German.' }, { text: 'Be short.' }] },
        contents: [
          { role: 'user', parts: [{ text: 'I am Ada.' }] },
          { role: 'model', parts: [{ text: 'Hello.' }] },
          { role: 'user', parts: [{ text: 'hello' }] },
        ],
        generationConfig: { temperature: 1, topP: 0.5, maxOutputTokens: 99 },
      });
      expectStatus(await raw('prompt/greet@1', 'embedContent', { content: said[0] }), 400);
    });

    test('a conversation that is too long is trimmed by its turns', async () => {
      const own = `gemini-3-long${++n}-${ctx.db}`;
      gemini.script(own, {});
      const price = { input: 1, output: 1, max_input: 200 };
      expectStatus(await ctx.api.put('/api/prices', { provider: 'gemini', model: own, price }), 204);
      const name = `trim-${ctx.db}`;
      const made = { name, targets: [{ provider: 'gemini', model: own }], context: 'trim' };
      expectStatus(await ctx.api.post('/api/routes', made), 201);
      const long = (text) => [{ text: `${text} ${'some more words '.repeat(40)}` }];
      const turns = [
        { role: 'user', parts: long('q1') },
        { role: 'model', parts: [{ functionCall: { name: 'f', args: {} }, thoughtSignature: 'c2ln' }] },
        { role: 'user', parts: [{ functionResponse: { name: 'f', response: { output: 'x' } } }] },
        { role: 'model', parts: long('a1') },
        { role: 'user', parts: [{ text: 'q2: and now?' }] },
      ];
      const systemInstruction = { parts: [{ text: 'Be kind.' }] };
      const answer = await raw(name, 'generateContent', { contents: turns, systemInstruction });
      expectStatus(answer, 200);
      assert.match(answer.headers['x-heddle-trimmed'], /^messages=4; /);
      const { body } = gemini.of(own)[0];
      assert.deepEqual(body, { contents: turns.slice(4), systemInstruction });
      const strict = { ...made, name: `strict-${ctx.db}`, context: 'error' };
      expectStatus(await ctx.api.post('/api/routes', strict), 201);
      const refused = await raw(strict.name, 'generateContent', { contents: turns });
      assert.match(refused.json.error.message, /reads 200/);
      assert.equal(refused.json.error.details[0].reason, 'context_length_exceeded');
    });

    test('what was said is kept where a key wants it, a stream as one answer', async () => {
      const key = await ctx.server.newKey(`g${++n}`);
      const keys = (await ctx.api.get('/api/keys?limit=200')).json.items;
      const { id } = keys.find((k) => k.name === `g${n}`);
      expectStatus(await ctx.api.put(`/api/keys/${id}/limits`, { log: { rate: 1 } }), 200);
      for (const kind of ['openai', 'gemini']) {
        const name = model(kind, { text: 'an answer in pieces' });
        await collect(await client({}, key).models.generateContentStream({ model: name, contents }));
        const call = await until('the call is recorded', async () => {
          const path = `/api/calls?model=${encodeURIComponent(name)}`;
          return (await ctx.api.get(path)).json.items[0];
        });
        assert.equal(call.operation, 'generate_content');
        const { request, answer } = (await ctx.api.get(`/api/calls/${call.id}`)).json;
        const json = (v) => (typeof v === 'string' ? JSON.parse(v) : v);
        assert.equal(json(request).contents[0].parts[0].text, 'hello');
        const [{ content, finishReason }] = json(answer).candidates;
        assert.deepEqual([content.parts[0].text, finishReason], ['an answer in pieces', 'STOP']);
      }
    });

    test('what means the same is answered by what was kept, by embeddings of Gemini', async () => {
      const meaning = model('gemini');
      const name = model('gemini', { text: 'Paris.' });
      const key = await ctx.server.newKey(`g${++n}`);
      const keys = (await ctx.api.get('/api/keys?limit=200')).json.items;
      const { id } = keys.find((k) => k.name === `g${n}`);
      const cache = { ttl: '1h', similarity: 0.99, embeddings: meaning };
      expectStatus(await ctx.api.put(`/api/keys/${id}/limits`, { cache }), 200);
      const options = { headers: { authorization: `Bearer ${key}` } };
      const ask = async (text, more) =>
        (await raw(name, 'generateContent', { contents: [{ parts: [{ text }] }], ...more }, options)).headers;
      assert.equal((await ask('The capital of France is which?'))['x-heddle-cache'], 'miss');
      const near = await ask('Which city is France its capital?');
      assert.equal(near['x-heddle-cache'], 'hit');
      assert.ok(Number(near['x-heddle-cache-similarity']) > 0.99);
      const other = { systemInstruction: { parts: [{ text: 'Lie.' }] } };
      assert.equal((await ask('Which city is France its capital?', other))['x-heddle-cache'], 'miss');
      assert.equal((await ask('Which city is France its capital?', { tools }))['x-heddle-cache'], 'miss');
      assert.equal(upstream(name).length, 3);
      assert.ok(upstream(meaning).every((r) => r.path.endsWith(':batchEmbedContents')));
    });

    test('what is too much is refused before anybody is called', async () => {
      const name = model('openai');
      const head = '{"contents":[{"parts":[';
      const bodies = [
        [head + '['.repeat(100_000), 413],
        [head + '{"text":"a"},'.repeat(200_000) + '{}]}]}', [400, 413]],
        [
          `${head}{"text":"a"}]}],"tools":[${'{},'.repeat(1000)}{"functionDeclarations":[{"name":"f","parameters":${'{"items":'.repeat(100)}{}${'}'.repeat(100)}}]}]}`,
          400,
        ],
        [
          `${head}${Array.from({ length: 200 }, () => '{"functionCall":{"name":"f"}}').join()}],"role":"model"}]}`,
          [400, 413],
        ],
      ];
      for (const [text, status] of bodies) {
        const headers = { 'content-type': 'application/json' };
        const answer = await raw(name, 'generateContent', undefined, { text, headers });
        expectStatus(answer, status);
        assert.equal(answer.json.error.status, 'INVALID_ARGUMENT', text.slice(0, 80));
      }
      assert.equal(upstream(name).length, 0);
      const many = { requests: Array.from({ length: 3000 }, () => ({ content: said[0] })) };
      for (const kind of ['openai', 'gemini'])
        expectStatus(await raw(model(kind), 'batchEmbedContents', many), [400, 413]);
      expectStatus(await raw('x'.repeat(3000), 'generateContent', { contents: said, model: name }), 400);
    });

    test('the demo answers, and says that it does', async () => {
      const made = await ctx.api.post('/api/providers', { kind: 'demo', name: 'show' });
      expectStatus(made, 201);
      assert.match((await generate('show/demo')).text, /demo/i);
      assert.match((await stream('show/demo')).text, /demo/i);
      const { embeddings } = await client().models.embedContent({ model: 'show/demo', contents: ['a', 'b'] });
      assert.equal(embeddings.length, 2);
      assert.ok(embeddings[0].values.length > 1);
    });
  },
  { server: { env } },
);
