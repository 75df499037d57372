/* Branches that run at once and come together: parallel, merge, and errors that a workflow decides on. */
import assert from 'node:assert/strict';
import { stepOf } from '../lib/api.mjs';
import { Gate, until } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { call, condition, flow, inside, iteration, output, set, trigger, when } from '../lib/flow.mjs';

const parallel = (...ids) => ['parallel', { branches: ids.map((id) => ({ id })) }];
const merge = (data = {}) => ['merge', data];
const fail = (message, code) => ['error', { message, ...(code && { code }) }];

onEachDatabase('branches', (ctx) => {
  const { test } = ctx;
  let n = 0;
  const name = () => `branches-${++n}-${ctx.db}`;

  test('all branches of a parallel run at the same time, and merge has what those gave that ran', async () => {
    const gate = new Gate();
    const of = name();
    const url = ctx.web.plan(of, { gate, body: {} });
    const id = await ctx.api.workflow(
      flow(
        'Fork',
        {
          start: trigger(),
          fork: parallel('left', 'right', 'third'),
          l: call(`${url}?of=l`),
          r: call(`${url}?of=r`),
          c: condition(when('never', 1, 'equals', 2)),
          not: set({ v: 'never' }),
          join: merge(),
          out: output('{{ join }}'),
        },
        [
          'start -> fork',
          'fork:left -> l',
          'fork:right -> r',
          'fork:third -> c',
          'c:never -> not',
          'l -> join',
          'r -> join',
          'not -> join',
          'join -> out',
        ],
      ),
    );
    const runId = await ctx.api.start(id, {});
    await until('both branches are under way', () => ctx.web.at(`/plan/${of}`).length === 2);
    gate.open();
    const run = await ctx.api.finished(runId);
    assert.deepEqual(Object.keys(run.output), ['l', 'r'], JSON.stringify(run.error));
    assert.deepEqual([stepOf(run, 'fork').handle, stepOf(run, 'not').state], ['*', 'skipped']);
  });

  test('a merge that waits for the first goes on with it, once', async () => {
    const gate = new Gate();
    const of = name();
    const url = ctx.web.plan(of, (r) => ({
      body: {},
      gate: r.url.searchParams.has('slow') ? gate : undefined,
    }));
    const id = await ctx.api.workflow(
      flow(
        'Race',
        {
          start: trigger(),
          fast: call(url),
          slow: call(`${url}?slow=1`),
          first: merge({ wait: 'first' }),
          after: call(`${ctx.web.origin}/echo?of=${of}`),
          out: output('{{ first }}'),
        },
        [
          'start -> fast',
          'start -> slow',
          'fast -> first',
          'slow -> first',
          'first -> after',
          'after -> out',
        ],
      ),
    );
    const runId = await ctx.api.start(id, {});
    const after = () => ctx.web.seen((r) => r.url.searchParams.get('of') === of).length;
    await until('it went on with the fast one', after);
    await until('to the end', async () => stepOf(await ctx.api.runOf(runId), 'out').state === 'succeeded');
    assert.equal((await ctx.api.runOf(runId)).state, 'running');
    await ctx.server.kill();
    gate.open();
    await ctx.server.up();
    const run = await ctx.api.finished(runId);
    assert.deepEqual([run.state, Object.keys(run.output), after()], ['succeeded', ['fast'], 1]);
  });

  test('an error node ends the run with its words, and in an item the item', async () => {
    const id = await ctx.api.workflow(
      flow(
        'Stops',
        {
          start: trigger(),
          it: iteration('{{ input.list }}', { on_item_error: 'null' }),
          ...inside('it', {
            c: condition(when('bad', '{{ item }}', 'lt', 0)),
            stop: fail('{{ item }} is negative', 'negative'),
            ok: set({ v: '{{ item }}' }),
          }),
          any: condition(when('failed', '{{ it.failed }}', 'gt', 1)),
          end: fail('{{ it.failed }} are wrong', 'too_many_wrong'),
          out: output('{{ it }}'),
        },
        ['start -> it', 'c:bad -> stop', 'c:else -> ok', 'it -> any', 'any:failed -> end', 'any:else -> out'],
      ),
    );
    const run = await ctx.api.run(id, { list: [1, -2] });
    assert.deepEqual(run.output.results, [{ v: 1 }, null]);
    assert.deepEqual(run.output.errors, [
      { index: 1, node: 'stop', code: 'negative', message: '-2 is negative' },
    ]);
    const failed = await ctx.api.run(id, { list: [-1, -2] });
    assert.deepEqual(
      [failed.state, failed.error],
      ['failed', { code: 'too_many_wrong', message: '2 are wrong', node: 'end' }],
    );
  });
});
