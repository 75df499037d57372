/* The clients that programs are built on (Vercel's ai, LangChain), each against upstreams of every dialect. */
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { HumanMessage, SystemMessage, ToolMessage } from '@langchain/core/messages';
import { tool as langchainTool } from '@langchain/core/tools';
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai';
import {
  APICallError,
  embed,
  embedMany,
  generateObject,
  generateText,
  stepCountIs,
  streamText,
  tool,
} from 'ai';
import { z } from 'zod';
import { onEachDatabase } from '../lib/suite.mjs';
import { startAnthropicServer } from '../doubles/anthropic_server.mjs';
import { startGeminiServer } from '../doubles/gemini_server.mjs';
import { startModelServer } from '../doubles/model_server.mjs';
import { startResponsesServer } from '../doubles/responses_server.mjs';

globalThis.AI_SDK_LOG_WARNINGS = false; /* names of models that the client does not know */
const [openai, anthropic, gemini, responses] = await Promise.all([
  startModelServer(),
  startAnthropicServer(),
  startGeminiServer(),
  startResponsesServer('r'),
]);
after(() => Promise.all([openai, anthropic, gemini, responses].map((s) => s.stop())));

/* The same behaviours, as the upstreams of each dialect have them. */
const call = { name: 'weather', arguments: { city: 'Köln' } };
const upstreams = {
  openai: {
    at: openai,
    says: (text) => ({ text }),
    calls: () => ({ tool: call }),
    failure: { error_after: 2, text: 'half an answer' },
    model: (n) => `m${n}`,
    prompts: (r) => JSON.stringify(r.body.messages),
  },
  anthropic: {
    at: anthropic,
    says: (text) => ({ text }),
    calls: () => ({ blocks: [{ type: 'tool_use', id: 'toolu_1', name: call.name, input: call.arguments }] }),
    failure: { error_after: 5, text: 'half an answer' },
    model: (n) => `claude-${n}`,
    prompts: (r) => JSON.stringify([r.body.system, r.body.messages]),
  },
  gemini: {
    at: gemini,
    says: (text) => ({ text }),
    calls: () => ({
      parts: [{ functionCall: { name: call.name, args: call.arguments }, thoughtSignature: 'c2ln' }],
    }),
    failure: { error_after: 2, text: 'half an answer' },
    model: (n) => `gemini-3-c${n}`,
    prompts: (r) => JSON.stringify([r.body.systemInstruction, r.body.contents]),
  },
};

const city = z.object({ city: z.string(), people: z.number() });
const cologne = { city: 'Köln', people: 1_087_000 };

onEachDatabase(
  'clients of the gateway',
  (ctx) => {
    const { test } = ctx;
    let n = 0;
    const v1 = () => ({ baseURL: `${ctx.server.url}/v1`, apiKey: ctx.server.key });
    const weather = (heard) =>
      tool({
        description: 'The weather of a city.',
        inputSchema: z.object({ city: z.string() }),
        execute: async (input) => {
          heard.push(input);
          return { sky: 'rain' };
        },
      });

    for (const [kind, up] of Object.entries(upstreams)) {
      /* A model that behaves as given, and its name at the gateway. */
      const model = (...behaviours) => {
        const name = up.model(`${++n}-${ctx.db}`);
        up.at.script(name, ...behaviours);
        return { name: `${kind}/${name}`, seen: () => up.at.of(name) };
      };
      const vercel = {
        'openai.chat': (name) => createOpenAI(v1()).chat(name),
        'openai-compatible': (name) =>
          createOpenAICompatible({
            ...v1(),
            name: 'heddle',
            includeUsage: true,
            supportsStructuredOutputs: true,
          })(name),
        anthropic: (name) => createAnthropic(v1())(name),
      };

      for (const [client, modelOf] of Object.entries(vercel)) {
        test(`ai with ${client} and ${kind}: texts, streams, tools over several steps, objects`, async () => {
          const said = model(up.says('Grüße \u{1f9f6}.'));
          const whole = await generateText({
            model: modelOf(said.name),
            system: 'Be brief.',
            prompt: 'Hi',
            maxRetries: 0,
          });
          assert.equal(whole.text, 'Grüße \u{1f9f6}.');
          assert.equal(whole.finishReason, 'stop');
          assert.ok(whole.usage.inputTokens > 0 && whole.usage.outputTokens > 0, JSON.stringify(whole.usage));
          assert.match(up.prompts(said.seen()[0]), /Be brief\./);

          const streamed = streamText({ model: modelOf(said.name), prompt: 'Hi', maxRetries: 0 });
          const pieces = [];
          for await (const piece of streamed.textStream) pieces.push(piece);
          assert.equal(pieces.join(''), 'Grüße \u{1f9f6}.');
          assert.ok(pieces.length > 1, 'it came in pieces');
          const used = await streamed.usage;
          assert.ok(used.inputTokens > 0 && used.outputTokens > 0, JSON.stringify(used));
          assert.equal(await streamed.finishReason, 'stop');

          for (const how of ['whole', 'streamed']) {
            const heard = [];
            const asked = model(up.calls(), up.says('It rains.'));
            const options = {
              model: modelOf(asked.name),
              prompt: 'The weather?',
              tools: { weather: weather(heard) },
              stopWhen: stepCountIs(3),
              maxRetries: 0,
            };
            const result = how === 'whole' ? await generateText(options) : streamText(options);
            assert.equal(await result.text, 'It rains.', how);
            const steps = await result.steps;
            assert.equal(steps[0].finishReason, 'tool-calls', how);
            assert.deepEqual(heard, [call.arguments], how);
            assert.match(up.prompts(asked.seen()[1]), /rain/);
          }

          const structured = model(up.says(JSON.stringify(cologne)));
          const { object } = await generateObject({
            model: modelOf(structured.name),
            schema: city,
            prompt: 'Cologne',
            maxRetries: 0,
          });
          assert.deepEqual(object, cologne);
        });
      }

      test(`ai and ${kind}: an upstream that fails in the middle is an error, never a short answer`, async () => {
        for (const [client, modelOf] of Object.entries(vercel)) {
          const failing = model(up.failure);
          const errors = [];
          const result = streamText({
            model: modelOf(failing.name),
            prompt: 'Hi',
            maxRetries: 0,
            onError: ({ error }) => errors.push(error),
          });
          await result.consumeStream();
          assert.equal(errors.length, 1, client);
          assert.notEqual(await result.finishReason.catch(() => 'error'), 'stop', client);
        }
        await assert.rejects(
          generateText({ model: vercel['openai.chat'](`${kind}`), prompt: 'Hi', maxRetries: 0 }),
          (e) => APICallError.isInstance(e) && e.statusCode === 404,
        );
      });

      test(`langchain and ${kind}: invoke, stream, tools, structured output`, async () => {
        const chat = (name, more = {}) =>
          new ChatOpenAI({
            model: name,
            apiKey: ctx.server.key,
            configuration: { baseURL: `${ctx.server.url}/v1` },
            maxRetries: 0,
            useResponsesApi: false,
            ...more,
          });
        const said = model(up.says('Grüße.'));
        const messages = [new SystemMessage('Be brief.'), new HumanMessage('Hi')];
        const whole = await chat(said.name).invoke(messages);
        assert.equal(whole.content, 'Grüße.');
        assert.ok(whole.usage_metadata.output_tokens > 0);
        assert.match(up.prompts(said.seen()[0]), /Be brief\./);

        let all;
        for await (const chunk of await chat(said.name).stream(messages))
          all = all ? all.concat(chunk) : chunk;
        assert.equal(all.content, 'Grüße.');
        assert.ok(all.usage_metadata.output_tokens > 0, 'a stream has usage');

        const asked = model(up.calls(), up.calls(), up.says('It rains.'));
        const rain = langchainTool(async () => 'rain', {
          name: 'weather',
          description: 'The weather of a city.',
          schema: z.object({ city: z.string() }),
        });
        const bound = chat(asked.name).bindTools([rain]);
        let streamed;
        for await (const chunk of await bound.stream('The weather?'))
          streamed = streamed ? streamed.concat(chunk) : chunk;
        assert.deepEqual(streamed.tool_calls[0].args, call.arguments);
        const called = await bound.invoke('The weather?');
        assert.deepEqual(called.tool_calls[0].args, call.arguments);
        const result = new ToolMessage({ content: 'rain', tool_call_id: called.tool_calls[0].id });
        const last = await bound.invoke([new HumanMessage('The weather?'), called, result]);
        assert.equal(last.content, 'It rains.');

        const json = model(up.says(JSON.stringify(cologne)));
        const structured = chat(json.name).withStructuredOutput(city, { name: 'city', method: 'jsonSchema' });
        assert.deepEqual(await structured.invoke('Cologne'), cologne);
        const byCall = model(up.calls());
        const functions = chat(byCall.name).withStructuredOutput(z.object({ city: z.string() }), {
          name: 'weather',
          method: 'functionCalling',
        });
        assert.deepEqual(await functions.invoke('Cologne'), call.arguments);
      });
    }

    for (const [kind, up] of Object.entries(upstreams)) {
      test(`what is odd about a stream of ${kind} stays with the gateway; what is wrong has its status`, async () => {
        const text = 'Grüße, 世界 \u{1f9f6} — fin';
        const make = (behaviour) => {
          const name = up.model(`${++n}-${ctx.db}`);
          up.at.script(name, behaviour);
          return `${kind}/${name}`;
        };
        const langchain = (name) =>
          new ChatOpenAI({
            model: name,
            apiKey: ctx.server.key,
            configuration: { baseURL: `${ctx.server.url}/v1` },
            maxRetries: 0,
          });
        for (const odd of [{ packet: 7 }, { line_end: '\r\n' }, { packet: 1, line_end: '\r\n' }]) {
          const name = make({ ...up.says(text), ...odd });
          const model = createOpenAI(v1()).chat(name);
          assert.equal(
            await streamText({ model, prompt: 'Hi', maxRetries: 0 }).text,
            text,
            JSON.stringify(odd),
          );
          let all = '';
          for await (const chunk of await langchain(name).stream('Hi')) all += chunk.content;
          assert.equal(all, text, JSON.stringify(odd));
        }
        for (const [behaviour, status] of [
          [{ status: 429 }, 429],
          [{ html: true }, 502],
          [{ status: 503 }, 503],
        ]) {
          const name = make(behaviour);
          await assert.rejects(
            generateText({ model: createOpenAI(v1()).chat(name), prompt: 'Hi', maxRetries: 0 }),
            (e) => APICallError.isInstance(e) && e.statusCode === status && e.isRetryable,
          );
          await assert.rejects(langchain(name).invoke('Hi'), (e) => e.status === status);
        }
      });
    }

    test('ai as it comes calls responses', async () => {
      const body = {
        kind: 'openai-compatible',
        name: 'r',
        base_url: `${responses.origin}/v1`,
        private_network: true,
      };
      assert.equal((await ctx.api.post('/api/providers', body)).status, 201);
      const name = `r${++n}-${ctx.db}`;
      responses.script(name, { text: 'Grüße \u{1f9f6}.' });
      const model = createOpenAI(v1())(`r/${name}`);
      assert.equal((await generateText({ model, prompt: 'Hi', maxRetries: 0 })).text, 'Grüße \u{1f9f6}.');
      const streamed = streamText({ model, prompt: 'Hi', maxRetries: 0 });
      assert.equal(await streamed.text, 'Grüße \u{1f9f6}.');
      assert.equal((await streamed.usage).outputTokens, 6);
    });

    test('embeddings come as each client reads them, whatever the upstream writes', async () => {
      for (const floats of [false, true]) {
        const name = `e${++n}-${ctx.db}`;
        openai.script(name, { floats });
        const expected = [0.5, -0.25, 3, 1e-3].map(Math.fround);
        const models = {
          openai: createOpenAI(v1()).embedding(`openai/${name}`),
          compatible: createOpenAICompatible({ ...v1(), name: 'heddle' }).embeddingModel(`openai/${name}`),
        };
        for (const [client, model] of Object.entries(models)) {
          const one = await embed({ model, value: 'abc', maxRetries: 0 });
          assert.deepEqual(one.embedding.map(Math.fround), expected, client);
          const many = await embedMany({ model, values: ['abc', 'abcd'], maxRetries: 0 });
          assert.deepEqual(
            many.embeddings.map((e) => e[2]),
            [3, 4],
            client,
          );
        }
        const langchain = new OpenAIEmbeddings({
          model: `openai/${name}`,
          apiKey: ctx.server.key,
          configuration: { baseURL: `${ctx.server.url}/v1` },
          maxRetries: 0,
        });
        assert.deepEqual((await langchain.embedQuery('abc')).map(Math.fround), expected);
        assert.equal((await langchain.embedDocuments(['abc', 'abcd']))[1][2], 4);
      }
    });
  },
  {
    server: {
      env: {
        OPENAI_BASE_URL: openai.url,
        ANTHROPIC_BASE_URL: anthropic.origin,
        ANTHROPIC_API_KEY: anthropic.apiKey,
        GOOGLE_GEMINI_BASE_URL: gemini.origin,
        GEMINI_API_KEY: gemini.apiKey,
      },
    },
  },
);
