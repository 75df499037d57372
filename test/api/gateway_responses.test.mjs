/* OpenAI's responses, through the gateway: as they are, and each where the one before was made. */
import assert from 'node:assert/strict';
import { after } from 'node:test';
import OpenAI from 'openai';
import { expectStatus } from '../lib/api.mjs';
import { until } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { startResponsesServer } from '../doubles/responses_server.mjs';

const east = await startResponsesServer('east');
const west = await startResponsesServer('west');
after(() => Promise.all([east.stop(), west.stop()]));

onEachDatabase(
  'gateway of responses',
  (ctx) => {
    const { test } = ctx;
    let n = 0;
    const client = () =>
      new OpenAI({ baseURL: `${ctx.server.url}/v1`, apiKey: ctx.server.key, maxRetries: 0 });
    const ask = (model, more = {}, options) =>
      client().responses.create({ model, input: 'hi', ...more }, options);
    let ready;
    const providers = () =>
      (ready ??= Promise.all(
        [east, west].map(async (at) => {
          const { name } = at;
          const body = {
            kind: 'openai-compatible',
            name,
            base_url: `${at.origin}/v1`,
            private_network: true,
          };
          expectStatus(await ctx.api.post('/api/providers', body), 201);
        }),
      ));
    async function model(at, ...behaviours) {
      await providers();
      const name = `m${++n}-${ctx.db}`;
      at.script(name, ...behaviours);
      return {
        full: `${at.name}/${name}`,
        target: { provider: at.name, model: name },
        seen: () => at.of(name),
      };
    }
    async function route(...targets) {
      const name = `r${++n}-${ctx.db}`;
      expectStatus(await ctx.api.post('/api/routes', { name, targets: targets.map((t) => t.target) }), 201);
      return name;
    }
    async function eventsOf(stream) {
      const events = [];
      for await (const event of stream) events.push(event);
      return events;
    }

    test('a response is answered, and its request goes on byte for byte but for the model', async () => {
      const m = await model(east, { text: 'Grüße.' });
      const whole = await ask(m.full);
      assert.equal(whole.output_text, 'Grüße.');
      const text = (name) =>
        `{ "input":[{"role":"user","content":"\\u0041"}],"model" : "${name}", "x":1.0e0 }`;
      const headers = { 'content-type': 'application/json' };
      expectStatus(await ctx.api.call('POST', '/v1/responses', { text: text(m.full), headers }), 200);
      assert.equal(m.seen()[1].text, text(m.target.model));
    });

    test('a stream comes event for event, long ones and cut ones too', async () => {
      const text = 'Grüße, 世界 \u{1f9f6} — fin';
      for (const odd of [{}, { packet: 7 }, { extra: 60_000 }, { extra: 3_000_000, packet: 65536 }]) {
        const m = await model(east, { text, ...odd });
        const final = await client().responses.stream({ model: m.full, input: 'hi' }).finalResponse();
        assert.equal(final.output_text, text, JSON.stringify(odd));
        assert.equal(final.usage.output_tokens, 6);
        const raw = await ctx.api.call('POST', '/v1/responses', {
          body: { model: m.full, input: 'hi', stream: true },
        });
        assert.doesNotMatch(raw.text, /event: error|\[DONE\]/, JSON.stringify(odd));
        assert.equal(m.seen().at(-1).body.stream_options, undefined);
      }
    });

    test('an upstream that dies or fails in the middle is told', async () => {
      const cut = await model(east, { text: 'a text of several pieces', cut_after: 6 });
      await assert.rejects(ask(cut.full, { stream: true }).then(eventsOf), OpenAI.APIError);
      const raw = await ctx.api.call('POST', '/v1/responses', {
        body: { model: cut.full, input: 'hi', stream: true },
      });
      const [, last] = raw.text.match(/event: error\ndata: (.*)\n\n$/);
      assert.deepEqual(
        [JSON.parse(last).type, JSON.parse(last).code, JSON.parse(last).error.code],
        ['error', 'upstream_cut', 'upstream_cut'],
      );
      const failed = await model(east, { failed_after: 5 });
      const events = await eventsOf(await ask(failed.full, { stream: true }));
      assert.equal(events.at(-1).type, 'response.failed');
      const erred = await model(east, { error_after: 5 });
      const said = await ctx.api.call('POST', '/v1/responses', {
        body: { model: erred.full, input: 'hi', stream: true },
      });
      assert.equal(said.text.match(/event: error/g).length, 1);
      await assert.rejects(ask((await model(east, { status: 429 })).full), OpenAI.RateLimitError);
      await assert.rejects(ask('nobody/x'), OpenAI.NotFoundError);
    });

    test('a response that follows another goes where that was made', async () => {
      const a = await model(east);
      const b = await model(west);
      const name = await route(a, b);
      east.script(a.target.model, { status: 503 }, {});
      const first = await ask(name); /* west, since east is ill */
      assert.match(first.id, /west/);
      const second = await ask(name, { previous_response_id: first.id, stream: true }).then(eventsOf);
      const { id } = second[0].response;
      assert.match(id, /west/);
      assert.match((await ask(name, { previous_response_id: id })).id, /west/);
      assert.equal(a.seen().length, 1);
      /* What this process does not remember is in the store; what is nowhere is looked for. */
      await ctx.server.restart();
      assert.match((await ask(name, { previous_response_id: id })).id, /west/);
      assert.equal(a.seen().length, 1);
      assert.match((await client().responses.retrieve(id)).id, /west/);
      await assert.rejects(ask(name, { previous_response_id: 'resp_none' }), (e) => {
        assert.equal(e.code, 'previous_response_not_found');
        return e instanceof OpenAI.BadRequestError;
      });
      /* Nobody else can go on from it, however ill its maker is. */
      west.script(b.target.model, { status: 503 });
      await assert.rejects(ask(name, { previous_response_id: id }), (e) => e.status >= 500);
      await assert.rejects(ask(name, { previous_response_id: 7 }), OpenAI.BadRequestError);
    });

    test('responses that were made are read, cancelled and deleted where they are', async () => {
      const m = await model(west);
      const made = await ask(m.full);
      assert.deepEqual((await client().responses.retrieve(made.id)).output, made.output);
      assert.equal((await client().responses.cancel(made.id)).status, 'cancelled');
      const items = await client().responses.inputItems.list(made.id);
      assert.deepEqual(items.data, ['hi']);
      await client().responses.delete(made.id);
      await assert.rejects(client().responses.retrieve(made.id), OpenAI.NotFoundError);
      await assert.rejects(client().responses.retrieve('resp_unknown'), (e) => /not known/.test(e.message));
      expectStatus(await ctx.api.call('GET', `/v1/responses/${made.id}/other`), 404);
      expectStatus(await ctx.api.call('GET', `/v1/responses/${made.id}?stream=true`), 400);
    });

    test('a route passes over a target that has no words for what is asked', async () => {
      const body = { kind: 'anthropic', base_url: 'http://127.0.0.1:1', private_network: true };
      expectStatus(await ctx.api.post('/api/providers', { ...body, name: 'claude' }), 201);
      const tools = [{ type: 'web_search' }];
      await assert.rejects(
        ask('claude/x', { tools }),
        (e) => e.status === 400 && /web_search.*cannot be translated/.test(e.message),
      );
      const other = await model(east);
      const name = await route({ target: { provider: 'claude', model: 'x' } }, other);
      assert.match((await ask(name, { tools })).id, /east/);
    });

    test('usage is counted, and a client that leaves ends the call', async () => {
      const m = await model(east);
      const name = await route(m);
      await ask(name);
      await ask(name, { stream: true }).then(eventsOf);
      await until('usage has them', async () => {
        const { items } = (await ctx.api.get('/api/usage?group=model')).json;
        const row = items.find((i) => i.group === name);
        return row?.calls === 2 && row.prompt_tokens === 24 && row.completion_tokens === 12;
      });
      const endless = await model(east, { endless: true });
      const abort = new AbortController();
      const asked = ask(endless.full, { stream: true }, { signal: abort.signal });
      asked.catch(() => {});
      const [seen] = await until('the upstream has the call', () => endless.seen().length && endless.seen());
      await until('tokens flow', () => seen.sent > 3);
      abort.abort();
      await until('the upstream sees it leave', () => seen.leftAt);
    });
  },
  {},
);
