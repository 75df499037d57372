/* Bad days: a full disk, a database that goes away, a clock that jumps. Clear answers, and nothing is lost. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, describe } from 'node:test';
import { Api, expectProblem, expectStatus, isFinal, stepOf } from '../lib/api.mjs';
import { Gate, slow, until } from '../lib/gate.mjs';
import { freePort, Postgres, stopShared } from '../lib/postgres.mjs';
import { heddle, Server } from '../lib/server.mjs';
import { removeDir, tempDir, whenDone } from '../lib/tmp.mjs';
import { databases, onEachDatabase, testLimit, testWith } from '../lib/suite.mjs';
import { startHttpApi } from '../doubles/http_api.mjs';
import { call, chain, delay, output, set } from '../lib/flow.mjs';

const echo = chain('Echo', { a: set({ v: '{{ input.v }}' }), out: output('{{ a.v }}') });

after(stopShared);

/* A file system of its own that is small; null where that is not allowed. */
function smallDisk(mib) {
  const dir = tempDir('disk');
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mib}m,mode=0777`, 'tmpfs', dir], { stdio: 'pipe' });
  } catch {
    removeDir(dir);
    return null;
  }
  const free = () => execFileSync('umount', ['-l', dir], { stdio: 'pipe' });
  const forget = whenDone(free);
  return { dir, done: () => (forget(), free(), removeDir(dir)) };
}

if (databases.includes('sqlite'))
  describe('a full disk [sqlite]', () => {
    const disk = smallDisk(24);
    const skip = !disk && 'mounting a small file system is not allowed here';
    let server;
    const test = testWith(() => server);
    before(
      async () => {
        if (!disk) return;
        server = await Server.make({ db: 'sqlite' });
        server.data = path.join(disk.dir, 'data');
        await server.up();
        await server.makeKey();
      },
      { timeout: testLimit },
    );
    after(
      async () => {
        await server?.drop();
        disk?.done();
      },
      { timeout: testLimit },
    );

    test(
      'is told clearly; what was accepted is there; when there is room again work goes on',
      { skip },
      async () => {
        const api = server.api;
        const id = await api.workflow(echo);
        const accepted = [];
        const ballast = path.join(disk.dir, 'ballast');
        accepted.push((await api.run(id, { v: 'first' })).id);
        /* Leave next to nothing, then work until it is used up. */
        const { bavail, bsize } = fs.statfsSync(disk.dir);
        fs.writeFileSync(ballast, Buffer.alloc(Math.max(bavail * bsize - (1 << 20), 0), 1));
        let refused;
        for (let i = 0; i < 400 && !refused; i++) {
          const r = await api.post(`/api/workflows/${id}/execute`, {
            input: { v: `${i}`.padEnd(16 << 10, 'x') },
            mode: 'async',
          });
          if (r.status === 202) accepted.push(r.json.id);
          else refused = r;
        }
        assert.ok(refused, 'the disk never got full');
        expectProblem(refused, [503, 507]);
        assert.ok(['disk_full', 'unavailable'].includes(refused.json.code), refused.text);
        assert.match(refused.json.detail, /space|full/);
        /* It lives, and what is there can be read. */
        expectStatus(await api.get('/healthz'), 200);
        expectStatus(await api.get(`/api/runs/${accepted[0]}`), 200);
        assert.ok(!server.proc.isEnded);

        fs.rmSync(ballast);
        await until(
          'it takes work again',
          async () =>
            (await api.post(`/api/workflows/${id}/execute`, { input: { v: 'after' } })).status === 200,
          { every: 100 },
        );
        for (const runId of accepted) assert.equal((await api.finished(runId)).state, 'succeeded');
        await server.restart();
        for (const runId of accepted) assert.equal((await server.api.runOf(runId)).state, 'succeeded');
      },
    );
  });

if (databases.includes('sqlite'))
  describe('a folder that cannot be used [sqlite]', () => {
    const test = testWith(() => undefined);
    test('stops the start with a message that names it', async () => {
      const s = await Server.make({});
      fs.writeFileSync(s.data, 'a file where the folder should be');
      await assert.rejects(s.up({ ms: 20_000 }), (error) => error.message.includes(s.data));
      await s.drop();
    });
    test('so does a database that is damaged, and it is left as it is', async () => {
      const s = await Server.start({});
      await s.api.once(echo, { v: 1 });
      await s.down();
      const file = path.join(s.data, 'heddle.db');
      const bytes = fs.readFileSync(file);
      bytes.fill(0x5a, 0, 4096);
      fs.writeFileSync(file, bytes);
      await assert.rejects(s.up({ ms: 20_000 }), /heddle\.db/);
      assert.ok(fs.readFileSync(file).equals(bytes), 'the damaged file was changed');
      await s.drop();
    });
    test('damage inside of it is told with what to do, and found by doctor', async () => {
      const s = await Server.start({});
      await s.api.once(echo, { v: 1 });
      await s.down();
      const file = path.join(s.data, 'heddle.db');
      const bytes = fs.readFileSync(file);
      for (let at = 8192; at < bytes.length; at += 4096)
        if (bytes[at] !== 5 && bytes[at] !== 2)
          bytes.fill(0x5a, at, at + 4096); /* leaves of tables and indexes */
      fs.writeFileSync(file, bytes);
      const sees = await heddle(['doctor', '--json', '--data', s.data, '--listen', '127.0.0.1:0']);
      const found = JSON.parse(sees.stdout).checks.filter((c) => c.level === 'fail');
      assert.equal(sees.code, 1);
      assert.ok(
        found.some((c) => /damaged|malformed/.test(c.found) && /heddle restore FILE/.test(c.advice)),
        sees.stdout,
      );
      assert.deepEqual(
        fs.readdirSync(s.data).filter((name) => /-(wal|shm)$/.test(name)),
        [],
      );
      const serve = await heddle(['serve', '--data', s.data, '--listen', '127.0.0.1:0']);
      assert.equal(serve.code, 1);
      assert.match(serve.stderr, /is damaged or no database\. Stop the server and put a backup back/);
      assert.doesNotMatch(serve.stderr, /INSERT|PRAGMA|stopping/);
      await s.drop();
    });
  });

if (databases.includes('postgres'))
  describe('a PostgreSQL that goes away [postgres]', () => {
    let pg, server, web;
    const test = testWith(() => server);
    before(
      async () => {
        [pg, web] = await Promise.all([Postgres.start(), startHttpApi()]);
        server = await Server.start({ db: 'postgres', postgres: pg, env: { HEDDLE_DATABASE_TIMEOUT: '2s' } });
      },
      { timeout: testLimit },
    );
    after(
      async () => {
        await server?.drop();
        await web?.stop();
        await pg?.stop();
      },
      { timeout: testLimit },
    );

    test('is told clearly, and everything goes on when it is back', async () => {
      const { api } = server;
      const gate = new Gate();
      const id = await api.workflow(echo);
      const before = await api.run(id, { v: 1 });
      const held = await api.start(
        await api.workflow(
          chain('Held', {
            a: call(web.plan('pg', { gate, body: { v: 5 } }), { timeout: '120s', method: 'POST', body: {} }),
            out: output('{{ a.body.v }}'),
          }),
        ),
        {},
      );
      await web.reached(1);
      await pg.down();
      gate.open(); /* the step ends while there is nowhere to write it */

      const [ready, read, write] = await Promise.all([
        api.get('/readyz'),
        api.get(`/api/runs/${before.id}`),
        api.post(`/api/workflows/${id}/execute`, { input: { v: 2 } }),
      ]);
      expectStatus(ready, 503);
      expectProblem(read, 503);
      expectProblem(write, 503);
      assert.ok(write.headers['retry-after'], 'it says when to try again');
      expectStatus(await api.get('/healthz'), 200);

      await pg.up();
      await until('it is ready again', async () => (await api.get('/readyz')).status === 200, {
        every: 100,
        limit: 60_000,
      });
      const after = await until(
        'it takes work again',
        async () => {
          const r = await api.post(`/api/workflows/${id}/execute`, { input: { v: 3 } });
          return r.status === 200 && r.json;
        },
        { every: 100, limit: 60_000 },
      );
      assert.equal(after.output, 3);
      const run = await api.finished(held, { limit: 90_000 });
      assert.deepEqual(
        [run.state, run.output, web.at('/plan/pg').length],
        ['succeeded', 5, 1],
        'the step in flight was neither lost nor repeated',
      );
      assert.ok(!server.proc.isEnded);
    });

    test('does not hold up a stop, also when it left in the middle of a commit', async () => {
      const gate = new Gate();
      const id = await server.api.workflow(
        chain('Left', {
          a: call(web.plan('left', { gate, body: { v: 6 } }), { timeout: '120s' }),
          out: output('{{ a.body.v }}'),
        }),
      );
      await server.restart({
        env: {
          HEDDLE_DRAIN_TIMEOUT: '2s',
          HEDDLE_INJECT: 'wf.journal.before_commit=error:E_UNKNOWN_OUTCOME@2+',
        },
      });
      const held = await server.api.start(id, {});
      await web.reached(1, (r) => r.path === '/plan/left');
      await pg.down();
      gate.open();
      await until('the database is missed', () => /waits for the store/.test(server.proc.stderr));
      const at = Date.now();
      await server.down();
      assert.ok(Date.now() - at < 15_000, `it stopped after ${Date.now() - at} ms`);
      await pg.up();
      await server.forgetOthers(); /* its lease could not be given back */
      await server.up();
      const run = await server.api.finished(held, { limit: 90_000 });
      assert.deepEqual([run.state, run.output], ['succeeded', 6]);
    });

    test('is waited for at the start, and readiness says so', async () => {
      await server.down();
      await pg.down();
      const port = await freePort();
      const ready = server.up({ args: ['--listen', `127.0.0.1:${port}`], ms: 90_000 });
      const early = new Api(`http://127.0.0.1:${port}`, server.key);
      const answer = await until('it listens', () => early.get('/readyz').catch(() => null));
      assert.equal(answer.status, 503);
      expectProblem(await early.get('/api/workflows'), 503);
      expectStatus(await early.get('/healthz'), 200);
      await pg.up();
      await ready;
      expectStatus(await server.api.get('/readyz'), 200);
      early.close();
    });
  });

for (const db of databases)
  describe(`a clock that jumps [${db}]`, () => {
    const skip = process.env.ASAN_OPTIONS && 'sanitizers do not go with preloaded libraries';
    const dir = tempDir('clock');
    const jump = (seconds) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64LE(BigInt(seconds) * 1_000_000n);
      const file = fs.openSync(
        path.join(dir, 'offset'),
        fs.existsSync(path.join(dir, 'offset')) ? 'r+' : 'w',
      );
      fs.writeSync(file, bytes, 0, 8, 0);
      fs.closeSync(file);
    };
    let server, web;
    const test = testWith(() => server);
    before(
      async () => {
        if (skip) return;
        const source = fileURLToPath(new URL('../doubles/clock.c', import.meta.url));
        const library = path.join(dir, 'clock.so');
        execFileSync('cc', ['-shared', '-fPIC', '-O2', '-Wall', '-Werror', '-o', library, source], {
          stdio: 'inherit',
        });
        jump(0);
        web = await startHttpApi();
        server = await Server.start({
          db,
          env: { LD_PRELOAD: library, HEDDLE_TEST_CLOCK: path.join(dir, 'offset') },
        });
      },
      { timeout: testLimit },
    );
    after(
      async () => {
        await server?.drop();
        await web?.stop();
      },
      { timeout: testLimit },
    );

    test('a day forward does not use up the time of a run under way', { skip }, async () => {
      const { api } = server;
      const gate = new Gate();
      const id = await api.workflow(
        chain(
          'Short',
          {
            a: call(web.plan('short', { gate, body: { v: 1 } }), { timeout: '60s' }),
            b: call(web.plan('again', { status: 503 }, { body: { v: 2 } }), {
              retry: { max_attempts: 2, delay: '1s', backoff: 'constant', jitter: 0 },
            }),
            out: output('{{ b.body.v }}'),
          },
          { settings: { timeout: '5m' } },
        ),
      );
      const s = await api.stream(id, {});
      await s.nextWith((e) => e.event === 'step.started' && e.json.node === 'a');
      jump(86400);
      gate.open();
      const rest = await s.all(60_000);
      jump(0);
      assert.equal(rest.at(-1).event, 'run.succeeded', JSON.stringify(rest.at(-1).json));
    });

    test('a delay takes as long as it says, a time comes when the clock says so', { skip }, async () => {
      const { api } = server;
      const wait = await api.workflow(chain('Delay', { w: delay('8s'), out: output('done') }));
      const time = await api.workflow(
        chain('Time', { w: ['delay', { mode: 'until', until: '{{ input.at }}' }], out: output('done') }),
      );
      const isWaiting = (id) => async () => (await api.runOf(id)).state === 'waiting';
      for (const offset of [3600, -3600]) {
        jump(0);
        const at = new Date(Date.now() + 1800_000).toISOString();
        const began = Date.now();
        const [a, b] = await Promise.all([api.start(wait, {}), api.start(time, { at })]);
        await until('both wait', async () => (await isWaiting(a)()) && (await isWaiting(b)()));
        jump(offset);
        if (offset > 0) assert.equal((await api.finished(b)).state, 'succeeded');
        assert.equal((await api.finished(a, { limit: 60_000 })).state, 'succeeded');
        const took = Date.now() - began;
        assert.ok(took >= 7900 && took < 8000 + 5000 * slow, `after ${offset} s it took ${took} ms`);
        const kinds = (await (await api.events(a)).all()).map((e) => e.event);
        assert.ok(kinds.includes('run.clock_set'), `${kinds}`);
        if (offset > 0) continue;
        assert.equal((await api.runOf(b)).state, 'waiting');
        jump(3600);
        assert.equal((await api.finished(b)).state, 'succeeded');
      }
      jump(0);
    });

    test('an hour back and a day forward neither stop runs nor stretch their waits', { skip }, async () => {
      const { api } = server;
      for (const [i, offset] of [-3600, 0, 86400, 0, -86400].entries()) {
        const gate = new Gate();
        const held = web.plan(`h${i}`, { gate });
        const flaky = web.plan(`f${i}`, { status: 503 }, { status: 503 }, { body: { v: 1 } });
        const id = await api.workflow(
          chain(
            'Jumps',
            {
              a: call(held, { timeout: '60s' }),
              b: call(flaky, { retry: { max_attempts: 5, delay: '1s', backoff: 'constant', jitter: 0 } }),
              out: output('{{ b.body.v }}'),
            },
            { settings: { timeout: '2d' } },
          ),
        );
        const at = Date.now();
        const s = await api.stream(id, {});
        await s.nextWith((e) => e.event === 'step.started' && e.json.node === 'a');
        jump(offset);
        gate.open();
        const failed = await s.nextWith((e) => e.event === 'step.failed');
        jump(0); /* and back, in the middle of the wait */
        const rest = await s.all(90_000);
        assert.equal(rest.at(-1).event, 'run.succeeded', JSON.stringify(rest.at(-1).json));
        assert.ok(Date.now() - at < 90_000, `${offset}: ${Date.now() - at} ms`);
        const run = await api.runOf(failed.json.run_id);
        assert.ok(isFinal(run));
        for (const step of run.steps) assert.ok(step.duration_ms >= 0, JSON.stringify(step));
        assert.equal(stepOf(run, 'b').attempts, 3);
      }
      expectStatus(await api.get('/readyz'), 200);
    });

    test('a run that was put away until a time that has moved away is woken', { skip }, async () => {
      const url = web.plan('parked', { status: 503 }, { body: { v: 1 } });
      jump(86400);
      await server.restart(); /* it knows no other time */
      const { api } = server;
      const id = await api.workflow(
        chain('Parked', {
          a: call(url, { retry: { max_attempts: 3, delay: '8s', backoff: 'constant', jitter: 0 } }),
          out: output('{{ a.body.v }}'),
        }),
      );
      const runId = await api.start(id, {});
      await until('it waits', async () => (await api.runOf(runId)).state === 'waiting');
      jump(0);
      assert.equal((await api.finished(runId, { limit: 60_000 })).output, 1);
    });
  });
