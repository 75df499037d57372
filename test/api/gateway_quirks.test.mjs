/* Servers that took OpenAI's dialect over and refuse some of it: what is taken out for each kind, and nothing else. */
import assert from 'node:assert/strict';
import { ChatOpenAI } from '@langchain/openai';
import OpenAI from 'openai';
import { expectStatus } from '../lib/api.mjs';
import { onEachDatabase } from '../lib/suite.mjs';

/* What each kind takes as it is ("same"), or by another name, or not at all (null). */
const kinds = {
  deepseek: { max_completion_tokens: 'max_tokens', stream_options: 'same', reasoning: 'same' },
  groq: { max_completion_tokens: 'same', stream_options: 'same', reasoning: null },
  llamacpp: { max_completion_tokens: 'same', stream_options: 'same', reasoning: 'same' },
  mistral: { max_completion_tokens: 'max_tokens', stream_options: null, reasoning: null },
  ollama: { max_completion_tokens: 'same', stream_options: 'same', reasoning: 'same' },
  openai: { max_completion_tokens: 'same', stream_options: 'same', reasoning: 'same' },
  'openai-compatible': { max_completion_tokens: 'same', stream_options: 'same', reasoning: 'same' },
  openrouter: { max_completion_tokens: 'same', stream_options: 'same', reasoning: 'same' },
  tgi: { max_completion_tokens: 'max_tokens', stream_options: 'same', reasoning: 'same' },
  vllm: { max_completion_tokens: 'same', stream_options: 'same', reasoning: 'same' },
};

onEachDatabase('quirks of providers', (ctx) => {
  const { test } = ctx;
  let n = 0;
  const client = () => new OpenAI({ baseURL: `${ctx.server.url}/v1`, apiKey: ctx.server.key, maxRetries: 0 });
  async function make(kind, ...behaviours) {
    const name = `${kind}-${++n}`;
    const body = { kind, name, base_url: ctx.model.url, private_network: true, credential: 'sk-quirk-test' };
    expectStatus(await ctx.api.post('/api/providers', body), 201);
    const model = `q${n}-${ctx.db}`;
    ctx.model.script(model, ...behaviours);
    return { full: `${name}/${model}`, target: { provider: name, model }, seen: () => ctx.model.of(model) };
  }
  const messages = [
    { role: 'user', content: 'reasoning_content is a word here' },
    { role: 'assistant', content: 'Yes.', reasoning_content: 'I thought.' },
    { role: 'user', content: 'Go on.' },
  ];
  const plain = messages.map(({ reasoning_content: _, ...m }) => m);

  for (const [kind, takes] of Object.entries(kinds))
    test(`${kind} gets what it takes`, async () => {
      const m = await make(kind, { text: 'Grüße' });
      const ask = { model: m.full, messages, max_completion_tokens: 50, seed: 7, x: { y: [1.0] } };
      const { response } = await client().chat.completions.create(ask).withResponse();
      const chunks = [];
      for await (const chunk of await client().chat.completions.create({
        ...ask,
        stream: true,
        stream_options: { include_usage: true },
      }))
        chunks.push(chunk);
      assert.equal(chunks.map((c) => c.choices[0]?.delta?.content ?? '').join(''), 'Grüße');
      const [whole, streamed] = m.seen().map((r) => r.body);
      const expected = { model: m.target.model, messages, max_completion_tokens: 50, seed: 7, x: { y: [1] } };
      if (takes.reasoning === null) expected.messages = plain;
      if (takes.max_completion_tokens === 'max_tokens') {
        delete expected.max_completion_tokens;
        expected.max_tokens = 50;
      }
      assert.deepEqual(whole, expected);
      const options = takes.stream_options === 'same' ? { stream_options: { include_usage: true } } : {};
      assert.deepEqual(streamed, { ...expected, stream: true, ...options });
      const changed = takes.max_completion_tokens === 'same' ? null : 'max_completion_tokens';
      assert.equal(response.headers.get('x-heddle-changed'), changed);
      const dropped = takes.reasoning === 'same' ? null : 'messages.reasoning_content';
      assert.equal(response.headers.get('x-heddle-dropped'), dropped);
    });

  test('however the body is written', async () => {
    const m = await make('mistral', { text: 'x' });
    const send = (text) =>
      ctx.api.call('POST', '/v1/chat/completions', {
        text: text.replaceAll('MODEL', m.full),
        headers: { 'content-type': 'application/json' },
      });
    const hi = '"messages":[{"role":"user","content":"hi"}]';
    for (const [sent, got] of [
      [`{"stream_options" : {"include_usage":true} , "model":"MODEL",${hi},"stream":true}`, { stream: true }],
      [
        `{"model":"MODEL",${hi},"stream":true,\n "stream_options":\n{"include_usage":true}\n}`,
        { stream: true },
      ],
      [`{ "max_completion_tokens" :9,"model":"MODEL",${hi}}`, { max_tokens: 9 }],
      [
        `{"model":"MODEL",${hi},"max_completion_tokens":9,"max_tokens":8}`,
        { max_completion_tokens: 9, max_tokens: 8 },
      ],
      [
        `{"model":"MODEL",${hi},"x":"\\"stream_options\\":1","max_tokens":8}`,
        { x: '"stream_options":1', max_tokens: 8 },
      ],
    ]) {
      expectStatus(await send(sent), 200);
      const { model: _, messages: __, ...rest } = m.seen().at(-1).body;
      assert.deepEqual(rest, got, sent);
    }
  });

  test('a target gets it whole when another one got it changed', async () => {
    const [first, second] = [await make('mistral', { status: 503 }), await make('openai', { text: 'ok' })];
    const name = `r${++n}-${ctx.db}`;
    expectStatus(await ctx.api.post('/api/routes', { name, targets: [first.target, second.target] }), 201);
    const { response } = await client()
      .chat.completions.create({ model: name, messages, max_completion_tokens: 50 })
      .withResponse();
    assert.equal(first.seen()[0].body.max_tokens, 50);
    assert.equal(second.seen()[0].body.max_completion_tokens, 50);
    assert.deepEqual(second.seen()[0].body.messages, messages);
    assert.equal(response.headers.get('x-heddle-changed'), null);
  });

  test('LangChain streams from Mistral', async () => {
    const m = await make('mistral', { text: 'Grüße' });
    const chat = new ChatOpenAI({
      model: m.full,
      apiKey: ctx.server.key,
      configuration: { baseURL: `${ctx.server.url}/v1` },
      maxTokens: 20,
      maxRetries: 0,
    });
    let text = '';
    for await (const chunk of await chat.stream('hi')) text += chunk.content;
    assert.equal(text, 'Grüße');
    assert.equal(m.seen()[0].body.stream_options, undefined);
  });
});
