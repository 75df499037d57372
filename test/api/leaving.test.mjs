/* Clients that leave: their run goes on, and nothing of theirs is kept. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { Gate, until } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { call, chain, llm, output } from '../lib/flow.mjs';

onEachDatabase('leaving', (ctx) => {
  const { test } = ctx;
  let n = 0;

  async function held() {
    const gate = new Gate();
    const name = `left-${++n}-${ctx.db}`;
    const id = await ctx.api.workflow(
      chain('Left', {
        a: call(ctx.web.plan(name, { gate, body: { v: 1 } }), { timeout: '60s' }),
        out: output('{{ a.body.v }}'),
      }),
    );
    const asked = () => ctx.web.at(`/plan/${name}`)[0];
    return { id, gate, asked };
  }
  const theRun = async (id) => {
    const { json } = await ctx.api.get(`/api/runs?workflow_id=${id}`);
    assert.equal(json.items.length, 1);
    return ctx.api.finished(json.items[0].id);
  };

  test('a run goes on when the client that waits for it leaves', async () => {
    const { id, gate, asked } = await held();
    const leaving = new AbortController();
    const answer = ctx.api.post(
      `/api/workflows/${id}/execute`,
      { input: {} },
      { signal: leaving.signal, agent: false },
    );
    await until('the call is under way', asked);
    leaving.abort();
    await assert.rejects(answer);
    gate.open();
    const run = await theRun(id);
    assert.deepEqual([run.state, run.output], ['succeeded', 1]);
    assert.equal(asked().leftAt, null);
  });

  test('a run goes on when the client that streams it leaves', async () => {
    const { id, gate, asked } = await held();
    const s = await ctx.api.stream(id, {});
    await s.nextWith((e) => e.event === 'step.started' && e.json.node === 'a');
    await until('the call is under way', asked);
    s.close();
    gate.open();
    assert.equal((await theRun(id)).output, 1);
  });

  test('a model goes on for the run when its watcher leaves', async () => {
    const half = new Gate();
    ctx.model.script(`left-${ctx.db}`, {
      pieces: ['a', 'b', 'c', 'd'],
      piece_gate: { after: 2, gate: half },
    });
    const id = await ctx.api.workflow(
      chain('Model', { m: llm(`left-${ctx.db}`, 'x'), out: output('{{ m.text }}') }),
    );
    const s = await ctx.api.stream(id, {});
    await s.nextWith((e) => e.event === 'step.delta');
    s.close();
    half.open();
    assert.equal((await theRun(id)).output, 'abcd');
  });

  test('hundreds who come and go leave nothing behind', async () => {
    const { id, gate } = await held();
    const runId = await ctx.api.start(id, {});
    for (let round = 0; round < 4; round++) {
      const watchers = await Promise.all(Array.from({ length: 100 }, () => ctx.api.events(runId)));
      for (const w of watchers) w.close();
    }
    await until('the connections are gone', async () => connections() < 20);
    gate.open();
    await ctx.api.finished(runId);
  });

  test('a client that leaves before its body is whole starts nothing', async () => {
    const { id } = await held();
    await new Promise((resolve) => {
      const request = http.request(`${ctx.server.url}/api/workflows/${id}/execute`, {
        method: 'POST',
        agent: false,
        headers: {
          authorization: `Bearer ${ctx.server.key}`,
          'content-type': 'application/json',
          'content-length': 100,
        },
      });
      request.on('error', resolve);
      request.write('{"input": {"a": 1');
      setImmediate(() => setTimeout(() => request.destroy(), 50));
      request.on('close', resolve);
    });
    /* What the server does now it does before it answers the next request on all shards. */
    for (let i = 0; i < 8; i++) await ctx.api.get('/healthz', { agent: false });
    assert.deepEqual((await ctx.api.get(`/api/runs?workflow_id=${id}`)).json.items, []);
  });

  /* Sockets of the server that are established, as the kernel counts them. */
  function connections() {
    const port = ctx.server.port.toString(16).toUpperCase().padStart(4, '0');
    return fs
      .readFileSync(`/proc/${ctx.server.pid}/net/tcp`, 'utf8')
      .split('\n')
      .filter(
        (l) =>
          l.includes(`:${port} `) && l.split(/\s+/)[4] === '01' && l.split(/\s+/)[2].endsWith(`:${port}`),
      ).length;
  }
});
