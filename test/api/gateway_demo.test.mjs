/* First steps without a provider of one's own: the demo, and model servers on this machine that are offered. */
import assert from 'node:assert/strict';
import http from 'node:http';
import { after } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { createOpenAI } from '@ai-sdk/openai';
import { generateObject, generateText, stepCountIs, streamText, tool } from 'ai';
import OpenAI from 'openai';
import { z } from 'zod';
import { expectStatus } from '../lib/api.mjs';
import { Server, heddle } from '../lib/server.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { until } from '../lib/gate.mjs';

globalThis.AI_SDK_LOG_WARNINGS = false;

/* A server on a port of its own that answers some paths with JSON. */
async function startJson(answers) {
  const server = http.createServer((req, res) => {
    server.seen.push(req.url);
    const body = answers[req.url];
    res.writeHead(body ? 200 : 404, { 'content-type': 'application/json' });
    res.end(JSON.stringify(body ?? {}));
  });
  server.seen = [];
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.origin = `http://127.0.0.1:${server.address().port}`;
  return server;
}

const ollama = await startJson({
  '/api/version': { version: '0.9.1' },
  '/v1/models': { object: 'list', data: [{ id: 'llama3.2', object: 'model' }] },
});
const other = await startJson({ '/': { hello: 'world' } });
after(() => [ollama, other].forEach((s) => s.close()));

const says = "This is Heddle's demo provider: no model was asked.";

onEachDatabase(
  'first steps',
  (ctx) => {
    const { test } = ctx;
    const v1 = () => ({ baseURL: `${ctx.server.url}/v1`, apiKey: ctx.server.key });
    const client = () => new OpenAI({ ...v1(), maxRetries: 0 });
    let made;
    const demo = () =>
      (made ??= ctx.api.post('/api/providers', { kind: 'demo' }).then((r) => expectStatus(r, 201)));
    const messages = [{ role: 'user', content: 'Grüße' }];

    test('the demo answers chats, whole and streamed, and says what it is', async () => {
      await demo();
      const { data, response } = await client()
        .chat.completions.create({ model: 'demo/demo', messages })
        .withResponse();
      assert.equal(data.choices[0].message.content, `${says} You said: "Grüße"`);
      assert.equal(response.headers.get('x-heddle-demo'), 'true');
      assert.ok(data.usage.total_tokens > 0);
      const again = await client().chat.completions.create({ model: 'demo', messages });
      assert.equal(again.choices[0].message.content, data.choices[0].message.content);

      let text = '';
      const chunks = [];
      const stream = await client().chat.completions.create({
        model: 'demo/demo',
        messages,
        stream: true,
        stream_options: { include_usage: true },
      });
      for await (const chunk of stream) {
        chunks.push(chunk);
        text += chunk.choices[0]?.delta?.content ?? '';
      }
      assert.equal(text, data.choices[0].message.content);
      assert.ok(chunks.length > 4, `${chunks.length} chunks`);
      assert.ok(chunks.at(-1).usage.completion_tokens > 0);
      assert.equal(chunks.at(-2).choices[0].finish_reason, 'stop');
    });

    test('it is there for the clients of Anthropic and for completions', async () => {
      await demo();
      const anthropic = new Anthropic({ baseURL: ctx.server.url, apiKey: ctx.server.key, maxRetries: 0 });
      const whole = await anthropic.messages.create({ model: 'demo/demo', max_tokens: 50, messages });
      assert.match(whole.content[0].text, /no model was asked/);
      const final = await anthropic.messages
        .stream({ model: 'demo/demo', max_tokens: 50, messages })
        .finalMessage();
      assert.deepEqual(final.content[0].text, whole.content[0].text);
      const completion = await client().completions.create({ model: 'demo/demo', prompt: 'x' });
      assert.match(completion.choices[0].text, /no model was asked/);
      let text = '';
      for await (const chunk of await client().completions.create({
        model: 'demo/demo',
        prompt: 'x',
        stream: true,
      }))
        text += chunk.choices[0].text;
      assert.equal(text, completion.choices[0].text);
      const response = await client().responses.create({ model: 'demo/demo', input: 'x' });
      assert.match(response.output_text, /no model was asked/);
      const next = await client()
        .responses.stream({ model: 'demo/demo', input: 'y', previous_response_id: response.id })
        .finalResponse();
      assert.match((await client().responses.retrieve(next.id)).output[0].content[0].text, /no model/);
    });

    test('it calls tools and answers by schemas, so that agents can be tried', async () => {
      await demo();
      const model = createOpenAI(v1()).chat('demo/demo');
      const heard = [];
      const tools = {
        weather: tool({
          inputSchema: z.object({ city: z.string() }),
          execute: async (input) => {
            heard.push(input);
            return 'rain';
          },
        }),
      };
      const options = { model, prompt: 'weather in Cologne', tools, stopWhen: stepCountIs(3), maxRetries: 0 };
      for (const ask of [generateText, streamText]) {
        const result = await ask(options);
        assert.match(await result.text, /The tool answered: rain/);
        assert.equal((await result.steps)[0].finishReason, 'tool-calls');
      }
      assert.deepEqual(heard[0], { city: 'weather in Cologne' });
      assert.equal(heard.length, 2);
      const schema = z.object({ name: z.string(), size: z.enum(['small', 'large']), n: z.number() });
      const { object } = await generateObject({ model, schema, prompt: 'x', maxRetries: 0 });
      assert.deepEqual(object, { name: says, size: 'small', n: 1 });
    });

    test('its embeddings are the same for the same words', async () => {
      await demo();
      const embed = (input, more) =>
        client().embeddings.create({ model: 'demo/demo-embedding', input, ...more });
      const [one] = (await embed('a quick brown fox')).data;
      const [same] = (await embed(['A quick, brown FOX'], { encoding_format: 'float', dimensions: 256 }))
        .data;
      assert.equal(one.embedding.length, 256);
      assert.deepEqual(one.embedding.map(Math.fround), same.embedding.map(Math.fround));
      assert.equal((await embed(['a', 'b'], { dimensions: 8 })).data[1].embedding.length, 8);
      await assert.rejects(embed('a', { dimensions: 100_000 }), OpenAI.BadRequestError);
    });

    test('it costs nothing, is recorded, listed, counted, and takes part in routes and limits', async () => {
      const { json: provider } = await demo();
      assert.equal((await ctx.api.post(`/api/providers/${provider.id}/test`)).json.ok, true);
      const ids = [];
      for await (const m of client().models.list()) ids.push(m.id);
      assert.ok(ids.includes('demo/demo') && ids.includes('demo/demo-embedding'), ids.join(' '));
      const name = `tour-${ctx.db}`;
      ctx.model.script(`down-${ctx.db}`, { status: 503 });
      const targets = [
        { provider: 'openai', model: `down-${ctx.db}` },
        { provider: 'demo', model: 'demo' },
      ];
      expectStatus(await ctx.api.post('/api/routes', { name, targets }), 201);
      const { data } = await client().chat.completions.create({ model: name, messages }).withResponse();
      assert.match(data.choices[0].message.content, /no model was asked/);
      await until('it is recorded', async () => {
        const { items } = (await ctx.api.get('/api/usage?group=model')).json;
        const row = items.find((i) => i.group === name);
        return row && row.cost_micros === 0 && row.unpriced_calls === 0 && row.prompt_tokens > 0;
      });
      for (const wrong of [{ base_url: 'http://127.0.0.1:1' }, { credential: 'x' }])
        expectStatus(await ctx.api.post('/api/providers', { kind: 'demo', name: 'd2', ...wrong }), 422);
    });

    test('a model server on this machine is offered, and used when somebody says so', async () => {
      const offers = async () => expectStatus(await ctx.api.get('/api/provider-offers'), 200).json.items;
      const seen = ollama.seen.length;
      assert.ok(!(await ctx.api.get('/api/providers')).json.items.some((p) => p.kind === 'ollama'));
      assert.equal(ollama.seen.length, seen, 'nobody has asked it anything');
      const found = await offers();
      assert.deepEqual(found, [{ kind: 'ollama', title: 'Ollama', base_url: `${ollama.origin}/v1` }]);
      assert.deepEqual(ollama.seen.slice(seen), ['/api/version']);
      const body = { kind: found[0].kind, base_url: found[0].base_url };
      const used = expectStatus(await ctx.api.post('/api/providers', body), 201).json;
      assert.deepEqual(await offers(), []);
      const models = (await ctx.api.get(`/api/providers/${used.id}/models`)).json.items;
      assert.deepEqual(models, [{ name: 'llama3.2' }]);
      expectStatus(await ctx.api.delete(`/api/providers/${used.id}`), 204);
    });

    test('addresses that are none are told at the start', async () => {
      const server = await Server.make({
        db: ctx.db,
        env: { HEDDLE_MODELS_OFFERS: 'what=http://127.0.0.1:1' },
      });
      try {
        const { code, stderr } = await heddle(['serve', '--data', server.data], {
          env: server.env,
          cwd: server.dir,
        });
        assert.notEqual(code, 0);
        assert.match(stderr, /models\.offers/);
      } finally {
        await server.drop();
      }
    });
  },
  { server: { env: { HEDDLE_MODELS_OFFERS: `ollama=${ollama.origin},llamacpp=${other.origin}` } } },
);
