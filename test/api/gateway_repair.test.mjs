/* Streams of servers that get OpenAI's dialect wrong, and streams that are silent for long. */
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { Gate, until } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';

const messages = [{ role: 'user', content: 'hello' }];
const tools = [
  { type: 'function', function: { name: 'look_up', parameters: { type: 'object', properties: {} } } },
];
const chunk = (delta, finish_reason = null) => ({
  id: 'chatcmpl-1',
  object: 'chat.completion.chunk',
  created: 1_790_000_000,
  model: 'm',
  choices: [{ index: 0, delta, finish_reason }],
});
const called = [
  chunk({ role: 'assistant', content: null }),
  chunk({ tool_calls: [{ id: 'a', type: 'function', function: { name: 'look_up', arguments: '{"q"' } }] }),
  chunk({ tool_calls: [{ function: { arguments: ':1}' } }] }),
  chunk({ tool_calls: [{ id: 'b', type: 'function', function: { name: 'look_up', arguments: '{}' } }] }),
  chunk({}, 'stop'),
];
const said = [chunk({ role: 'assistant', content: 'Hel' }), chunk({ content: 'lo.' }), chunk({}, 'stop')];
const framed = (chunks, between, end = 'data: [DONE]\n\n') =>
  chunks.map((c) => `data: ${JSON.stringify(c)}${between}`).join('') + end;

onEachDatabase(
  'gateway and faulty streams',
  (ctx) => {
    const { test } = ctx;
    let n = 0;
    const client = (more = {}) =>
      new OpenAI({ baseURL: `${ctx.server.url}/v1`, apiKey: ctx.server.key, maxRetries: 0, ...more });
    function raw(text, type = 'text/event-stream') {
      const name = `raw-${++n}`;
      ctx.model.script(name, { raw: { type, text } });
      return `openai/${name}`;
    }
    async function read(model, more = {}) {
      let text = '';
      const stream = await client().chat.completions.create({ model, messages, stream: true, ...more });
      for await (const part of stream) text += part.choices[0]?.delta?.content ?? '';
      return text;
    }

    test('calls of tools without a number are not lost, and their end is told', async () => {
      const model = raw(framed(called, '\n\n'));
      const result = await client().chat.completions.stream({ model, messages, tools }).finalChatCompletion();
      const [choice] = result.choices;
      assert.deepEqual(
        choice.message.tool_calls.map((c) => [c.id, c.function.arguments]),
        [
          ['a', '{"q":1}'],
          ['b', '{}'],
        ],
      );
      assert.equal(choice.finish_reason, 'tool_calls');
    });

    test('a whole answer that calls tools ends with tool_calls', async () => {
      const calls = [{ id: 'a', type: 'function', function: { name: 'look_up', arguments: '{}' } }];
      const name = `whole-${++n}`;
      ctx.model.script(name, { tool: { name: 'look_up', arguments: {} }, finish: 'stop' });
      const answer = await client().chat.completions.create({ model: `openai/${name}`, messages, tools });
      assert.equal(answer.choices[0].finish_reason, 'tool_calls');
      assert.equal(answer.choices[0].message.tool_calls.length, calls.length);
      const plain = await client().chat.completions.create({ model: `openai/${name}`, messages });
      assert.equal(plain.choices[0].finish_reason, 'stop');
    });

    test('a wrong type, lines instead of events, no end: the client reads what was said', async () => {
      const all = [
        raw(framed(said, '\n\n'), 'application/json'),
        raw(framed(said, '\n\n'), 'text/plain'),
        raw(framed(said, '\n\n'), 'text/html; charset=utf-8'),
        raw(framed(said, '\n')),
        raw(framed(said, '\r\n', 'data: [DONE]\r\n')),
        raw(framed(said, '\r\n\r\n', '')),
        raw(framed(said, '\n\n', '')),
        raw(framed(said, '\n\n').replaceAll('data: ', 'data:')),
      ];
      for (const model of all) assert.equal(await read(model), 'Hello.', model);
    });

    test('what is no stream at all is said to be none', async () => {
      for (const type of ['application/json', 'text/html'])
        await assert.rejects(
          read(raw('<html>{"choices":[]}</html>', type)),
          (e) => e.status === 502 && /does not stream/.test(e.message),
        );
    });

    test('a silent stream is kept alive between its events, but for clients that do not bear it', async () => {
      const gate = new Gate();
      const name = `silent-${++n}`;
      ctx.model.script(name, { pieces: ['one ', 'two'], piece_gate: { after: 1, gate } });
      const body = { model: `openai/${name}`, messages, stream: true };
      const texts = await Promise.all(
        ['plain/1.0', 'Touchy/2.1'].map(async (agent) => {
          const response = await ctx.api.open('POST', '/v1/chat/completions', {
            body,
            headers: { 'user-agent': agent },
          });
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (part) => (text += part));
          const ended = new Promise((done) => response.on('end', done));
          if (agent.startsWith('plain'))
            await until('three comments came', () => text.split('\n').filter((l) => l === ':').length >= 3);
          if (agent.startsWith('plain')) gate.open(); /* for both */
          await ended;
          return text;
        }),
      );
      assert.match(texts[0], /one .*\n\n(:\n\n){3,}data: .*two/s);
      assert.doesNotMatch(texts[1], /^:/m);
      assert.match(texts[1], /two/);
      ctx.model.script(name, { pieces: ['one ', 'two'], piece_gate: { after: 1, gate: new Gate() } });
      const anthropic = await ctx.api.open('POST', '/v1/messages', { body: { ...body, max_tokens: 5 } });
      let text = '';
      anthropic.setEncoding('utf8');
      anthropic.on('data', (part) => (text += part));
      anthropic.on('error', () => {});
      await until('a ping came', () => /event: ping/.test(text));
      anthropic.destroy();
      await until('the provider was left', () => ctx.model.of(name).at(-1).leftAt);
    });

    test('heartbeats do not keep a dead provider alive', async () => {
      const name = `dead-${++n}`;
      ctx.model.script(name, { pieces: ['one ', 'two'], piece_gate: { after: 1, gate: new Gate() } });
      const made = await ctx.api.post('/api/routes', {
        name: `patient-${n}`,
        timeout: '1s',
        targets: [{ provider: 'openai', model: name }],
      });
      assert.equal(made.status, 201, made.text);
      await assert.rejects(read(`patient-${n}`), /answer in time|time/);
    });
  },
  { server: { env: { HEDDLE_MODELS_HEARTBEAT: '100ms', HEDDLE_MODELS_HEARTBEAT_SKIP: 'other, touchy/' } } },
);
