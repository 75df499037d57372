/* Schedules: runs that the clock starts, once for each time, whatever happens to the server meanwhile. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe } from 'node:test';
import { fileURLToPath } from 'node:url';
import { expectProblem, expectStatus } from '../lib/api.mjs';
import { Gate, until } from '../lib/gate.mjs';
import { Postgres } from '../lib/postgres.mjs';
import { Server } from '../lib/server.mjs';
import { databases, onEachDatabase, testLimit, testWith } from '../lib/suite.mjs';
import { tempDir } from '../lib/tmp.mjs';
import { call, flow, output, trigger } from '../lib/flow.mjs';

const schedule = (settings, more = {}) => ['trigger', { trigger: 'schedule', schedule: settings, ...more }];
const echo = (settings, name = 'Clock') =>
  flow(name, { at: schedule(settings), out: output('{{ input }}') }, ['at -> out']);
const everySecond = { cron: '* * * * * *' };
const SECOND = 1000;

/* All runs of a workflow with their inputs, oldest first. */
async function runsOf(api, id) {
  const runs = [];
  for (let cursor = ''; cursor !== null;) {
    const r = await api.get(`/api/runs?workflow_id=${id}&limit=100${cursor && `&cursor=${cursor}`}`);
    expectStatus(r, 200);
    runs.push(...r.json.items);
    cursor = r.json.next_cursor;
  }
  return Promise.all(runs.reverse().map((run) => api.runOf(run.id)));
}
/* Ids of runs that two shards started in one millisecond say nothing about their order. */
const times = (runs) => runs.map((run) => Date.parse(run.input.scheduled_at)).sort((a, b) => a - b);
const atLeast = (api, id, n) =>
  until(`${n} runs have started`, async () => {
    const runs = await runsOf(api, id);
    return runs.length >= n && runs;
  });
const schedulesOf = async (api, id) =>
  expectStatus(await api.get(`/api/workflows/${id}/schedules`), 200).json.items;
async function metric(api, outcome) {
  const text = (await api.get('/metrics')).text;
  return Number(
    text.match(new RegExp(`heddle_schedule_turns_total\\{outcome="${outcome}"\\} (\\d+)`))?.[1] ?? 0,
  );
}

/* Each second once, none left out. */
function expectSteps(runs, step) {
  const at = times(runs);
  for (let i = 1; i < at.length; i++)
    assert.equal(
      at[i] - at[i - 1],
      step,
      `${new Date(at[i - 1]).toISOString()} and then ${new Date(at[i]).toISOString()}`,
    );
}

onEachDatabase('schedules', (ctx) => {
  const { test } = ctx;

  test('a published schedule starts runs, each time once, with the time as input', async () => {
    const id = await ctx.api.published(echo({ ...everySecond, timezone: 'Asia/Kolkata' }));
    const runs = await atLeast(ctx.api, id, 3);
    expectSteps(runs, SECOND);
    const { input, trigger: origin } = runs[0];
    assert.equal(origin, 'schedule');
    assert.equal(input.timezone, 'Asia/Kolkata');
    assert.match(input.local_time, /\+05:30$/);
    assert.equal(Date.parse(input.local_time), Date.parse(input.scheduled_at));
    for (const run of runs)
      assert.ok(
        Date.parse(run.input.started_at) >= Date.parse(run.input.scheduled_at),
        `not before its time: ${JSON.stringify(run.input)}`,
      );
    assert.ok((await metric(ctx.api, 'fired')) >= 3);
    expectStatus(await ctx.api.delete(`/api/workflows/${id}`), 204);
  });

  test('an interval is counted from the publication', async () => {
    const id = await ctx.api.published(echo({ repeat: 'interval', every: '2s' }));
    const [shown] = await schedulesOf(ctx.api, id);
    assert.equal(shown.settings.every, '2s');
    const runs = await atLeast(ctx.api, id, 2);
    expectSteps(runs, 2 * SECOND);
    expectStatus(await ctx.api.delete(`/api/workflows/${id}`), 204);
  });

  test('it follows the published version', async () => {
    const { api } = ctx;
    const daily = echo({ cron: '30 9 * * *', timezone: 'Europe/Berlin', catch_up: 'skip' });
    const id = await api.workflow(daily);
    assert.deepEqual(await schedulesOf(api, id), [], 'a draft has none');
    expectStatus(await api.post(`/api/workflows/${id}/publish`), 200);
    const [first] = await schedulesOf(api, id);
    assert.equal(first.version, 1);
    assert.equal(first.last_at, null);
    assert.equal(first.times.length, 5);
    assert.equal(first.times[0].at, first.next_at);
    assert.match(first.times[0].local, /T09:30:00\+0[12]:00$/);
    assert.ok(Date.parse(first.next_at) > Date.now());

    const manual = flow('Clock', { at: trigger(), out: output(1) }, ['at -> out']);
    expectStatus(await api.put(`/api/workflows/${id}`, manual), 200);
    assert.equal((await schedulesOf(api, id)).length, 1, 'an unpublished draft changes nothing');
    expectStatus(await api.post(`/api/workflows/${id}/publish`), 200);
    assert.deepEqual(await schedulesOf(api, id), []);
    expectStatus(await api.post(`/api/workflows/${id}/versions/1/publish`), 200);
    assert.equal((await schedulesOf(api, id))[0].version, 1);
    expectStatus(await api.delete(`/api/workflows/${id}`), 204);
    expectProblem(await api.get(`/api/workflows/${id}/schedules`), 404);
  });

  test('a schedule that was taken away fires no more', async () => {
    const id = await ctx.api.published(echo(everySecond));
    await atLeast(ctx.api, id, 1);
    const manual = flow('Clock', { at: trigger(), out: output(1) }, ['at -> out']);
    expectStatus(await ctx.api.put(`/api/workflows/${id}`, manual), 200);
    expectStatus(await ctx.api.post(`/api/workflows/${id}/publish`), 200);
    const n = (await runsOf(ctx.api, id)).length;
    /* Another one that is as dense goes on meanwhile. */
    const other = await ctx.api.published(echo(everySecond));
    await atLeast(ctx.api, other, 3);
    assert.equal((await runsOf(ctx.api, id)).length, n);
    expectStatus(await ctx.api.delete(`/api/workflows/${other}`), 204);
  });

  test('what is wrong with a schedule is told at its field', async () => {
    const wrong = async (settings, field, says) => {
      const { errors } = expectProblem(await ctx.api.post('/api/workflows', echo(settings)), 422);
      const error = errors.find((one) => one.field === field);
      assert.ok(error, JSON.stringify(errors));
      assert.match(error.message, says);
    };
    await wrong({ cron: '61 * * * *' }, 'schedule/cron', /minute field, "61": 61 is not within 0-59/);
    await wrong({ cron: '0 0 30 2 *' }, 'schedule/cron', /never fires/);
    await wrong(
      { cron: '@daily', timezone: 'Europe/Berln' },
      'schedule/timezone',
      /no time zone "Europe\/Berln"/,
    );
    await wrong({ cron: '@daily', every: '5m' }, 'schedule/every', /./);
    await wrong({ repeat: 'interval' }, 'schedule/every', /missing/);
    await wrong({ cron: '@daily', overlap: 'queue' }, 'schedule/overlap', /allow, skip/);
    await wrong({ cron: '@daily', colour: 1 }, 'schedule/colour', /./);
  });

  test('a preview tells the next times, also where the clock changes', async () => {
    const preview = (body) => ctx.api.post('/api/schedules/preview', body);
    const r = await preview({
      schedule: { cron: '0 9 * * MON-FRI', timezone: 'America/New_York' },
      count: 10,
    });
    const shown = expectStatus(r, 200).json;
    assert.equal(shown.times.length, 10);
    for (const { at, local } of shown.times) {
      assert.equal(Date.parse(at), Date.parse(local));
      assert.match(local, /T09:00:00-0[45]:00$/);
    }
    assert.equal(shown.settings.catch_up, 'last');
    const bad = expectProblem(await preview({ schedule: { cron: '* * * *' } }), 422);
    assert.match(bad.errors[0].message, /this has 4/);
    expectProblem(await preview({ schedule: { cron: '@daily' }, count: 0 }), 422);
    expectProblem(await preview({}), 422);
  });

  test('while the last run goes on, "skip" starts no other', async () => {
    const gate = new Gate();
    const url = ctx.web.plan(`overlap-${ctx.db}`, { gate, body: {} });
    const definition = flow(
      'Overlap',
      {
        at: schedule({ ...everySecond, overlap: 'skip' }),
        wait: call(url, { timeout: '60s' }),
        out: output(1),
      },
      ['at -> wait', 'wait -> out'],
    );
    const skipped = await metric(ctx.api, 'skipped');
    const id = await ctx.api.published(definition);
    await until('two times were skipped', async () => (await metric(ctx.api, 'skipped')) >= skipped + 2);
    assert.equal((await runsOf(ctx.api, id)).length, 1);
    gate.open();
    await atLeast(ctx.api, id, 2);
    expectStatus(await ctx.api.delete(`/api/workflows/${id}`), 204);
  });

  test('kill -9 loses no time and repeats none', async () => {
    const id = await ctx.api.published(echo(everySecond));
    for (let n = 2; n <= 6; n += 2) {
      await atLeast(ctx.api, id, n);
      await ctx.server.killAndRestart();
    }
    expectSteps(await atLeast(ctx.api, id, 9), SECOND);
    expectStatus(await ctx.api.delete(`/api/workflows/${id}`), 204);
  });

  test('kill -9 between the decision and the start, and right after it, fires each time once', async () => {
    const id = await ctx.api.published(echo(everySecond));
    for (const point of ['wf.schedule.before_start', 'wf.schedule.after_start', 'wf.journal.before_commit']) {
      await ctx.server.restart({ env: { HEDDLE_INJECT: `${point}=crash@2` } });
      await until('it is gone', async () => !(await ctx.server.api.get('/healthz').catch(() => null)));
      await ctx.server.forgetOthers();
      await ctx.server.up();
    }
    const n = (await runsOf(ctx.api, id)).length;
    expectSteps(await atLeast(ctx.api, id, n + 2), SECOND);
    expectStatus(await ctx.api.delete(`/api/workflows/${id}`), 204);
  });

  test('a thousand schedules of one moment all fire, and soon', async () => {
    const { api } = ctx;
    /* One second of the next minute but one, at the earliest. */
    const at = new Date(Math.ceil((Date.now() + 20_000) / 1000) * 1000);
    const cron = `${at.getUTCSeconds()} ${at.getUTCMinutes()} ${at.getUTCHours()} * * *`;
    const ids = [];
    for (let i = 0; i < 20; i++)
      ids.push(
        ...(await Promise.all(
          Array.from({ length: 25 }, (_, j) => api.published(echo({ cron }, `Herd ${i * 25 + j}`))),
        )),
      );
    assert.ok(Date.now() < at.getTime(), 'the machine was quick enough to ask anything');
    await until(
      'all have fired',
      async () =>
        (await Promise.all(ids.map((id) => schedulesOf(api, id)))).every(([one]) => one.last_run_id),
      { limit: 60_000, every: 500 },
    );
    const lags = [];
    for (const id of ids) {
      const runs = await runsOf(api, id);
      assert.equal(runs.length, 1);
      lags.push(Date.parse(runs[0].input.started_at) - Date.parse(runs[0].input.scheduled_at));
    }
    assert.ok(Math.max(...lags) < 5000, `the last one waited ${Math.max(...lags)} ms`);
  });
});

for (const db of databases)
  describe(`schedules and a clock that jumps [${db}]`, () => {
    const skip = process.env.ASAN_OPTIONS && 'sanitizers do not go with preloaded libraries';
    const dir = tempDir('clock');
    const jump = (seconds) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64LE(BigInt(seconds) * 1_000_000n);
      const file = path.join(dir, 'offset');
      const fd = fs.openSync(file, fs.existsSync(file) ? 'r+' : 'w');
      fs.writeSync(fd, bytes, 0, 8, 0);
      fs.closeSync(fd);
    };
    let server;
    const test = testWith(() => server);
    before(
      async () => {
        if (skip) return;
        const source = fileURLToPath(new URL('../doubles/clock.c', import.meta.url));
        const library = path.join(dir, 'clock.so');
        execFileSync('cc', ['-shared', '-fPIC', '-O2', '-o', library, source], { stdio: 'inherit' });
        jump(0);
        const env = { LD_PRELOAD: library, HEDDLE_TEST_CLOCK: path.join(dir, 'offset') };
        server = await Server.start({ db, env });
      },
      { timeout: testLimit },
    );
    after(() => server?.drop(), { timeout: testLimit });

    test('times that passed while it was down are made up for as the schedule says', { skip }, async () => {
      const of = (catch_up, more) =>
        server.api.published(echo({ repeat: 'interval', every: '10m', catch_up, ...more }, catch_up));
      const [none, last, all] = [await of('skip'), await of('last'), await of('all', { catch_up_limit: 3 })];
      const [before] = await schedulesOf(server.api, all);
      await server.down();
      jump(3690);
      await server.up();
      assert.equal((await atLeast(server.api, all, 3)).length, 3);
      assert.equal((await atLeast(server.api, last, 1)).length, 1);
      await until('the missed ones are given up', async () => (await metric(server.api, 'missed')) >= 3);
      assert.deepEqual(await runsOf(server.api, none), []);
      const runs = await runsOf(server.api, all);
      expectSteps(runs, 600 * SECOND);
      const first = Date.parse(before.next_at);
      assert.deepEqual(times(runs), [first + 3 * 600_000, first + 4 * 600_000, first + 5 * 600_000]);
      const [latest] = times(await runsOf(server.api, last));
      assert.ok(Math.abs(latest - times(runs).at(-1)) < 10_000, 'the latest of them');
      for (const id of [none, last, all]) {
        const [now] = await schedulesOf(server.api, id);
        assert.ok(Date.parse(now.next_at) > Date.now() + 3690_000, now.next_at);
        expectStatus(await server.api.delete(`/api/workflows/${id}`), 204);
      }
      jump(0);
    });

    test(
      'set ahead and back again while it runs, a schedule goes on and repeats no time',
      { skip },
      async () => {
        const id = await server.api.published(echo({ ...everySecond, catch_up: 'skip' }));
        await atLeast(server.api, id, 2);
        jump(86400);
        const ahead = (runs) => times(runs).filter((t) => t > Date.now() + 80_000_000).length;
        await until('it fires a day later', async () => ahead(await runsOf(server.api, id)) >= 2);
        jump(0);
        const before = await runsOf(server.api, id);
        const runs = await atLeast(server.api, id, before.length + 5);
        assert.equal(new Set(times(runs)).size, runs.length, 'no time twice');
        assert.ok(ahead(runs) <= ahead(before) + 2, 'by the clock as it is now'); /* some were on their way */
        expectStatus(await server.api.delete(`/api/workflows/${id}`), 204);
      },
    );
  });

if (databases.includes('postgres'))
  describe('schedules of a fleet', () => {
    let postgres, first, second;
    const test = testWith(() => second);

    before(
      async () => {
        postgres = await Postgres.start();
        first = await Server.start({ db: 'postgres', postgres });
        second = await Server.make({ db: 'sqlite', env: { DATABASE_URL: first.databaseUrl } });
        await second.up();
        await second.makeKey();
      },
      { timeout: testLimit },
    );
    after(
      async () => {
        await second?.drop();
        await first?.drop();
        await postgres?.stop();
      },
      { timeout: testLimit },
    );

    test('each time is fired by one node, and by the other when that one is killed', async () => {
      const ids = await Promise.all(
        Array.from({ length: 8 }, (_, i) => first.api.published(echo(everySecond, `F${i}`))),
      );
      for (const id of ids) expectSteps(await atLeast(second.api, id, 8), SECOND);
      assert.ok(
        (await metric(first.api, 'fired')) > 0 && (await metric(second.api, 'fired')) > 0,
        'both fire',
      );
      await first.kill();
      const seen = await Promise.all(ids.map(async (id) => (await runsOf(second.api, id)).length));
      for (const [i, id] of ids.entries()) expectSteps(await atLeast(second.api, id, seen[i] + 3), SECOND);
      for (const id of ids) expectStatus(await second.api.delete(`/api/workflows/${id}`), 204);
    });
  });
