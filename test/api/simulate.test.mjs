/* "heddle simulate": what a user reads of how a workflow behaves under faults. No server is needed. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { heddle } from '../lib/server.mjs';
import { tempDir } from '../lib/tmp.mjs';
import { approval, call, chain, flow, output, trigger } from '../lib/flow.mjs';

describe('heddle simulate', () => {
  const dir = tempDir('simulate');
  const file = (name, value) => {
    const p = path.join(dir, name);
    fs.writeFileSync(p, typeof value === 'string' ? value : JSON.stringify(value));
    return p;
  };
  const simulate = (...args) => heddle(['simulate', ...args], { cwd: dir });
  const orders = file(
    'orders.json',
    flow(
      'Orders',
      {
        start: trigger({
          input: { type: 'object', required: ['id'], properties: { id: { type: 'integer' } } },
        }),
        look: call('https://shop.example/{{ input.id }}'),
        ask: approval('Send {{ look.body.title }}?'),
        pay: call('https://shop.example/pay', { method: 'POST', body: { n: '{{ look.body.price }}' } }),
        out: output('{{ pay.status }}'),
      },
      ['start -> look', 'look -> ask', 'ask:approve -> pay', 'pay -> out'],
    ),
  );

  test('the report says how runs end, and its seeds show each of them again', async () => {
    const r = await simulate(orders, '--seeds', '300', '--json');
    assert.equal(r.code, 1, r.stderr); /* not all succeed */
    const report = JSON.parse(r.stdout);
    assert.equal(report.done, 300);
    assert.deepEqual(report.input, { id: 1 });
    assert.deepEqual(report.broken_promises, []);
    const { succeeded, failed, stuck } = report.outcomes;
    assert.equal(succeeded.runs + failed.runs + stuck.runs, 300);
    const step = Object.fromEntries(report.steps.map((s) => [s.id, s]));
    assert.equal(step.ask.waits_for_ever, stuck.runs);
    assert.equal(step.pay.after_crash, 'fails');
    assert.equal(step.look.simulated, 'placeholder');
    assert.ok(report.duration_ms.max > 3_600_000); /* people take hours, the simulation does not */

    const args = [orders, '--seed', String(failed.seed), '--json'];
    const one = JSON.parse((await simulate(...args)).stdout);
    assert.deepEqual(Object.keys(one.outcomes), ['failed']);
    assert.ok(one.trace.some((line) => /run\.failed/.test(line.what)));
    assert.deepEqual(one, JSON.parse((await simulate(...args)).stdout));
  });

  test('in words it says what to know, and that nothing was called', async () => {
    const r = await simulate(orders);
    assert.equal(r.code, 1, r.stderr);
    assert.match(r.stdout, /Orders: 1000 simulated runs/);
    assert.match(r.stdout, /ask waits for ever when nobody answers .*: set max_wait/);
    assert.match(r.stdout, /pay is not repeated when the server dies/);
    assert.match(r.stdout, /Nothing outside was called/);
    assert.match((await simulate(orders, '--seed', '3')).stdout, /run\.started/);
  });

  test('without failures, with mocks, all is well', async () => {
    const mocks = file('mocks.json', {
      look: { output: { body: { title: 'a book', price: 3 } } },
      ask: { output: { outcome: 'approve' }, handle: 'approve' },
    });
    const r = await simulate(orders, '--fail', '0', '--mocks', mocks, '--input', '{"id": 7}', '--json');
    assert.equal(r.code, 0, r.stdout + r.stderr);
    const report = JSON.parse(r.stdout);
    assert.deepEqual(report.outcomes, { succeeded: { runs: 1000, seed: 1 } });
    assert.deepEqual(report.never_reached, []);
    assert.deepEqual(
      report.steps.filter((s) => s.simulated === 'mock').map((s) => s.id),
      ['look', 'ask'],
    );
  });

  test('a dry run from the shell calls nothing and says so', async () => {
    const dry = file(
      'dry.json',
      chain('Dry', {
        a: call('https://nowhere.invalid/x', { method: 'POST', body: { n: '{{ input.n }}' } }),
        out: output('{{ a.body.id }} {{ input.n }}'),
      }),
    );
    const r = await heddle(['run', dry, '--dry-run', '--json', '--input', '{"n": 3}'], { cwd: dir });
    assert.equal(r.code, 0, r.stderr);
    const events = r.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.equal(events[0].dry_run, true);
    assert.equal(events.find((e) => e.node === 'a').kept, 'placeholder');
    assert.equal(events.at(-1).output, 'placeholder 3');
  });

  test('what is given wrong is refused and named', async () => {
    for (const [args, code, says] of [
      [[], 2, /FILE/],
      [['nowhere.json'], 1, /nowhere\.json cannot be read/],
      [[orders, '--fail', '2'], 2, /--fail takes a number from 0 to 1, not 2/],
      [[orders, '--fail', 'often'], 2, /--fail/],
      [[orders, '--seeds', '0'], 2, /--seeds takes a number from 1/],
      [[orders, '--seed', '1', '--seeds', '2'], 2, /--seed runs one seed/],
      [[orders, '--mocks', '{"nope": {"output": 1}}'], 1, /no step "nope"/],
      [[orders, '--mocks', '{"look": {}}'], 1, /mocks\.look/],
      [[orders, '--mocks', 'nowhere.json'], 1, /nowhere\.json/],
      [[orders, '--input', '{"id": "x"}'], 1, /schema of the trigger/],
      [[orders, '--speed', '3'], 2, /--speed/],
      [[file('bad.json', { heddle: 1, name: 'x', nodes: [] })], 3, /not a valid workflow/],
    ]) {
      const r = await simulate(...args);
      assert.equal(r.code, code, `${args}: ${r.stderr}`);
      assert.match(r.stderr, says, `${args}`);
      assert.equal(r.stdout, '', `${args}`);
    }
  });
});
