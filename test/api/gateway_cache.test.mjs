/* Answers that are kept: who gets them again, for how long, and what is never kept. */
import assert from 'node:assert/strict';
import { after } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { expectProblem, expectStatus } from '../lib/api.mjs';
import { Gate, until } from '../lib/gate.mjs';
import { Server } from '../lib/server.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { startAnthropicServer } from '../doubles/anthropic_server.mjs';

const claude = await startAnthropicServer();
after(() => claude.stop());
const env = { ANTHROPIC_BASE_URL: `${claude.origin}/v1`, ANTHROPIC_API_KEY: claude.apiKey };
const messages = [{ role: 'user', content: 'hello' }];

onEachDatabase(
  'gateway cache',
  (ctx) => {
    const { test } = ctx;
    let n = 0;
    const client = (key = ctx.server.key, server = ctx.server) =>
      new OpenAI({ baseURL: `${server.url}/v1`, apiKey: key, maxRetries: 0 });
    /* A route of one target that keeps answers; what the target answers is counted. */
    async function route(behaviours = [{ text: 'kept words' }], cache = { ttl: '1h' }) {
      const model = `c${++n}-${ctx.db}`;
      ctx.model.script(model, ...behaviours);
      const body = { name: `cached-${n}`, targets: [{ provider: 'openai', model }], cache };
      const made = expectStatus(await ctx.api.post('/api/routes', body), 201).json;
      return { ...made, model, calls: () => ctx.model.of(model).length };
    }
    async function newKey(policy) {
      const name = `cache-${++n}`;
      const key = await ctx.server.newKey(name, 'model.call');
      const { items } = (await ctx.api.get('/api/keys?limit=200')).json;
      const { id } = items.find((k) => k.name === name);
      if (policy) expectStatus(await ctx.api.put(`/api/keys/${id}/limits`, policy), 200);
      return { id, key };
    }
    /* The answer and what its headers say of the cache. */
    async function ask(model, more = {}, { key, headers, server } = {}) {
      const call = client(key, server).chat.completions.create({ model, messages, ...more }, { headers });
      const { data, response } = await call.withResponse();
      return { data, cache: response.headers.get('x-heddle-cache'), headers: response.headers };
    }
    async function streamed(model, more = {}, options) {
      const r = await ask(model, { stream: true, ...more }, options);
      const chunks = [];
      for await (const chunk of r.data) chunks.push(chunk);
      return { ...r, chunks, text: chunks.map((c) => c.choices[0]?.delta?.content ?? '').join('') };
    }
    const usageOf = async (model, calls) =>
      until(`${calls} calls of ${model} are recorded`, async () => {
        const row = (await ctx.api.get('/api/usage?group=model')).json.items.find((r) => r.group === model);
        return row?.calls >= calls && row;
      });

    test('the same call again is answered by what was answered, and costs nothing', async () => {
      const r = await route();
      await ctx.api.put('/api/prices', {
        provider: 'openai',
        model: r.model,
        price: { input: 1e6, output: 1e6 },
      });
      assert.deepEqual(r.cache, { ttl: '1h', scope: 'key' });
      const first = await ask(r.name);
      const again = await ask(r.name, { user: 'somebody else', metadata: { a: 'b' } });
      assert.deepEqual([first.cache, again.cache, r.calls()], ['miss', 'hit', 1]);
      assert.deepEqual(again.data, first.data);
      assert.match(again.headers.get('age'), /^\d+$/);
      assert.deepEqual(
        [
          first.headers.get('age'),
          again.headers.get('x-heddle-attempts'),
          again.headers.get('x-heddle-provider'),
        ],
        [null, '0', 'openai'],
      );
      const row = await usageOf(r.name, 2);
      assert.deepEqual(
        [row.calls, row.from_cache, row.failed, row.prompt_tokens, row.saved_micros],
        [2, 1, 0, first.data.usage.prompt_tokens, row.cost_micros],
      );
      assert.ok(row.cost_micros > 0);
    });

    test('what changes the answer makes another call, what is written otherwise does not', async () => {
      const r = await route();
      const send = async (text, headers = {}) => {
        const sent = await ctx.api.call('POST', '/v1/chat/completions', {
          text: text.replace('MODEL', r.name),
          headers: { 'content-type': 'application/json', ...headers },
        });
        return expectStatus(sent, 200).headers['x-heddle-cache'];
      };
      const plain = '{"model":"MODEL","messages":[{"role":"user","content":"A"}],"temperature":0.5}';
      assert.equal(await send(plain), 'miss');
      assert.equal(
        await send(
          '{ "temperature": 5e-1,\n"messages":[{"content":"\\u0041","role":"user"}], "model":"MODEL"}',
        ),
        'hit',
      );
      assert.equal(await send(plain.replace('0.5', '0.6')), 'miss');
      assert.equal(await send(plain.replace('"A"', '"a"')), 'miss');
      assert.equal(await send(plain.replace('}]', '},{"role":"user","content":"B"}]')), 'miss');
      assert.equal(await send(plain, { 'openai-beta': 'other' }), 'miss');
      assert.equal(await send(plain.replace('{', '{"seed":1,')), 'miss');
      assert.equal(await send(plain), 'hit');
    });

    test('a stream comes again as a stream, with the very events', async () => {
      const r = await route([{ text: 'several words of an answer' }]);
      const first = await streamed(r.name);
      const again = await streamed(r.name);
      assert.deepEqual([first.cache, again.cache, r.calls()], ['miss', 'hit', 1]);
      assert.equal(again.text, 'several words of an answer');
      assert.deepEqual(again.chunks, first.chunks);
      assert.match(again.headers.get('content-type'), /text\/event-stream/);
      const whole = await ask(r.name); /* another form of answer */
      assert.deepEqual([whole.cache, r.calls()], ['miss', 2]);
      const counted = await streamed(r.name, { stream_options: { include_usage: true } });
      assert.deepEqual([counted.cache, counted.chunks.at(-1).usage.total_tokens > 0], ['miss', true]);
      assert.equal((await streamed(r.name)).chunks.at(-1).usage ?? null, null);
    });

    test('a client of Anthropic gets its own form again, translated or not', async () => {
      const r = await route([{ text: 'translated' }]);
      const name = `c${++n}-${ctx.db}`;
      claude.script(name, { text: 'her own words' });
      const body = {
        name: `mixed-${n}`,
        targets: [{ provider: 'anthropic', model: name }],
        cache: { ttl: '1h' },
      };
      const own = expectStatus(await ctx.api.post('/api/routes', body), 201).json;
      const anthropic = new Anthropic({ baseURL: ctx.server.url, apiKey: ctx.server.key, maxRetries: 0 });
      for (const [model, text] of [
        [r.name, 'translated'],
        [own.name, 'her own words'],
      ]) {
        const states = [];
        for (let i = 0; i < 2; i++) {
          const asked = anthropic.messages.create({ model, max_tokens: 9, messages });
          const { data, response } = await asked.withResponse();
          assert.equal(data.content[0].text, text);
          const stream = anthropic.messages.stream({ model, max_tokens: 9, messages });
          assert.equal(await stream.finalText(), text);
          states.push(response.headers.get('x-heddle-cache'), stream.response.headers.get('x-heddle-cache'));
        }
        assert.deepEqual(states, ['miss', 'miss', 'hit', 'hit'], model);
      }
      for (let i = 0; i < 2; i++)
        assert.equal(
          (await ask(own.name, { seed: 7 })).headers.get('x-heddle-dropped'),
          'seed',
        ); /* again, too */
      assert.equal(claude.of(name).length, 3);
      assert.equal((await ask(r.name)).cache, 'miss'); /* the same words in another dialect */
    });

    test('embeddings are kept, numbers and base64 apart', async () => {
      const r = await route([{}]);
      const embed = (more) =>
        client()
          .embeddings.create({ model: r.name, input: 'x', ...more })
          .withResponse();
      const states = [];
      for (const more of [{}, {}, { encoding_format: 'float' }, { encoding_format: 'float' }])
        states.push((await embed(more)).response.headers.get('x-heddle-cache'));
      assert.deepEqual(states, ['miss', 'hit', 'miss', 'hit']);
    });

    test('a request says by Cache-Control what it takes', async () => {
      const r = await route();
      const from = ctx.server.proc.stderr.length;
      const asks = async (value) => (await ask(r.name, {}, { headers: { 'cache-control': value } })).cache;
      const only = (e) => {
        assert.deepEqual([e.status, e.headers.get('x-should-retry')], [504, 'false']);
        return /only-if-cached/.test(e.message);
      };
      await assert.rejects(asks('only-if-cached'), only);
      assert.equal(r.calls(), 0);
      assert.equal(await asks('no-store'), 'bypass');
      assert.equal((await ask(r.name)).cache, 'miss');
      assert.equal(await asks('only-if-cached'), 'hit');
      assert.equal(await asks('max-age=3600'), 'hit');
      assert.equal(r.calls(), 2);
      assert.equal(await asks('no-cache'), 'bypass'); /* and is kept instead */
      assert.equal(await asks('max-age=0'), 'miss');
      assert.equal(r.calls(), 4);
      await assert.rejects(asks('only-if-cached, max-age=0'), only);
      const off = await route([{ text: 'x' }], null);
      const plain = await ask(off.name, {}, { headers: { 'cache-control': 'max-age=60' } });
      assert.deepEqual([plain.cache, off.cache], [null, null]);
      await assert.rejects(ask(off.name, {}, { headers: { 'cache-control': 'only-if-cached' } }), only);
      await ask(off.name); /* by now the log would have it */
      assert.doesNotMatch(ctx.server.proc.stderr.slice(from), /a request failed/);
    });

    test('each key has its own answers, unless the tenant shares them', async () => {
      const [one, two] = [await newKey(), await newKey()];
      const own = await route();
      const shared = await route([{ text: 'for all' }], { ttl: '1h', scope: 'tenant' });
      const states = [];
      for (const r of [own, shared])
        for (const { key } of [one, two, one, two]) states.push((await ask(r.name, {}, { key })).cache);
      assert.deepEqual(states, ['miss', 'miss', 'hit', 'hit', 'miss', 'hit', 'hit', 'hit']);
    });

    test("a key's own rule comes before the route's, and works without a route", async () => {
      const never = await newKey({ cache: { ttl: '0s' } });
      const always = await newKey({ cache: { ttl: '10m' } });
      const r = await route();
      for (let i = 0; i < 2; i++) assert.equal((await ask(r.name, {}, never)).cache, null);
      const model = `c${++n}-${ctx.db}`;
      ctx.model.script(model, { text: 'of the provider' });
      assert.equal((await ask(`openai/${model}`, {}, always)).cache, 'miss');
      assert.equal((await ask(`openai/${model}`, {}, always)).cache, 'hit');
      assert.equal((await ask(`openai/${model}`)).cache, null);
      const shown = (await ctx.api.get(`/api/keys/${always.id}/limits`)).json;
      assert.deepEqual(shown.cache, { ttl: '10m', scope: 'key' });
    });

    test('only a whole and good answer is kept', async () => {
      const good = { text: 'whole at last' };
      const bad = [
        { status: 500 },
        { cut_after: 1, text: 'a b c' },
        { status: 503 },
        { error_after: 1, text: 'a b c' },
      ];
      for (const stream of [false, true]) {
        for (const b of stream ? bad : bad.slice(0, 3)) {
          const r = await route([b, good]);
          expectStatus(
            await ctx.api.put(`/api/routes/${r.id}`, {
              targets: r.targets.map(({ provider, model }) => ({ provider, model })),
              attempts: 1,
              cache: { ttl: '1h' },
            }),
            200,
          );
          const call = stream ? streamed : ask;
          await assert.rejects(call(r.name), JSON.stringify(b));
          const after_ = await call(r.name);
          assert.deepEqual([after_.cache, (await call(r.name)).cache], ['miss', 'hit'], JSON.stringify(b));
        }
      }
    });

    test('a client that leaves leaves nothing behind', async () => {
      const gate = new Gate();
      const r = await route([{ text: 'one two three', piece_gate: { after: 1, gate } }, { text: 'again' }]);
      const abort = new AbortController();
      const leaving = client().chat.completions.create(
        { model: r.name, messages, stream: true },
        { signal: abort.signal },
      );
      for await (const chunk of await leaving) if (chunk.choices[0]?.delta?.content) abort.abort();
      assert.equal((await streamed(r.name)).text, 'again');
      gate.open(); /* not before: the answer would be whole, whoever has left */
    });

    test('an answer is given until its time is over', async () => {
      const r = await route([{ text: 'old' }, { text: 'new' }], { ttl: '1s' });
      assert.equal((await ask(r.name)).data.choices[0].message.content, 'old');
      await until('the answer is too old', async () => {
        const now = await ask(r.name);
        return now.cache === 'miss' && now.data.choices[0].message.content === 'new';
      });
    });

    test('a route that changes forgets, and so does a purge', async () => {
      const r = await route();
      const other = await route();
      await ask(r.name);
      await ask(other.name);
      const { answers, bytes, max_bytes } = (await ctx.api.get('/api/cache')).json;
      assert.ok(answers >= 2 && bytes > 0 && bytes <= max_bytes);
      const targets = [{ provider: 'openai', model: r.model }];
      expectStatus(await ctx.api.put(`/api/routes/${r.id}`, { targets, cache: { ttl: '2h' } }), 200);
      assert.equal((await ask(r.name)).cache, 'miss');
      assert.equal((await ask(r.name)).cache, 'hit');
      const purged = expectStatus(await ctx.api.delete(`/api/cache?model=${r.name}`), 200);
      assert.equal(purged.json.purged, 2);
      assert.deepEqual([(await ask(r.name)).cache, (await ask(other.name)).cache], ['miss', 'hit']);
      expectStatus(await ctx.api.delete('/api/cache'), 200);
      assert.equal((await ask(other.name)).cache, 'miss');
      expectProblem(await ctx.api.delete('/api/cache?key=x'), 400);
      const { key } = await newKey();
      expectProblem(await ctx.api.as(key).delete('/api/cache'), 403);
      expectProblem(await ctx.api.as(key).get('/api/cache'), 403);
    });

    test('what was answered by the cache counts as a request, not as tokens or money', async () => {
      const r = await route();
      const k = await newKey({ limits: { requests: { month: 3 }, tokens: { month: 1e9 } } });
      const counter = async (what) =>
        (await ctx.api.get(`/api/keys/${k.id}/limits`)).json.counters.find((c) => c.what === what).used;
      await ask(r.name, {}, k);
      const tokens = await counter('tokens');
      assert.ok(tokens > 0);
      for (let i = 0; i < 2; i++) assert.equal((await ask(r.name, {}, k)).cache, 'hit');
      assert.deepEqual([await counter('requests'), await counter('tokens')], [3, tokens]);
      await assert.rejects(ask(r.name, {}, k), OpenAI.RateLimitError);
    });

    test('an answer that is too long passes by', async () => {
      const text = 'x'.repeat(600 * 1024);
      const r = await route([{ pieces: [text, text] }]);
      for (let i = 0; i < 2; i++) assert.equal((await streamed(r.name)).text.length, 2 * text.length);
      assert.equal(r.calls(), 2);
      const long = [{ role: 'user', content: 'y'.repeat(1024 * 1024) }];
      assert.equal((await ask(r.name, { messages: long })).cache, 'bypass');
    });

    /* How often each word stands in a text: that is what these embeddings know of its meaning. */
    function wordsOf(text) {
      const numbers = Array(64).fill(0.01);
      for (const word of text
        .toLowerCase()
        .split(/[^a-z]+/)
        .filter(Boolean)) {
        let hash = 7;
        for (const c of word) hash = (hash * 31 + c.charCodeAt(0)) % 9973;
        numbers[hash % 64] += 1;
      }
      return numbers;
    }
    async function meaningful(
      behaviours = [{ text: 'Paris' }],
      embedding = [{ vector: wordsOf }],
      cache = {},
    ) {
      const model = `e${++n}-${ctx.db}`;
      ctx.model.script(model, ...embedding);
      const rule = { ttl: '1h', similarity: 0.8, embeddings: `openai/${model}`, ...cache };
      const r = await route(behaviours, rule);
      const said = (content, more, options) =>
        ask(r.name, { messages: [{ role: 'user', content }], ...more }, options);
      return { ...r, embeddings: () => ctx.model.of(model).length, embedder: model, said };
    }

    test('what means the same is answered the same, and the answer says how near it was', async () => {
      const r = await meaningful();
      const first = await r.said('what is the capital of France');
      const near = await r.said('What is the capital of France, please?');
      assert.deepEqual([first.cache, near.cache, r.calls(), r.embeddings()], ['miss', 'hit', 1, 2]);
      const similarity = Number(near.headers.get('x-heddle-cache-similarity'));
      assert.ok(similarity >= 0.8 && similarity < 1, String(similarity));
      assert.deepEqual(near.data, first.data);
      const same = await r.said('what is the capital of France');
      assert.deepEqual([same.cache, same.headers.get('x-heddle-cache-similarity')], ['hit', null]);
      assert.equal(r.embeddings(), 2); /* the same words need none */
      assert.equal((await r.said('how do I boil an egg')).cache, 'miss');
      const parts = [{ type: 'text', text: 'the capital of France is what' }];
      assert.equal((await r.said(parts)).cache, 'hit');
      const row = await usageOf(`openai/${r.embedder}`, 4);
      assert.deepEqual([row.calls, row.prompt_tokens, row.failed], [4, 20, 0]);
    });

    test('only the last words may differ, and only for the same key', async () => {
      const r = await meaningful();
      const question = 'what is the capital of France';
      const asked = { role: 'user', content: `${question} now` };
      await r.said(question);
      const other = { messages: [{ role: 'system', content: 'be brief' }, asked] };
      assert.equal((await ask(r.name, other)).cache, 'miss');
      assert.equal((await ask(r.name, { messages: [asked], temperature: 0.1 })).cache, 'miss');
      assert.equal((await streamed(r.name, { messages: [asked] })).cache, 'miss');
      assert.equal(
        (await streamed(r.name, { messages: [{ ...asked, content: `now ${question}` }] })).text,
        'Paris',
      );
      assert.equal((await r.said(`${question} then`, {}, await newKey())).cache, 'miss');
      assert.equal((await r.said(`${question} today`)).cache, 'hit');
    });

    test('calls with tools and images are answered by the same words alone', async () => {
      const r = await meaningful();
      const question = 'what is the capital of France';
      const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }];
      const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } };
      for (const [say, more] of [
        [(text) => text, { tools }],
        [(text) => [{ type: 'text', text }, image], {}],
      ]) {
        assert.equal((await r.said(say(question), more)).cache, 'miss');
        assert.equal((await r.said(say(`${question} now`), more)).cache, 'miss');
        assert.equal((await r.said(say(question), more)).cache, 'hit');
      }
      assert.equal(r.embeddings(), 0);
    });

    test('embeddings that are slow, dead or senseless are no failure, and soon no wait', async () => {
      for (const bad of [{ hang: true }, { status: 500 }, { html: true }, { vector: () => [] }]) {
        const r = await meaningful([{ text: 'answered' }], [bad]);
        const began = Date.now();
        const first = await r.said('one question');
        assert.equal(first.data.choices[0].message.content, 'answered', JSON.stringify(bad));
        assert.equal(first.cache, 'miss');
        assert.ok(Date.now() - began < 60_000);
        assert.equal((await r.said('one question')).cache, 'hit'); /* by its words */
      }
      const gone = await meaningful([{ text: 'answered' }], [], { embeddings: 'nobody-has-this' });
      assert.equal((await gone.said('one question')).cache, 'miss');
      const resting = await meaningful([{ text: 'answered' }], [{ status: 500 }]);
      for (let i = 0; i < 8; i++) await resting.said(`question ${i}`);
      assert.equal(resting.embeddings(), 5);
    });

    test('a limit that refuses a call refuses what the cache would ask and give, too', async () => {
      const r = await meaningful();
      const price = { provider: 'openai', model: r.embedder, price: { input: 1e6, output: 1e6 } };
      expectStatus(await ctx.api.put('/api/prices', price), 204);
      const limit = async (limits, answers, code) => {
        const k = await newKey({ limits });
        const before = r.embeddings();
        for (let i = 0; i < answers; i++) await r.said(`question ${n++}`, {}, k);
        for (let i = 0; i < 3; i++)
          await assert.rejects(r.said(`question ${n++}`, {}, k), (e) => e.status === code);
        return { k, asked: r.embeddings() - before };
      };
      /* A limit lets in a call while anything is left. */
      assert.equal((await limit({ cost_micros: { day: 1 } }, 1, 402)).asked, 1);
      assert.equal((await limit({ tokens: { day: 1 } }, 0, 429)).asked, 1);
      const { k, asked } = await limit({ requests: { day: 2 } }, 2, 429);
      assert.equal(asked, 2);
      await assert.rejects(r.said(`question ${n - 5}`, {}, k), OpenAI.RateLimitError); /* it is kept */
      await r.said('the last of all');
      const row = await usageOf(r.name, 4);
      assert.deepEqual([row.calls, row.from_cache], [4, 1]);
      assert.ok(row.overhead_us >= 0);
      const counters = (await ctx.api.get(`/api/keys/${k.id}/limits`)).json.counters;
      assert.deepEqual(
        counters.map((c) => [c.what, c.used]),
        [['requests', 2]],
      );
    });

    test('who wants only what is kept has used a request where that had to be asked for', async () => {
      const r = await meaningful();
      const k = await newKey({ limits: { requests: { day: 2 }, tokens: { day: 1e9 } } });
      const only = { ...k, headers: { 'cache-control': 'only-if-cached' } };
      for (let i = 0; i < 2; i++)
        await assert.rejects(r.said(`question ${i}`, {}, only), (e) => e.status === 504);
      await assert.rejects(r.said('question 2', {}, only), OpenAI.RateLimitError);
      assert.deepEqual([r.embeddings(), r.calls()], [2, 0]);
      const counters = (await ctx.api.get(`/api/keys/${k.id}/limits`)).json.counters;
      assert.deepEqual(
        counters.map((c) => [c.what, c.used, c.reserved]),
        [
          ['requests', 2, 0],
          ['tokens', 10, 0],
        ],
      );
    });

    test('a key that may not call the model of the embeddings gets answers to the same words', async () => {
      const r = await meaningful();
      const k = await newKey({ models: [r.name] });
      const states = [];
      for (const words of ['one two three four', 'one two three four', 'four three two one'])
        states.push((await r.said(words, {}, k)).cache);
      assert.deepEqual([states, r.embeddings()], [['miss', 'hit', 'miss'], 0]);
    });

    test(
      'where calls without a price are refused none is asked for an embedding',
      { skip: ctx.db !== 'sqlite' },
      async () => {
        const r = await meaningful();
        const env = { ...ctx.server.env, HEDDLE_MODELS_UNKNOWN_PRICE: 'refuse' };
        const server = await Server.start({ env });
        try {
          const targets = [{ provider: 'openai', model: r.model }];
          expectStatus(await server.api.post('/api/routes', { name: r.name, targets, cache: r.cache }), 201);
          const priced = async (model) => {
            const price = { provider: 'openai', model, price: { input: 1, output: 1 } };
            expectStatus(await server.api.put('/api/prices', price), 204);
          };
          await priced(r.model);
          const here = { server, key: server.key };
          assert.deepEqual([(await r.said('one question', {}, here)).cache, r.embeddings()], ['miss', 0]);
          await priced(r.embedder);
          assert.deepEqual([(await r.said('two questions', {}, here)).cache, r.embeddings()], ['miss', 1]);
        } finally {
          await server.drop();
        }
      },
    );

    test('wrong rules are refused by name', async () => {
      const targets = [{ provider: 'openai', model: 'x' }];
      for (const cache of [
        {},
        { ttl: 'soon' },
        { ttl: '1h', colour: 1 },
        { ttl: '40d' },
        { ttl: '1h', scope: 'all' },
      ])
        expectProblem(
          await ctx.api.post('/api/routes', { name: `wrong-${++n}`, targets, cache }),
          422,
          'invalid',
        );
      expectProblem(await ctx.api.put('/api/limits', { cache: { ttl: '1ms' } }), 422, 'invalid');
    });

    test('a purge reaches the other servers', { skip: ctx.db === 'sqlite' }, async () => {
      const r = await route();
      const second = await Server.make({
        db: 'sqlite',
        env: { ...ctx.server.env, DATABASE_URL: ctx.server.databaseUrl },
      });
      try {
        await second.up();
        assert.equal((await ask(r.name, {}, { server: second })).cache, 'miss');
        assert.equal((await ask(r.name, {}, { server: second })).cache, 'hit');
        expectStatus(await ctx.api.delete(`/api/cache?model=${r.name}`), 200);
        await until('the second server has forgotten', async () => {
          const seen = await ask(r.name, {}, { server: second });
          return seen.cache === 'miss';
        });
      } finally {
        await second.drop();
      }
    });
  },
  { server: { env } },
);
