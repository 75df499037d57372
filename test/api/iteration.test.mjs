/* Iterations: a body for each item of a list, at once within a limit, in order, and across crashes. */
import assert from 'node:assert/strict';
import { expectProblem, expectStatus, stepOf } from '../lib/api.mjs';
import { Gate, until } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import {
  approval,
  call,
  chain,
  condition,
  delay,
  flow,
  inside,
  iteration,
  output,
  quickRetry,
  set,
  trigger,
  waitEvent,
  when,
} from '../lib/flow.mjs';

/* start -> it {body} -> out */
const over = (name, items, body, { data = {}, edges = [], result = '{{ it }}', more } = {}) =>
  flow(
    name,
    { start: trigger(), it: iteration(items, data), ...inside('it', body), out: output(result) },
    ['start -> it', 'it -> out', ...edges],
    more,
  );
const numbers = (n) => Array.from({ length: n }, (_, i) => i);

onEachDatabase('iteration', (ctx) => {
  const { test } = ctx;
  let n = 0;
  const name = () => `items-${++n}-${ctx.db}`;
  const items = async (runId, query = 'node=it') => {
    const answer = await ctx.api.get(`/api/runs/${runId}/items?${query}`);
    expectStatus(answer, 200);
    return answer.json;
  };

  test('more items than the run may take steps are refused before the first does anything', async () => {
    const url = ctx.web.plan(name(), { body: {} });
    const run = await ctx.api.once(over('Too many', '{{ input.list }}', { c: call(url) }), {
      list: numbers(10_001),
    });
    assert.deepEqual([run.state, run.error.code, run.error.node], ['failed', 'too_large', 'it']);
    assert.match(run.error.message, /max_steps/);
    assert.equal(ctx.web.at(new URL(url).pathname).length, 0);
  });

  test('each item has its own names, and the results keep the order of the list', async () => {
    const id = await ctx.api.workflow(
      over(
        'Names',
        '{{ input.list }}',
        {
          a: set({
            n: '{{ item }}',
            i: '{{ it.index }}',
            of: '{{ it.count }}',
            from: '{{ start.list.length }}',
          }),
          c: condition(when('big', '{{ a.n }}', 'gt', 20)),
          yes: set({ big: '{{ a.n }}', i: '{{ index }}' }),
          no: set({ small: '{{ it.item }}', of: '{{ a.of }}', from: '{{ a.from }}' }),
        },
        { edges: ['a -> c', 'c:big -> yes', 'c:else -> no'], data: { parallel: 2 } },
      ),
    );
    const run = await ctx.api.run(id, { list: [10, 30, 20] });
    assert.equal(run.state, 'succeeded', JSON.stringify(run.error));
    assert.deepEqual(run.output, {
      results: [
        { small: 10, of: 3, from: 3 },
        { big: 30, i: 1 },
        { small: 20, of: 3, from: 3 },
      ],
      count: 3,
      failed: 0,
      errors: [],
    });
    const shown = await ctx.api.runOf(run.id);
    assert.deepEqual(
      shown.steps.map((s) => s.node),
      ['start', 'it', 'out'],
    );
    assert.deepEqual(stepOf(shown, 'it').items, { total: 3, done: 3, running: 0, failed: 0 });
    const page = await items(run.id, 'node=it&from=1&limit=1');
    assert.deepEqual([page.total, page.next, page.items.length], [3, 2, 1]);
    const [item] = page.items;
    assert.deepEqual([item.index, item.scope, item.state], [1, 'it[1]', 'succeeded']);
    assert.deepEqual(
      item.steps.map((s) => [s.node, s.state]),
      [
        ['a', 'succeeded'],
        ['c', 'succeeded'],
        ['yes', 'succeeded'],
        ['no', 'skipped'],
      ],
    );
    assert.deepEqual(item.steps[0].input.values, { n: 30, i: 1, of: 3, from: 3 });
  });

  test('objects, empty lists and iterations in iterations', async () => {
    const id = await ctx.api.workflow(
      flow(
        'Nested',
        {
          start: trigger(),
          outer: iteration('{{ input.by }}'),
          ...inside('outer', { inner: iteration('{{ outer.item.value }}', { parallel: 3 }) }),
          ...inside('inner', { leaf: set({ at: '{{ outer.item.key }}{{ inner.index }}', v: '{{ item }}' }) }),
          out: output('{{ outer.results }}'),
        },
        ['start -> outer', 'outer -> out'],
      ),
    );
    const run = await ctx.api.run(id, { by: { a: [1, 2], b: [], c: [3] } });
    assert.equal(run.state, 'succeeded', JSON.stringify(run.error));
    assert.deepEqual(
      run.output.map((one) => one.results),
      [
        [
          { at: 'a0', v: 1 },
          { at: 'a1', v: 2 },
        ],
        [],
        [{ at: 'c0', v: 3 }],
      ],
    );
    const page = await items(run.id, 'node=inner&scope=outer%5B0%5D');
    assert.deepEqual(
      page.items.map((i) => [i.scope, i.steps[0].output.at]),
      [
        ['outer[0]/inner[0]', 'a0'],
        ['outer[0]/inner[1]', 'a1'],
      ],
    );
    expectProblem(await ctx.api.get(`/api/runs/${run.id}/items?node=inner`), 404, 'not_found');
    expectProblem(await ctx.api.get(`/api/runs/${run.id}/items?node=inner&scope=outer`), 400, 'syntax');
    expectProblem(await ctx.api.get(`/api/runs/${run.id}/items`), 400, 'bad_input');
    assert.deepEqual((await ctx.api.run(id, { by: [] })).output, []);
  });

  test('no more items are under way than "parallel" says, and no more steps than the run may', async () => {
    for (const [parallel, max_parallel, most] of [
      [3, 16, 3],
      [10, 4, 4],
    ]) {
      const of = name();
      const gate = new Gate();
      const url = ctx.web.plan(of, { gate, body: {} });
      const id = await ctx.api.workflow(
        over(
          'Limit',
          numbers(12),
          { c: call(`${url}?i={{ index }}`) },
          {
            data: { parallel },
            more: { settings: { max_parallel } },
          },
        ),
      );
      const runId = await ctx.api.start(id, {});
      const held = () => ctx.web.at(`/plan/${of}`).length;
      await until('as many calls as may be are under way', () => held() === most);
      const { live } = { live: (await items(runId, 'node=it&limit=100')).items.length };
      assert.ok(live <= parallel, `${live} items`);
      gate.open();
      const run = await ctx.api.finished(runId);
      assert.equal(run.state, 'succeeded', JSON.stringify(run.error));
      assert.equal(held(), 12);
    }
  });

  test('a failing item fails the iteration, is left out, or is null; retries are its own', async () => {
    const bad = (url) => ({ c: call(url, { retry: quickRetry(2) }), v: set({ v: '{{ item }}' }) });
    const results = {};
    for (const on_item_error of ['fail', 'skip', 'null']) {
      const of = name();
      const url = ctx.web.plan(of, (r) => (r.url.searchParams.get('i') === '1' ? { status: 500 } : {}));
      const id = await ctx.api.workflow(
        over(on_item_error, numbers(3), bad(`${url}?i={{ item }}`), {
          edges: ['c -> v'],
          data: { parallel: 1, on_item_error },
        }),
      );
      const run = await ctx.api.run(id, {});
      results[on_item_error] = [run.state, run.output?.results ?? run.error.node];
      if (on_item_error === 'fail') assert.match(run.error.message, /^Item 1, node c: /);
      else
        assert.deepEqual(
          [run.output.failed, run.output.errors.map((e) => [e.index, e.node, e.code])],
          [1, [[1, 'c', 'unavailable']]],
        );
      assert.equal(ctx.web.at(`/plan/${of}`).length, on_item_error === 'fail' ? 3 : 4);
    }
    assert.deepEqual(results, {
      fail: ['failed', 'it'],
      skip: ['succeeded', [{ v: 0 }, { v: 2 }]],
      null: ['succeeded', [{ v: 0 }, null, { v: 2 }]],
    });
  });

  test('an iteration that fails stops the calls of its other items, and may be handled', async () => {
    const of = name();
    const gate = new Gate();
    const url = ctx.web.plan(of, (r) =>
      r.url.searchParams.get('i') === '2' ? { status: 400 } : { gate, body: {} },
    );
    const id = await ctx.api.workflow(
      flow(
        'Handled',
        {
          start: trigger(),
          it: iteration(numbers(3), { on_error: { strategy: 'branch' } }),
          ...inside('it', { c: call(`${url}?i={{ item }}`), after: set({ v: 1 }) }),
          ok: output('ok'),
          bad: output('{{ it.error }}'),
        },
        ['start -> it', 'c -> after', 'it -> ok', 'it:error -> bad'],
      ),
    );
    const run = await ctx.api.run(id, {});
    assert.equal(run.state, 'succeeded', JSON.stringify(run.error));
    assert.equal(run.output.code, 'invalid');
    assert.match(run.output.message, /^Item 2, node c: /);
    gate.open();
  });

  test('items wait for times, events and people, each for its own', async () => {
    const of = name();
    const id = await ctx.api.workflow(
      over(
        'Waits',
        '{{ input.keys }}',
        {
          d: delay(0.1),
          w: waitEvent('paid', `${of}-{{ item }}`),
          p: approval('Ship {{ item }}?'),
          done: set({ key: '{{ item }}', sum: '{{ w.data.sum }}', by: '{{ p.outcome }}' }),
        },
        { edges: ['d -> w', 'w -> p', 'p:approve -> done'] },
      ),
    );
    const keys = ['x', 'y', 'z'];
    const runId = await ctx.api.start(id, { keys });
    await until('all wait for their events', async () => {
      const page = await items(runId);
      return page.items.filter((i) => i.steps[1].state === 'waiting').length === 3;
    });
    await ctx.server.kill();
    await ctx.server.up();
    for (const key of keys)
      expectStatus(
        await ctx.api.post('/api/events', { name: 'paid', key: `${of}-${key}`, data: { sum: key + key } }),
        [200, 201, 202],
      );
    const open = await until('all wait for people', async () => {
      const list = (await ctx.api.get(`/api/approvals?run_id=${runId}`)).json.items.filter(
        (a) => a.run_id === runId,
      );
      return list.length === 3 && list;
    });
    for (const one of open)
      expectStatus(await ctx.api.post(`/api/approvals/${one.id}`, { decision: 'approve' }), [200, 201, 202]);
    const run = await ctx.api.finished(runId);
    assert.deepEqual(
      run.output.results,
      keys.map((key) => ({ key, sum: key + key, by: 'approve' })),
    );
  });

  test('after kill -9 in the middle no finished item is repeated', async () => {
    const of = name();
    const gate = new Gate();
    const url = ctx.web.plan(of, (r) =>
      Number(r.url.searchParams.get('i')) < 20 ? { body: {} } : { gate, body: {} },
    );
    const id = await ctx.api.workflow(
      over(
        'Killed',
        '{{ input.list }}',
        {
          c: call(`${url}?i={{ item }}`, { method: 'POST', body: {}, on_unknown: 'repeat' }),
          v: set({ v: '{{ item }}', s: '{{ c.status }}' }),
        },
        {
          edges: ['c -> v'],
          data: { parallel: 5 },
        },
      ),
    );
    const runId = await ctx.api.start(id, { list: numbers(40) });
    await until('twenty are done, five are held', () => ctx.web.at(`/plan/${of}`).length === 25);
    await until('and recorded', async () => stepOf(await ctx.api.runOf(runId), 'it').items.done === 20);
    await ctx.server.kill();
    gate.open();
    await ctx.server.up();
    const run = await ctx.api.finished(runId);
    assert.equal(run.state, 'succeeded', JSON.stringify(run.error));
    assert.deepEqual(
      run.output.results,
      numbers(40).map((v) => ({ v, s: 200 })),
    );
    const calls = ctx.web.at(`/plan/${of}`);
    const keys = new Map();
    for (const c of calls)
      keys.set(c.headers['idempotency-key'], (keys.get(c.headers['idempotency-key']) ?? 0) + 1);
    assert.equal(keys.size, 40, 'each item has a key of its own');
    assert.ok(keys.has(`${runId}:it[7]/c`), [...keys.keys()][0]);
    assert.equal(
      [...keys.values()].filter((times) => times > 1).length,
      5,
      'only those in flight are repeated',
    );
    assert.equal(calls.length, 45);
  });

  test('a cancel ends what is in flight in the items', async () => {
    const of = name();
    const gate = new Gate();
    const id = await ctx.api.workflow(
      over(
        'Cancelled',
        numbers(9),
        { c: call(ctx.web.plan(of, { gate, body: {} })) },
        { data: { parallel: 4 } },
      ),
    );
    const runId = await ctx.api.start(id, {});
    await until('calls are held', () => ctx.web.at(`/plan/${of}`).length === 4);
    expectStatus(await ctx.api.post(`/api/runs/${runId}/cancel`), 202);
    const run = await ctx.api.finished(runId);
    assert.deepEqual([run.state, stepOf(run, 'it').state], ['cancelled', 'skipped']);
    gate.open();
    assert.equal(ctx.web.at(`/plan/${of}`).length, 4);
  });

  test('watchers see which item an event is of', async () => {
    const id = await ctx.api.workflow(
      over('Watched', [7, 8], { v: set({ v: '{{ item }}' }) }, { data: { parallel: 1 } }),
    );
    const run = await ctx.api.run(id, {});
    const events = await (await ctx.api.events(run.id)).all();
    assert.deepEqual(
      events.filter((e) => e.json.node === 'it' || e.json.node === 'v').map((e) => [e.event, e.json.scope]),
      [
        ['step.opened', undefined],
        ['step.finished', 'it[0]'],
        ['step.finished', 'it[1]'],
        ['step.finished', undefined],
      ],
    );
  });

  test('run again from behind it, an iteration keeps its results; it runs again as a whole', async () => {
    const of = name();
    const url = ctx.web.plan(of, {});
    const id = await ctx.api.workflow(
      over(
        'Again',
        numbers(4),
        { c: call(`${url}?i={{ item }}`), v: set({ n: '{{ item }}' }) },
        {
          edges: ['c -> v'],
          result: '{{ it.results }}',
        },
      ),
    );
    const run = await ctx.api.run(id, {});
    const again = async (body) => ctx.api.post(`/api/runs/${run.id}/rerun`, { mode: 'wait', ...body });
    const kept = await again({ from: 'out' });
    expectStatus(kept, 200);
    assert.deepEqual([kept.json.output, stepOf(kept.json, 'it').kept], [run.output, 'run']);
    assert.equal(ctx.web.at(`/plan/${of}`).length, 4);
    expectProblem(await again({ from: 'v' }), 422, 'invalid');
    const whole = await again({ from: 'it' });
    assert.deepEqual(whole.json.output, run.output);
    assert.equal(ctx.web.at(`/plan/${of}`).length, 8);
  });

  test('what cannot be kept in the journal fails its items, and the run ends all the same', async () => {
    const id = await ctx.api.workflow(
      over(
        'Full',
        numbers(60),
        { v: set({ copy: '{{ input.text }}', i: '{{ index }}' }) },
        {
          data: { on_item_error: 'skip', parallel: 1 },
          result: {
            n: '{{ it.results.length }}',
            failed: '{{ it.failed }}',
            first: '{{ it.errors[0].code }}',
          },
        },
      ),
    );
    const run = await ctx.api.run(id, { text: 'x'.repeat(4 << 20) });
    assert.equal(run.state, 'succeeded', JSON.stringify(run.error));
    assert.equal(run.output.first, 'too_large');
    assert.ok(run.output.n > 20 && run.output.n < 32, `${run.output.n} of 4 MiB each`);
    assert.equal(run.output.failed, 60 - run.output.n);
  });

  test('lists that are none, or too long, are errors of the step; 20,000 items are not', async () => {
    const id = await ctx.api.workflow(
      over(
        'Long',
        '{{ input.list }}',
        { v: set({ i: '{{ index }}' }) },
        {
          data: { max_items: 20000, parallel: 50 },
          result: { n: '{{ it.results.length }}', last: '{{ it.results[19999].i }}' },
          more: { settings: { max_steps: 100000 } },
        },
      ),
    );
    const none = await ctx.api.run(id, { list: 'x' });
    assert.deepEqual([none.error.code, none.error.node], ['invalid', 'it']);
    const long = await ctx.api.run(id, { list: numbers(20001) });
    assert.equal(long.error.code, 'too_large');
    assert.match(long.error.message, /20001 items/);
    const run = await ctx.api.run(id, { list: numbers(20000) });
    assert.deepEqual(run.output, { n: 20000, last: 19999 }, JSON.stringify(run.error));
    const shown = await ctx.api.get(`/api/runs/${run.id}`);
    assert.equal(stepOf(shown.json, 'it').output.results.length, 100, 'the answer stays small');
    const page = await items(run.id, 'node=it&from=19990&limit=100');
    assert.deepEqual(
      page.items.map((i) => i.index),
      numbers(10).map((i) => 19990 + i),
    );
  });

  test('what is wrong with a body names the node', async () => {
    const wrong = async (definition, code, node) => {
      const answer = await ctx.api.post('/api/workflows', definition);
      const problem = (answer.json.errors ?? answer.json.problems ?? []).find((p) => p.code === code);
      assert.ok(problem, `${code}: ${JSON.stringify(answer.json).slice(0, 500)}`);
      assert.equal(problem.node, node);
    };
    const base = over('x', [1], { v: set({ v: 1 }) });
    const change = (fn) => {
      const copy = structuredClone(base);
      fn(copy, (id) => copy.nodes.find((one) => one.id === id));
      return copy;
    };
    await wrong(chain('x', { it: iteration([1]) }), 'empty_body', 'it');
    await wrong(
      change((_, node) => (node('v').parentId = 'out')),
      'bad_parent',
      'v',
    );
    await wrong(
      change((_, node) => (node('v').parentId = 'nope')),
      'unknown_node',
      'v',
    );
    await wrong(
      change((_, node) => (node('start').parentId = 'it')),
      'bad_parent',
      'start',
    );
    await wrong(
      change((_, node) => (node('it').parentId = 'it')),
      'too_deep',
      'it',
    );
    await wrong(
      change((_, node) => (node('it').data.retry = { max_attempts: 2 })),
      'not_used',
      'it',
    );
    await wrong(
      change((_, node) => (node('out').data.output = '{{ v }}')),
      'not_before',
      'out',
    );
    await wrong(
      change((_, node) => (node('out').data.output = '{{ item }}')),
      'unknown_name',
      'out',
    );
    await wrong(
      change((d) => d.edges.push({ id: 'x', source: 'start', target: 'v' })),
      'crosses_body',
      '',
    );
  });
});
