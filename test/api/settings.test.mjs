/* Settings, doctor and version of the real program, as people and scripts meet them. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { describe, it } from 'node:test';
import { heddle, Server } from '../lib/server.mjs';
import { tempDir } from '../lib/tmp.mjs';

const bare = { HEDDLE_EGRESS_ALLOW: undefined, HEDDLE_LOG_LEVEL: undefined };

function folder(yaml) {
  const dir = tempDir('settings');
  if (yaml !== undefined) fs.writeFileSync(path.join(dir, 'heddle.yaml'), yaml);
  return dir;
}

const settingsOf = async (args, env) => {
  const r = await heddle(['config', 'print', '--json', ...args], { env: { ...bare, ...env } });
  assert.equal(r.code, 0, r.stderr);
  return JSON.parse(r.stdout).settings;
};

describe('settings', () => {
  it('come from flag, environment, file and default, in this order', async () => {
    const dir = folder('listen: 0.0.0.0:1111\nretention:\n  days: 7\nlog:\n  level: warn\n');
    const s = await settingsOf(['--data', dir, '--listen', '0.0.0.0:3333'], {
      HEDDLE_LISTEN: '0.0.0.0:2222',
      HEDDLE_RETENTION_DAYS: '8',
    });
    assert.deepEqual(s.listen, { value: '0.0.0.0:3333', source: 'flag', where: '--listen' });
    assert.deepEqual(s['retention.days'], {
      value: 8,
      source: 'environment',
      where: 'HEDDLE_RETENTION_DAYS',
    });
    assert.equal(s['log.level'].value, 'warn');
    assert.equal(s['log.level'].where, `${dir}/heddle.yaml:5`);
    assert.equal(s.drain_timeout.source, 'default');
  });

  it('show no secret', async () => {
    const env = { ...bare, OPENAI_API_KEY: 'sk-very-secret', DATABASE_URL: 'postgres://me:hunter22@db/x' };
    for (const args of [
      ['config', 'print'],
      ['config', 'print', '--json'],
      ['config', 'check'],
      ['doctor'],
    ]) {
      const r = await heddle([...args, '--data', folder()], { env });
      assert.doesNotMatch(r.stdout + r.stderr, /very-secret|hunter22/, args.join(' '));
    }
  });

  it('that are wrong are all named at once, with status 3', async () => {
    const dir = folder('lisen: 127.0.0.1:1\nshards: many\n');
    const r = await heddle(['config', 'check', '--data', dir], { env: { ...bare, HEDDLE_SHRADS: '2' } });
    assert.equal(r.code, 3);
    assert.equal(r.stdout, '');
    assert.match(r.stderr, /heddle\.yaml:1: lisen: there is no such setting\. Did you mean "listen"\?/);
    assert.match(r.stderr, /heddle\.yaml:2: shards: "many" is no whole number/);
    assert.match(r.stderr, /HEDDLE_SHRADS: .* Did you mean "HEDDLE_SHARDS"\?/);
  });

  it('are checked alike by config check, doctor and serve', async () => {
    const dir = folder('openai: {api_key: [a, b]}\n');
    for (const [args, env, text] of [
      [
        [],
        { HEDDLE_TRUSTED_PROXIES: 'abc' },
        /trusted_proxies: "abc" is no address and no network; write it like/,
      ],
      [[], { HEDDLE_EGRESS_DENY: '10.0.0.0/40' }, /egress\.deny: /],
      [
        ['--tls-cert', 'nofile', '--tls-key', 'nofile'],
        {},
        /tls\.cert: .* nofile cannot be opened: No such file/,
      ],
      [['--database', 'postgres//x'], {}, /database\.url: this looks like a mistyped URL/],
      [[], { DATABASE_URL: 'postgres://127.0.0.1:1/x?sslmode=bogus' }, /invalid sslmode value: "bogus"/],
      [[], { APP_BASE_URL: 'http://x/path?q#f' }, /base_url: .* has a query or a fragment/],
      [['--config', path.join(dir, 'heddle.yaml')], {}, /:1: openai\.api_key: a list stands where/],
    ]) {
      const options = { env: { ...bare, ...env }, cwd: folder() };
      const name = JSON.stringify([args, env]);
      for (const verb of [['config', 'check'], ['serve']]) {
        const r = await heddle([...verb, ...args], options);
        assert.equal(r.code, 3, `${verb} ${name}: ${r.stderr}`);
        assert.match(r.stderr, text);
        assert.doesNotMatch(r.stderr, / INFO /);
      }
      if (args.some((a) => a.startsWith('--tls'))) continue; /* doctor takes no such flag */
      const r = await heddle(['doctor', '--json', ...args], options);
      const found = JSON.parse(r.stdout).checks.find((c) => c.name === 'settings');
      assert.equal(found.level, 'fail', name);
      assert.match(found.found, text);
    }
  });

  it('take REDIS_URL, and say when nobody is there', async () => {
    const env = { ...bare, REDIS_URL: 'redis://me:hunter22@127.0.0.1:1' };
    const s = await settingsOf([], env);
    assert.equal(s['redis.url'].value, 'redis://me:***@127.0.0.1:1');
    assert.equal(s['redis.url'].where, 'REDIS_URL');
    const report = JSON.parse((await heddle(['doctor', '--json'], { env, cwd: folder() })).stdout);
    assert.equal(report.checks.find((c) => c.name === 'redis').level, 'warn');
    const server = await Server.make({ env });
    await server.up();
    await server.proc.line(/WARN +limits are counted over the database alone/, 30_000, 'stderr');
    assert.doesNotMatch(server.proc.stderr, /hunter22/);
    await server.drop();
    assert.equal((await heddle(['config', 'check'], { env: { ...bare, REDIS_URL: 'tcp://h' } })).code, 3);
  });

  it('print as a file that can be read again', async () => {
    const first = await heddle(['config', 'print'], { env: { ...bare, HEDDLE_SHARDS: '3' } });
    const dir = folder(first.stdout);
    const again = await settingsOf(['--config', path.join(dir, 'heddle.yaml')]);
    assert.equal(again.shards.value, 3);
    assert.equal(again.shards.source, 'file');
  });
});

describe('the program', () => {
  it('says what it is, also as JSON', async () => {
    const text = await heddle(['--version']);
    assert.match(text.stdout, /^heddle \d+\.\d+\.\d+ \(/);
    const json = JSON.parse((await heddle(['version', '--json'])).stdout);
    assert.match(json.version, /^\d+\.\d+\.\d+$/);
    assert.match(json.libraries.SQLite, /^3\./);
  });

  it('tells usage errors by status 2 and what was meant', async () => {
    for (const [args, text] of [
      [['docter'], /Did you mean "doctor"\?/],
      [['config'], /"config" needs one more word/],
      [['config', 'prnt'], /there is "config check", "config print"/],
      [['doctor', '--jsno'], /Did you mean "--json"\?/],
      [['doctor', '--data'], /--data needs a value/],
      [['version', 'now'], /one word too many/],
    ]) {
      const r = await heddle(args);
      assert.equal(r.code, 2, args.join(' '));
      assert.match(r.stderr, text);
    }
    assert.equal((await heddle([])).code, 2);
  });

  it('has a manual page and help for every verb', async () => {
    const all = (await heddle(['help'])).stdout;
    const verbs = [
      ...all
        .split('Verbs:')[1]
        .split('Options:')[0]
        .matchAll(/^ {2}(\S+(?: [a-z]+)?)(?: {2}|$)/gm),
    ];
    assert.ok(verbs.length >= 5, all);
    const page = (await heddle(['man'])).stdout;
    for (const [, verb] of verbs) {
      const r = await heddle([...verb.split(' '), '--help']);
      assert.equal(r.code, 0, verb);
      assert.match(r.stdout, new RegExp(`Usage: heddle ${verb}`));
      assert.ok(page.includes(`.SS heddle ${verb}`), verb);
    }
  });

  it('fails when its output has nowhere to go', async () => {
    const { run } = await import('../lib/proc.mjs');
    const { binary } = await import('../lib/server.mjs');
    const r = await run('/bin/sh', ['-c', `"${binary}" help >/dev/full`], { env: {} });
    assert.equal(r.code, 1);
    assert.match(r.stderr, /No space left/);
  });
});

describe('doctor', () => {
  const line = (report, name) => report.checks.find((c) => c.name === name);
  const visit = async (args, env) => {
    const r = await heddle(['doctor', '--json', ...args], { env: { ...bare, ...env } });
    const report = JSON.parse(r.stdout);
    assert.equal(report.ok, r.code === 0);
    for (const c of report.checks) assert.equal(c.level !== 'ok', c.advice !== undefined, JSON.stringify(c));
    return report;
  };

  it('finds an empty folder and a free port well, and changes nothing', async () => {
    const dir = folder();
    const report = await visit(['--data', dir, '--listen', '127.0.0.1:0']);
    for (const name of ['settings', 'disk', 'port', 'database']) assert.equal(line(report, name).level, 'ok');
    assert.deepEqual(fs.readdirSync(dir), []);
  });

  it('names a port that is taken, a folder that is none and a database that is gone', async () => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const taken = `127.0.0.1:${server.address().port}`;
    const file = path.join(folder('x'), 'heddle.yaml');
    const report = await visit([
      '--data',
      file,
      '--listen',
      taken,
      '--database',
      'postgres://u@127.0.0.1:1/x',
    ]);
    server.close();
    assert.equal(line(report, 'port').level, 'warn');
    assert.equal(line(report, 'data').level, 'fail');
    assert.equal(line(report, 'database').level, 'fail');
    assert.equal(report.ok, false);
  });

  it('says what is wrong with the settings and still looks at the machine', async () => {
    const report = await visit(['--data', folder('shards: many\n')]);
    assert.equal(line(report, 'settings').level, 'fail');
    assert.equal(line(report, 'kernel').found.length > 0, true);
    assert.equal(line(report, 'database'), undefined);
  });

  it('finds a damaged database', async () => {
    const dir = folder();
    fs.writeFileSync(path.join(dir, 'heddle.db'), 'this is no database, '.repeat(400));
    const report = await visit(['--data', dir]);
    assert.equal(line(report, 'database').level, 'fail');
    assert.match(line(report, 'database').advice, /heddle restore FILE/);
    assert.doesNotMatch(line(report, 'database').found, /PRAGMA/);
  });
});
