/* Every fault of a provider, in every dialect, as every client sees it: the whole answer, or an error; never a part of
 * it as if it were all. */
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import { ChatOpenAI } from '@langchain/openai';
import { generateText, streamText } from 'ai';
import OpenAI from 'openai';
import { expectStatus } from '../lib/api.mjs';
import { databases, onEachDatabase } from '../lib/suite.mjs';
import { huge, startFaultyServer, text } from '../doubles/faulty_server.mjs';

globalThis.AI_SDK_LOG_WARNINGS = false; /* names of models that the client does not know */
const faulty = await startFaultyServer();
after(() => faulty.stop());
const kinds = ['openai', 'anthropic', 'gemini'];
const own = { openai: 'openai', anthropic: 'anthropic', gemini: 'google' }; /* the clients of each */

/* What comes of a stream: its text, or an error. */
const read = async (stream, textOf) => {
  let all = '';
  for await (const event of await stream) all += textOf(event) ?? '';
  return all;
};

const sdksOf = (url, key) => ({
  openai: new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 }),
  anthropic: new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0 }),
  google: new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: url } }),
});

/* Each asks for @model, whole or streamed, and gives the text; what it throws is an error. statusOf: of such. */
function clientsOf(url, key) {
  const { openai, anthropic, google } = sdksOf(url, key);
  const v1 = { baseURL: `${url}/v1`, apiKey: key };
  const messages = [{ role: 'user', content: 'Hi' }];
  const vercel = (modelOf) => ({
    whole: async (model) => (await generateText({ model: modelOf(model), prompt: 'Hi', maxRetries: 0 })).text,
    streamed: async (model) => {
      let failure;
      const onError = ({ error }) => (failure ??= error);
      const result = streamText({ model: modelOf(model), prompt: 'Hi', maxRetries: 0, onError });
      const said = await read(result.textStream, (t) => t);
      if (failure) throw failure;
      const finish = await result.finishReason;
      if (finish !== 'stop') throw new Error(`it ended with ${finish}`);
      return said;
    },
    statusOf: (e) => e.statusCode,
  });
  return {
    openai: {
      whole: async (model) =>
        (await openai.chat.completions.create({ model, messages })).choices[0].message.content,
      streamed: (model) =>
        read(
          openai.chat.completions.create({ model, messages, stream: true }),
          (c) => c.choices[0]?.delta?.content,
        ),
      statusOf: (e) => e.status,
      waits: (e) => e.headers.get('retry-after') ?? e.headers.get('retry-after-ms'),
    },
    anthropic: {
      whole: async (model) =>
        (await anthropic.messages.create({ model, messages, max_tokens: 9 })).content[0].text,
      streamed: async (model) => {
        const final = await anthropic.messages.stream({ model, messages, max_tokens: 9 }).finalMessage();
        return final.content[0].text;
      },
      statusOf: (e) => e.status,
      waits: (e) => e.headers.get('retry-after') ?? e.headers.get('retry-after-ms'),
    },
    google: {
      whole: async (model) => (await google.models.generateContent({ model, contents: 'Hi' })).text,
      streamed: (model) =>
        read(google.models.generateContentStream({ model, contents: 'Hi' }), (c) => c.text),
      statusOf: (e) => e.status,
    },
    'ai, openai': vercel(createOpenAI(v1).chat),
    'ai, anthropic': vercel(createAnthropic(v1)),
    langchain: (() => {
      const chat = (model) =>
        new ChatOpenAI({ model, apiKey: key, configuration: { baseURL: `${url}/v1` }, maxRetries: 0 });
      return {
        whole: async (model) => (await chat(model).invoke('Hi')).content,
        streamed: async (model) => read(chat(model).stream('Hi'), (c) => c.content),
        statusOf: (e) => e.status,
      };
    })(),
  };
}

onEachDatabase(
  'faults of providers',
  (ctx) => {
    const { test } = ctx;
    /* A provider of each kind, and one that is given up soon. */
    let ready;
    const providers = () =>
      (ready ??= Promise.all(
        kinds.flatMap((kind) =>
          [
            [kind, '5m'],
            [`${kind}-hasty`, '1s'],
          ].map(async ([suffix, timeout]) => {
            const v1 = kind === 'openai' ? '/v1' : '';
            const body = {
              kind,
              base_url: `${faulty.origin}${v1}`,
              credential: 'k',
              private_network: true,
              timeout,
            };
            const name = `f-${suffix}`;
            expectStatus(await ctx.api.post('/api/providers', { ...body, name }), 201);
          }),
        ),
      ));
    const clients = () => clientsOf(ctx.server.url, ctx.server.key);

    async function outcome(client, how, model) {
      try {
        return { said: await client[how](model) };
      } catch (error) {
        return { error, status: client.statusOf(error) };
      }
    }
    /* Each client, at a provider of @kind. */
    async function each(kind, fault, how, check, { hasty = false, only } = {}) {
      await providers();
      const model = `f-${kind}${hasty ? '-hasty' : ''}/${kind}~${fault}`;
      await Promise.all(
        Object.entries(clients()).map(async ([name, client]) => {
          if (only && !only.includes(name)) return;
          const got = await outcome(client, how, model);
          const what = `${name}, ${kind}, ${fault}, ${how}: ${got.error ?? got.said?.slice(0, 99)}`;
          assert.ok(![401, 403, 404].includes(got.status), what);
          check(got, what, name);
        }),
      );
      assert.ok(faulty.seen((r) => r.fault === fault).length, `${fault} was asked for`);
    }
    const whole = (got, what) => assert.equal(got.said, text, what);
    const failed = (got, what) => assert.ok(got.error, what);

    for (const kind of kinds) {
      test(`odd framing of ${kind} changes nothing`, async () => {
        for (const fault of ['none', 'packets7', 'packets1', 'crlf', 'no_end'])
          await each(kind, fault, 'streamed', whole);
        await each(kind, 'none', 'whole', whole);
      });

      test(`a stream of ${kind} that breaks off is an error`, async () => {
        for (const fault of ['cut', 'cut_in_character', 'ends_early', 'overloaded'])
          await each(kind, fault, 'streamed', failed);
        /* Bytes of one's own provider pass through: its clients find by themselves that they are none. */
        await each(kind, 'malformed', 'streamed', failed);
        for (const fault of ['cut', 'malformed'])
          await each(kind, fault, 'whole', (got, what) => {
            failed(got, what);
            assert.equal(got.status, 502, what);
          });
      });

      test(`an answer of ${kind} with nothing in it is no success`, async () => {
        for (const how of ['whole', 'streamed'])
          await each(kind, 'empty', how, (got, what, client) => {
            const same = { openai: /openai|langchain/, anthropic: /anthropic/, gemini: /google/ }[kind];
            if (same.test(client)) assert.ok(!got.said, what); /* it passes through */
            else failed(got, what);
          });
      });

      test(`a line of 10 MB of ${kind} comes whole or is an error`, async () => {
        const only = Object.values(own);
        const passes = (got, what) => assert.ok(got.said === `a ${huge}`, what);
        const some = (got, what, name) =>
          name === own[kind] ? passes(got, what) : assert.ok(got.error, what);
        await each(kind, 'huge', 'whole', (got, what) => assert.ok(got.said === huge, what), { only });
        await each(kind, 'huge', 'streamed', some, { only });
        assert.equal((await ctx.api.get('/healthz')).status, 200);
      });

      test(`${kind} that refuses is told with its status and when to come again`, async () => {
        for (const how of ['whole', 'streamed']) {
          await each(kind, 'html', how, (got, what) => assert.equal(got.status, 502, what));
          for (const form of ['seconds', 'date', 'ms'])
            await each(kind, `429_${form}`, how, (got, what, client) => {
              assert.equal(got.status, 429, what);
              const { waits } = clients()[client];
              if (waits) assert.ok(waits(got.error), what);
            });
        }
      });
    }

    test('a call of a tool without a number reaches every client', async () => {
      await providers();
      const model = 'f-openai/openai~call_without_index';
      const messages = [{ role: 'user', content: 'Hi' }];
      const parameters = { type: 'object', properties: { city: { type: 'string' } } };
      const { openai, anthropic, google } = sdksOf(ctx.server.url, ctx.server.key);
      const tools = [{ type: 'function', function: { name: 'weather', parameters } }];
      const chat = await openai.chat.completions.stream({ model, messages, tools }).finalChatCompletion();
      const [{ message, finish_reason }] = chat.choices;
      assert.deepEqual(
        [message.tool_calls[0].function.arguments, finish_reason],
        ['{"city":"Rom"}', 'tool_calls'],
      );
      const asked = {
        model,
        messages,
        max_tokens: 9,
        tools: [{ name: 'weather', input_schema: parameters }],
      };
      const final = await anthropic.messages.stream(asked).finalMessage();
      assert.deepEqual([final.content[0].input, final.stop_reason], [{ city: 'Rom' }, 'tool_use']);
      const functionDeclarations = [{ name: 'weather', parametersJsonSchema: parameters }];
      const config = { tools: [{ functionDeclarations }] };
      const calls = [];
      for await (const c of await google.models.generateContentStream({ model, contents: 'Hi', config }))
        calls.push(...(c.functionCalls ?? []));
      assert.deepEqual(
        calls.map((c) => c.args),
        [{ city: 'Rom' }],
      );
    });

    test('who says nothing, or nothing more, is given up', async () => {
      await Promise.all(
        kinds.flatMap((kind) => [
          ...['whole', 'streamed'].map((how) =>
            each(kind, 'hang', how, (got, what) => assert.equal(got.status, 504, what), { hasty: true }),
          ),
          each(kind, 'goes_silent', 'streamed', failed, { hasty: true }),
          each(kind, 'dribbles', 'whole', failed, { hasty: true }),
        ]),
      );
    });
  },
  { databases: databases.slice(0, 1) /* nothing of this is of the database */ },
);
