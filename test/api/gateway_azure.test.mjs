/* Models of Azure, and the clients of Azure. */
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { GoogleGenAI } from '@google/genai';
import OpenAI, { AzureOpenAI } from 'openai';
import { expectProblem, expectStatus } from '../lib/api.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { startAzureServer } from '../doubles/azure_server.mjs';

const azure = await startAzureServer();
after(() => azure.stop());
const env = {
  AZURE_OPENAI_ENDPOINT: `${azure.origin}/`,
  AZURE_OPENAI_API_KEY: azure.azureKey,
  OPENAI_API_VERSION: '2025-01-01-preview',
};
const messages = [{ role: 'user', content: 'hello' }];

onEachDatabase(
  'gateway and Azure',
  (ctx) => {
    const { test } = ctx;
    let n = 0;
    const client = () =>
      new OpenAI({ baseURL: `${ctx.server.url}/v1`, apiKey: ctx.server.key, maxRetries: 0 });
    const azureClient = (more = {}) =>
      new AzureOpenAI({
        endpoint: ctx.server.url,
        apiKey: ctx.server.key,
        apiVersion: '2024-10-21',
        maxRetries: 0,
        ...more,
      });
    function deployment(...behaviours) {
      const name = `d${++n}-${ctx.db}`;
      azure.script(name, ...behaviours);
      return name;
    }
    async function textOf(stream) {
      let text = '';
      for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? '';
      return text;
    }

    test('a client of Google calls a deployment, and gets its vectors', async () => {
      const name = deployment({ text: 'Hello.', tool: undefined });
      const google = new GoogleGenAI({ apiKey: ctx.server.key, httpOptions: { baseUrl: ctx.server.url } });
      const asked = { model: `azure/${name}`, contents: 'Hi' };
      assert.equal((await google.models.generateContent(asked)).text, 'Hello.');
      let text = '';
      for await (const c of await google.models.generateContentStream(asked)) text += c.text ?? '';
      assert.equal(text, 'Hello.');
      assert.equal((await google.models.embedContent(asked)).embeddings[0].values.length, 4);
      assert.deepEqual(
        azure.of(name).map((c) => c.azurePath.split('/').slice(-1)[0]),
        ['completions', 'completions', 'embeddings'],
      );
    });

    test('a deployment is called in the path, with the version and the key', async () => {
      const name = deployment({ text: 'Hello.' });
      const model = `azure/${name}`;
      const answer = await client().chat.completions.create({ model, messages });
      assert.equal(answer.choices[0].message.content, 'Hello.');
      assert.equal(
        await textOf(await client().chat.completions.create({ model, messages, stream: true })),
        'Hello.',
      );
      const vectors = await client().embeddings.create({ model, input: 'ab' });
      assert.equal(vectors.data[0].embedding.length, 4);
      const calls = azure.of(name);
      assert.deepEqual(
        calls.map((c) => [c.azurePath, c.version]),
        ['chat/completions', 'chat/completions', 'embeddings'].map((call) => [
          `/openai/deployments/${name}/${call}`,
          '2025-01-01-preview',
        ]),
      );
    });

    test("Azure's own chunks and limits that are none do no harm", async () => {
      const chunk = (choices, more) =>
        `data: ${JSON.stringify({ id: '', object: '', created: 0, model: '', choices, ...more })}\n\n`;
      const text =
        chunk([], { prompt_filter_results: [{ prompt_index: 0 }] }) +
        chunk([{ index: 0, delta: { role: 'assistant', content: 'Hi.' }, finish_reason: null }]) +
        chunk([{ index: 0, finish_reason: null, content_filter_offsets: {} }]) +
        chunk([{ index: 0, delta: {}, finish_reason: 'stop' }]) +
        chunk([], { usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } }) +
        'data: [DONE]\n\n';
      const headers = { 'x-ratelimit-remaining-tokens': '-1', 'x-ratelimit-remaining-requests': '7' };
      const name = deployment({ raw: { type: 'text/event-stream', text }, headers });
      const { data, response } = await client()
        .chat.completions.create({ model: `azure/${name}`, messages, stream: true })
        .withResponse();
      assert.equal(await textOf(data), 'Hi.');
      assert.equal(response.headers.get('x-ratelimit-remaining-tokens'), null);
      assert.equal(response.headers.get('x-ratelimit-remaining-requests'), '7');
    });

    test('providers are made, changed and tried, with a version or the newer address', async () => {
      const base = { kind: 'azure', credential: azure.azureKey, private_network: true };
      const made = await ctx.api.post('/api/providers', { ...base, name: 'east', base_url: azure.origin });
      assert.equal(expectStatus(made, 201).json.api_version, null);
      const at = `/api/providers/${made.json.id}`;
      assert.equal((await ctx.api.post(`${at}/test`)).json.ok, true);
      const name = deployment({ text: 'x' });
      await client().chat.completions.create({ model: `east/${name}`, messages });
      const changed = await ctx.api.call('PATCH', at, { body: { api_version: '2024-06-01' } });
      assert.equal(expectStatus(changed, 200).json.api_version, '2024-06-01');
      await ctx.server.restart();
      await client().chat.completions.create({ model: `east/${name}`, messages });
      assert.deepEqual(
        azure.of(name).map((c) => c.version),
        ['2024-10-21', '2024-06-01'],
      );
      const own = { ...base, name: 'own', base_url: `${azure.origin}/openai/v1` };
      expectStatus(await ctx.api.post('/api/providers', own), 201);
      await client().chat.completions.create({ model: `own/${name}`, messages });
      const last = azure.of(name).at(-1);
      assert.deepEqual([last.azurePath, last.version], ['/openai/v1/chat/completions', null]);
      for (const wrong of [
        { ...base, name: 'bad', base_url: azure.origin, api_version: '../x' },
        { kind: 'openai', name: 'bad', api_version: '2024-10-21' },
      ])
        assert.match(
          expectProblem(await ctx.api.post('/api/providers', wrong), 422, 'invalid').detail,
          /api_version/,
        );
      expectProblem(await ctx.api.post('/api/providers', { ...base, name: 'bad' }), 422, 'invalid');
    });

    test("Azure's client calls any model by its path", async () => {
      const plain = `plain${++n}-${ctx.db}`;
      ctx.model.script(plain, { text: 'From OpenAI.' });
      for (const model of [`openai/${plain}`, `azure/${deployment({ text: 'From Azure.' })}`]) {
        const text = model.startsWith('azure') ? 'From Azure.' : 'From OpenAI.';
        const said = await azureClient().chat.completions.create({ model, messages });
        assert.equal(said.choices[0].message.content, text);
        const fixed = azureClient({ deployment: model });
        assert.equal(
          await textOf(await fixed.chat.completions.create({ model: '', messages, stream: true })),
          text,
        );
      }
      /* A body without a model, and one with another. */
      const headers = { 'api-key': ctx.server.key, 'content-type': 'application/json' };
      const url = `${ctx.server.url}/openai/deployments/openai%2F${plain}/chat/completions?api-version=1`;
      for (const more of [{}, { model: 'another' }, { stream_options: null }]) {
        const body = JSON.stringify({ messages, ...more });
        const response = await fetch(url, { method: 'POST', headers, body });
        assert.equal((await response.json()).choices[0].message.content, 'From OpenAI.');
        const sent = ctx.model.of(plain).at(-1).body;
        assert.deepEqual(sent, { ...more, model: plain, messages });
      }
      const empty = await fetch(url, { method: 'POST', headers, body: ' { } ' });
      assert.match((await empty.json()).error.message, /messages/);
      await assert.rejects(
        azureClient().chat.completions.create({ model: 'openai/', messages }),
        (e) => e.status >= 400 && e.status < 500,
      );
      await assert.rejects(
        azureClient({ apiKey: 'hdl_wrong' }).chat.completions.create({ model: 'x', messages }),
        OpenAI.AuthenticationError,
      );
      await assert.rejects(azureClient().images.generate({ model: 'x', prompt: 'y' }), OpenAI.NotFoundError);
    });
  },
  { server: { env } },
);
