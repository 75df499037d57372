/* Steps of workflows through the model gateway: its names, limits, guards, log; across restarts; for nobody else. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after } from 'node:test';
import { expectStatus, stepOf } from '../lib/api.mjs';
import { Gate, until } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { chain, llm, output, trigger } from '../lib/flow.mjs';
import { startGuardServer } from '../doubles/guard_server.mjs';

const guards = await startGuardServer();
after(() => guards.stop());

/* The loopback ports that a process listens on. */
function portsOf(pid) {
  const own = new Set();
  for (const fd of fs.readdirSync(`/proc/${pid}/fd`)) {
    try {
      own.add(/^socket:\[(\d+)\]$/.exec(fs.readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1]);
    } catch {
      /* it was closed just now */
    }
  }
  const rows = fs.readFileSync(`/proc/${pid}/net/tcp`, 'utf8').trim().split('\n').slice(1);
  return [
    ...new Set(
      rows
        .map((row) => row.trim().split(/\s+/))
        .filter((row) => row[3] === '0A' && own.has(row[9]))
        .map((row) => parseInt(row[1].split(':')[1], 16)),
    ),
  ];
}

onEachDatabase(
  'workflows through the gateway',
  (ctx) => {
    const { test } = ctx;
    let n = 0;
    function model(...behaviours) {
      const name = `asked-${++n}-${ctx.db}`;
      ctx.model.script(name, ...behaviours);
      return name;
    }
    const asks = (name, more) =>
      ctx.api.workflow(
        chain('Asks', {
          start: trigger(),
          ask: llm(name, 'Say {{ input.word }}', more),
          end: output('{{ ask.text }}'),
        }),
      );
    const run = async (id) => ctx.api.finished(await ctx.api.start(id, { word: 'hello' }));
    const recordOf = (name) =>
      until(`a record of ${name}`, async () =>
        (await ctx.api.get(`/api/calls?model=${encodeURIComponent(name)}`)).json.items.find(() => true),
      );

    test('a step calls a route by its name, and is recorded with its workflow and step', async () => {
      const target = model({ pieces: ['hel', 'lo'] });
      const route = `house-${ctx.db}`;
      expectStatus(
        await ctx.api.post('/api/routes', { name: route, targets: [{ provider: 'openai', model: target }] }),
        201,
      );
      const id = await asks(route);
      const done = await run(id);
      assert.deepEqual([done.state, done.output], ['succeeded', 'hello']);
      assert.ok(stepOf(done, 'ask').output.usage.total_tokens > 0);
      const [sent] = ctx.model.of(target);
      assert.equal(sent.headers.authorization, 'Bearer sk-test-0123456789abcdef', "the provider's own key");
      for (const name of ['x-heddle-caller', 'x-heddle-workflow', 'x-heddle-step'])
        assert.equal(sent.headers[name], undefined, `${name} stays here`);
      const record = await recordOf(route);
      assert.deepEqual([record.workflow, record.step, record.outcome], [id, 'ask', 'ok']);
      const { items } = (await ctx.api.get('/api/usage?group=workflow')).json;
      assert.equal(items.find((row) => row.group === id).calls, 1);
    });

    test('the limits of the tenant hold, and the step says whose it was', async () => {
      const name = `openai/${model({ text: 'x' })}`;
      const id = await asks(name);
      try {
        expectStatus(await ctx.api.put('/api/limits', { limits: { tokens: { month: 0 } } }), 200);
        const refused = await run(id);
        assert.equal(refused.state, 'failed');
        assert.match(refused.error.message, /model gateway, asked by node ask: .*limit/i);
      } finally {
        expectStatus(await ctx.api.put('/api/limits', {}), 200);
      }
      assert.equal((await run(id)).state, 'succeeded');
    });

    test('a guard is asked, and what it refuses never leaves', async () => {
      const target = model({ text: 'x' });
      const url = guards.plan(`/wf-${ctx.db}`, { action: 'refuse', reason: 'not in this house' });
      const guard = expectStatus(
        await ctx.api.post('/api/guards', {
          name: 'wf',
          url,
          events: ['request'],
          routes: [`openai/${target}`],
          private_network: true,
        }),
        201,
      ).json;
      const refused = await run(await asks(`openai/${target}`));
      assert.equal(refused.state, 'failed');
      assert.match(refused.error.message, /not in this house/);
      assert.equal(ctx.model.of(target).length, 0);
      await ctx.api.delete(`/api/guards/${guard.id}`);
    });

    test('a model that nobody knows is named, and a node with a server of its own goes there', async () => {
      const lost = await run(await asks('no-such-model'));
      assert.equal(lost.state, 'failed');
      assert.match(lost.error.message, /no-such-model/);
      const direct = model({ text: 'direct' });
      const done = await run(await asks(direct, { base_url: ctx.model.url }));
      assert.deepEqual([done.state, done.output], ['succeeded', 'direct']);
      const { items } = (await ctx.api.get(`/api/calls?model=${direct}`)).json;
      assert.deepEqual(items, []);
    });

    test('one node alone goes the same way', async () => {
      const name = `openai/${model({ text: 'tried' })}`;
      const id = await asks(name);
      const tried = expectStatus(
        await ctx.api.post(`/api/workflows/${id}/nodes/ask/test`, { input: { word: 'x' } }),
        200,
      ).json;
      assert.equal(tried.output.text, 'tried');
      assert.equal((await recordOf(name)).step, 'ask');
    });

    test('a step under way at a stop, or at a crash, is asked again when the server is back', async () => {
      for (const again of ['restart', 'killAndRestart']) {
        const gate = new Gate();
        const target = model({ gate }, { text: again });
        const runId = await ctx.api.start(await asks(`openai/${target}`), { word: 'x' });
        await until('it is asked', () => ctx.model.of(target).length === 1);
        await ctx.server[again]();
        const done = await ctx.api.finished(runId);
        assert.deepEqual([done.state, done.output], ['succeeded', again], JSON.stringify(done.error));
        gate.open();
      }
    });

    test('nobody else gets in by that door', async () => {
      const inner = portsOf(ctx.server.pid).filter((port) => port !== ctx.server.port);
      assert.equal(inner.length, 1, 'one more port, on the loopback interface');
      const ask = (headers, path = '/v1/chat/completions') =>
        fetch(`http://127.0.0.1:${inner[0]}${path}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
          body: JSON.stringify({ model: 'echo', messages: [{ role: 'user', content: 'x' }] }),
        });
      const caller = '0193b8f0-0000-7000-8000-000000000000 0193b8f0-0000-7000-8000-000000000001';
      for (const authorization of [undefined, `Bearer ${ctx.server.key}`, 'Bearer ', 'Bearer x']) {
        const answer = await ask({ 'x-heddle-caller': caller, ...(authorization && { authorization }) });
        assert.equal(answer.status, 401);
      }
      assert.equal((await ask({ authorization: `Bearer ${ctx.server.key}` }, '/api/keys')).status, 404);
    });
  },
  { server: { env: { HEDDLE_MODELS_WORKFLOWS: 'gateway', HEDDLE_DRAIN_TIMEOUT: '1s' } } },
);
