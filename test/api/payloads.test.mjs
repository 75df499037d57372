/* Large values of runs: stored once, read as if they were not, and a damaged one hurts its run alone. */
import assert from 'node:assert/strict';
import { onEachDatabase } from '../lib/suite.mjs';
import { expectProblem } from '../lib/api.mjs';
import { call, chain, inside, iteration, loop, output, set, sub, trigger, flow } from '../lib/flow.mjs';
import { until } from '../lib/gate.mjs';
import { payloadFaults, sql } from '../lib/sql.mjs';

/* What people write: it compresses, and no two are alike. */
function words(n, seed = 1) {
  const some = [
    'order',
    'the',
    'customer',
    'wants',
    'refund',
    'of',
    'an',
    'item',
    'shipped',
    'late',
    'please',
  ];
  let text = '';
  while (text.length < n) {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    text += (seed % 5 ? some[seed % some.length] : seed) + ' ';
  }
  return text;
}

async function start(ctx, definition, input) {
  const id = await ctx.api.published(definition);
  const answer = await ctx.api.post(`/api/workflows/${id}/execute`, { input });
  assert.equal(answer.status, 200, answer.text.slice(0, 300));
  assert.equal(answer.json.state, 'succeeded', JSON.stringify(answer.json.error));
  return answer.json;
}

const stored = async (ctx) =>
  Number(
    await sql(
      ctx.server,
      'SELECT COALESCE((SELECT SUM(LENGTH(events)) FROM journal), 0) + COALESCE((SELECT SUM(LENGTH(body)) FROM payload), 0)',
    ),
  );
const rows = async (ctx, table) => Number(await sql(ctx.server, `SELECT COUNT(*) FROM ${table}`));

onEachDatabase('payloads', (ctx) => {
  ctx.test('small values take no rows of their own', async () => {
    const before = await rows(ctx, 'payload');
    await start(ctx, chain('small', { a: set({ v: '{{ input.text }}' }), out: output('{{ a.v }}') }), {
      text: words(500),
    });
    assert.equal(await rows(ctx, 'payload'), before);
  });

  ctx.test('a value that passes through many steps is stored once, and runs share it', async () => {
    const text = words(100_000, 2);
    const nodes = {};
    for (let i = 0; i < 10; i++) nodes[`s${i}`] = set({ v: '{{ input.text }}' });
    nodes.out = output('{{ s9.v }}');
    const before = await stored(ctx);
    const run = await start(ctx, chain('many', nodes), { text });
    const once = (await stored(ctx)) - before;
    assert.ok(once < text.length, `${once} bytes for a text of ${text.length}`);
    const count = await rows(ctx, 'payload');
    const again = await start(ctx, chain('more', nodes), { text });
    assert.equal(await rows(ctx, 'payload'), count);
    assert.ok((await stored(ctx)) - before < once * 1.2);
    for (const { id } of [run, again]) {
      const { json } = await ctx.api.get(`/api/runs/${id}`);
      assert.equal(json.output, text);
      for (const step of json.steps.filter((s) => s.type === 'data-transform'))
        assert.equal(step.output.v, text);
    }
  });

  ctx.test('a conversation that grows in a loop is stored by what is new in it', async () => {
    const turns = 20;
    const said = [...Array(turns).keys()].map((i) => ({ body: { text: words(8000, 30 + i) } }));
    const url = ctx.web.plan('turn', ...said);
    const definition = flow(
      'talk',
      {
        start: trigger(),
        talk: loop({
          max_rounds: turns,
          variables: [{ name: 'said', value: [] }],
          append: { said: { role: 'tool', content: '{{ turn.body.text }}' } },
        }),
        ...inside('talk', { turn: call(url) }),
        out: output('{{ talk.vars.said }}'),
      },
      ['start -> talk', 'talk -> out'],
    );
    const before = await stored(ctx);
    const run = await start(ctx, definition, null);
    const { json } = await ctx.api.get(`/api/runs/${run.id}`);
    const bytes = (await stored(ctx)) - before;
    const payload = JSON.stringify(json.output).length;
    assert.deepEqual([json.output.length, payload > turns * 8000], [turns, true]);
    assert.ok(bytes < payload * 1.2, `${bytes} bytes for ${payload}`);
  });

  ctx.test(
    'reruns, comparisons, items, sub-workflows and streams see values, not where they are',
    async () => {
      const text = words(30_000, 4);
      const inner = await ctx.api.published(
        chain('inner', { a: set({ v: '{{ input.text }}' }), out: output('{{ a.v }}') }),
      );
      const run = await start(
        ctx,
        flow(
          'outer',
          {
            start: trigger(),
            each: iteration('{{ input.list }}'),
            ...inside('each', { item: set({ v: '{{ each.item }}' }) }),
            child: sub(inner, { input: { text: '{{ input.list[0] }}' } }),
            out: output('{{ child }}'),
          },
          ['start -> each', 'each -> child', 'child -> out'],
        ),
        { list: [text, text + '1', text + '2'] },
      );
      assert.equal(run.output, text);
      const items = (await ctx.api.get(`/api/runs/${run.id}/items?node=each`)).json;
      assert.deepEqual(
        items.items.map((i) => i.steps[0].output.v.length),
        [text.length, text.length + 1, text.length + 1],
      );
      const again = await ctx.api.post(`/api/runs/${run.id}/rerun`, { from: 'child' });
      assert.ok([200, 202].includes(again.status), again.text.slice(0, 300));
      const done = await until('the rerun ends', async () => {
        const { json } = await ctx.api.get(`/api/runs/${again.json.id}`);
        return json.state === 'succeeded' && json;
      });
      assert.equal(done.output, text);
      const compared = await ctx.api.get(`/api/runs/${run.id}/compare?with=${done.id}`);
      assert.equal(compared.status, 200, compared.text.slice(0, 300));
      const events = (await (await ctx.api.events(run.id)).all()).map((e) => e.json);
      assert.deepEqual(events[0].input.list[0], text);
      const late = (await (await ctx.api.events(run.id, 3)).all()).map((e) => e.json);
      assert.deepEqual(late[0]?.seq, 4);
      assert.deepEqual(await payloadFaults(ctx.server), { unused: 0, dangling: 0 });
    },
  );

  ctx.test('a damaged value is an error of the runs that have it, and of no others', async () => {
    const definition = chain('hurt', { a: set({ v: '{{ input.text }}' }), out: output('{{ a.v.length }}') });
    const well = await start(ctx, definition, { text: words(20_000, 5) });
    const before = await rows(ctx, 'payload');
    const hurt = await start(ctx, definition, { text: words(20_000, 6) });
    assert.ok((await rows(ctx, 'payload')) > before);
    const hex = hurt.id.replaceAll('-', '');
    const id = ctx.db === 'sqlite' ? `x'${hex}'` : `'${hurt.id}'`;
    await sql(
      ctx.server,
      `UPDATE payload SET body = hash WHERE hash IN (SELECT hash FROM run_payload WHERE run_id = ${id})`,
    );
    const answer = await ctx.api.get(`/api/runs/${hurt.id}`);
    expectProblem(answer, 500, 'corrupt');
    assert.match(answer.json.detail, new RegExp(`journal of run ${hurt.id} is damaged`));
    assert.equal((await ctx.api.get(`/api/runs/${well.id}`)).status, 200);
    assert.equal((await ctx.api.get('/api/runs?limit=5')).status, 200);
  });
});
