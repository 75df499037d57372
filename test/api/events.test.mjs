/* The event stream of a run: whole, in order, resumable anywhere, awake, and over when the run is. */
import assert from 'node:assert/strict';
import { EventSource } from 'eventsource';
import { expectProblem } from '../lib/api.mjs';
import { Gate, until, within } from '../lib/gate.mjs';
import { Proxy } from '../lib/proxy.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import {
  call,
  chain,
  condition,
  flow,
  llm,
  noRetry,
  output,
  quickRetry,
  set,
  trigger,
  when,
} from '../lib/flow.mjs';

const ends = ['run.succeeded', 'run.failed', 'run.cancelled'];
const kinds = [
  'run.started',
  'step.started',
  'step.finished',
  'step.failed',
  'step.skipped',
  'run.waiting',
  'run.resumed',
  'run.cancel_requested',
  ...ends,
];

/* What must hold for the journaled events of any run. */
function checkStream(events, runId) {
  const journaled = events.filter((e) => e.id !== null);
  journaled.forEach((e, i) => {
    assert.equal(e.json.seq, i + 1, 'sequence numbers have no gap');
    assert.equal(e.id, String(e.json.seq));
    assert.equal(e.event, e.json.type);
    assert.ok(kinds.includes(e.event), e.event);
    assert.equal(e.json.run_id, runId);
    assert.match(e.json.at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/);
    if (i) assert.ok(e.json.at >= journaled[i - 1].json.at, 'times do not go back');
    assert.equal(ends.includes(e.event), i === journaled.length - 1, 'the end comes last and once');
  });
  assert.equal(journaled[0].event, 'run.started');
  const open = new Set();
  for (const { json: e } of journaled) {
    if (e.type === 'step.started') {
      assert.ok(!open.has(e.node), `${e.node} started twice`);
      open.add(e.node);
    } else if (e.type === 'step.finished' || e.type === 'step.failed') {
      open.delete(e.node); /* a pure step is told by its end alone */
    }
  }
  return journaled;
}

onEachDatabase('events', (ctx) => {
  const { test } = ctx;
  /* Every kind of step: retried, failed and handled, skipped, parallel. */
  const rich = () =>
    flow(
      'Rich',
      {
        start: trigger(),
        flaky: call(ctx.web.plan(`flaky-${Math.random()}`, { status: 503 }, { body: { v: 2 } }), {
          retry: quickRetry(3),
        }),
        broken: call(`${ctx.web.origin}/status/500`, {
          retry: noRetry,
          on_error: { strategy: 'default', output: { v: 0 } },
        }),
        pick: condition(when('two', '{{ flaky.body.v }}', 'equals', 2)),
        two: set({ chosen: 'two' }),
        other: set({ chosen: 'other' }),
        out: output({ v: '{{ broken.v }}', chosen: '{{ two.chosen }}' }),
      },
      [
        'start -> flaky',
        'start -> broken',
        'flaky -> pick',
        'pick:two -> two',
        'pick:else -> other',
        'two -> out',
        'other -> out',
        'broken -> out',
      ],
    );

  test('a run is told from its start to its end, in order', async () => {
    const s = await ctx.api.stream(await ctx.api.workflow(rich()), {});
    const events = await s.all();
    const list = checkStream(events, events[0].json.run_id).map((e) => e.json);
    const of = (type, node) => list.filter((e) => e.type === type && e.node === node);
    assert.deepEqual(
      of('step.started', 'flaky').map((e) => e.attempt),
      [1, 2],
    );
    const [failed] = of('step.failed', 'flaky');
    assert.equal(typeof failed.error.code, 'string');
    assert.equal(typeof failed.error.message, 'string');
    assert.match(failed.retry_at, /Z$/);
    assert.equal(of('step.failed', 'broken')[0].handled, 'default');
    assert.equal(of('step.finished', 'pick')[0].handle, 'two');
    assert.equal(of('step.skipped', 'other').length, 1);
    assert.deepEqual(of('step.finished', 'flaky')[0].output.body, { v: 2 });
    assert.ok(of('step.finished', 'flaky')[0].duration_ms >= 0);
    assert.deepEqual(list.at(-1).output, { v: 0, chosen: 'two' });
  });

  test('a stream resumed at any position gives exactly the rest', async () => {
    const id = (await ctx.api.once(rich(), {})).id;
    const all = await (await ctx.api.events(id)).all();
    checkStream(all, id);
    for (let at = 0; at <= all.length; at++) {
      const rest = await (await ctx.api.events(id, at)).all();
      assert.deepEqual(
        rest.map((e) => e.data),
        all.slice(at).map((e) => e.data),
        `after ${at}`,
      );
    }
    const byQuery = await ctx.api.sse('GET', `/api/runs/${id}/events?last_event_id=3`);
    assert.deepEqual(
      (await byQuery.all()).map((e) => e.id),
      all.slice(3).map((e) => e.id),
    );
  });

  test('positions that make no sense are refused or give nothing twice', async () => {
    const id = (await ctx.api.once(rich(), {})).id;
    assert.deepEqual(await (await ctx.api.events(id, 100000)).all(), []);
    for (const odd of ['abc', '-1', '1.5', '99999999999999999999999']) {
      const r = await ctx.api.get(`/api/runs/${id}/events`, { headers: { 'last-event-id': odd } });
      assert.ok([200, 400].includes(r.status), `${odd}: ${r.status}`);
      if (r.status === 400) expectProblem(r, 400);
    }
  });

  test('watchers who come early, in between and late see the same', async () => {
    const gate = new Gate();
    const id = await ctx.api.workflow(
      chain('Watched', { a: set({ x: 1 }), held: call(ctx.web.plan('watched', { gate })), b: set({ y: 2 }) }),
    );
    const runId = await ctx.api.start(id, {});
    const early = await ctx.api.events(runId);
    await early.nextWith((e) => e.event === 'step.started' && e.json.node === 'held');
    const [between, third] = await Promise.all([ctx.api.events(runId), ctx.api.events(runId, 2)]);
    gate.open();
    const [seen, tail] = await Promise.all([between.all(), third.all(), early.all()]);
    checkStream(seen, runId);
    const late = await (await ctx.api.events(runId)).all();
    assert.deepEqual(
      late.map((e) => e.data),
      seen.map((e) => e.data),
    );
    assert.deepEqual(
      tail.map((e) => e.data),
      seen.slice(2).map((e) => e.data),
    );
  });

  test('pieces of a model answer come live, without id, and end in what is journaled', async () => {
    const half = new Gate();
    ctx.model.script('pieces', {
      pieces: ['One ', 'two ', 'three ', 'four.'],
      piece_gate: { after: 2, gate: half },
    });
    const s = await ctx.api.stream(
      await ctx.api.workflow(chain('Live', { m: llm('pieces', 'count'), out: output('{{ m.text }}') })),
      {},
    );
    let text = '';
    while (text !== 'One two ') {
      const e = await s.nextWith((x) => x.event === 'step.delta');
      assert.equal(e.id, null);
      assert.equal(e.json.node, 'm');
      text += e.json.text;
    }
    half.open();
    const events = await s.all();
    text += events
      .filter((e) => e.event === 'step.delta')
      .map((e) => e.json.text)
      .join('');
    assert.equal(text, 'One two three four.');
    const finished = events.find((e) => e.event === 'step.finished' && e.json.node === 'm');
    assert.equal(finished.json.output.text, 'One two three four.');
  });

  test('who starts a run and streams it hears every word, however quick the model is', async () => {
    const id = await ctx.api.workflow(
      chain('Quick', { m: llm('quick', 'count'), out: output('{{ m.text }}') }),
    );
    const rounds = await Promise.all(
      Array.from({ length: 24 }, async () => {
        ctx.model.script('quick', { pieces: ['At ', 'once.'] });
        return (await ctx.api.stream(id, {})).all();
      }),
    );
    for (const events of rounds) {
      const words = events.filter((e) => e.event === 'step.delta').map((e) => e.json.text);
      assert.equal(words.join(''), 'At once.');
      assert.equal(events.at(-1).event, 'run.succeeded');
    }
  });

  test(
    'an idle stream is kept awake by comments',
    { skip: ctx.db !== 'sqlite' && 'no database is asked' },
    async () => {
      const gate = new Gate();
      const id = await ctx.api.workflow(
        chain('Quiet', { held: call(ctx.web.plan('quiet', { gate }), { timeout: '60s' }) }),
      );
      const s = await ctx.api.stream(id, {});
      let last = Date.now();
      for (;;) {
        const item = await s.nextItem(25_000);
        if (item.comment !== undefined && item.at - last > 5_000) break; /* one that silence has caused */
        last = item.at;
      }
      assert.ok(Date.now() - last < 20_000);
      gate.open();
      assert.equal((await s.all()).at(-1).event, 'run.succeeded');
    },
  );

  test('a browser-like client bears cut lines and sees every event once', async () => {
    const gates = [new Gate(), new Gate(), new Gate()];
    const held = (i) => call(ctx.web.plan(`cut-${ctx.db}-${i}`, { gate: gates[i] }));
    const id = await ctx.api.workflow(
      chain('Cut', { h0: held(0), h1: held(1), h2: held(2), out: output('whole') }),
    );
    const runId = await ctx.api.start(id, {});
    const proxy = await Proxy.start(ctx.server.port);
    const seen = [];
    const source = new EventSource(`${proxy.url}/api/runs/${runId}/events`, {
      fetch: (url, init) =>
        fetch(url, { ...init, headers: { ...init.headers, authorization: `Bearer ${ctx.server.key}` } }),
    });
    try {
      for (const kind of kinds)
        source.addEventListener(kind, (e) =>
          seen.push({ seq: Number(e.lastEventId), kind, data: JSON.parse(e.data) }),
        );
      for (const [i, gate] of gates.entries()) {
        await until(
          `held step ${i} is seen`,
          () => seen.some((e) => e.kind === 'step.started' && e.data.node === `h${i}`),
          { limit: 60_000 },
        );
        proxy.cut();
        gate.open();
      }
      await until('the end is seen', () => seen.some((e) => ends.includes(e.kind)), { limit: 60_000 });
    } finally {
      source.close();
      await proxy.stop();
    }
    assert.deepEqual(
      seen.map((e) => e.seq),
      seen.map((_, i) => i + 1),
    );
    assert.equal(seen.at(-1).data.output, 'whole');
    assert.ok(proxy.connections > 1, 'it was cut');
  });

  test('a hundred watchers of one run all see all of it', async () => {
    const gate = new Gate();
    const id = await ctx.api.workflow(
      chain('Crowd', {
        held: call(ctx.web.plan(`crowd-${ctx.db}`, { gate }), { timeout: '60s' }),
        out: output('seen'),
      }),
    );
    const runId = await ctx.api.start(id, {});
    const watchers = await Promise.all(Array.from({ length: 100 }, () => ctx.api.events(runId)));
    gate.open();
    const streams = await within(60_000, 'all streams to end', Promise.all(watchers.map((w) => w.all())));
    for (const events of streams)
      assert.deepEqual(
        events.map((e) => e.id),
        streams[0].map((e) => e.id),
      );
    checkStream(streams[0], runId);
  });
});
