/* Attempts, waits, limits, error strategies, and the shapes of graphs. */
import assert from 'node:assert/strict';
import { stepOf } from '../lib/api.mjs';
import { Gate, slow, until } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import {
  call,
  chain,
  condition,
  flow,
  noRetry,
  output,
  quickRetry,
  set,
  trigger,
  when,
} from '../lib/flow.mjs';

onEachDatabase('strategy', (ctx) => {
  const { test } = ctx;
  let n = 0;
  const plan = (...entries) => {
    const name = `s${++n}-${ctx.db}`;
    return [ctx.web.plan(name, ...entries), () => ctx.web.at(`/plan/${name}`)];
  };

  test('attempts are counted, and no more are made than allowed', async () => {
    const [url, seen] = plan({ status: 503 });
    const run = await ctx.api.once(chain('Three', { a: call(url, { retry: quickRetry(3) }) }), {});
    assert.deepEqual([run.state, seen().length, stepOf(run, 'a').attempts], ['failed', 3, 3]);
  });

  test('waits grow, are capped, and are never shorter than set', async () => {
    const [url, seen] = plan({ status: 503 }, { status: 503 }, { status: 503 }, { status: 503 }, {});
    await ctx.api.once(
      chain('Grows', {
        a: call(url, {
          retry: { max_attempts: 5, backoff: 'exponential', delay: '100ms', max_delay: '300ms', jitter: 0 },
        }),
      }),
      {},
    );
    const gaps = seen()
      .slice(1)
      .map((r, i) => r.at - seen()[i].at);
    [100, 200, 300, 300].forEach((least, i) =>
      assert.ok(gaps[i] >= least - 5, `gap ${i} is ${gaps[i]} ms, ${least} at least`),
    );
  });

  test('only the reasons listed are tried again', async () => {
    const tried = async (entry, on, more = {}) => {
      const [url, seen] = plan(entry);
      await ctx.api.once(chain('On', { a: call(url, { retry: { ...quickRetry(3), on }, ...more }) }), {});
      return seen().length;
    };
    assert.equal(await tried({ status: 503 }, ['unavailable']), 3);
    assert.equal(await tried({ status: 503 }, ['rate_limited', 'timeout']), 1);
    assert.equal(await tried({ status: 429 }, ['rate_limited']), 3);
    assert.equal(await tried({ status: 429 }, ['unavailable']), 1);
    assert.equal(await tried({ hang: true }, ['timeout'], { timeout: '200ms' }), 3);
    assert.equal(await tried({ hang: true }, ['unavailable'], { timeout: '200ms' }), 1);
    assert.equal(await tried({ status: 400 }, ['timeout', 'rate_limited', 'unavailable']), 1);
    assert.equal(await tried({ status: 404 }, ['any']), 3);
    assert.equal(await tried({ status: 400 }, ['any']), 1, 'what is refused for good stays refused');
  });

  test('total_timeout bounds all attempts and the waits between them', async () => {
    const [url, seen] = plan({ status: 503 });
    const at = Date.now();
    const run = await ctx.api.once(
      chain('Total', {
        a: call(url, {
          total_timeout: '1s',
          retry: { max_attempts: 100, delay: '150ms', backoff: 'constant', jitter: 0 },
        }),
      }),
      {},
    );
    assert.equal(run.state, 'failed');
    assert.ok(seen().length >= 2 && seen().length <= 8, `${seen().length} attempts`);
    assert.ok(Date.now() - at < 20_000 * slow);
  });

  test('a default output lets the run go on', async () => {
    const run = await ctx.api.once(
      chain('Default', {
        a: call(`${ctx.web.origin}/status/500`, {
          retry: noRetry,
          on_error: { strategy: 'default', output: { body: { v: 'none' } } },
        }),
        out: output('{{ a.body.v }}'),
      }),
      {},
    );
    assert.deepEqual([run.state, run.output, run.error], ['succeeded', 'none', null]);
    const step = stepOf(run, 'a');
    assert.deepEqual(step.output, { body: { v: 'none' } });
    assert.ok(step.error, 'the step still says what went wrong');
  });

  test('the error branch is taken, the other is not', async () => {
    const definition = flow(
      'Branch',
      {
        start: trigger(),
        a: call('{{ input.url }}', { retry: noRetry, on_error: { strategy: 'branch' } }),
        fine: output({ went: 'fine', status: '{{ a.status }}' }),
        wrong: output({ went: 'wrong', code: '{{ a.error.code }}', message: '{{ a.error.message }}' }),
      },
      ['start -> a', 'a -> fine', 'a:error -> wrong'],
    );
    const id = await ctx.api.workflow(definition);
    assert.deepEqual((await ctx.api.run(id, { url: `${ctx.web.origin}/echo` })).output, {
      went: 'fine',
      status: 200,
    });
    const run = await ctx.api.run(id, { url: `${ctx.web.origin}/status/500` });
    assert.equal(run.state, 'succeeded');
    assert.equal(run.output.went, 'wrong');
    assert.match(run.output.message, /500/);
    assert.deepEqual([stepOf(run, 'fine').state, stepOf(run, 'a').handle], ['skipped', 'error']);
  });

  test('one failure ends the run and stops what else is under way', async () => {
    const gate = new Gate();
    const [held, seen] = plan({ gate });
    const [broken] = plan({ gate, status: 400 });
    const id = await ctx.api.workflow(
      flow(
        'One',
        {
          start: trigger(),
          long: call(`${ctx.web.origin}/hang/one-${ctx.db}`, { timeout: '60s' }),
          bad: call(broken, { retry: noRetry }),
          after: call(held),
        },
        ['start -> long', 'start -> bad', 'long -> after'],
      ),
    );
    const runId = await ctx.api.start(id, {});
    await ctx.web.reached(1, (r) => r.path === `/hang/one-${ctx.db}`);
    gate.open();
    const run = await ctx.api.finished(runId);
    assert.equal(run.state, 'failed');
    await until('the other call is closed', () => ctx.web.at(`/hang/one-${ctx.db}`)[0].leftAt);
    assert.equal(seen().length, 0);
    for (const s of run.steps) assert.notEqual(s.state, 'running', s.node);
  });

  test('branches run at the same time', async () => {
    /* Each answer waits until all have been asked for: one after the other would never end. */
    const gate = new Gate();
    const [url, seen] = plan({ gate });
    const nodes = { start: trigger() };
    const edges = [];
    for (let i = 0; i < 10; i++) {
      nodes[`b${i}`] = call(url, { timeout: '60s' });
      edges.push(`start -> b${i}`, `b${i} -> out`);
    }
    nodes.out = output('joined');
    const runId = await ctx.api.start(await ctx.api.workflow(flow('Fan', nodes, edges)), {});
    await until('all ten are in flight', () => seen().length === 10);
    gate.open();
    assert.equal((await ctx.api.finished(runId)).output, 'joined');
  });

  test('max_parallel is a bound', async () => {
    const gates = Array.from({ length: 7 }, () => new Gate());
    const [url, seen] = plan(...gates.map((gate) => ({ gate })));
    const nodes = { start: trigger() };
    for (let i = 0; i < 7; i++) nodes[`b${i}`] = call(url, { timeout: '60s' });
    const runId = await ctx.api.start(
      await ctx.api.workflow(
        flow(
          'Two',
          nodes,
          Array.from({ length: 7 }, (_, i) => `start -> b${i}`),
          { settings: { max_parallel: 2 } },
        ),
      ),
      {},
    );
    for (let i = 0; i < 7; i++) {
      await until(`call ${i}`, () => seen().length > i);
      const open = seen().filter((r) => !r.answeredAt).length;
      assert.ok(open <= 2, `${open} at once`);
      if (i >= 1) gates[i - 1].open();
    }
    gates[6].open();
    assert.equal((await ctx.api.finished(runId)).state, 'succeeded');
  });

  test('a join waits for all that are taken and ignores what is skipped', async () => {
    const run = await ctx.api.once(
      flow(
        'Diamond',
        {
          start: trigger(),
          c: condition(when('yes', '{{ input.go }}', 'is_true')),
          l: set({ v: 1 }),
          r: set({ v: 2 }),
          deep: set({ v: 3 }),
          join: set({ l: '{{ l?.v }}', both: 'joined' }),
          never: output('never'),
        },
        ['start -> c', 'c:yes -> l', 'c:else -> r', 'r -> deep', 'l -> join', 'deep -> join', 'r -> never'],
      ),
      { go: true },
    );
    assert.deepEqual(run.output, { l: 1, both: 'joined' });
    assert.deepEqual(
      ['r', 'deep', 'never'].map((id) => stepOf(run, id).state),
      ['skipped', 'skipped', 'skipped'],
    );
  });

  test('several outputs are an object by node', async () => {
    const run = await ctx.api.once(
      flow('Outs', { start: trigger(), a: output(1), b: output({ x: 2 }) }, ['start -> a', 'start -> b']),
      {},
    );
    assert.deepEqual(run.output, { a: 1, b: { x: 2 } });
  });

  test('max_steps counts attempts and ends a run that goes on too long', async () => {
    const [url, seen] = plan({ status: 503 });
    const run = await ctx.api.once(
      chain('Steps', { a: call(url, { retry: quickRetry(50) }) }, { settings: { max_steps: 5 } }),
      {},
    );
    assert.equal(run.state, 'failed');
    assert.equal(run.error.code, 'too_many_steps');
    assert.ok(seen().length <= 5 && seen().length >= 3, `${seen().length}`);
  });

  test('the time of a run is a bound on everything in it', async () => {
    const at = Date.now();
    const run = await ctx.api.once(
      chain(
        'Bounded',
        { a: call(`${ctx.web.origin}/hang/bound-${ctx.db}`, { timeout: '50s', retry: quickRetry(5) }) },
        { settings: { timeout: '600ms' } },
      ),
      {},
    );
    assert.deepEqual([run.state, run.error.code], ['failed', 'timeout']);
    assert.ok(Date.now() - at < 20_000 * slow, `${Date.now() - at} ms`);
    await until('the call is closed', () => ctx.web.at(`/hang/bound-${ctx.db}`)[0].leftAt);
  });

  test('long chains, wide fans and a graph of 2,000 nodes run', async () => {
    const long = { n0: set({ i: 0 }) };
    for (let i = 1; i < 500; i++) long[`n${i}`] = set({ i: `{{ n${i - 1}.i }}` });
    assert.deepEqual((await ctx.api.once(chain('Long', long), {})).output, { i: 0 });
    const nodes = { start: trigger() };
    const edges = [];
    for (let i = 0; i < 1000; i++) {
      nodes[`a${i}`] = set({ i });
      nodes[`b${i}`] = set({ v: `{{ a${i}.i }}` });
      edges.push(`start -> a${i}`, `a${i} -> b${i}`, `b${i} -> out`);
    }
    nodes.out = output('{{ b999.v }}');
    const run = await ctx.api.once(flow('Wide', nodes, edges), {});
    assert.deepEqual([run.state, run.output, run.steps.length], ['succeeded', 999, 2002]);
  });
});
