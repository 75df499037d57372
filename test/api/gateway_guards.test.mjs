/* Guards of model calls: what they are asked, what becomes of their verdicts, and what if there is none. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { Api, expectProblem, expectStatus } from '../lib/api.mjs';
import { Gate, until } from '../lib/gate.mjs';
import { heddle } from '../lib/server.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { startAnthropicServer } from '../doubles/anthropic_server.mjs';
import { masking, refusing, startGuardServer } from '../doubles/guard_server.mjs';
import { startResponsesServer } from '../doubles/responses_server.mjs';

const guards = await startGuardServer();
const claude = await startAnthropicServer();
const east = await startResponsesServer('east');
after(() => Promise.all([guards.stop(), claude.stop(), east.stop()]));
const env = { ANTHROPIC_BASE_URL: claude.origin, ANTHROPIC_API_KEY: claude.apiKey };
const refuse = { action: 'refuse', reason: 'not in this house' };

onEachDatabase(
  'gateway guards',
  (ctx) => {
    let n = 0;
    let made = [];
    /* The guards of a test end with it. */
    const test = (title, fn) =>
      ctx.test(title, async () => {
        try {
          await fn();
        } finally {
          for (const id of made) await ctx.api.delete(`/api/guards/${id}`);
          made = [];
        }
      });
    const client = (key = ctx.server.key, more = {}) =>
      new OpenAI({ baseURL: `${ctx.server.url}/v1`, apiKey: key, maxRetries: 0, ...more });
    const claudeClient = () =>
      new Anthropic({ baseURL: ctx.server.url, apiKey: ctx.server.key, maxRetries: 0 });
    const chat = (model, content = 'hello', more = {}, options) =>
      client().chat.completions.create({ model, messages: [{ role: 'user', content }], ...more }, options);
    /* A model of its own for each test, as OpenAI's server has it, or Anthropic's. */
    function model(...behaviours) {
      const name = `guarded-${++n}-${ctx.db}`;
      ctx.model.script(name, ...behaviours);
      return `openai/${name}`;
    }
    const sent = (name) => ctx.model.of(name.slice(name.indexOf('/') + 1));
    function claudeModel(...behaviours) {
      const name = `claude-guarded-${++n}-${ctx.db}`;
      claude.script(name, ...behaviours);
      return `anthropic/${name}`;
    }
    /* A guard of that model alone. */
    async function guard(routes, events, plan = { action: 'allow' }, more = {}) {
      const name = `guard-${++n}`;
      const path = `/${name}-${ctx.db}`;
      const url = guards.plan(path, ...[plan].flat());
      const body = { name, url, events, routes: [routes].flat(), private_network: true, ...more };
      const one = expectStatus(await ctx.api.post('/api/guards', body), 201).json;
      made.push(one.id);
      guards.secret(path, one.secret);
      return { ...one, path, questions: (event) => guards.questions(path, event) };
    }
    const record = (name, want = () => true) =>
      until(`a record of ${name}`, async () =>
        (await ctx.api.get(`/api/calls?model=${encodeURIComponent(name)}`)).json.items.find(want),
      );
    /* The very bytes of a body. */
    const raw = (body) =>
      fetch(`${ctx.server.url}/v1/chat/completions`, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json', authorization: `Bearer ${ctx.server.key}` },
      });
    async function textOf(stream) {
      let text = '';
      for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? '';
      return text;
    }
    const blocked = (error) => {
      assert.ok(error instanceof OpenAI.UnprocessableEntityError, String(error));
      assert.equal(error.code, 'blocked');
      assert.equal(error.headers.get('x-should-retry'), 'false');
      assert.match(error.message, /not in this house/);
      return true;
    };

    test('many that are made at one moment are asked, and bring nothing down', async () => {
      const url = guards.plan(`/crowd-${ctx.db}`, { action: 'allow' });
      const answers = await Promise.all(
        Array.from({ length: 40 }, (_, i) =>
          ctx.api.post('/api/guards', {
            name: `crowd-${i}`,
            url,
            events: ['request'],
            routes: ['*'],
            private_network: true,
          }),
        ),
      );
      for (const one of answers) {
        if (one.status === 201) made.push(one.json.id);
        else expectProblem(one, 422, 'invalid');
      }
      assert.ok(made.length >= 16);
      const name = model({ text: 'still here' });
      assert.equal((await chat(name)).choices[0].message.content, 'still here');
    });

    test('a guard is made, listed, changed, tested and deleted', async () => {
      const g = await guard('none', ['request', 'chunk']);
      assert.match(g.secret, /^whsec_/);
      const at = `/api/guards/${g.id}`;
      const got = expectStatus(await ctx.api.get(at), 200).json;
      assert.deepEqual(
        [got.secret, got.on_error, got.timeout, got.window, got.hold_back, got.secret_opens, got.events],
        [undefined, 'refuse', '2s', 400, 128, true, ['request', 'chunk']],
      );
      assert.ok((await ctx.api.get('/api/guards')).json.items.some((i) => i.id === g.id));
      const tried = expectStatus(await ctx.api.post(`${at}/test`), 200).json;
      assert.deepEqual([tried.ok, tried.verdict], [true, 'allow']);
      assert.equal(g.questions('request')[0].signature, 'good');
      const body = { url: g.url, events: ['response'], private_network: true, timeout: '1s' };
      const put = expectStatus(await ctx.api.put(at, body), 200).json;
      assert.deepEqual(
        [put.events, put.timeout, put.routes, put.secret],
        [['response'], '1s', [], undefined],
      );
      expectProblem(await ctx.api.put(at, { ...body, revision: 1 }), 409, 'conflict');
      const turned = expectStatus(await ctx.api.put(at, { ...body, rotate_secret: true }), 200).json;
      assert.notEqual(turned.secret, g.secret);
      expectStatus(await ctx.api.delete(at), 204);
      expectProblem(await ctx.api.get(at), 404);
    });

    test('what cannot be a guard is refused with the reason', async () => {
      const bad = async (body, says) => {
        const whole = {
          name: `bad-${++n}`,
          url: guards.url('/x'),
          events: ['request'],
          private_network: true,
        };
        const r = await ctx.api.post('/api/guards', { ...whole, ...body });
        assert.ok([400, 422].includes(r.status), r.text);
        assert.match(JSON.stringify(r.json), says);
      };
      await bad({ name: 'With Space' }, /name/);
      await bad({ url: 'ftp://x' }, /url/);
      await bad({ url: 'http://user@x/' }, /user/);
      await bad({ private_network: false, url: 'http://169.254.169.254/' }, /./);
      await bad({ events: [] }, /events/);
      await bad({ events: ['before'] }, /events/);
      await bad({ timeout: '2m' }, /timeout/);
      await bad({ keys: ['mine'] }, /keys/);
      await bad({ on_error: 'shrug' }, /on_error/);
      await bad({ window: 0 }, /window/);
      await bad({ secret: 'short' }, /secret/);
      await bad({ colour: 1 }, /colour/);
    });

    test('a request is shown whole, and refused as the clients know it', async () => {
      const name = model({ text: 'never' });
      const g = await guard(name, ['request'], refuse);
      const messages = [
        { role: 'system', content: 'be brief' },
        { role: 'user', content: [{ type: 'text', text: 'what is this' }] },
      ];
      await assert.rejects(
        chat(
          name,
          '',
          { messages, user: 'u 1', metadata: { note: 'a b' } },
          { headers: { 'x-heddle-agent': 'a1' } },
        ),
        blocked,
      );
      assert.equal(sent(name).length, 0);
      const [q] = g.questions();
      assert.equal(q.signature, 'good');
      assert.deepEqual(
        q.body.parts.map((p) => [p.kind, p.role, p.path, p.text]),
        [
          ['text', 'system', '/messages/0/content', 'be brief'],
          ['text', 'user', '/messages/1/content/0/text', 'what is this'],
          ['other', undefined, '/user', 'u 1'],
          ['other', undefined, '/metadata', '{"note":"a b"}'],
        ],
      );
      const { call } = q.body;
      assert.deepEqual(
        [q.body.event, q.body.guard, call.operation, call.model, call.streamed, call.agent],
        ['request', g.name, 'chat', name, false, 'a1'],
      );
      const row = await record(name);
      assert.deepEqual(
        [row.outcome, row.status, row.error, row.guard, row.verdict, row.guard_reason, row.attempts],
        ['blocked', 422, 'blocked', g.name, 'refused', 'not in this house', 0],
      );
      await assert.rejects(
        claudeClient().messages.create({
          model: name,
          max_tokens: 9,
          messages: [{ role: 'user', content: 'hi' }],
        }),
        (e) => e.status === 422 && e.error.type === 'error' && /not in this house/.test(e.message),
      );
      const metrics = (await ctx.api.get('/metrics')).text;
      assert.match(
        metrics,
        new RegExp(`heddle_model_guard_total\\{guard="${g.name}",event="request",verdict="refuse"\\} 2`),
      );
    });

    test('other words go to the provider, whatever the dialect and the call', async () => {
      const mask = masking(/\d{4}/g);
      const own = model({ text: 'ok' });
      const other = claudeModel({ text: 'ok' });
      await guard([own, other], ['request'], mask);
      const { data, response } = await chat(own, 'my pin 1234', { seed: 12345678901234567 }).withResponse();
      assert.equal(data.choices[0].message.content, 'ok');
      assert.match(response.headers.get('x-heddle-guard'), /^guard-/);
      assert.equal(sent(own)[0].body.messages[0].content, 'my pin [masked]');
      assert.match(sent(own)[0].text, /"seed":12345678901234567\b|"seed":12345678901234568\b/);
      await chat(other, 'my pin 1234');
      const claudeSent = () => claude.of(other.slice('anthropic/'.length)).at(-1).body.messages[0].content;
      assert.equal(JSON.stringify(claudeSent()).includes('1234'), false);
      await claudeClient().messages.create({
        model: other,
        max_tokens: 9,
        messages: [{ role: 'user', content: [{ type: 'text', text: 'pin 1234' }] }],
      });
      assert.equal(claudeSent()[0].text, 'pin [masked]');
      await client().completions.create({ model: own, prompt: 'pin 1234' });
      assert.equal(sent(own).at(-1).body.prompt, 'pin [masked]');
      await client().embeddings.create({ model: own, input: ['pin 1234', 'none'] });
      assert.deepEqual(sent(own).at(-1).body.input, ['pin [masked]', 'none']);
      assert.equal((await record(own)).verdict, 'replaced');
      /* What is said twice under one name is what the guard saw. */
      const twice = `{"model":"${own}","messages":[{"role":"user","content":"pin 1234"}],
        "messages":[{"role":"user","content":"pin 5678"}]}`;
      assert.equal((await raw(twice)).status, 200);
      assert.equal(/1234|5678/.test(sent(own).at(-1).text), false);
    });

    test('a whole answer is refused or changed, and paid all the same', async () => {
      const name = model({ text: 'the code is 4711' });
      const other = claudeModel({ text: 'the code is 4711' });
      const g = await guard([name, other], ['response'], [masking(/\d{4}/g), masking(/\d{4}/g), refuse]);
      assert.equal((await chat(name)).choices[0].message.content, 'the code is [masked]');
      assert.equal((await chat(other)).choices[0].message.content, 'the code is [masked]');
      assert.equal(g.questions('response')[0].body.parts[0].text, 'the code is 4711');
      await assert.rejects(chat(name), blocked);
      const row = await record(name, (r) => r.outcome === 'blocked');
      assert.deepEqual([row.verdict, row.attempts, row.prompt_tokens > 0], ['refused', 1, true]);
    });

    test('a stream is changed on its way, and no byte of what is taken out is sent, however it is cut', async () => {
      const pieces = [
        'The num',
        'ber is 12',
        '3',
        '4, and',
        ' again 5',
        '67',
        '8. ',
        'That is all there is.',
      ];
      for (const packet of [1, 7, 100000]) {
        const name = model({ pieces, packet });
        await guard(name, ['chunk'], masking(/\d{4}/g), { window: 10, hold_back: 8 });
        const stream = await chat(name, 'hello', { stream: true });
        assert.equal(
          await textOf(stream),
          'The number is [masked], and again [masked]. That is all there is.',
        );
      }
      const name = claudeModel({ pieces });
      await guard(name, ['chunk'], masking(/\d{4}/g), { window: 10, hold_back: 8 });
      const text = await claudeClient()
        .messages.stream({ model: name, max_tokens: 99, messages: [{ role: 'user', content: 'hi' }] })
        .finalText();
      assert.equal(text, 'The number is [masked], and again [masked]. That is all there is.');
      assert.equal(
        await textOf(await chat(name, 'hello', { stream: true })),
        'The number is [masked], and again [masked]. That is all there is.',
      );
    });

    test('a stream is cut with an error in it, and its upstream with it', async () => {
      const name = model({ endless: true, token_delay: 1 });
      const g = await guard(name, ['chunk'], refusing(/word20\b/, 'not in this house'), {
        window: 20,
        hold_back: 8,
      });
      let text = '';
      await assert.rejects(async () => {
        for await (const chunk of await chat(name, 'hello', { stream: true }))
          text += chunk.choices[0]?.delta?.content ?? '';
      }, /not in this house/);
      assert.match(text, /word1 /);
      assert.equal(text.includes('word20'), false);
      await until('the upstream is closed', () => sent(name)[0].leftAt);
      const row = await record(name);
      assert.deepEqual(
        [row.outcome, row.verdict, row.guard, row.error, row.completion_tokens > 0],
        ['blocked', 'cut', g.name, 'blocked', true],
      );
      const { state } = (await ctx.api.get('/api/providers')).json.items.find((p) => p.name === 'openai');
      assert.notEqual(state, 'failing');
    });

    test('a guard of answers alone holds a stream until it has seen all of it', async () => {
      const gate = new Gate();
      const name = model({ pieces: ['a ', 'b ', 'c'] });
      const g = await guard(name, ['response'], [{ gate, verdict: { action: 'allow' } }, refuse]);
      let first = null;
      const done = (async () => {
        let text = '';
        for await (const chunk of await chat(name, 'hello', { stream: true })) {
          first ??= chunk;
          text += chunk.choices[0]?.delta?.content ?? '';
        }
        return text;
      })();
      await until('the guard is asked', () => g.questions('response').length);
      assert.equal(first, null);
      assert.equal(g.questions('response')[0].body.parts[0].text, 'a b c');
      gate.open();
      assert.equal(await done, 'a b c');
      await assert.rejects(chat(name, 'hello', { stream: true }).then(textOf), /not in this house/);
    });

    test('a guard of chunks is asked of answers that do not stream, and waits for those who want the whole', async () => {
      const name = model({ text: 'the code is 4711' });
      const g = await guard(name, ['chunk'], masking(/\d{4}/g));
      assert.equal((await chat(name)).choices[0].message.content, 'the code is [masked]');
      const other = await guard(name, ['response'], masking(/masked/g, 'gone'));
      assert.equal(await textOf(await chat(name, 'hi', { stream: true })), 'the code is [gone]');
      assert.deepEqual([g.questions('chunk').length, other.questions('response').length], [2, 1]);
      assert.equal((await record(name)).verdict, 'replaced');
    });

    test('what is nested too deep or has too many texts for a guard is refused, whatever it says', async () => {
      const name = model({ text: 'ok' });
      await guard(name, ['request'], { action: 'allow' }, { on_error: 'allow' });
      const deep = (n) => '['.repeat(n) + '"a b"' + ']'.repeat(n);
      const post = (content) => raw(`{"model":"${name}","messages":[{"role":"user","content":${content}}]}`);
      assert.equal((await post(deep(30))).status, 200);
      assert.equal((await post(deep(60))).status, 413);
      assert.equal((await post(deep(300))).status, 413);
      assert.equal((await post(`["a b"${',"a b"'.repeat(60_000)}]`)).status, 413);
      assert.equal((await post('["a b"')).status, 400);
      assert.equal(sent(name).length, 1);
    });

    test('calls of tools wait until they are complete', async () => {
      const tool = { name: 'send', arguments: { to: 'someone', text: 'the number is 1234' } };
      const name = model({ tool });
      await guard(name, ['chunk'], masking(/\d{4}/g), { window: 5 });
      let text = '';
      for await (const chunk of await chat(name, 'hello', { stream: true }))
        text += chunk.choices[0]?.delta?.tool_calls?.[0]?.function?.arguments ?? '';
      assert.deepEqual(JSON.parse(text), { to: 'someone', text: 'the number is [masked]' });
    });

    test('responses are guarded, streamed, and when they are read again', async () => {
      const provider = {
        kind: 'openai-compatible',
        name: 'east',
        base_url: `${east.origin}/v1`,
        private_network: true,
      };
      expectStatus(await ctx.api.post('/api/providers', provider), 201);
      const name = `r-${ctx.db}`;
      east.script(name, { text: 'the code is 4711' });
      const model = `east/${name}`;
      await guard([model, name], ['chunk', 'response'], masking(/\d{4}/g), { window: 4 });
      const made = await client().responses.create({ model, input: 'hi' });
      assert.equal(made.output_text, 'the code is [masked]');
      assert.equal((await client().responses.retrieve(made.id)).output_text, 'the code is [masked]');
      const events = [];
      await assert.rejects(async () => {
        for await (const event of await client().responses.create({ model, input: 'hi', stream: true }))
          events.push(event);
        throw new Error('ended');
      }, /ended/);
      assert.equal(JSON.stringify(events).includes('4711'), false);
      assert.equal(events.at(-1).response.output[0].content[0].text, 'the code is [masked]');
    });

    test('responses that are kept here are guarded when they are read again, and tell nothing when they are cut', async () => {
      const name = claudeModel({ text: 'the code is 4711' });
      const g = await guard([], ['chunk'], masking(/\d{4}/g), { window: 4 });
      const made = await client().responses.create({ model: name, input: 'hi' });
      assert.equal(made.output_text, 'the code is [masked]');
      assert.equal((await client().responses.retrieve(made.id)).output_text, 'the code is [masked]');
      const follow = { model: name, input: 'and', previous_response_id: made.id };
      await client().responses.create(follow);
      const items = await client().responses.inputItems.list(made.id);
      assert.equal(JSON.stringify(items.data).includes('4711'), false);
      guards.plan(g.path, refuse);
      const events = [];
      const stream = await client().responses.create({ model: name, input: 'hi', stream: true });
      await assert.rejects(async () => {
        for await (const event of stream) {
          events.push(event);
          if (event.type === 'error' || event.type === 'response.failed') throw new Error('told');
        }
      }, /told|not in this house/);
      assert.equal(JSON.stringify(events).includes('4711'), false);
      await assert.rejects(client().responses.retrieve(made.id), blocked);
    });

    test('attempts beside each other are guarded once, by who answers first', async () => {
      const gate = new Gate();
      const [slow, quick] = [`slow-${++n}-${ctx.db}`, `quick-${n}-${ctx.db}`];
      ctx.model.script(slow, { gate, text: 'slow 1234' });
      ctx.model.script(quick, { text: 'quick 1234' });
      const name = `hedged-${n}`;
      const targets = [slow, quick].map((model) => ({ provider: 'openai', model }));
      expectStatus(await ctx.api.post('/api/routes', { name, targets, hedge: { after: '20ms' } }), 201);
      const g = await guard(name, ['request', 'response'], masking(/\d{4}/g));
      assert.equal((await chat(name)).choices[0].message.content, 'quick [masked]');
      assert.equal(await textOf(await chat(name, 'hi', { stream: true })), 'quick [masked]');
      assert.equal(g.questions('response').length, 2);
      gate.open();
      assert.equal((await record(name, (r) => r.outcome === 'ok')).verdict, 'replaced');
    });

    test('a guard that gives no verdict lets nothing pass, unless it is to', async () => {
      const no = [
        [{ hang: true }, /gave no verdict/],
        [{ cut: true }, /gave no verdict/],
        [{ status: 500 }, /status 500/],
        [{ text: 'yes, do it' }, /no verdict/],
        [{ text: '{"action":"maybe"}' }, /no verdict/],
        [{ size: 10_000_000 }, /too large/],
      ];
      for (const [plan, says] of no) {
        const name = model({ text: 'passed' });
        const g = await guard(name, ['request', 'response'], plan, { timeout: '300ms' });
        await assert.rejects(chat(name), (e) => e.status === 503 && says.test(e.message));
        assert.equal(sent(name).length, 0);
        const row = await record(name);
        assert.deepEqual([row.verdict, row.guard, row.outcome], ['failed', g.name, 'failed']);
        const body = { url: g.url, events: g.events, routes: [name], private_network: true };
        expectStatus(
          await ctx.api.put(`/api/guards/${g.id}`, { ...body, timeout: '300ms', on_error: 'allow' }),
          200,
        );
        assert.equal((await chat(name)).choices[0].message.content, 'passed');
        assert.equal((await record(name, (r) => r.outcome === 'ok')).verdict, 'unasked');
      }
      const name = model({ pieces: ['passed ', 'by'] });
      const dead = { private_network: true, url: 'http://127.0.0.1:9/' };
      await guard(name, ['chunk'], {}, dead);
      await assert.rejects(chat(name, 'hi', { stream: true }).then(textOf), /gave no verdict/);
      assert.equal((await record(name)).verdict, 'failed');
    });

    test('a client that leaves while a guard is asked ends the question', async () => {
      const gate = new Gate();
      const name = model({ text: 'never' });
      const g = await guard(name, ['request'], { gate, verdict: { action: 'allow' } }, { timeout: '1m' });
      const leaving = new AbortController();
      const asked = chat(name, 'hi', {}, { signal: leaving.signal });
      await until('the guard is asked', () => g.questions().length);
      leaving.abort();
      await assert.rejects(asked, OpenAI.APIUserAbortError);
      await until('the question ended', () => g.questions()[0].leftAt);
      assert.equal(sent(name).length, 0);
    });

    test('several guards are asked in turn, each with what the one before it left', async () => {
      const name = model({ text: 'ok' });
      const first = await guard(name, ['request'], masking(/\d{4}/g, 'N'));
      const second = await guard(name, ['request'], masking(/N/g, 'M'));
      await chat(name, 'pin 1234');
      assert.equal(first.questions()[0].body.parts[0].text, 'pin 1234');
      assert.equal(second.questions()[0].body.parts[0].text, 'pin N');
      assert.equal(sent(name)[0].body.messages[0].content, 'pin M');
    });

    test('a guard is for the keys that it names, and counts what it refuses against their limits', async () => {
      const theirKey = expectStatus(
        await ctx.api.post('/api/keys', { name: `k${++n}`, capabilities: 'model.call' }),
        201,
      ).json;
      expectStatus(
        await ctx.api.put(`/api/keys/${theirKey.id}/limits`, { limits: { requests: { month: 2 } } }),
        200,
      );
      const name = model({ text: 'ok' });
      const g = await guard(name, ['request'], refuse, { keys: [theirKey.id] });
      const theirs = () =>
        client(theirKey.key).chat.completions.create({
          model: name,
          messages: [{ role: 'user', content: 'hi' }],
        });
      assert.equal((await chat(name)).choices[0].message.content, 'ok');
      await assert.rejects(theirs(), blocked);
      await assert.rejects(theirs(), blocked);
      await assert.rejects(theirs(), OpenAI.RateLimitError);
      assert.equal(g.questions().length, 2);
      const body = { url: g.url, events: ['request'], routes: [name], private_network: true };
      expectStatus(await ctx.api.put(`/api/guards/${g.id}`, { ...body, except_keys: [theirKey.id] }), 200);
      expectStatus(await ctx.api.put(`/api/keys/${theirKey.id}/limits`, {}), 200);
      assert.equal((await theirs()).choices[0].message.content, 'ok');
      await assert.rejects(chat(name), blocked);
    });

    test('answers that were kept are looked at again', async () => {
      const upstream = `kept-${++n}-${ctx.db}`;
      ctx.model.script(upstream, { text: 'the code is 4711' });
      const name = `kept-route-${++n}`;
      const body = { name, targets: [{ provider: 'openai', model: upstream }], cache: { ttl: '1h' } };
      expectStatus(await ctx.api.post('/api/routes', body), 201);
      const g = await guard(name, ['response'], [masking(/\d{4}/g), masking(/\d{4}/g), refuse]);
      for (let i = 0; i < 2; i++)
        assert.equal((await chat(name)).choices[0].message.content, 'the code is [masked]');
      assert.equal(ctx.model.of(upstream).length, 1);
      await assert.rejects(chat(name), blocked);
      assert.equal(g.questions().length, 3);
      guards.plan(g.path, masking(/\d{4}/g));
      for (let i = 0; i < 2; i++)
        assert.equal(await textOf(await chat(name, 'hello', { stream: true })), 'the code is [masked]');
      assert.equal(ctx.model.of(upstream).length, 2);
    });

    test('a guard answers questions of moderation that no provider does', async () => {
      const input = ['a kind word', 'an evil word'];
      await assert.rejects(client().moderations.create({ input }), OpenAI.NotFoundError);
      const one = (p) => ({
        flagged: /evil/.test(p.text),
        categories: { hate: /evil/.test(p.text) },
        category_scores: { hate: 0.5 },
      });
      const g = await guard([], ['moderation'], (q) => ({ verdict: { results: q.parts.map(one) } }));
      const { data, response } = await client().moderations.create({ input }).withResponse();
      assert.deepEqual(
        data.results.map((r) => [r.flagged, r.categories.hate, r.category_scores.hate]),
        [
          [false, false, 0.5],
          [true, true, 0.5],
        ],
      );
      assert.equal(response.headers.get('x-heddle-guard'), g.name);
      assert.deepEqual([g.questions()[0].body.event, g.questions()[0].signature], ['moderation', 'good']);
      const row = await record('omni-moderation-latest');
      assert.deepEqual([row.outcome, row.verdict, row.guard], ['ok', 'answered', g.name]);
      const parts = [
        { type: 'text', text: 'an evil' },
        { type: 'text', text: 'word' },
      ];
      assert.equal((await client().moderations.create({ input: parts })).results.length, 1);
      const image = [{ type: 'image_url', image_url: { url: 'https://x.example/y.png' } }];
      await assert.rejects(client().moderations.create({ input: image }), OpenAI.BadRequestError);
      guards.plan(g.path, { verdict: { results: [] } });
      await assert.rejects(client().moderations.create({ input }), (e) => e.status === 503);
    });

    test('guards stand in the file that is applied', async () => {
      const file = path.join(ctx.server.dir, 'guards.yaml');
      const write = (window) =>
        fs.writeFileSync(
          file,
          `keys:
  - {name: judge, capabilities: [model.call]}
guards:
  - name: filed
    url: \${GUARD_URL}
    events: [request]
    except_keys: [judge]
    private_network: true
    window: ${window}
    secret: \${GUARD_SECRET}
`,
        );
      const apply = (...args) =>
        heddle(['apply', file, '--data', ctx.server.data, ...args], {
          env: {
            ...ctx.server.env,
            GUARD_URL: guards.url('/filed'),
            GUARD_SECRET: 'a secret of sixteen and more',
          },
          cwd: ctx.server.dir,
        });
      write(100);
      const dry = await apply('--dry-run');
      assert.match(dry.stdout, /\+ guard filed/, dry.stderr);
      assert.match((await apply()).stdout, /\+ guard filed/);
      assert.equal(/filed/.test((await apply()).stdout), false);
      write(200);
      assert.match((await apply()).stdout, /~ guard filed: window\n/);
      const g = await until('the guard is known', async () =>
        (await ctx.api.get('/api/guards')).json.items.find((i) => i.name === 'filed' && i.window === 200),
      );
      made.push(g.id);
      assert.equal(g.except_keys.length, 1);
      fs.writeFileSync(
        file,
        `guards: [{name: new, url: "http://127.0.0.1/", events: [request], private_network: true}]`,
      );
      assert.match((await apply()).stderr, /secret/);
    });

    test('another tenant, or who may not, does not see guards', async () => {
      const g = await guard('none', ['request']);
      const key = await ctx.server.newKey(`weak${++n}`, 'model.call');
      const api = new Api(ctx.server.url, key);
      expectProblem(await api.get('/api/guards'), 403);
      expectProblem(await api.put(`/api/guards/${g.id}`, { url: g.url, events: ['request'] }), 403);
      api.close();
    });
  },
  { server: { env } },
);
