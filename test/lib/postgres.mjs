/* postgres.mjs - a PostgreSQL server of Debian's package, in a temporary folder, on a free port.
 *
 * One server serves a whole test run when tools/with_pg.sh has put its URL into HEDDLE_TEST_PG; else each test file
 * starts its own. PostgreSQL refuses to run as root: then it runs as the package's user.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { Proc, run } from './proc.mjs';
import { removeDir, tempDir } from './tmp.mjs';
import { until } from './gate.mjs';

const home = '/usr/lib/postgresql';

function programs() {
  const versions = fs.existsSync(home)
    ? fs.readdirSync(home).filter((v) => fs.existsSync(path.join(home, v, 'bin/postgres')))
    : [];
  if (!versions.length)
    throw new Error('PostgreSQL is missing: apt-get install postgresql (or HEDDLE_TEST_DB=sqlite)');
  return path.join(home, versions.sort((a, b) => b - a)[0], 'bin');
}

/* Who it runs as: null is ourselves. */
function otherUser() {
  if (process.getuid() !== 0) return null;
  const [, , uid, gid] = execFileSync('getent', ['passwd', 'postgres'], { encoding: 'utf8' }).split(':');
  return { uid: Number(uid), gid: Number(gid) };
}

export function freePort() {
  return new Promise((resolve, reject) => {
    const probe = net.createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

export class Postgres {
  static async start() {
    const pg = new Postgres();
    pg.bin = programs();
    pg.user = otherUser();
    pg.dir = tempDir('pg');
    if (pg.user) fs.chownSync(pg.dir, pg.user.uid, pg.user.gid);
    pg.data = path.join(pg.dir, 'data');
    const made = await run(
      ...pg.#as('initdb', [
        '-D',
        pg.data,
        '-U',
        'heddle',
        '-A',
        'trust',
        '-E',
        'UTF8',
        '--locale=C',
        '--no-sync',
        '--no-instructions',
      ]),
      { cwd: pg.dir },
    );
    if (made.code !== 0) throw new Error(`initdb failed:\n${made.stdout}${made.stderr}`);
    pg.port = await freePort();
    await pg.up();
    return pg;
  }

  #as(program, args) {
    const file = path.join(this.bin, program);
    if (!this.user) return [file, args];
    return [
      'setpriv',
      [`--reuid=${this.user.uid}`, `--regid=${this.user.gid}`, '--clear-groups', '--', file, ...args],
    ];
  }

  get admin() {
    return `postgres://heddle@127.0.0.1:${this.port}/postgres`;
  }

  async up() {
    /* Durable against the death of processes, which is what tests do to it; not against power cuts. */
    const settings = {
      listen_addresses: '127.0.0.1',
      port: this.port,
      unix_socket_directories: this.dir,
      fsync: 'off',
      full_page_writes: 'off',
      max_connections: 200,
      shared_buffers: '64MB',
      log_min_messages: 'warning',
    };
    const args = Object.entries(settings).flatMap(([k, v]) => ['-c', `${k}=${v}`]);
    this.proc = new Proc(...this.#as('postgres', ['-D', this.data, ...args]), { cwd: this.dir });
    await until(
      'PostgreSQL accepts connections',
      async () => {
        if (this.proc.isEnded) throw new Error(`PostgreSQL ended:\n${this.proc.tail()}`);
        return (
          (
            await run(...this.#as('pg_isready', ['-q', '-h', '127.0.0.1', '-p', String(this.port)]), {
              cwd: this.dir,
            })
          ).code === 0
        );
      },
      { every: 50 },
    );
  }

  /* Gone at once, as if it had crashed; connections are cut. */
  async down() {
    await this.proc.kill('SIGQUIT');
  }

  async stop() {
    await this.down();
    removeDir(this.dir);
  }
}

let shared; /* of this process */
let made = 0;

async function adminUrl() {
  if (process.env.HEDDLE_TEST_PG) return process.env.HEDDLE_TEST_PG;
  shared ??= Postgres.start();
  return (await shared).admin;
}

export async function psql(url, sql) {
  const { code, stdout, stderr } = await run('psql', [
    '-X',
    '-q',
    '-A',
    '-t',
    '-v',
    'ON_ERROR_STOP=1',
    '-d',
    url,
    '-c',
    sql,
  ]);
  if (code !== 0) throw new Error(`psql failed: ${stderr}`);
  return stdout.trim();
}

/* @url with another database in it. The server may stand in the query: postgresql://user@/name?host=/folder. */
function withDatabase(url, name) {
  return url.replace(/^(\w+:\/\/[^/?]*)(\/[^?]*)?/, `$1/${name}`);
}

/* A database of its own, on @pg or the server that tests share. Gives its URL. */
export async function createDatabase(pg) {
  const admin = pg ? pg.admin : await adminUrl();
  const name = `t_${process.pid}_${++made}_${Math.random().toString(36).slice(2, 8)}`;
  await psql(admin, `CREATE DATABASE ${name}`);
  return withDatabase(admin, name);
}

export async function dropDatabase(url) {
  const [, name] = url.match(/^\w+:\/\/[^/?]*\/([^?]+)/);
  await psql(withDatabase(url, 'postgres'), `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
}

export async function stopShared() {
  if (!shared) return;
  const pg = await shared;
  shared = undefined;
  await pg.stop();
}
