/* Runs whose values are large: what was accepted can be read, taken up and shown, or fails with its reason. */
import assert from 'node:assert/strict';
import { onEachDatabase } from '../lib/suite.mjs';
import { call, chain, flow, output, set, trigger } from '../lib/flow.mjs';

const big = 'x'.repeat(8_000_000);

async function start(ctx, definition, input) {
  const made = await ctx.api.post('/api/workflows', definition);
  assert.equal(made.status, 201, made.text);
  const answer = await ctx.api.post(`/api/workflows/${made.json.id}/execute`, { input });
  assert.equal(answer.status, 200, answer.text.slice(0, 300));
  return answer.json;
}

/* The run as it is read back from its journal. */
async function stored(ctx, run) {
  const answer = await ctx.api.get(`/api/runs/${run.id}`);
  assert.equal(answer.status, 200, answer.text.slice(0, 300));
  const stream = await ctx.api.open('GET', `/api/runs/${run.id}/events`);
  let tail = '';
  for await (const piece of stream) tail = (tail + piece).slice(-1000);
  assert.match(tail, new RegExp(`"run\\.${run.state}"|event: ?run\\.${run.state}`));
  return answer.json;
}

onEachDatabase('large values', (ctx) => {
  ctx.test('steps that give more than one batch of the journal holds can all be read again', async () => {
    const nodes = {};
    for (let i = 0; i < 8; i++) nodes[`s${i}`] = set({ v: '{{ input.big }}' });
    nodes.end = output('done');
    const run = await start(ctx, chain('large', nodes), { big });
    assert.equal(run.state, 'succeeded');
    const again = await stored(ctx, run);
    assert.equal(again.output, 'done');
    assert.equal(again.steps.find((s) => s.node === 's7').output.v.length, big.length);
  });

  ctx.test('calls that end together with large answers are all kept', async () => {
    const nodes = { start: trigger(), end: output('done') };
    const url = ctx.web.plan('large', { body: JSON.stringify(big), headers: { 'content-type': 'application/json' } });
    const ids = [...Array(8).keys()].map((i) => `c${i}`);
    for (const id of ids) nodes[id] = call(url);
    const run = await start(
      ctx,
      flow('together', nodes, [...ids.map((id) => `start -> ${id}`), ...ids.map((id) => `${id} -> end`)]),
      null,
    );
    assert.equal(run.state, 'succeeded', JSON.stringify(run.error));
    assert.deepEqual(
      (await stored(ctx, run)).steps.filter((s) => s.type === 'api-call').map((s) => [s.state, s.attempts]),
      ids.map(() => ['succeeded', 1]),
    );
  });

  ctx.test('a run whose values grow past what a run may hold fails and says so', async () => {
    const nodes = {};
    for (let i = 0; i < 20; i++) nodes[`s${i}`] = set({ v: '{{ input.big }}' });
    const run = await start(ctx, chain('too much', nodes), { big });
    assert.equal(run.state, 'failed');
    assert.equal(run.error.code, 'too_large');
    assert.equal((await stored(ctx, run)).error.message, run.error.message);
  });

  ctx.test('a value that is small in memory and huge as JSON fails its step', async () => {
    const nodes = { s0: set({ v: '0123456789' }) };
    for (let i = 1; i < 30; i++) nodes[`s${i}`] = set({ a: `{{ s${i - 1} }}`, b: `{{ s${i - 1} }}` });
    const run = await start(ctx, chain('doubling', nodes), null);
    assert.equal(run.state, 'failed');
    assert.equal(run.error.code, 'too_large');
    assert.match(run.error.message, /^The output of node s\d+ is larger than 8388608 bytes\.$/);
    await stored(ctx, run);
  });

  ctx.test('outputs that are too large together fail the run, not the server', async () => {
    const nodes = { start: trigger() };
    const ids = [...Array(6).keys()].map((i) => `o${i}`);
    for (const id of ids) nodes[id] = output('{{ input.big }}');
    const run = await start(
      ctx,
      flow(
        'outputs',
        nodes,
        ids.map((id) => `start -> ${id}`),
      ),
      { big },
    );
    assert.equal(run.state, 'failed');
    assert.equal(run.error.code, 'too_large');
    await stored(ctx, run);
  });
});
