/* The program on the command line: what scripts rely on from the first day. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { run as runProcess } from '../lib/proc.mjs';
import { binary, cleanEnv, heddle, Server } from '../lib/server.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { tempDir } from '../lib/tmp.mjs';
import { call, chain, condition, flow, llm, noRetry, output, set, trigger, when } from '../lib/flow.mjs';

/* What no verb of the program does to a database. */
async function sql(file, text) {
  const code = 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])';
  const r = await runProcess('python3', ['-c', code, file, text], { env: cleanEnv() });
  assert.equal(r.code, 0, r.stderr);
}

onEachDatabase(
  'command line',
  (ctx) => {
    const { test } = ctx;
    const dir = tempDir('cli');
    const file = (name, definition) => {
      const p = path.join(dir, name);
      fs.writeFileSync(p, typeof definition === 'string' ? definition : JSON.stringify(definition));
      return p;
    };
    const run = (args, env = {}) =>
      heddle(['run', ...args], {
        cwd: dir,
        env: { OPENAI_BASE_URL: ctx.model.url, OPENAI_API_KEY: 'k', ...env },
      });

    test('version and help speak for themselves', async () => {
      for (const args of [
        ['version'],
        ['help'],
        ['--help'],
        ['serve', '--help'],
        ['run', '--help'],
        ['key', 'create', '--help'],
      ]) {
        const r = await heddle(args, { cwd: dir });
        assert.equal(r.code, 0, `${args}: ${r.stderr}`);
        assert.ok(r.stdout.length > 10, `${args}`);
      }
      const near = await heddle(['serv'], { cwd: dir });
      assert.equal(near.code, 2);
      assert.match(near.stderr, /serve/);
      assert.equal((await heddle(['serve', '--lisen', 'x'], { cwd: dir })).code, 2);
    });

    test('a run that waits long for its next try is waited for', { skip: ctx.db !== 'sqlite' }, async () => {
      const url = ctx.web.plan('slow-retry', { status: 503 }, { body: { v: 4 } });
      const f = file(
        'retry.json',
        chain('Retry', {
          a: call(url, { retry: { max_attempts: 2, delay: '6s', backoff: 'constant', jitter: 0 } }),
          out: output('{{ a.body.v }}'),
        }),
      );
      const r = await run([f]);
      assert.deepEqual([r.code, r.stdout], [0, '4\n'], r.stderr);
    });

    test('a restore makes its folder, and each keeps what was there before', async () => {
      const at = (name) => ['--data', path.join(dir, name)];
      const ok = async (...args) => {
        const r = await heddle(args, { cwd: dir });
        assert.equal(r.code, 0, r.stderr);
        return r.stdout;
      };
      await ok('key', 'create', ...at('from'), '--name', 'x');
      await ok('backup', ...at('from'), path.join(dir, 'copy.db'));
      await ok('restore', ...at('new/folder'), path.join(dir, 'copy.db'));
      for (let i = 0; i < 3; i++)
        assert.match(await ok('restore', ...at('new/folder'), path.join(dir, 'copy.db')), /kept as/);
      const kept = fs.readdirSync(path.join(dir, 'new/folder')).filter((n) => /before-restore-\d+$/.test(n));
      assert.equal(kept.length, 3);
    });

    test('a name of a key plays no tricks with the terminal', async () => {
      const data = ['--data', path.join(dir, 'names')];
      const make = (name) => heddle(['key', 'create', ...data, '--name', name], { cwd: dir });
      for (const name of ['a\nb', '\u001b[2Jx', 'a\u009bx']) {
        const r = await make(name);
        assert.deepEqual([r.code, r.stdout], [1, '']);
        assert.match(r.stderr, /without control characters/);
      }
      assert.equal((await make('old')).code, 0);
      await sql(
        path.join(dir, 'names', 'heddle.db'),
        "UPDATE api_key SET name = 'o' || char(27) || '[2J' || char(155) || 'd'",
      );
      const list = await heddle(['key', 'list', ...data], { cwd: dir });
      assert.match(list.stdout, / o\\u001b\[2J\\u009bd /);
    });

    test('a backup of a folder that is not there makes none', async () => {
      const at = path.join(dir, 'typo');
      for (const verb of [
        ['backup', path.join(dir, 'typo.db')],
        ['key', 'list'],
      ]) {
        const r = await heddle([...verb, '--data', at], { cwd: dir });
        assert.equal(r.code, 1, r.stdout);
        assert.match(r.stderr, /There is no .*typo\/heddle\.db: name the server's folder/);
      }
      assert.ok(!fs.existsSync(at) && !fs.existsSync(path.join(dir, 'typo.db')));
    });

    test('what is no sound backup replaces nothing', async () => {
      const data = path.join(dir, 'kept');
      const shelf = path.join(dir, 'shelf');
      const on = (name) => path.join(shelf, name);
      const ok = async (...args) => {
        const r = await heddle(args, { cwd: dir });
        assert.equal(r.code, 0, r.stderr);
      };
      fs.mkdirSync(shelf);
      await ok('key', 'create', '--data', data, '--name', 'mine');
      await ok('backup', '--data', data, on('good.db'));
      const good = fs.readFileSync(on('good.db'));
      const page = Buffer.alloc(4096, 0xa5);
      fs.writeFileSync(on('empty.db'), '');
      fs.writeFileSync(on('text.db'), 'no database, '.repeat(1000));
      fs.writeFileSync(on('half.db'), good.subarray(0, good.length / 2));
      fs.writeFileSync(on('short.db'), good.subarray(0, 4096));
      fs.writeFileSync(on('hole.db'), Buffer.concat([good.subarray(0, 8192), page, good.subarray(12288)]));
      fs.copyFileSync(on('good.db'), on('newer.db'));
      await sql(
        on('newer.db'),
        'PRAGMA journal_mode = DELETE; UPDATE schema_migration SET number = 9999 WHERE number = 1',
      );
      await sql(on('bare.db'), 'PRAGMA application_id = 1212435505; CREATE TABLE t (x)');
      const before = fs.readdirSync(shelf).sort();
      for (const [name, text] of [
        [on('none.db'), /There is no backup .*none\.db: No such file/],
        ['/dev/null', /is no file: it is no backup/],
        [shelf, /is no file: it is no backup/],
        [on('empty.db'), /is empty: it is no backup/],
        [on('text.db'), /is damaged or no backup; nothing was changed/],
        [on('half.db'), /is damaged or no backup/],
        [on('short.db'), /is damaged or no backup/],
        [on('hole.db'), /is damaged or no backup/],
        [on('bare.db'), /has none of Heddle's tables/],
        [on('newer.db'), /written by a newer Heddle \(schema 9999/],
      ]) {
        const r = await heddle(['restore', '--data', data, name], { cwd: dir });
        assert.equal(r.code, 1, `${name}: ${r.stdout}`);
        assert.match(r.stderr, text);
        assert.doesNotMatch(r.stderr, /PRAGMA/);
      }
      assert.deepEqual(fs.readdirSync(shelf).sort(), before);
      const names = fs.readdirSync(data).filter((name) => name.includes('restor'));
      assert.deepEqual(names, []);
      assert.match((await heddle(['key', 'list', '--data', data], { cwd: dir })).stdout, /mine/);

      fs.chmodSync(shelf, 0o555);
      await ok('restore', '--data', data, on('good.db'));
      fs.chmodSync(shelf, 0o755);
      assert.deepEqual(fs.readdirSync(shelf).sort(), before);
      assert.match((await heddle(['key', 'list', '--data', data], { cwd: dir })).stdout, /mine/);
    });

    test('a database that has a log beside it is not taken for a backup', async () => {
      const live = path.join(dir, 'live');
      const server = await Server.start();
      try {
        await server.api.run(await server.api.workflow(chain('W', { out: output(1) })), {});
        fs.cpSync(server.data, live, { recursive: true });
        assert.ok(fs.statSync(path.join(live, 'heddle.db-wal')).size > 0);
        const r = await heddle(['restore', '--data', path.join(dir, 'other'), path.join(live, 'heddle.db')], {
          cwd: dir,
        });
        assert.equal(r.code, 1, r.stdout);
        assert.match(r.stderr, /heddle backup/);
      } finally {
        await server.drop();
      }
    });

    test('a standard output that is closed is an error, not an accident', async () => {
      const f = file('closed.json', chain('Closed', { out: output('x') }));
      for (const command of [`run ${f}`, `run ${f} --json`, 'version']) {
        const r = await runProcess('/bin/sh', ['-c', `exec "$0" ${command} >&-`, binary], {
          cwd: dir,
          env: cleanEnv(),
        });
        assert.equal(r.code, 1, `${command}: ${r.stderr}`);
        assert.match(r.stderr, /standard output/);
      }
    });

    test('a bad setting stops the start and is named', async () => {
      for (const [env, names] of [
        [{ HEDDLE_DRAIN_TIMEOUT: 'soon' }, /HEDDLE_DRAIN_TIMEOUT/],
        [{ HEDDLE_DRAIN_TIMEOT: '3s' }, /HEDDLE_DRAIN_TIMEOT/],
        [{ DATABASE_URL: 'mysql://x/y' }, /DATABASE_URL/],
        [{ HEDDLE_EGRESS_ALLOW: '999.1.1.1/99' }, /egress|EGRESS/],
      ]) {
        const r = await heddle(['serve', '--listen', '127.0.0.1:0', '--data', path.join(dir, 'none')], {
          cwd: dir,
          env,
        });
        assert.notEqual(r.code, 0, JSON.stringify(env));
        assert.match(r.stderr, names);
        assert.doesNotMatch(r.stdout, /ready/);
      }
    });

    test("a folder that is no server's is named, and not made", async () => {
      const none = path.join(dir, 'nobody');
      for (const verb of [
        ['signin'],
        ['key', 'list'],
        ['key', 'revoke', '01890000-0000-7000-8000-000000000000'],
      ]) {
        const r = await heddle([...verb, '--data', none], { cwd: dir });
        assert.equal(r.code, 1, r.stdout);
        assert.equal(r.stdout, '');
        assert.match(r.stderr, /There is no .*nobody\/heddle\.db: name the server's folder with --data/);
      }
      assert.ok(!fs.existsSync(none));
    });

    test('ready is one line on standard output, and keys are alone on theirs', async () => {
      assert.match(ctx.server.proc.stdout, /^ready http:\/\/127\.0\.0\.1:\d+$/m);
      const key = await ctx.server.newKey('alone');
      assert.match(key, /^\S{20,}$/);
      /* Also when no server runs. */
      const s = await Server.make({ db: ctx.db });
      try {
        const before = await s.newKey('before');
        await s.up();
        assert.equal((await s.api?.get('/api/me'))?.status ?? 0, 0);
        s.key = before;
        await s.restart();
        assert.equal((await s.api.get('/api/me')).json.name, 'before');
      } finally {
        await s.drop();
      }
    });

    test('run gives the output and exit code 0', async () => {
      const f = file(
        'sum.json',
        chain('Sum', {
          a: set({ greeting: 'Hello {{ input.name }}' }),
          out: output({ text: '{{ a.greeting }}' }),
        }),
      );
      const r = await run([f, '--input', '{"name":"Ada"}']);
      assert.equal(r.code, 0, r.stderr);
      assert.match(r.stdout, /Hello Ada/);
      for (const node of ['start', 'a', 'out'])
        assert.match(r.stdout + r.stderr, new RegExp(`\\b${node}\\b`));
    });

    test('run --json gives the events as JSON lines', async () => {
      const f = file('lines.json', chain('Lines', { a: set({ v: 1 }), out: output('{{ a.v }}') }));
      const r = await run([f, '--json']);
      assert.equal(r.code, 0, r.stderr);
      const lines = r.stdout
        .trimEnd()
        .split('\n')
        .map((l) => JSON.parse(l));
      assert.equal(lines[0].type, 'run.started');
      const end = lines.findLast((l) => l.type?.startsWith('run.'));
      assert.deepEqual([end.type, end.output], ['run.succeeded', 1]);
    });

    test('run tells failures by its exit code and says which node', async () => {
      const f = file(
        'fails.json',
        chain('Fails', { broken: call(`${ctx.web.origin}/status/404`, { retry: noRetry }) }),
      );
      const r = await run([f]);
      assert.notEqual(r.code, 0);
      assert.match(r.stdout + r.stderr, /broken/);
      assert.match(r.stdout + r.stderr, /404/);
    });

    test('run refuses what is no workflow, no JSON, no file, and says where', async () => {
      const invalid = await run([
        file('invalid.json', chain('X', { a: ['data-transform', { mode: 'set', vaules: {} }] })),
      ]);
      assert.notEqual(invalid.code, 0);
      assert.match(invalid.stderr, /vaules/);
      const syntax = await run([file('syntax.json', '{"heddle": 1,')]);
      assert.notEqual(syntax.code, 0);
      assert.match(syntax.stderr, /syntax\.json/);
      const missing = await run([path.join(dir, 'missing.json')]);
      assert.notEqual(missing.code, 0);
      assert.match(missing.stderr, /missing\.json/);
      assert.deepEqual([invalid.code, syntax.code], [3, 3]);
      const text = await run([file('README.md', '# Not a workflow\n')]);
      assert.equal(text.code, 3);
      assert.equal(
        text.stderr,
        `${path.join(dir, 'README.md')}: error: JSON line 1, column 1: expected a value, found '#'\n` +
          `heddle run: ${path.join(dir, 'README.md')} is not a valid workflow.\n`,
      );
      const input = await run([file('ok.json', chain('X', { out: output(1) })), '--input', '{bad']);
      assert.notEqual(input.code, 0);
      assert.match(input.stderr, /input/);
    });

    test('run takes variables', async () => {
      const f = file(
        'vars.json',
        chain(
          'Vars',
          { out: output('{{ vars.who }} {{ vars.n }}') },
          {
            variables: [
              { name: 'who', type: 'string', value: 'nobody' },
              { name: 'n', type: 'number', value: 1 },
            ],
          },
        ),
      );
      assert.match((await run([f])).stdout, /nobody 1/);
      const r = await run([f, '--var', 'who=Ada', '--var', 'n=7']);
      assert.equal(r.code, 0, r.stderr);
      assert.match(r.stdout, /Ada 7/);
      const unknown = await run([f, '--var', 'whom=x']);
      assert.notEqual(unknown.code, 0);
      assert.match(unknown.stderr, /whom/);
    });

    test('run shows a model answer and branches', async () => {
      ctx.model.script('cli', { text: 'positive' });
      const f = file(
        'llm.json',
        flow(
          'Judge',
          {
            start: trigger(),
            m: llm('cli', 'Judge {{ input.text }}'),
            c: condition(when('good', '{{ m.text }}', 'equals', 'positive')),
            yes: output('it is good'),
            no: output('it is bad'),
          },
          ['start -> m', 'm -> c', 'c:good -> yes', 'c:else -> no'],
        ),
      );
      const r = await run([f, '--input', '{"text":"fine"}']);
      assert.equal(r.code, 0, r.stderr);
      assert.match(r.stdout, /it is good/);
      assert.doesNotMatch(r.stdout, /it is bad/);
    });
  },
  { server: {} },
);
