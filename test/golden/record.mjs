/* record.mjs - records golden journals (README.md): runs of each node type, as this version journals them.
 *
 *     node test/golden/record.mjs     writes the files that are missing, and never one that is there
 */
import fs from 'node:fs';
import path from 'node:path';
import { until } from '../lib/gate.mjs';
import { Server } from '../lib/server.mjs';
import * as f from '../lib/flow.mjs';
import { startHttpApi } from '../doubles/http_api.mjs';
import { startModelServer } from '../doubles/model_server.mjs';
import { startWebhookReceiver } from '../doubles/webhook_receiver.mjs';

const folder = import.meta.dirname;
const post = (url, more) => f.call(url, { method: 'POST', body: {}, ...more });

/* name -> {definition, input, more (of the start), meanwhile(run id, api), below: definitions published before} */
function cases({ web, hooks }, api) {
  const good = web.plan('good', { body: { n: 7, rows: ['x', 'y', 'z'] } });
  const bad = web.plan('bad', { status: 500 });
  const again = web.plan('again', { status: 503 }, { body: { n: 1 } }, { status: 503 }, { body: { n: 2 } });
  const held = web.plan('held', { delay: 60_000 });
  const waits = (id, kind) =>
    until(`${id} waits`, async () => (await api.runOf(id)).steps.some((s) => s.waiting_for?.kind === kind));
  const decide = async (id, decision) => {
    await waits(id, 'approval');
    const list = (await api.get('/api/approvals')).json.items;
    await api.post(`/api/approvals/${list.find((one) => one.run_id === id).id}`, { decision });
  };
  return {
    'pure-steps': {
      definition: f.flow(
        'Pure steps',
        {
          start: f.trigger(),
          a: f.set({ n: '{{ input.n }}', t: 'a {{ input.n }}' }),
          c: f.condition(f.when('big', '{{ a.n }}', 'gt', 5)),
          yes: f.text('big {{ a.n }}'),
          no: f.text('small'),
          both: ['parallel', { branches: [{ id: 'left' }, { id: 'right' }] }],
          l: f.set({ l: 1 }),
          r: f.set({ r: 2 }),
          m: ['merge', {}],
          out: f.output('{{ yes }}'),
        },
        [
          'start -> a',
          'a -> c',
          'c:big -> yes',
          'c:else -> no',
          'yes -> both',
          'both:left -> l',
          'both:right -> r',
          'l -> m',
          'r -> m',
          'm -> out',
        ],
      ),
      input: { n: 9 },
    },
    'calls-and-retries': {
      definition: f.chain('Calls', {
        a: f.call(again, { retry: f.quickRetry(3) }),
        m: f.llm('analyst', 'hello'),
        w: f.webhook(hooks.secret('/golden', 'shh'), { n: '{{ a.body.n }}' }, { secret: 'shh' }),
        d: f.call(bad, { retry: f.noRetry, on_error: { strategy: 'default', output: { d: 1 } } }),
        out: f.output('{{ d.d }} {{ m.text }}'),
      }),
    },
    'error-branch': {
      definition: f.flow(
        'Error branch',
        {
          start: f.trigger(),
          a: f.call(bad, { retry: f.noRetry, on_error: { strategy: 'branch' } }),
          ok: f.output('ok'),
          stop: ['error', { message: 'It is {{ a.error.code }}.' }],
        },
        ['start -> a', 'a -> ok', 'a:error -> stop'],
      ),
    },
    iteration: {
      definition: f.flow(
        'Items',
        {
          start: f.trigger(),
          a: f.call(good),
          each: f.iteration('{{ a.body.rows }}', { parallel: 2, on_item_error: 'skip' }),
          ...f.inside('each', {
            call: f.call(`${good}?i={{ index }}`),
            one: f.set({ item: '{{ item }}', n: '{{ call.body.n }}' }),
          }),
          out: f.output('{{ each.results }}'),
        },
        ['start -> a', 'a -> each', 'call -> one', 'each -> out'],
      ),
    },
    loop: {
      definition: f.flow(
        'Rounds',
        {
          start: f.trigger(),
          again: f.loop({
            variables: [
              { name: 'n', value: 0 },
              { name: 'list', value: [] },
            ],
            next: { n: '{{ s.n }}' },
            append: { list: '{{ s.n }}' },
            max_rounds: 4,
          }),
          ...f.inside('again', { s: f.set({ n: '{{ again.index }}' }) }),
          out: f.output('{{ again.vars }}'),
        },
        ['start -> again', 'again -> out'],
      ),
    },
    'waits-answered': {
      definition: f.flow(
        'Waits',
        {
          start: f.trigger(),
          d: f.delay('10ms'),
          ask: f.approval('Send?', { approvers: ['ann'] }),
          e: f.waitEvent('golden.paid', 'k1'),
          out: f.output('{{ e.data }}'),
          no: f.output('no'),
        },
        ['start -> d', 'd -> ask', 'ask:approve -> e', 'ask:reject -> no', 'e -> out'],
      ),
      meanwhile: async (id) => {
        await decide(id, 'approve');
        await waits(id, 'event');
        await api.post('/api/events', { name: 'golden.paid', key: 'k1', data: { sum: 3 } });
      },
    },
    'wait-timeout': {
      definition: f.flow(
        'Timeout',
        {
          start: f.trigger(),
          e: f.waitEvent('golden.never', 'k2', { max_wait: '50ms' }),
          late: f.output('late'),
        },
        ['start -> e', 'e:timeout -> late'],
      ),
    },
    'still-waiting': {
      definition: f.chain('Still waiting', { d: f.delay('30d'), out: f.output('done') }),
      upTo: 'run.waiting',
    },
    'several-approvals': {
      definition: f.flow(
        'Several',
        {
          start: f.trigger(),
          ask: f.approval('Both?', { approvers: ['ann', 'ben'], approvals: 2 }),
          out: f.output(1),
        },
        ['start -> ask', 'ask:approve -> out'],
      ),
      meanwhile: (id) => decide(id, 'approve'),
      upTo: 'step.answered',
    },
    'sub-workflow': {
      below: f.chain('Golden below', { s: f.set({ n: '{{ input.n }}' }), out: f.output('{{ s.n }}') }),
      definition: f.chain('Above', {
        s: f.sub('Golden below', { input: { n: 4 } }),
        out: f.output('{{ s }}'),
      }),
    },
    compensation: {
      definition: f.flow(
        'Saga',
        {
          start: f.trigger(),
          a: post(good, { compensate: 'ua' }),
          b: post(good, { compensate: 'ub' }),
          c: post(bad, { retry: f.noRetry }),
          ua: f.call(good, { method: 'DELETE' }),
          ub: f.call(bad, { method: 'DELETE', retry: f.noRetry }),
        },
        ['start -> a', 'a -> b', 'b -> c'],
      ),
    },
    cancelled: {
      definition: f.chain('Cancelled', { a: f.call(held), out: f.output(1) }),
      meanwhile: async (id) => {
        await until('it is under way', async () =>
          (await api.runOf(id)).steps.some((s) => s.state === 'running'),
        );
        await api.post(`/api/runs/${id}/cancel`);
      },
    },
    paused: {
      definition: f.chain('Paused', { d: f.delay('7s'), out: f.output(1) }),
      meanwhile: async (id) => {
        await api.post(`/api/runs/${id}/pause`);
        await until('it rests', async () => (await api.runOf(id)).state === 'paused');
        await api.post(`/api/runs/${id}/resume`);
      },
    },
    queued: {
      definition: f.chain(
        'Queued',
        { a: f.set({ n: 1 }), out: f.output('{{ a.n }}') },
        { settings: { flow: { key: '{{ input.k }}', concurrency: 1 } } },
      ),
      input: { k: 'x' },
    },
    respond: {
      definition: f.flow(
        'Respond',
        {
          in: f.hook({ respond: 'node' }),
          say: ['respond', { body: { n: '{{ input.n }}' }, status: 201 }],
          out: f.output('{{ input.n }}'),
        },
        ['in -> say', 'say -> out'],
      ),
      input: { n: 1 },
    },
    mocks: {
      definition: f.chain('Mocks', { a: f.call(bad), out: f.output('{{ a.n }}') }),
      more: { mocks: { a: { output: { n: 3 } } } },
    },
    'dry-run': {
      definition: f.chain('Dry', { a: f.call(bad), out: f.output('{{ a.body.n }}') }),
      more: { dry_run: true },
    },
  };
}

/* What depends on where it was recorded is of no use to a reader. */
const plain = (text, origins) => origins.reduce((all, [from, to]) => all.replaceAll(from, to), text);

/* The events of a run, to its end or to the first of type @upTo. */
async function eventsOf(api, id, upTo) {
  const stream = await api.events(id);
  if (!upTo) return (await stream.all()).filter((e) => e.id).map((e) => e.json);
  const found = () => stream.items.filter((e) => e.id).findIndex((e) => e.json.type === upTo);
  await until(`${upTo} comes`, () => found() >= 0);
  const events = stream.items.filter((e) => e.id).slice(0, found() + 1);
  stream.response.destroy();
  return events.map((e) => e.json);
}

async function record(api, one, origins) {
  if (one.below) await api.published(one.below);
  const workflow = await api.published(one.definition);
  const start = { input: one.input ?? {}, ...one.more, mode: 'async' };
  const r = await api.post(`/api/workflows/${workflow}/execute`, start);
  if (r.status !== 202) throw new Error(r.text);
  const { id } = r.json;
  await one.meanwhile?.(id);
  const events = await eventsOf(api, id, one.upTo);
  const doc = one.upTo ? await api.runOf(id) : await api.finished(id);
  const { state, input, output, error, steps, compensation = null } = doc;
  const expect = { input, steps: steps.map(step) };
  if (!one.upTo) Object.assign(expect, { state, output, error, compensation });
  return JSON.parse(plain(JSON.stringify({ definition: doc.definition, events, expect }), origins));
}

const step = ({ node, state, attempts, output, handle, error, kept, due_at }) => ({
  node,
  state,
  attempts,
  output,
  handle,
  error,
  kept,
  due_at,
});

async function main() {
  const [web, model, hooks] = await Promise.all([startHttpApi(), startModelServer(), startWebhookReceiver()]);
  model.script('analyst', { pieces: ['A ', 'good ', 'lead.'] });
  const server = await Server.start({
    db: 'sqlite',
    env: { OPENAI_BASE_URL: model.url, OPENAI_API_KEY: 'k' },
  });
  const origins = [
    [web.origin, 'http://api.example'],
    [hooks.origin, 'http://hooks.example'],
    [model.url, 'http://model.example/v1'],
  ];
  try {
    for (const [name, one] of Object.entries(cases({ web, hooks }, server.api))) {
      const file = path.join(folder, `${name}.json`);
      if (fs.existsSync(file)) continue;
      const golden = await record(server.api, one, origins);
      fs.writeFileSync(file, `${JSON.stringify(golden, null, 1)}\n`, { flag: 'wx' });
      console.log(`${name}: ${golden.events.length} events, ${golden.expect.state}`);
    }
  } finally {
    await server.drop();
    await Promise.all([web.stop(), model.stop(), hooks.stop()]);
  }
}

await main();
