/* Prompts: messages with variables under a name, in versions, called as a model. */
import assert from 'node:assert/strict';
import { after } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { expectProblem, expectStatus } from '../lib/api.mjs';
import { until } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { startAnthropicServer } from '../doubles/anthropic_server.mjs';

const claude = await startAnthropicServer();
after(() => claude.stop());
const env = { ANTHROPIC_BASE_URL: `${claude.origin}/v1`, ANTHROPIC_API_KEY: claude.apiKey };

onEachDatabase(
  'gateway prompts',
  (ctx) => {
    const { test } = ctx;
    let n = 0;
    const client = (key = ctx.server.key) =>
      new OpenAI({ baseURL: `${ctx.server.url}/v1`, apiKey: key, maxRetries: 0 });
    const chat = (model, more = {}, key) => client(key).chat.completions.create({ model, ...more });
    function body(more = {}) {
      const model = `p${++n}-${ctx.db}`;
      ctx.model.script(model, { text: 'answered' });
      return {
        model: `openai/${model}`,
        messages: [
          { role: 'system', content: 'You help {{ customer.name }} of {{ company }}.' },
          { role: 'user', content: 'Be {{ tone }}.' },
        ],
        defaults: { tone: 'brief' },
        parameters: { temperature: 0.25, max_tokens: 77 },
        ...more,
      };
    }
    async function prompt(more = {}, top = {}) {
      const made = { name: `prompt-${++n}`, prompt: body(more), ...top };
      const p = expectStatus(await ctx.api.post('/api/prompts', made), 201).json;
      return { ...p, body: made.prompt, at: `/api/prompts/${p.id}`, upstream: made.prompt.model.slice(7) };
    }
    const prompt_variables = { customer: { name: 'Ann' }, company: 'Acme' };
    const seen = (p) => ctx.model.of(p.upstream).map((r) => r.body);
    const question = [{ role: 'user', content: 'Where is my parcel?' }];
    const fails = (promise, status, says) =>
      assert.rejects(promise, (e) => {
        assert.ok(e instanceof OpenAI.APIError, String(e));
        assert.equal(e.status, status, e.message);
        return says.test(e.message);
      });

    test('a prompt is called as a model: its messages first, its parameters where the call says nothing', async () => {
      const p = await prompt();
      assert.deepEqual([p.labels, p.latest], [{ published: 1 }, 1]);
      const asked = { messages: question, prompt_variables, max_tokens: 5 };
      const { data, response } = await chat(`prompt/${p.name}`, asked).withResponse();
      assert.equal(data.choices[0].message.content, 'answered');
      assert.equal(response.headers.get('x-heddle-prompt'), `${p.name}@1`);
      assert.deepEqual(seen(p), [
        {
          model: p.upstream,
          messages: [
            { role: 'system', content: 'You help Ann of Acme.' },
            { role: 'user', content: 'Be brief.' },
            ...question,
          ],
          max_tokens: 5,
          temperature: 0.25,
        },
      ]);
      const stream = await chat(`prompt/${p.name}`, { prompt_variables, stream: true });
      let text = '';
      for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? '';
      assert.equal(text, 'answered');
      assert.equal(seen(p)[1].messages.length, 2);
      const row = await until('both calls are recorded', async () => {
        const { items } = (await ctx.api.get('/api/usage?group=model')).json;
        const found = items.find((r) => r.group === `prompt/${p.name}@1`);
        return found?.calls === 2 && found;
      });
      assert.equal(row.failed, 0);
    });

    test('variables that are missing, or nobody asked for, are named', async () => {
      const p = await prompt();
      const call = (variables) => chat(`prompt/${p.name}`, { prompt_variables: variables });
      await fails(call(undefined), 400, /needs the variable "customer"/);
      await fails(call({ customer: { name: 'Ann' } }), 400, /needs the variable "company"/);
      await fails(call({ ...prompt_variables, colour: 'red' }), 400, /has no variable "colour"/);
      await fails(call({ ...prompt_variables, customer: {} }), 400, /customer\.name/);
      await fails(call('x'), 400, /must be an object/);
      assert.equal(seen(p).length, 0);
      await call({ ...prompt_variables, tone: 'kind' });
      assert.equal(seen(p)[0].messages[1].content, 'Be kind.');
      const strange = { ...prompt_variables, company: 'A"c\n{{ tone }}', tone: ['a', 1] };
      await call(strange); /* values are no templates */
      assert.deepEqual(
        seen(p)[1].messages.map((m) => m.content),
        ['You help Ann of A"c\n{{ tone }}.', 'Be ["a",1].'],
      );
    });

    test('a large value that stands in many places is refused', async () => {
      const content = Array(200).fill('{{ x }}');
      const p = await prompt({ messages: [{ role: 'user', content }], defaults: {} });
      const call = (x) => chat(`prompt/${p.name}`, { prompt_variables: { x } });
      await fails(call('x'.repeat(3_900_000)), 413, /passes 8 MiB/);
      const variables = { x: 'x'.repeat(100_000) };
      expectProblem(await ctx.api.post(`${p.at}/render`, { variables }), 413);
      await call('few');
      assert.equal(seen(p).length, 1);
    });

    test('versions are added, published, called by number or label, and gone back to', async () => {
      const p = await prompt({ messages: [{ role: 'system', content: 'one' }], defaults: {} });
      const two = { ...p.body, messages: [{ role: 'system', content: 'two' }] };
      const added = expectStatus(
        await ctx.api.post(`${p.at}/versions`, { prompt: two, note: 'kinder' }),
        201,
      );
      assert.deepEqual([added.json.version, added.json.note, added.json.prompt], [2, 'kinder', two]);
      const says = async (name) => {
        await chat(name, { messages: question });
        return seen(p).at(-1).messages[0].content;
      };
      assert.equal(await says(`prompt/${p.name}`), 'one');
      assert.equal(await says(`prompt/${p.name}@2`), 'two');
      const put = (label, version) => ctx.api.put(`${p.at}/labels/${label}`, { version });
      assert.deepEqual(expectStatus(await put('staging', 2), 200).json.labels, { published: 1, staging: 2 });
      assert.equal(await says(`prompt/${p.name}@staging`), 'two');
      expectStatus(await put('published', 2), 200);
      assert.equal(await says(`prompt/${p.name}`), 'two');
      expectStatus(await put('published', 1), 200);
      assert.equal(await says(`prompt/${p.name}`), 'one');
      const third = { ...two, parameters: { temperature: 1 } };
      expectStatus(await ctx.api.post(`${p.at}/versions`, { prompt: third, publish: true }), 201);
      assert.equal((await ctx.api.get(p.at)).json.labels.published, 3);
      expectStatus(await ctx.api.delete(`${p.at}/labels/staging`), 200);
      await fails(says(`prompt/${p.name}@staging`), 404, /no version "staging"/);
      await fails(says(`prompt/${p.name}@9`), 404, /no version 9/);
      await fails(says('prompt/nobody'), 404, /no prompt "nobody"/);
      expectProblem(await put('published', 9), 404);
      expectProblem(await put('7', 1), 422);
      expectProblem(await ctx.api.delete(`${p.at}/labels/staging`), 404);
      const { items } = (await ctx.api.get(`${p.at}/versions`)).json;
      assert.deepEqual(
        items.map((v) => v.version),
        [3, 2, 1],
      );
      const page = (await ctx.api.get(`${p.at}/versions?limit=2`)).json;
      const rest = (await ctx.api.get(`${p.at}/versions?limit=2&cursor=${page.next_cursor}`)).json;
      assert.deepEqual(
        [page.items.length, rest.items.map((v) => v.version), rest.next_cursor],
        [2, [1], null],
      );
      const whole = (await ctx.api.get(`${p.at}/versions/published`)).json;
      assert.deepEqual([whole.version, whole.prompt], [3, third]);
      const { changes } = (await ctx.api.get(`${p.at}/diff?from=1&to=2`)).json;
      assert.deepEqual(changes, [{ path: '/messages/0/content', from: 'one', to: 'two' }]);
      expectStatus(await ctx.api.delete(p.at), 204);
      await fails(says(`prompt/${p.name}`), 404, /no prompt/);
      expectProblem(await ctx.api.get(p.at), 404);
    });

    test('of two changes at once one is refused', async () => {
      const p = await prompt();
      const revision = p.revision;
      expectStatus(await ctx.api.put(`${p.at}/labels/a`, { version: 1, revision }), 200);
      expectProblem(await ctx.api.put(`${p.at}/labels/b`, { version: 1, revision }), 409, 'conflict');
      expectProblem(await ctx.api.post(`${p.at}/versions`, { prompt: p.body, revision }), 409, 'conflict');
      assert.equal((await ctx.api.get(p.at)).json.latest, 1);
    });

    test('what a prompt would make can be seen', async () => {
      const p = await prompt();
      const made = await ctx.api.post(`${p.at}/render`, { variables: prompt_variables });
      assert.deepEqual(expectStatus(made, 200).json, {
        version: 1,
        model: p.body.model,
        messages: [
          { role: 'system', content: 'You help Ann of Acme.' },
          { role: 'user', content: 'Be brief.' },
        ],
        parameters: p.body.parameters,
      });
      expectProblem(await ctx.api.post(`${p.at}/render`, {}), 400);
      const { variables, required } = (await ctx.api.get(`${p.at}/versions/1`)).json;
      assert.deepEqual(
        [variables.toSorted(), required.toSorted()],
        [
          ['company', 'customer', 'tone'],
          ['company', 'customer'],
        ],
      );
    });

    test("Anthropic's clients call them as well", async () => {
      const name = `p${++n}-${ctx.db}`;
      claude.script(name, { text: 'her answer' });
      const p = await prompt({ model: `anthropic/${name}` });
      const anthropic = new Anthropic({ baseURL: ctx.server.url, apiKey: ctx.server.key, maxRetries: 0 });
      const asked = {
        model: `prompt/${p.name}`,
        max_tokens: 9,
        messages: question,
        system: 'And smile.',
        prompt_variables,
      };
      const answer = await anthropic.messages.create(asked);
      assert.equal(answer.content[0].text, 'her answer');
      const [sent] = claude.of(name).map((r) => r.body);
      assert.deepEqual(
        sent.system.map((b) => b.text),
        ['You help Ann of Acme.', 'And smile.'],
      );
      assert.deepEqual(sent.messages, [{ role: 'user', content: 'Be brief.' }, ...question]);
      assert.deepEqual([sent.max_tokens, sent.temperature, sent.prompt_variables], [9, 0.25, undefined]);
      await fails(client().embeddings.create({ model: `prompt/${p.name}`, input: 'x' }), 400, /takes none/);
    });

    test('a key may be held to prompts, and a cache keeps their answers apart', async () => {
      const p = await prompt();
      const name = `prompted-${++n}`;
      const key = await ctx.server.newKey(name, 'model.call');
      const { id } = (await ctx.api.get('/api/keys?limit=200')).json.items.find((k) => k.name === name);
      const policy = { models: ['prompt/*'], cache: { ttl: '1h' } };
      expectStatus(await ctx.api.put(`/api/keys/${id}/limits`, policy), 200);
      await fails(chat(p.body.model, { messages: question }, key), 403, /may not call/);
      const states = [];
      for (const tone of ['kind', 'kind', 'stern']) {
        const asked = { prompt_variables: { ...prompt_variables, tone } };
        const { response } = await chat(`prompt/${p.name}`, asked, key).withResponse();
        states.push(response.headers.get('x-heddle-cache'));
      }
      assert.deepEqual(states, ['miss', 'hit', 'miss']);
    });

    test('what cannot be a prompt is refused with the reason', async () => {
      const bad = async (more, says, top = {}) => {
        const r = await ctx.api.post('/api/prompts', { name: `bad-${++n}`, prompt: body(more), ...top });
        const problem = expectProblem(r, r.status);
        assert.ok([400, 422].includes(r.status), String(r.status));
        assert.match(JSON.stringify(problem), says);
      };
      await bad({ messages: [] }, /messages/);
      await bad({ messages: [{ role: 'tool', content: 'x' }] }, /role/);
      await bad({ messages: [{ role: 'user', content: '{{ a' }] }, /./);
      await bad({ model: 'prompt/other' }, /cannot be a prompt/);
      await bad({ model: '' }, /model/);
      await bad({ parameters: { stream: true } }, /stream/);
      await bad({ defaults: { colour: 1 } }, /colour/);
      await bad({ colour: 1 }, /colour/);
      await bad({}, /name/, { name: 'With Space' });
      const p = await prompt();
      expectProblem(await ctx.api.post('/api/prompts', { name: p.name, prompt: body() }), 409, 'exists');
      const route = { name: 'prompt/mine', targets: [{ provider: 'openai', model: 'x' }] };
      expectProblem(await ctx.api.post('/api/routes', route), 422);
      const reader = ctx.api.as(await ctx.server.newKey(`reader-${++n}`, 'prompt.read'));
      expectStatus(await reader.get('/api/prompts'), 200);
      expectProblem(await reader.delete(p.at), 403);
    });

    test('the list comes by name, in pages', async () => {
      const names = [];
      for (let i = 0; i < 3; i++) names.push((await prompt({}, { name: `zz-${i}` })).name);
      const { items, next_cursor: cursor } = (await ctx.api.get('/api/prompts?limit=2&cursor=zz')).json;
      const last = (await ctx.api.get(`/api/prompts?limit=2&cursor=${cursor}`)).json;
      assert.deepEqual(
        [...items, ...last.items].map((p) => p.name),
        names,
      );
      assert.equal(last.next_cursor, null);
    });
  },
  { server: { env } },
);
