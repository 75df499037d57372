/* OpenAI's client calls /v1/responses of models whose providers have none: what goes there, the exact events that come
 * back, conversations that are kept, and what goes wrong on the way. */
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { createOpenAI } from '@ai-sdk/openai';
import { generateText, stepCountIs, streamText, tool } from 'ai';
import OpenAI from 'openai';
import { zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { expectStatus } from '../lib/api.mjs';
import { until } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { startAnthropicServer } from '../doubles/anthropic_server.mjs';
import { startGeminiServer } from '../doubles/gemini_server.mjs';
import { startResponsesServer } from '../doubles/responses_server.mjs';

globalThis.AI_SDK_LOG_WARNINGS = false; /* names of models that the client does not know */
const claude = await startAnthropicServer();
const gemini = await startGeminiServer();
const native = await startResponsesServer('native');
after(() => Promise.all([claude.stop(), gemini.stop(), native.stop()]));
const env = {
  ANTHROPIC_BASE_URL: claude.origin,
  ANTHROPIC_API_KEY: claude.apiKey,
};
const kinds = ['chat', 'anthropic', 'gemini'];

onEachDatabase(
  'gateway of responses that are translated',
  (ctx) => {
    const { test } = ctx;
    let n = 0;
    const client = (key = ctx.server.key) =>
      new OpenAI({ baseURL: `${ctx.server.url}/v1`, apiKey: key, maxRetries: 0 });
    const ask = (model, more = {}, options) =>
      client().responses.create({ model: model.name, input: 'hello', ...more }, options);
    const raw = (model, more = {}) =>
      ctx.api.call('POST', '/v1/responses', { body: { model: model.name, input: 'hello', ...more } });
    const eventsOf = async (stream) => {
      const events = [];
      for await (const event of stream) events.push(event);
      return events;
    };
    let made;
    const providers = () =>
      (made ??= (async () => {
        const own = { private_network: true, base_url: ctx.model.url };
        for (const [name, kind] of [
          ['chat', 'vllm'],
          ['perhaps', 'openai-compatible'],
        ])
          expectStatus(await ctx.api.post('/api/providers', { ...own, name, kind }), 201);
        const google = {
          ...own,
          base_url: gemini.origin,
          name: 'gemini',
          kind: 'gemini',
          credential: gemini.apiKey,
        };
        expectStatus(await ctx.api.post('/api/providers', google), 201);
        const body = { ...own, name: 'native', kind: 'openai-compatible', base_url: `${native.origin}/v1` };
        expectStatus(await ctx.api.post('/api/providers', body), 201);
      })());

    /* A model of the kind, whose answers are said in words of no kind: texts, thoughts {thinking}, calls {call, input}. */
    async function model(kind, ...answers) {
      await providers();
      const name = `claude-3-7-sonnet-g${++n}-${ctx.db}`; /* one that thinks, to those who look */
      const server = { anthropic: claude, gemini }[kind] ?? ctx.model;
      server.script(
        name,
        ...answers.map((a) => behaviours[['perhaps', 'openai'].includes(kind) ? 'chat' : kind](a)),
      );
      return {
        name: `${kind}/${name}`,
        seen: () => server.of(name),
        target: { provider: kind, model: name },
      };
    }
    const behaviours = {
      chat: ({ text, call, finish, ...more }) => ({
        ...(call ? { tool: { name: call, arguments: more.input } } : { text }),
        ...(finish && { finish: 'length' }),
        ...more,
      }),
      anthropic: ({ text, call, input, thinking, finish, ...more }) => ({
        blocks: [
          ...(thinking ? [{ type: 'thinking', thinking, signature: 'c2lnbmVk' }] : []),
          ...(text ? [{ type: 'text', text }] : []),
          ...(call ? [{ type: 'tool_use', id: `toolu_${++n}`, name: call, input }] : []),
        ],
        ...(finish && { stop: 'max_tokens' }),
        ...more,
      }),
      gemini: ({ text, call, input, thinking, finish, ...more }) => ({
        ...(!thinking && !call && { text }),
        parts: (thinking || call) && [
          ...(thinking ? [{ text: thinking, thought: true }] : []),
          ...(text ? [{ text }] : []),
          ...(call ? [{ functionCall: { name: call, args: input }, thoughtSignature: 'dGhvdWdodA==' }] : []),
        ],
        ...(finish && { reason: 'MAX_TOKENS' }),
        ...more,
      }),
    };
    const weather = {
      type: 'function',
      name: 'weather',
      description: 'The weather',
      parameters: { type: 'object', properties: { city: { type: 'string' } } },
      strict: false,
    };

    for (const kind of [...kinds, 'perhaps', 'openai']) {
      test(`${kind}: a response is whole, and what it repeats is what was asked`, async () => {
        const m = await model(kind, { text: 'Grüße \u{1f9f6}.' });
        const metadata = { topic: 'x' };
        const asked = { instructions: 'Be kind.', metadata, temperature: 0.5, max_output_tokens: 99 };
        const whole = await ask(m, asked);
        assert.match(whole.id, /^resp_[0-9a-f]{32}$/);
        assert.equal(whole.output_text, 'Grüße \u{1f9f6}.');
        assert.equal(whole.status, 'completed');
        const { instructions, temperature, max_output_tokens, tools, tool_choice, store } = whole;
        assert.deepEqual(
          { instructions, temperature, max_output_tokens },
          { ...asked, metadata: undefined } && {
            instructions: 'Be kind.',
            temperature: 0.5,
            max_output_tokens: 99,
          },
        );
        assert.deepEqual([whole.metadata, tools, tool_choice, store], [metadata, [], 'auto', true]);
        assert.ok(whole.usage.input_tokens > 0 && whole.usage.output_tokens > 0);
        assert.match(whole.output[0].id, /^msg_[0-9a-f]{36}$/);
        const [sent] = m.seen().filter((r) => r.path !== '/v1/responses');
        assert.match(JSON.stringify(sent.body), /Be kind.*hello|hello.*Be kind/s);
        assert.doesNotMatch(JSON.stringify(sent.body), /metadata|"store"/);
      });
    }

    for (const kind of kinds) {
      test(`${kind}: a stream has every event in order, however it comes`, async () => {
        for (const odd of [{}, { packet: 7 }, { line_end: '\r\n' }]) {
          const m = await model(kind, { text: 'Grüße, 世界 \u{1f9f6}', ...odd });
          const events = await eventsOf(await ask(m, { stream: true }));
          const types = events.map((e) => e.type).filter((t, i, all) => t !== all[i - 1]);
          assert.deepEqual(types, [
            'response.created',
            'response.in_progress',
            'response.output_item.added',
            'response.content_part.added',
            'response.output_text.delta',
            'response.output_text.done',
            'response.content_part.done',
            'response.output_item.done',
            'response.completed',
          ]);
          assert.deepEqual(
            events.map((e) => e.sequence_number),
            events.map((_, i) => i),
          );
          const said = events.filter((e) => e.delta).map((e) => e.delta);
          assert.equal(said.join(''), 'Grüße, 世界 \u{1f9f6}');
          const { response } = events.at(-1);
          assert.equal(response.output[0].content[0].text, said.join(''));
          assert.equal(response.id, events[0].response.id);
          assert.ok(response.usage.output_tokens > 0);
        }
        const m = await model(kind, { text: 'one two three' });
        const helped = await client().responses.stream({ model: m.name, input: 'x' }).finalResponse();
        assert.equal(helped.output_text, 'one two three');
      });

      test(`${kind}: tools are called, and the conversation goes on by the id of the response`, async () => {
        for (const stream of [false, true]) {
          const m = await model(
            kind,
            { call: 'weather', input: { city: 'Ulm' } },
            { text: 'It rains.' },
            { text: 'Still.' },
            { text: 'Later, too.' },
          );
          const go = async (more) => {
            if (!stream) return ask(m, { tools: [weather], ...more });
            return client()
              .responses.stream({ model: m.name, tools: [weather], ...more })
              .finalResponse();
          };
          const first = await go({ input: 'Weather in Ulm?' });
          const call = first.output.find((i) => i.type === 'function_call');
          assert.deepEqual([call.name, JSON.parse(call.arguments)], ['weather', { city: 'Ulm' }]);
          const output = [{ type: 'function_call_output', call_id: call.call_id, output: 'rain' }];
          const second = await go({ input: output, previous_response_id: first.id });
          assert.equal(second.output_text, 'It rains.');
          assert.equal(second.previous_response_id, first.id);
          await ctx.server.restart();
          const third = await go({ input: 'And now?', previous_response_id: second.id });
          assert.equal(third.output_text, 'Still.');
          const body = JSON.stringify(m.seen().at(-1).body);
          for (const text of ['Weather in Ulm?', 'rain', 'It rains.', 'And now?'])
            assert.equal(body.split(`"${text}"`).length, 2, `${text} in ${body}`);
          if (kind === 'gemini') assert.match(body, /"thoughtSignature":"dGhvdWdodA=="/);
          /* Both can go on from the same one. */
          const fork = await go({ input: output, previous_response_id: first.id });
          assert.equal(fork.output_text, 'Later, too.');
          assert.ok(!JSON.stringify(m.seen().at(-1).body).includes('It rains.'), 'nothing of the other one');
        }
      });

      test(`${kind}: what ends early or fails is told`, async () => {
        const cut = await model(kind, { text: 'a text that is long enough to be cut', finish: true });
        const short = await ask(cut);
        assert.deepEqual(
          [short.status, short.incomplete_details.reason],
          ['incomplete', 'max_output_tokens'],
        );
        const events = await eventsOf(await ask(cut, { stream: true }));
        assert.equal(events.at(-1).type, 'response.incomplete');
        for (const fault of [{ cut_after: 4 }, { malformed_after: 4 }, { error_after: 4 }]) {
          const m = await model(kind, { text: 'a text that is long enough to be cut', ...fault });
          await assert.rejects(
            ask(m, { stream: true }).then(eventsOf),
            OpenAI.APIError,
            JSON.stringify(fault),
          );
          const { text } = await raw(m, { stream: true });
          const failed = text.match(/event: response.failed\ndata: (.*)\n/);
          assert.equal(JSON.parse(failed[1]).response.status, 'failed', text);
          assert.match(text, /event: error\ndata: .*\n\n$/);
          assert.doesNotMatch(text, /response\.completed/);
          const { id } = JSON.parse(failed[1]).response;
          await assert.rejects(client().responses.retrieve(id), OpenAI.NotFoundError);
        }
        for (const [status, error] of [
          [429, OpenAI.RateLimitError],
          [500, OpenAI.InternalServerError],
          [400, OpenAI.BadRequestError],
        ])
          await assert.rejects(ask(await model(kind, { status, text: 'x' })), error);
      });

      test(`${kind}: a client that leaves ends the call`, async () => {
        const m = await model(kind, { endless: true });
        const abort = new AbortController();
        const asked = ask(m, { stream: true }, { signal: abort.signal });
        const stream = await asked;
        for await (const event of stream) if (event.type === 'response.output_text.delta') break;
        abort.abort();
        await until('the upstream sees it leave', () => m.seen().at(-1).leftAt);
      });
    }

    test('an answer of a schema is parsed', async () => {
      const m = await model('chat', { text: '{"city":"Ulm","degrees":7}' });
      const format = zodTextFormat(z.object({ city: z.string(), degrees: z.number() }), 'weather');
      const parsed = await client().responses.parse({ model: m.name, input: 'x', text: { format } });
      assert.deepEqual(parsed.output_parsed, { city: 'Ulm', degrees: 7 });
      const sent = m.seen().at(-1).body.response_format;
      assert.deepEqual(
        [sent.type, sent.json_schema.name, sent.json_schema.strict],
        ['json_schema', 'weather', true],
      );
    });

    test('thinking comes as reasoning, and goes back to who signed it alone', async () => {
      for (const stream of [false, true]) {
        const m = await model(
          'anthropic',
          { thinking: 'Hm, rain.', call: 'weather', input: {} },
          { text: 'ok' },
        );
        const more = { tools: [weather], reasoning: { effort: 'low' }, store: false };
        const first = stream
          ? (await eventsOf(await ask(m, { ...more, stream: true }))).at(-1).response
          : await ask(m, more);
        assert.equal(first.output[0].type, 'reasoning');
        assert.equal(first.output[0].summary[0].text, 'Hm, rain.');
        const [, call] = first.output;
        const input = [
          { role: 'user', content: 'hello' },
          ...first.output,
          { type: 'function_call_output', call_id: call.call_id, output: 'rain' },
        ];
        await ask(m, { ...more, input });
        const sent = m.seen().at(-1).body.messages[1].content;
        assert.deepEqual(sent[0], { type: 'thinking', thinking: 'Hm, rain.', signature: 'c2lnbmVk' });
        const other = await model('gemini', { text: 'ok' });
        const { response } = await client()
          .responses.create({ model: other.name, ...more, input })
          .withResponse();
        assert.match(response.headers.get('x-heddle-dropped'), /input\.reasoning/);
      }
    });

    test('what cannot be translated is refused by its name, or dropped and named', async () => {
      const m = await model('chat', { text: 'ok' });
      const refused = {
        tools: [[{ type: 'web_search' }], /web_search/],
        background: [true, /background/],
        conversation: ['conv_1', /conversation/],
        prompt: [{ id: 'pmpt_1' }, /prompt/],
        truncation: ['some', /truncation/],
        metadata: [{ a: 1 }, /metadata/],
        max_output_tokens: [0, /max_output_tokens/],
        store: ['yes', /store/],
        input: [[{ type: 'computer_call_output', call_id: 'x', output: {} }], /computer_call_output/],
        tool_choice: [{ type: 'file_search' }, /tool_choice/],
        reasoning: [{ effort: 'extreme' }, /reasoning\.effort/],
        text: [{ format: { type: 'grammar' } }, /text\.format/],
        previous_response_id: ['resp_of_somebody_else', /not found/],
      };
      for (const [field, [value, words]] of Object.entries(refused))
        await assert.rejects(ask(m, { [field]: value }), (e) => {
          assert.match(e.message, words, field);
          return e instanceof OpenAI.BadRequestError;
        });
      const { response } = await client()
        .responses.create({
          model: m.name,
          input: 'x',
          service_tier: 'flex',
          unheard_of: 1,
          text: { verbosity: 'low' },
          reasoning: { effort: 'high' },
        })
        .withResponse();
      assert.deepEqual(response.headers.get('x-heddle-dropped').split(', ').sort(), [
        'reasoning.effort',
        'service_tier',
        'text.verbosity',
        'unheard_of',
      ]);
    });

    test('what is kept is read, listed and deleted by its key alone', async () => {
      const m = await model('chat', { text: 'one' }, { text: 'two' });
      const first = await ask(m, { input: [{ role: 'user', content: 'a' }] });
      const second = await ask(m, { input: 'b', previous_response_id: first.id });
      const read = await client().responses.retrieve(second.id);
      assert.deepEqual(
        { ...read, output_text: 'two' },
        { ...second, output_text: 'two', _request_id: undefined } && {
          ...second,
          output_text: 'two',
        },
      );
      const items = [];
      for await (const item of client().responses.inputItems.list(second.id, { order: 'asc', limit: 2 }))
        items.push(item);
      assert.deepEqual(
        items.map((i) => i.content[0].text),
        ['a', 'one', 'b'],
      );
      assert.ok(items.every((i) => /^msg_/.test(i.id)));
      const made = (await ctx.api.post('/api/keys', { name: `k-${++n}`, capabilities: 'model.call' })).json;
      const other = client(made.key);
      await assert.rejects(other.responses.retrieve(first.id), OpenAI.NotFoundError);
      await assert.rejects(other.responses.delete(first.id), OpenAI.NotFoundError);
      await assert.rejects(
        other.responses.create({ model: m.name, input: 'x', previous_response_id: first.id }),
        (e) => e.code === 'previous_response_not_found',
      );
      await assert.rejects(client().responses.cancel(first.id), OpenAI.BadRequestError);
      await client().responses.delete(first.id);
      await assert.rejects(client().responses.retrieve(first.id), OpenAI.NotFoundError);
      await assert.rejects(
        ask(m, { previous_response_id: second.id }),
        (e) => e.status === 400 && e.code === 'previous_response_not_found',
      );
      const quiet = await ask(m, { store: false });
      assert.equal(quiet.store, false);
      await assert.rejects(client().responses.retrieve(quiet.id), OpenAI.NotFoundError);
    });

    test('a conversation goes on at another provider, also one that has responses', async () => {
      const a = await model('anthropic', { thinking: 'Hm.', text: 'from claude' });
      const b = await model('gemini', { text: 'from gemini' });
      const first = await ask(a, { input: 'one' });
      const second = await ask(b, { input: 'two', previous_response_id: first.id });
      const name = `own-${++n}-${ctx.db}`;
      native.script(name, { text: 'from native' });
      const third = await ask(
        { name: `native/${name}` },
        { input: 'three', previous_response_id: second.id },
      );
      assert.equal(third.output_text, 'from native');
      const { input, previous_response_id: previous } = native.of(name)[0].body;
      assert.equal(previous, null);
      assert.deepEqual(
        input.map((i) => [i.type, i.id]),
        [...Array(5)].map(() => ['message', undefined]),
      );
    });

    test("Vercel's ai calls it by its default, with tools and items by their ids", async () => {
      for (const kind of kinds) {
        const m = await model(
          kind,
          { thinking: 'Hm.', call: 'weather', input: { city: 'Ulm' } },
          { text: 'It rains.' },
        );
        const openai = createOpenAI({ baseURL: `${ctx.server.url}/v1`, apiKey: ctx.server.key });
        const tools = {
          weather: tool({
            description: 'The weather',
            inputSchema: z.object({ city: z.string() }),
            execute: async ({ city }) => `rain in ${city}`,
          }),
        };
        const asked = { model: openai(m.name), tools, stopWhen: stepCountIs(3), prompt: 'Weather in Ulm?' };
        const whole = await generateText(asked);
        assert.equal(whole.text, 'It rains.', kind);
        const body = JSON.stringify(m.seen().at(-1).body);
        assert.match(body, /Weather in Ulm\?.*rain in Ulm/, kind);
        assert.doesNotMatch(body, /item_reference/);
        if (kind === 'anthropic') assert.match(body, /"signature":"c2lnbmVk"/);
        if (kind === 'gemini') assert.match(body, /"thoughtSignature":"dGhvdWdodA=="/);
        const again = await model(kind, { call: 'weather', input: { city: 'Ulm' } }, { text: 'It rains.' });
        const { textStream } = streamText({ ...asked, model: openai(again.name) });
        let text = '';
        for await (const piece of textStream) text += piece;
        assert.equal(text, 'It rains.', kind);
      }
    });

    test('an item by its id is one of the same key, or is not found', async () => {
      const m = await model('chat', { text: 'said before' }, { text: 'ok' });
      const first = await ask(m);
      const reference = (id) => [
        { type: 'item_reference', id },
        { role: 'user', content: 'more' },
      ];
      await ask(m, { input: reference(first.output[0].id) });
      assert.deepEqual(
        m
          .seen()
          .at(-1)
          .body.messages.map((x) => [x.role, x.content]),
        [
          ['assistant', 'said before'],
          ['user', 'more'],
        ],
      );
      const other = client(await ctx.server.newKey(`other-${++n}`, 'model.call'));
      const input = reference(first.output[0].id);
      await assert.rejects(other.responses.create({ model: m.name, input }), OpenAI.NotFoundError);
      await assert.rejects(
        ask(m, { input: reference(`${first.output[0].id.slice(0, -1)}7`) }),
        OpenAI.NotFoundError,
      );
      await assert.rejects(ask(m, { input: reference('msg_of_somebody') }), OpenAI.BadRequestError);
    });

    test('a conversation that is too long is trimmed when the client says so', async () => {
      const m = await model('chat', { text: 'ok' });
      const long = 'one two three four five six seven eight nine ten '.repeat(20);
      const input = [1, 2, 3].flatMap((i) => [
        { role: 'user', content: `${i} ${long}` },
        { role: 'assistant', content: `a${i}` },
      ]);
      input.push({ role: 'user', content: 'last' });
      const sent = (truncation) =>
        client().responses.create({ model: m.name, input, truncation }).withResponse();
      const unknown = await sent('auto');
      assert.equal(unknown.response.headers.get('x-heddle-dropped'), 'truncation');
      const price = { input: 1, output: 1, max_input: 400 };
      const put = { provider: 'chat', model: m.target.model, price };
      expectStatus(await ctx.api.put('/api/prices', put), 204);
      const { response, data } = await sent('auto');
      assert.match(response.headers.get('x-heddle-trimmed'), /^messages=4; tokens=/);
      assert.equal(response.headers.get('x-heddle-dropped'), null);
      assert.equal(m.seen().at(-1).body.messages.length, 3);
      const { data: items } = await client().responses.inputItems.list(data.id, { limit: 100 });
      assert.equal(items.length, 7); /* what was said is kept whole */
    });

    test('answers that are not stored are kept for the same call; prompts are called', async () => {
      const m = await model('anthropic', { text: 'one' }, { text: 'two' });
      const name = `cached-${++n}-${ctx.db}`;
      const cache = { ttl: '1h' };
      expectStatus(await ctx.api.post('/api/routes', { name, targets: [m.target], cache }), 201);
      for (const stream of [false, true]) {
        const again = [];
        for (let i = 0; i < 2; i++) again.push((await raw({ name }, { store: false, stream })).text);
        assert.equal(again[0], again[1]);
      }
      assert.equal(m.seen().length, 2);
      assert.notEqual((await ask({ name })).id, (await ask({ name })).id);
      const prompt = {
        model: m.name,
        messages: [
          { role: 'system', content: 'You help {{ who }}.' },
          { role: 'user', content: 'Be brief.' },
        ],
        parameters: { max_tokens: 77 },
      };
      expectStatus(await ctx.api.post('/api/prompts', { name: `p-${n}`, prompt }), 201);
      const said = await ask(
        { name: `prompt/p-${n}` },
        { prompt_variables: { who: 'Ann' }, instructions: 'Hurry.' },
      );
      assert.equal(said.instructions, 'You help Ann.\n\nHurry.');
      const { system, messages, max_tokens } = m.seen().at(-1).body;
      assert.match(JSON.stringify(system), /You help Ann\.\\n\\nHurry\./);
      assert.deepEqual([messages[0].content.map((p) => p.text), max_tokens], [['Be brief.', 'hello'], 77]);
      const more = await ask(m, { previous_response_id: said.id, input: 'on' });
      assert.equal(more.instructions, null);
      assert.doesNotMatch(JSON.stringify(m.seen().at(-1).body), /You help/);
      assert.match(JSON.stringify(m.seen().at(-1).body), /Be brief/);
    });

    test('usage and limits are those of chats', async () => {
      const m = await model('anthropic', { text: 'ok' });
      const name = `r${++n}-${ctx.db}`;
      expectStatus(await ctx.api.post('/api/routes', { name, targets: [m.target] }), 201);
      await ask({ name });
      await eventsOf(await ask({ name }, { stream: true }));
      await until('usage has them', async () => {
        const { items } = (await ctx.api.get('/api/usage?group=model')).json;
        const row = items.find((i) => i.group === name);
        return row?.calls === 2 && row.prompt_tokens === 36 && row.completion_tokens === 14;
      });
    });
  },
  { server: { env } },
);
