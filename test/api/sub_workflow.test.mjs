/* Workflows that run other workflows: results, failures, cancels, timeouts, crashes, circles. */
import assert from 'node:assert/strict';
import { expectProblem, expectStatus, stepOf } from '../lib/api.mjs';
import { Gate, until } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import {
  call,
  chain,
  flow,
  inside,
  iteration,
  noRetry,
  output,
  set,
  sub,
  trigger,
  waitEvent,
} from '../lib/flow.mjs';

onEachDatabase('sub-workflows', (ctx) => {
  const { test } = ctx;
  let n = 0;
  const unique = (name) => `${name} ${++n} ${ctx.db}`;

  const double = () =>
    chain(unique('Double'), { out: output({ twice: ['{{ input.n }}', '{{ input.n }}'] }) });
  const children = (run) => run.children.map((c) => [c.node, c.state, c.waited_for]);

  test('a step gives the result of the run of another workflow', async () => {
    const definition = double();
    const child = await ctx.api.published(definition);
    for (const workflow of [child, definition.name, '{{ input.which }}']) {
      const run = await ctx.api.once(
        chain('Parent', {
          a: sub(workflow, { input: { n: '{{ input.n }}' } }),
          out: output('{{ a.twice }}'),
        }),
        { n: 7, which: child },
      );
      assert.deepEqual([run.state, run.output], ['succeeded', [7, 7]], JSON.stringify(run.error));
      const whole = await ctx.api.runOf(run.id);
      assert.deepEqual(children(whole), [['a', 'succeeded', true]]);
      const [below] = whole.children;
      assert.deepEqual([below.workflow_id, below.workflow_name], [child, definition.name]);
      const doc = await ctx.api.runOf(below.run_id);
      assert.deepEqual([doc.trigger, doc.version, doc.input], ['workflow', 1, { n: 7 }]);
      assert.deepEqual(doc.parent, { run_id: run.id, node: 'a' });
      const list = (await ctx.api.get(`/api/runs?parent=${run.id}`)).json.items;
      assert.deepEqual(
        list.map((r) => r.id),
        [below.run_id],
      );
    }
  });

  test('steps beside each other have runs of their own at the same time', async () => {
    const gate = new Gate();
    const name = `beside-${ctx.db}`;
    const url = ctx.web.plan(name, { gate, body: { ok: 1 } });
    const child = await ctx.api.published(chain(unique('Held'), { c: call(url) }));
    const id = await ctx.api.start(
      await ctx.api.workflow(
        flow('Beside', { t: trigger(), a: sub(child), b: sub(child), c: sub(child) }, [
          't -> a',
          't -> b',
          't -> c',
        ]),
      ),
      {},
    );
    await until('all three are under way', () => ctx.web.at(`/plan/${name}`).length === 3);
    assert.equal((await ctx.api.runOf(id)).state, 'waiting');
    gate.open();
    const run = await ctx.api.finished(id);
    assert.equal(run.state, 'succeeded');
    assert.equal(run.children.length, 3);
  });

  test('the failure of the run is the failure of the step, with its error', async () => {
    const child = await ctx.api.published(
      chain(unique('Broken'), { c: call(`${ctx.web.origin}/status/404`, { retry: noRetry }) }),
    );
    const failed = await ctx.api.once(chain('Fails', { a: sub(child) }), {});
    assert.deepEqual([failed.state, failed.error.code, failed.error.node], ['failed', 'not_found', 'a']);
    assert.match(failed.error.message, /Broken.*step "c".*404/);
    const handled = await ctx.api.once(
      flow(
        'Handles',
        {
          t: trigger(),
          a: sub(child, { on_error: { strategy: 'branch' } }),
          out: output('{{ a.error.code }}'),
        },
        ['t -> a', 'a:error -> out'],
      ),
      {},
    );
    assert.deepEqual([handled.state, handled.output], ['succeeded', 'not_found']);
    /* An attempt is a run. */
    const tried = await ctx.api.once(
      chain('Tries', { a: sub(child, { retry: { max_attempts: 3, delay: '10ms', on: ['any'] } }) }),
      {},
    );
    assert.equal(tried.state, 'failed');
    assert.equal(stepOf(tried, 'a').attempts, 3);
    assert.equal((await ctx.api.runOf(tried.id)).children.length, 3);
  });

  test('the input must meet the schema of the other workflow', async () => {
    const child = await ctx.api.published(
      flow(
        unique('Strict'),
        { t: trigger({ input: { type: 'object', required: ['n'] } }), out: output('{{ input.n }}') },
        ['t -> out'],
      ),
    );
    const run = await ctx.api.once(chain('Sloppy', { a: sub(child, { input: { m: 1 } }) }), {});
    assert.deepEqual([run.state, run.error.code], ['failed', 'invalid']);
    assert.deepEqual((await ctx.api.runOf(run.id)).children, []);
  });

  test('who is cancelled takes the runs below along, however deep', async () => {
    const low = await ctx.api.published(chain(unique('Low'), { w: waitEvent('never') }));
    const mid = await ctx.api.published(chain(unique('Mid'), { a: sub(low) }));
    const id = await ctx.api.start(await ctx.api.workflow(chain('Top', { a: sub(mid) })), {});
    const below = async (run) => (await ctx.api.runOf(run)).children[0]?.run_id;
    const midRun = await until('the middle is there', () => below(id));
    const lowRun = await until('the lowest is there', () => below(midRun));
    await until('it waits', async () => (await ctx.api.runOf(lowRun)).state === 'waiting');
    expectStatus(await ctx.api.post(`/api/runs/${id}/cancel`), 202);
    for (const run of [id, midRun, lowRun]) assert.equal((await ctx.api.finished(run)).state, 'cancelled');
  });

  test('a run that is cancelled below fails the step above', async () => {
    const child = await ctx.api.published(chain(unique('Stopped'), { w: waitEvent('never') }));
    const id = await ctx.api.start(await ctx.api.workflow(chain('Above', { a: sub(child) })), {});
    const below = await until('it is there', async () => (await ctx.api.runOf(id)).children[0]?.run_id);
    expectStatus(await ctx.api.post(`/api/runs/${below}/cancel`), 202);
    const run = await ctx.api.finished(id);
    assert.deepEqual([run.state, run.error.code], ['failed', 'cancelled']);
  });

  test('after max_wait the way "timeout" is taken and the other run is stopped', async () => {
    const child = await ctx.api.published(chain(unique('Slow'), { w: waitEvent('never') }));
    const run = await ctx.api.once(
      flow('Hurry', { t: trigger(), a: sub(child, { max_wait: '300ms' }), late: output('{{ a.outcome }}') }, [
        't -> a',
        'a:timeout -> late',
      ]),
      {},
    );
    assert.deepEqual([run.state, run.output], ['succeeded', 'timeout']);
    const [below] = (await ctx.api.runOf(run.id)).children;
    assert.equal((await ctx.api.finished(below.run_id)).state, 'cancelled');
  });

  test('without waiting the step ends at once and the other run lives on', async () => {
    const child = await ctx.api.published(chain(unique('Alone'), { w: waitEvent('go', '{{ input.key }}') }));
    const key = unique('key');
    const run = await ctx.api.once(
      chain('Forgets', { a: sub(child, { input: { key }, wait: false }), out: output('{{ a.run_id }}') }),
      {},
    );
    assert.equal(run.state, 'succeeded');
    assert.equal(run.output, (await ctx.api.runOf(run.id)).children[0].run_id);
    expectStatus(await ctx.api.post('/api/events', { name: 'go', key }), 202);
    assert.equal((await ctx.api.finished(run.output)).state, 'succeeded');
  });

  test('the items of a list may each have a run of their own', async () => {
    const child = await ctx.api.published(chain(unique('Item'), { out: output('<{{ input.n }}>') }));
    const run = await ctx.api.once(
      flow(
        'Each',
        {
          start: trigger(),
          it: iteration('{{ input.list }}', { parallel: 4 }),
          ...inside('it', { a: sub(child, { input: { n: '{{ item }}' } }) }),
          out: output('{{ it.results }}'),
        },
        ['start -> it', 'it -> out'],
      ),
      { list: Array.from({ length: 12 }, (_, i) => i) },
    );
    assert.deepEqual(
      run.output,
      Array.from({ length: 12 }, (_, i) => `<${i}>`),
    );
    assert.equal((await ctx.api.runOf(run.id)).children.length, 12);
  });

  test('a failure in one item stops the runs of the others', async () => {
    const child = await ctx.api.published(
      chain(unique('One fails'), {
        c: call(`${ctx.web.origin}/status/{{ input.status }}`, { retry: noRetry }),
        w: waitEvent('never'),
      }),
    );
    const run = await ctx.api.once(
      flow(
        'Each fails',
        {
          start: trigger(),
          it: iteration('{{ input.list }}', { parallel: 3 }),
          ...inside('it', { a: sub(child, { input: { status: '{{ item }}' } }) }),
        },
        ['start -> it'],
      ),
      { list: [200, 200, 404] },
    );
    assert.deepEqual([run.state, run.error.code], ['failed', 'not_found']);
    for (const below of (await ctx.api.runOf(run.id)).children)
      assert.match((await ctx.api.finished(below.run_id)).state, /failed|cancelled/);
  });

  test('a run that is started so waits at the gate of its workflow like any other', async () => {
    const gate = new Gate();
    const name = `gated-${ctx.db}`;
    const url = ctx.web.plan(name, { gate, body: { ok: 1 } });
    const child = await ctx.api.published(
      chain(
        unique('Gated'),
        { c: call(url, { timeout: '120s' }) },
        {
          settings: { flow: { concurrency: 1, rate_limit: { limit: 1, per: '1h' } } },
        },
      ),
    );
    const id = await ctx.api.start(
      await ctx.api.workflow(
        flow('Two', { t: trigger(), a: sub(child), b: sub(child) }, ['t -> a', 't -> b']),
      ),
      {},
    );
    await until('one is under way and one waits', async () => {
      const states = (await ctx.api.runOf(id)).children.map((c) => c.state).sort();
      return ctx.web.at(`/plan/${name}`).length === 1 && String(states) === 'queued,running';
    });
    gate.open();
    assert.equal((await ctx.api.finished(id)).state, 'succeeded');
    assert.equal(ctx.web.at(`/plan/${name}`).length, 2);
  });

  test('a circle is refused, and depth has an end', async () => {
    const self = unique('Self');
    const selfId = await ctx.api.published(chain(self, { a: sub(self) }));
    const run = await ctx.api.run(selfId, {});
    assert.deepEqual([run.state, run.error.code], ['failed', 'invalid']);
    assert.match(run.error.message, /would run itself/);
    /* Round about: A runs B runs A. */
    const [a, b] = [unique('A'), unique('B')];
    const top = await ctx.api.published(chain(a, { x: sub(b) }));
    await ctx.api.published(chain(b, { x: sub(a) }));
    const round = await ctx.api.run(top, {});
    assert.match(round.error.message, /would run itself/);
    let last = await ctx.api.published(chain(unique('Deep'), { s: set({ x: 1 }) }));
    for (let i = 0; i < 17; i++) last = await ctx.api.published(chain(unique('Deep'), { x: sub(last) }));
    const deep = await ctx.api.run(last, {});
    assert.equal(deep.state, 'failed');
    assert.match(deep.error.message, /16 deep/);
  });

  test('what cannot be found is said by name', async () => {
    const draft = unique('Only a draft');
    await ctx.api.workflow(chain(draft, { s: set({ x: 1 }) }));
    for (const [name, said] of [
      ['Nobody', /no workflow "Nobody"/],
      [crypto.randomUUID(), /no workflow/],
      [draft, /no published version/],
    ]) {
      const run = await ctx.api.once(chain('Seeks', { a: sub(name) }), {});
      assert.deepEqual([run.state, run.error.code], ['failed', 'not_found']);
      assert.match(run.error.message, said);
    }
    const twice = unique('Twice');
    for (let i = 0; i < 2; i++) await ctx.api.published(chain(twice, { s: set({ x: 1 }) }));
    const run = await ctx.api.once(chain('Seeks', { a: sub(twice) }), {});
    assert.match(run.error.message, /Several workflows/);
    expectProblem(
      await ctx.api.post('/api/workflows', chain('Odd', { a: sub('x', { wait: false, max_wait: '1s' }) })),
      422,
      'invalid',
    );
    expectProblem(await ctx.api.get('/api/runs?parent=x'), 400, 'bad_input');
    expectProblem(await ctx.api.get(`/api/runs?parent=${run.id}&state=failed`), 400, 'bad_input');
  });

  test('a crash starts no child twice and loses no result', async () => {
    const gate = new Gate();
    const name = `crash-child-${ctx.db}`;
    const url = ctx.web.plan(name, { gate, body: { v: 5 } });
    const child = await ctx.api.published(
      chain(unique('Survivor'), { c: call(url, { timeout: '120s' }), out: output('{{ c.body.v }}') }),
    );
    const id = await ctx.api.start(
      await ctx.api.workflow(chain('Crashes', { a: sub(child), out: output('{{ a }}') })),
      {},
    );
    await until('the call is under way', () => ctx.web.at(`/plan/${name}`).length);
    await ctx.server.killAndRestart();
    await ctx.server.killAndRestart();
    gate.open();
    const run = await ctx.api.finished(id);
    assert.deepEqual([run.state, run.output], ['succeeded', 5], JSON.stringify(run.error));
    assert.equal(run.children.length, 1);
    const runs = (await ctx.api.get(`/api/runs?workflow_id=${child}`)).json.items;
    assert.equal(runs.length, 1);
  });
});
