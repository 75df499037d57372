/* Loops: rounds with variables until a condition holds, across crashes, without losing or repeating one. */
import assert from 'node:assert/strict';
import { expectStatus, stepOf } from '../lib/api.mjs';
import { Gate, until } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { call, flow, inside, iteration, loop, output, set, trigger, waitEvent } from '../lib/flow.mjs';

/* start -> again {body} -> out */
const rounds = (name, settings, body, { edges = [], result = '{{ again }}', more } = {}) =>
  flow(
    name,
    { start: trigger(), again: loop(settings), ...inside('again', body), out: output(result) },
    ['start -> again', 'again -> out', ...edges],
    more,
  );
const holds = (left, operator, right) => ({ conditions: [{ left, operator, right }] });

onEachDatabase('loop', (ctx) => {
  const { test } = ctx;
  let n = 0;
  const name = () => `rounds-${++n}-${ctx.db}`;

  test('variables go from round to round until a condition holds', async () => {
    const id = await ctx.api.workflow(
      rounds(
        'Pages',
        {
          variables: [
            { name: 'next', value: '{{ input.first }}' },
            { name: 'before', value: null },
            { name: 'seen', value: [] },
          ],
          next: { next: '{{ page.next }}', before: '{{ again.vars.next }}' },
          append: { seen: { n: '{{ again.index }}', page: '{{ page.page }}' } },
          until: holds('{{ page.next }}', 'is_null'),
        },
        {
          page: set({
            page: '{{ again.vars.next }}',
            rest: '{{ input.pages }}',
            next: '{{ input.pages[0] }}',
          }),
        },
      ),
    );
    const one = await ctx.api.run(id, { first: 'a', pages: [null] });
    assert.equal(one.state, 'succeeded', JSON.stringify(one.error));
    assert.deepEqual(one.output.rounds, 1);
    assert.deepEqual(one.output.vars, { next: null, before: 'a', seen: [{ n: 0, page: 'a' }] });
    assert.deepEqual([one.output.ended_by, one.output.last.page], ['until', 'a']);
    const many = await ctx.api.run(id, { first: 'a', pages: ['b'] });
    assert.deepEqual([many.output.rounds, many.output.ended_by], [100, 'max_rounds']);
    assert.deepEqual(many.output.vars.seen.slice(0, 3), [
      { n: 0, page: 'a' },
      { n: 1, page: 'b' },
      { n: 2, page: 'b' },
    ]);
    assert.equal(many.output.vars.seen.length, 100);
    const page = (await ctx.api.get(`/api/runs/${many.id}/items?node=again&from=98`)).json;
    assert.deepEqual(
      page.items.map((i) => [i.index, i.scope, i.state]),
      [
        [98, 'again[98]', 'succeeded'],
        [99, 'again[99]', 'succeeded'],
      ],
    );
  });

  test('values are taken before any is set, and too many rounds may be an error', async () => {
    const id = await ctx.api.workflow(
      rounds(
        'Swap',
        {
          variables: [
            { name: 'a', value: { is: 1 } },
            { name: 'b', value: { is: 2 } },
          ],
          next: { a: '{{ again.vars.b }}', b: '{{ again.vars.a }}' },
          max_rounds: 3,
          on_max: 'fail',
          until: holds('{{ x.a.is }}', 'equals', '{{ input.stop }}'),
        },
        { x: set({ a: '{{ again.vars.a }}' }) },
      ),
    );
    const run = await ctx.api.run(id, { stop: 2 });
    assert.deepEqual(run.output.vars, { a: { is: 1 }, b: { is: 2 } });
    assert.equal(run.output.rounds, 2);
    const failed = await ctx.api.run(id, { stop: 9 });
    assert.deepEqual(
      [failed.state, failed.error.code, failed.error.node],
      ['failed', 'too_many_rounds', 'again'],
    );
  });

  test('a step that fails ends the loop with its error', async () => {
    const of = name();
    const url = ctx.web.plan(of, {}, {}, { status: 404 });
    const id = await ctx.api.workflow(rounds('Fails', { max_rounds: 9 }, { c: call(url) }));
    const run = await ctx.api.run(id, {});
    assert.deepEqual([run.error.code, run.error.node], ['not_found', 'again']);
    assert.match(run.error.message, /^Round 2, node c: /);
    assert.equal(ctx.web.at(`/plan/${of}`).length, 3);
  });

  test('kill -9 between and in rounds repeats no round, and the journal grows by what is new', async () => {
    const of = name();
    const gates = [new Gate(), new Gate()];
    const url = ctx.web.plan(of, (r) => {
      const i = Number(r.url.searchParams.get('i'));
      return {
        body: { text: `${'x'.repeat(1000)}${i}` },
        gate: i === 4 ? gates[0] : i === 8 ? gates[1] : undefined,
      };
    });
    const id = await ctx.api.workflow(
      rounds(
        'Chat',
        {
          variables: [
            { name: 'talk', value: ['hello'] },
            { name: 'last', value: '' },
          ],
          append: { talk: '{{ turn.body.text }}' },
          next: { last: '{{ turn.body.text }}' },
          max_rounds: 12,
        },
        {
          turn: call(`${url}?i={{ again.index }}`, {
            method: 'POST',
            body: { talk: '{{ again.vars.talk }}' },
            on_unknown: 'repeat',
          }),
        },
        { result: { n: '{{ again.vars.talk.length }}', last: '{{ again.vars.last }}' } },
      ),
    );
    const runId = await ctx.api.start(id, {});
    const calls = (i) =>
      ctx.web.seen((r) => r.path === `/plan/${of}` && r.url.searchParams.get('i') === `${i}`);
    for (const [gate, at] of [
      [gates[0], 4],
      [gates[1], 8],
    ]) {
      await until('the round is held', () => calls(at).length === 1);
      await ctx.server.kill();
      gate.open();
      await ctx.server.up();
    }
    const run = await ctx.api.finished(runId);
    assert.equal(run.state, 'succeeded', JSON.stringify(run.error));
    assert.deepEqual([run.output.n, run.output.last], [13, `${'x'.repeat(1000)}11`]);
    for (let i = 0; i < 12; i++) {
      assert.equal(calls(i).length, i === 4 || i === 8 ? 2 : 1, `round ${i}`);
      assert.equal(calls(i)[0].body.talk.length, 1 + i);
    }
    const events = await (await ctx.api.events(runId)).all();
    const bytes = JSON.stringify(events.filter((e) => e.json.node === 'again').map((e) => e.json)).length;
    assert.ok(bytes < 12 * 2500, `the rounds take ${bytes} bytes`);
  });

  test('a round waits for the next event, not for one that was there before', async () => {
    const of = name();
    const id = await ctx.api.workflow(
      rounds(
        'Events',
        { variables: [{ name: 'got', value: [] }], append: { got: '{{ w.data }}' }, max_rounds: 3 },
        { w: waitEvent('tick', of, { accept_past: '1h' }) },
        { result: '{{ again.vars.got }}' },
      ),
    );
    const runId = await ctx.api.start(id, {});
    for (const i of [0, 1, 2]) {
      await until(`round ${i} waits`, async () => {
        const { items } = (await ctx.api.get(`/api/runs/${runId}/items?node=again&from=${i}`)).json;
        return items?.[0]?.steps[0].state === 'waiting';
      });
      expectStatus(await ctx.api.post('/api/events', { name: 'tick', key: of, data: i }), [200, 201, 202]);
    }
    assert.deepEqual((await ctx.api.finished(runId)).output, [0, 1, 2]);
  });

  test('loops in iterations, and a loop of very many rounds ends by its limits', async () => {
    const id = await ctx.api
      .workflow(
        flow(
          'Both',
          {
            start: trigger(),
            it: iteration([1, 2, 3]),
            ...inside('it', {
              again: loop({
                variables: [{ name: 'sum', value: '{{ item }}' }],
                next: { sum: '{{ add.v }}' },
                max_rounds: '{{ n }}',
              }),
            }),
            ...inside('again', { add: set({ v: '{{ item }}{{ again.vars.sum }}' }) }),
            out: output('{{ it.results }}'),
          },
          ['start -> it', 'it -> out'],
        ),
      )
      .catch((e) => e);
    assert.match(String(id.message), /max_rounds/);
    const nested = await ctx.api.workflow(
      flow(
        'Both',
        {
          start: trigger(),
          it: iteration([1, 2, 3]),
          ...inside('it', {
            again: loop({
              variables: [{ name: 'sum', value: '{{ item }}' }],
              next: { sum: '{{ add.v }}' },
              max_rounds: 2,
            }),
          }),
          ...inside('again', { add: set({ v: '{{ item }}{{ again.vars.sum }}' }) }),
          out: output('{{ it.results }}'),
        },
        ['start -> it', 'it -> out'],
      ),
    );
    const run = await ctx.api.run(nested, {});
    assert.deepEqual(
      run.output.map((o) => o.vars.sum),
      ['111', '222', '333'],
      JSON.stringify(run.error),
    );
    const long = await ctx.api.workflow(
      rounds('Long', { max_rounds: 1000000 }, { v: set({ i: '{{ again.index }}' }) }),
    );
    const ended = await ctx.api.run(long, {});
    assert.deepEqual([ended.state, ended.error.code], ['failed', 'too_many_steps']);
    const shown = await ctx.api.runOf(ended.id);
    assert.equal(stepOf(shown, 'again').items.done, 9998);
  });

  test('what is wrong with a loop is said at its field', async () => {
    const wrong = async (settings, code, path) => {
      const answer = await ctx.api.post('/api/workflows', rounds('x', settings, { v: set({ v: 1 }) }));
      expectStatus(answer, 422);
      assert.deepEqual(
        [answer.json.errors[0].code, answer.json.errors[0].path],
        [code, `/nodes/1/data/${path}`],
      );
    };
    const variables = [{ name: 'a', value: [] }];
    await wrong({ variables, next: { b: 1 } }, 'unknown_variable', 'next');
    await wrong({ variables, next: { a: 1 }, append: { a: 1 } }, 'duplicate_name', 'append');
    await wrong({ variables, next: [1] }, 'type', 'next');
    await wrong({ variables: [...variables, ...variables] }, 'duplicate_name', 'variables/1/name');
    await wrong({ variables: [{ name: 'a', value: '{{ v.v }}' }] }, 'not_before', 'variables/0/value');
    await wrong({ until: { conditions: [] } }, 'range', 'until/conditions');
    await wrong({ until: holds('{{ nope }}', 'exists') }, 'unknown_name', 'until/conditions/0/left');
    await wrong({ timeout: '5s' }, 'not_used', 'timeout');
  });
});
