/* POST /api/workflows/:id/simulate: the report of "heddle simulate" from a server, within bounds. */
import assert from 'node:assert/strict';
import { expectProblem, expectStatus } from '../lib/api.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { approval, call, flow, loop, inside, output, set, trigger } from '../lib/flow.mjs';

onEachDatabase('simulation by API', (ctx) => {
  const { test } = ctx;
  const orders = () =>
    flow(
      'Orders',
      {
        start: trigger({
          input: { type: 'object', required: ['id'], properties: { id: { type: 'integer' } } },
        }),
        look: call(`${ctx.web.origin}/people`),
        ask: approval('Send {{ look.body.title }}?'),
        pay: call(`${ctx.web.origin}/people`, { method: 'POST', body: {} }),
        out: output('{{ pay.status }}'),
      },
      ['start -> look', 'look -> ask', 'ask:approve -> pay', 'pay -> out'],
    );

  test('the report comes, the same each time, and nothing is called or kept', async () => {
    const id = await ctx.api.workflow(orders());
    const before = ctx.web.requests.length;
    const body = { seeds: 20, first_seed: 5, fail: 0.2, trace: true };
    const one = expectStatus(await ctx.api.post(`/api/workflows/${id}/simulate`, body), 200).json;
    const two = expectStatus(await ctx.api.post(`/api/workflows/${id}/simulate`, body), 200).json;
    assert.equal(one.first_seed, 5);
    assert.ok(one.done >= 1 && one.trace.length > 1);
    if (one.done === 20 && two.done === 20) assert.deepEqual(one, two); /* else the machine is very slow */
    assert.deepEqual(one.broken_promises, []);
    assert.equal(ctx.web.requests.length, before);
    assert.deepEqual((await ctx.api.get(`/api/runs?workflow_id=${id}`)).json.items, []);
    assert.deepEqual(
      (await ctx.api.get('/api/approvals')).json.items.filter((a) => a.workflow_id === id),
      [],
    );
  });

  test('a workflow that computes for ever is given up, and the server answers meanwhile', async () => {
    const id = await ctx.api.workflow(
      flow(
        'Busy',
        {
          start: trigger(),
          l: loop({ variables: [{ name: 'n', value: 0 }], max_rounds: 1000000 }),
          ...inside('l', { s: set({ n: '{{ l.index }}' }) }),
        },
        ['start -> l'],
        { settings: { max_steps: 1000000 } },
      ),
    );
    const slow = ctx.api.post(`/api/workflows/${id}/simulate`, { seeds: 10000, fail: 0 }, { ms: 60_000 });
    assert.equal((await ctx.api.get('/healthz')).status, 200);
    const { json } = expectStatus(await slow, 200);
    assert.ok(json.done < 10000, `${json.done}`);
    assert.ok(json.outcomes.too_long.runs >= 1);
  });

  test('what is asked for wrong is refused and named', async () => {
    const id = await ctx.api.workflow(orders());
    const post = (body) => ctx.api.post(`/api/workflows/${id}/simulate`, body);
    expectProblem(await post({ seeds: 0 }), 422);
    expectProblem(await post({ seeds: 10001 }), 422);
    expectProblem(await post({ fail: 2 }), 422);
    expectProblem(await post({ speed: 2 }), 422);
    assert.match(expectProblem(await post({ input: { id: 'x' } }), 422).detail, /schema/);
    assert.match(expectProblem(await post({ mocks: { nope: { output: 1 } } }), 422).detail, /nope/);
    const nowhere = '01890000-0000-7000-8000-000000000000';
    expectProblem(await ctx.api.post(`/api/workflows/${nowhere}/simulate`, {}), 404);
  });
});
