/* fleet.test.mjs - two servers on one PostgreSQL: one stands still for longer than it may, and comes back. */
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { until } from '../lib/gate.mjs';
import { isFinal } from '../lib/api.mjs';
import { call, chain, output, set } from '../lib/flow.mjs';
import { Postgres } from '../lib/postgres.mjs';
import { Server } from '../lib/server.mjs';
import { databases, testWith } from '../lib/suite.mjs';
import { startHttpApi } from '../doubles/http_api.mjs';

const env = { HEDDLE_FLEET_TAKEOVER_AFTER: '3s' };

if (databases.includes('postgres'))
  describe('a fleet of two on PostgreSQL', () => {
    let postgres, web, first, second;
    const test = testWith(() => second);

    before(async () => {
      [postgres, web] = await Promise.all([Postgres.start(), startHttpApi()]);
      first = await Server.start({ db: 'postgres', postgres, env });
      second = await Server.make({ db: 'sqlite', env: { ...env, DATABASE_URL: first.databaseUrl } });
      await second.up();
      await second.makeKey();
    });
    after(async () => {
      await second?.drop();
      await first?.drop();
      await Promise.all([web?.stop(), postgres?.stop()]);
    });

    const ended = (server, id) =>
      until(`run ${id} ends`, async () => {
        const r = await server.api.get(`/api/runs/${id}`);
        assert.equal(r.status, 200, r.text);
        return isFinal(r.json) && r.json;
      });

    test('a server that stands still loses its runs to the other, and changes nothing when it goes on', async () => {
      const slow = web.plan('fleet', { delay: 500 });
      const steps = { method: 'POST', on_unknown: 'repeat', headers: { 'x-step': '{{ run.id }}' } };
      const workflow = await first.api.published(
        chain('Slow', {
          a: set({ n: '{{ input.n }}' }),
          b: call(slow, { ...steps, body: { n: 1 } }),
          c: call(slow, { ...steps, body: { n: 2 } }),
          out: output('{{ a.n }}'),
        }),
      );
      const ids = [];
      for (let n = 0; n < 20; n++) {
        const r = await first.api.post(`/api/workflows/${workflow}/execute`, { input: { n }, mode: 'async' });
        assert.equal(r.status, 202, r.text);
        ids.push(r.json.id);
      }
      const made = () => web.requests.filter((one) => ids.includes(one.headers['x-step']));
      await until('its steps are in flight', () => made().length > 0);
      first.proc.child.kill('SIGSTOP');
      const docs = await Promise.all(ids.map((id) => ended(second, id)));
      docs.forEach((doc, n) => {
        assert.equal(doc.state, 'succeeded', JSON.stringify(doc.error));
        assert.deepEqual(doc.output, n);
      });
      const journals = [];
      for (const id of ids) journals.push((await (await second.api.events(id)).all()).map((e) => e.json));

      /* What was in flight when it stood still is done again under the same key, and nothing else is. */
      const times = new Map();
      for (const one of made()) times.set(one.key, (times.get(one.key) ?? 0) + 1);
      assert.equal(times.size, 2 * ids.length, 'keys of two steps each');
      const repeated = [...times.values()].filter((n) => n > 1);
      assert.ok(repeated.every((n) => n === 2) && repeated.length <= ids.length, `${[...times.values()]}`);
      const before = made().length;

      first.proc.child.kill('SIGCONT');
      await first.proc.line(/it is back/, 30_000, 'stderr');
      const r = await first.api.post(`/api/workflows/${workflow}/execute`, { input: { n: 7 }, mode: 'wait' });
      assert.equal(r.status, 200, r.text); /* it works again */
      assert.equal(r.json.output, 7);
      assert.equal(made().length, before, 'calls of a server that had lost its runs');
      for (const [i, id] of ids.entries()) {
        const events = (await (await first.api.events(id)).all()).map((e) => e.json);
        assert.deepEqual(events, journals[i], 'the journal of a run that another server ended');
        for (const node of ['b', 'c'])
          assert.equal(events.filter((e) => e.type === 'step.finished' && e.node === node).length, 1);
      }
    });

    test('a server that died takes its own runs back at once when it is started again', async () => {
      const third = await Server.start({ db: 'postgres', postgres }); /* with the usual patience */
      try {
        const slow = web.plan('back', { delay: 300 });
        const workflow = await third.api.published(
          chain('Back', {
            a: call(slow, { method: 'POST', body: {}, on_unknown: 'repeat' }),
            out: output('done'),
          }),
        );
        const r = await third.api.post(`/api/workflows/${workflow}/execute`, { input: {}, mode: 'async' });
        assert.equal(r.status, 202, r.text);
        await until('the call is under way', () => web.requests.some((one) => one.path === '/plan/back'));
        await third.kill();
        const from = Date.now();
        await third.up();
        assert.equal((await ended(third, r.json.id)).state, 'succeeded');
        assert.ok(Date.now() - from < 15_000, `after ${Date.now() - from} ms`);
      } finally {
        await third.drop();
      }
    });
  });
