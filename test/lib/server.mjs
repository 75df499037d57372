/* server.mjs - the real binary: `heddle serve` on a free port with a folder and a database of its own. */
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Api } from './api.mjs';
import { Proc, run } from './proc.mjs';
import { createDatabase, dropDatabase, psql } from './postgres.mjs';
import { removeDir, tempDir } from './tmp.mjs';

export const top = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const binary = process.env.HEDDLE_BIN || path.join(top, 'build', 'heddle');

/* Nothing of the caller's environment decides what a test sees. */
export function cleanEnv(more = {}) {
  const env = { HEDDLE_EGRESS_ALLOW: 'private', HEDDLE_LOG_LEVEL: 'info', TZ: 'UTC' };
  for (const name of [
    'PATH',
    'HOME',
    'USER',
    'LANG',
    'TMPDIR',
    'ASAN_OPTIONS',
    'UBSAN_OPTIONS',
    'TSAN_OPTIONS',
    'LSAN_OPTIONS',
  ])
    if (process.env[name] !== undefined) env[name] = process.env[name];
  for (const [name, value] of Object.entries(more)) {
    if (value === undefined) delete env[name];
    else env[name] = String(value);
  }
  return env;
}

/* Run a verb of the binary to its end. */
export function heddle(args, { env = {}, ...options } = {}) {
  if (!fs.existsSync(binary)) throw new Error(`${binary} is missing: make build`);
  return run(binary, args, { env: cleanEnv(env), ...options });
}

export class Server {
  /* @db: "sqlite" or "postgres"; @env, @args: settings; @postgres: a server of one's own. Does not start it. */
  static async make({ db = 'sqlite', env = {}, args = [], postgres, wrap = [] } = {}) {
    const s = new Server();
    s.db = db;
    s.args = args;
    s.wrap = wrap; /* a command that runs the command behind it */
    s.dir = tempDir('data');
    s.data = path.join(s.dir, 'data');
    s.env = { ...env };
    if (db === 'postgres') s.env.DATABASE_URL = s.databaseUrl = await createDatabase(postgres);
    return s;
  }

  static async start(options) {
    const s = await Server.make(options);
    try {
      await s.up();
      await s.makeKey();
    } catch (error) {
      await s.drop();
      throw error;
    }
    return s;
  }

  async up({ env = {}, args = [], ms = 30_000 } = {}) {
    if (!fs.existsSync(binary)) throw new Error(`${binary} is missing: make build`);
    const command = [...this.wrap, binary, 'serve', '--signin', '--data', this.data, ...this.args, ...args];
    if (!command.includes('--listen')) command.push('--listen', '127.0.0.1:0');
    this.startedAt = Date.now();
    this.proc = new Proc(command[0], command.slice(1), {
      env: cleanEnv({ ...this.env, ...env }),
      cwd: this.dir,
    });
    const [, url] = await this.proc.line(/^ready (http:\/\/\S+)$/m, ms);
    this.readyAfter = Date.now() - this.startedAt;
    this.url = url;
    this.port = Number(new URL(url).port);
    if (this.key) this.#connect();
    return this;
  }

  #connect() {
    this.api?.close();
    this.api = new Api(this.url, this.key);
  }

  async newKey(name, capabilities) {
    const args = ['key', 'create', '--data', this.data, '--name', name];
    if (capabilities) args.push('--capability', capabilities);
    const { code, stdout, stderr } = await heddle(args, { env: this.env, cwd: this.dir });
    if (code !== 0 || !/^\S+\n$/.test(stdout)) throw new Error(`key create: ${code}\n${stdout}\n${stderr}`);
    return stdout.trim();
  }

  async makeKey() {
    this.key = await this.newKey('t');
    this.#connect();
  }

  /* The token of the one-time link that was printed. */
  async signInToken() {
    const [, token] = await this.proc
      .line(/\/signin\?token=([^\s"']+)/)
      .catch(() => this.proc.line(/\/signin\?token=([^\s"']+)/, 1000, 'stderr'));
    return token;
  }

  get pid() {
    return this.proc.pid;
  }

  /* Memory in use, in MiB. */
  rss() {
    const status = fs.readFileSync(`/proc/${this.pid}/status`, 'utf8');
    return Number(status.match(/^VmRSS:\s+(\d+)/m)[1]) / 1024;
  }

  peakRss() {
    const status = fs.readFileSync(`/proc/${this.pid}/status`, 'utf8');
    return Number(status.match(/^VmHWM:\s+(\d+)/m)[1]) / 1024;
  }

  /* SIGTERM, and an end without complaint; that of a sanitizer is one, too. */
  async down(options) {
    this.api?.close();
    if (!this.proc || this.proc.isEnded) return this.proc?.ended;
    const end = await this.proc.stop(20_000, options);
    if (end.code !== 0)
      throw new Error(`the server ended with ${end.code ?? end.signal}\n${this.proc.tail()}`);
    return end;
  }

  async kill() {
    this.api?.close();
    await this.proc.kill('SIGKILL');
  }

  /* On PostgreSQL other processes may live on: a dead one's runs are taken up when it was not seen for a while.
   * This is that while. */
  async forgetOthers() {
    if (this.databaseUrl) await psql(this.databaseUrl, 'DELETE FROM node');
  }

  async killAndRestart(options) {
    await this.kill();
    await this.forgetOthers();
    return this.up(options);
  }

  async restart(options) {
    await this.down();
    return this.up(options);
  }

  /* Stop it for good and take everything away. */
  async drop() {
    try {
      await this.down();
    } finally {
      if (this.databaseUrl) await dropDatabase(this.databaseUrl).catch(() => {});
      removeDir(this.dir);
    }
  }
}
