/* Retention: how long runs that have ended are kept, who says so, and marking one to be kept. */
import assert from 'node:assert/strict';
import { expectProblem, expectStatus } from '../lib/api.mjs';
import { until } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { chain, output, set } from '../lib/flow.mjs';
import { payloadFaults, sql } from '../lib/sql.mjs';

const none = { age: null, count: null };

onEachDatabase(
  'retention',
  (ctx) => {
    const { test } = ctx;
    const workflow = (retention, name = 'kept') =>
      chain(
        name,
        { a: set({ v: '{{ input.text }}' }), out: output('{{ a.v }}') },
        retention && { settings: { retention } },
      );
    const rules = async (id) => expectStatus(await ctx.api.get(`/api/workflows/${id}/retention`), 200).json;

    test('what a workflow says goes before the tenant, and that before the operator', async () => {
      const plain = await ctx.api.published(workflow());
      assert.deepEqual((await rules(plain)).failed, { age: '7d', count: null });
      const id = await ctx.api.published(workflow({ age: '2h', failed: { age: '100d', count: 5 } }));
      const own = await rules(id);
      assert.deepEqual(own.succeeded, { age: '2h', count: null });
      assert.deepEqual(own.failed, { age: '90d', count: 5 }); /* the operator's last word */
      assert.deepEqual(own.workflow.failed, { age: '100d', count: 5 });

      assert.deepEqual(expectStatus(await ctx.api.get('/api/retention'), 200).json.tenant.succeeded, none);
      const put = await ctx.api.put('/api/retention', { cancelled: { age: '1d' }, count: 100 });
      assert.deepEqual(expectStatus(put, 200).json.cancelled, { age: '1d', count: 100 });
      assert.deepEqual((await rules(plain)).failed, { age: '7d', count: 100 });
      assert.deepEqual((await rules(id)).failed, { age: '90d', count: 5 });
      assert.deepEqual((await rules(id)).succeeded, { age: '2h', count: 100 });
      assert.deepEqual(
        expectStatus(await ctx.api.put('/api/retention', {}), 200).json.tenant.cancelled,
        none,
      );
      assert.deepEqual((await rules(plain)).failed, { age: '7d', count: null });
    });

    test('a version that says nothing takes back what the one before said', async () => {
      const definition = workflow({ count: 3 }, 'changes');
      const id = await ctx.api.published(definition);
      assert.equal((await rules(id)).succeeded.count, 3);
      expectStatus(await ctx.api.put(`/api/workflows/${id}`, workflow(null, 'changes')), 200);
      assert.equal((await rules(id)).succeeded.count, 3); /* not published yet */
      expectStatus(await ctx.api.post(`/api/workflows/${id}/publish`), 200);
      assert.equal((await rules(id)).succeeded.count, null);
    });

    test('what cannot be is refused by name', async () => {
      for (const [retention, path] of [
        [{ age: '10s' }, '/settings/retention/age'],
        [{ age: 'long' }, '/settings/retention/age'],
        [{ count: 0 }, '/settings/retention/count'],
        [{ failed: { count: 1e9 } }, '/settings/retention/failed/count'],
        [{ days: 3 }, '/settings/retention/days'],
        [{}, '/settings/retention'],
      ]) {
        const answer = await ctx.api.post('/api/workflows', workflow(retention));
        expectProblem(answer, 422, 'invalid');
        assert.equal(answer.json.errors[0].path, path, answer.text);
      }
      expectProblem(await ctx.api.put('/api/retention', { age: '10s' }), 422, 'invalid');
      expectProblem(await ctx.api.put('/api/retention', { days: 3 }), 422, 'invalid');
      expectProblem(await ctx.api.get(`/api/workflows/${crypto.randomUUID()}/retention`), 404, 'not_found');
      expectProblem(await ctx.api.put(`/api/runs/${crypto.randomUUID()}/keep`), 404, 'not_found');
    });

    test('runs beyond the number are deleted with their values, one that is marked stays', async () => {
      const id = await ctx.api.published(workflow({ succeeded: { count: 2 } }, 'few'));
      const runs = [];
      for (let i = 0; i < 5; i++)
        runs.push(await ctx.api.run(id, { text: `run ${i} of many `.repeat(2000) }));
      assert.equal(runs[0].keep, false);
      assert.equal(expectStatus(await ctx.api.put(`/api/runs/${runs[0].id}/keep`), 200).json.keep, true);
      await ctx.server.restart(); /* it looks soon after its start */
      const left = await until(
        'the runs are deleted',
        async () => {
          const { json } = await ctx.api.get(`/api/runs?workflow_id=${id}`);
          return json.items.length === 3 && json.items;
        },
        { limit: 90_000 },
      );
      assert.deepEqual(
        left.map((r) => [r.id, r.keep]),
        [
          [runs[4].id, false],
          [runs[3].id, false],
          [runs[0].id, true],
        ],
      );
      expectProblem(await ctx.api.get(`/api/runs/${runs[1].id}`), 404, 'not_found');
      for (const i of [0, 4])
        assert.equal((await ctx.api.get(`/api/runs/${runs[i].id}`)).json.output, runs[i].output);
      assert.deepEqual(await payloadFaults(ctx.server), { unused: 0, dangling: 0 });
      assert.equal(
        await sql(
          ctx.server,
          'SELECT COUNT(*) FROM journal WHERE NOT EXISTS (SELECT 1 FROM run WHERE run.id = journal.run_id)',
        ),
        '0',
      );
      const again = expectStatus(await ctx.api.delete(`/api/runs/${runs[0].id}/keep`), 200).json;
      assert.equal(again.keep, false);
    });
  },
  { server: { env: { HEDDLE_RETENTION_DAYS: '7', HEDDLE_RETENTION_MAX_DAYS: '90' } } },
);
