/* Deaths in a form that CI can count; crash.mjs says what is promised. CRASH_ROUNDS random kills on each database,
 * CRASH_PG_RUNS runs while PostgreSQL dies again and again (5000 for a long look). */
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { Load, chance, findPoints, killAnytime, killAt } from './crash.mjs';
import { pause, slow, until } from '../lib/gate.mjs';
import { Postgres } from '../lib/postgres.mjs';
import { databases, testWith } from '../lib/suite.mjs';

const rounds = Number(process.env.CRASH_ROUNDS || 40);
const seed = Number(process.env.CRASH_SEED || 20261120);
const restartRuns = Number(process.env.CRASH_PG_RUNS || 300);
const restartsWanted = Math.max(6, restartRuns / 100);
const limit = 20 * 60_000 * slow;

/* Each journal write is passed by these, whatever else the list of points has. */
const needed = [
  'store.commit.after',
  'store.commit.before',
  'wf.journal.after_commit',
  'wf.journal.before_commit',
  'wf.step.after_call',
  'wf.step.before_call',
];

for (const db of databases)
  describe(`crash [${db}]`, () => {
    let load, postgres;
    const test = (name, fn) => testWith(() => load?.server)(name, { timeout: limit }, fn);
    const report = (t, seen) =>
      t.diagnostic(
        `${load.kills} kills, ${Object.entries(seen)
          .map(([k, v]) => `${k} ${v}`)
          .join(', ')}`,
      );

    before(
      async () => {
        if (db === 'postgres') postgres = await Postgres.start();
        load = await Load.start(db, { postgres, random: chance(seed) });
      },
      { timeout: limit },
    );
    after(
      async () => {
        await load?.stop();
        await postgres?.stop();
      },
      { timeout: limit },
    );

    test('without a crash every run ends well and no step is called twice', async (t) => {
      load.work(8);
      await until('200 runs', () => load.next >= 200);
      await load.rest();
      await load.askAgain();
      const seen = await load.check();
      report(t, seen);
      assert.deepEqual([seen.unknown, seen.resumed, seen.runs], [0, 0, load.runs.size]);
    });

    test('kill -9 at every named point of the journal', async (t) => {
      const points = await findPoints(load);
      for (const name of needed)
        assert.ok(points.includes(name), `${name} is not among the points passed: ${points}`);
      let died = 0;
      for (const point of points) {
        for (const nth of point.startsWith('wf.') ? [1, 2, 3, 4, 5, 6, 7, 8, 13, 30] : [1, 2, 7, 40])
          died += await killAt(load, point, nth);
      }
      t.diagnostic(`points: ${points.join(' ')}`);
      report(t, await load.check());
      assert.ok(died >= points.length, `only ${died} kills`);
    });

    test(`kill -9 at ${rounds} random moments`, async (t) => {
      for (let i = 1; i <= rounds; i++) {
        await killAnytime(load);
        if (i % 20 === 0) await load.check();
      }
      report(t, await load.check());
    });

    test('SIGTERM under load, again and again: what is in flight may end, nothing is unknown', async (t) => {
      const before = load.seen.unknown;
      for (let i = 0; i < 6; i++) {
        load.work(12);
        const from = load.next;
        await until('work is under way', () => load.next > from + 20);
        await load.server.down();
        await load.rest();
        await load.revive();
      }
      const seen = await load.check();
      report(t, seen);
      assert.equal(seen.unknown, before);
    });

    if (db === 'postgres')
      test(`PostgreSQL dies every few seconds under ${restartRuns} runs: nothing lost, changed or repeated`, async (t) => {
        const before = { ...load.seen };
        const from = load.next;
        const kinds = ['external', 'repeat', 'fan']; /* whose calls do not fail by themselves */
        let restarts = 0;
        load.web.plan('slowly', { delay: 50 }); /* steps are in flight whenever it dies */
        while (load.next - from < restartRuns || restarts < restartsWanted) {
          const at = load.next;
          load.work(2, kinds);
          const down = Date.now() + (500 + load.random() * 1000) * Math.min(slow, 2);
          await until('work is under way', () => load.next > at + 20 && Date.now() > down, { limit: 60_000 });
          await postgres.down();
          await pause(load.random() * 500);
          await postgres.up();
          restarts++;
          await load.rest();
          await load.askAgain();
          if (restarts % 10 === 0) await load.check();
        }
        const seen = await load.check();
        load.web.plan('slowly', { delay: 3 });
        report(t, seen);
        t.diagnostic(`${restarts} restarts of PostgreSQL, ${load.next - from} runs`);
        /* The server lived: what was in flight ended by itself, and its result waited for the database. */
        assert.deepEqual([seen.repeated, seen.unknown], [before.repeated, before.unknown]);
        assert.equal(seen.runs - before.runs, load.next - from);
      });
  });
