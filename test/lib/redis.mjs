/* redis.mjs - a Redis server of Debian's package, keeping nothing on the disk, on a free port. */
import { spawnSync } from 'node:child_process';
import net from 'node:net';
import path from 'node:path';
import { until } from './gate.mjs';
import { freePort } from './postgres.mjs';
import { Proc } from './proc.mjs';
import { removeDir, tempDir } from './tmp.mjs';

/* @tls: speaks TLS alone, by a certificate of its own (ca). */
export class Redis {
  static async start({ password, tls = false } = {}) {
    const r = new Redis();
    r.dir = tempDir('redis');
    r.tls = tls;
    r.password = password;
    if (tls) r.#certificate();
    for (let i = 0; ; i++) {
      r.port = await freePort();
      try {
        await r.up();
        return r;
      } catch (error) {
        if (i === 4) throw error; /* the port may be taken meanwhile */
      }
    }
  }

  #certificate() {
    this.ca = path.join(this.dir, 'cert.pem');
    const made = spawnSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
        ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'],
        ...['-keyout', path.join(this.dir, 'key.pem'), '-out', this.ca],
      ],
      { encoding: 'utf8' },
    );
    if (made.status !== 0) throw new Error(`openssl: ${made.stderr}`);
  }

  get url() {
    const user = this.password ? `:${encodeURIComponent(this.password)}@` : '';
    return `${this.tls ? 'rediss' : 'redis'}://${user}127.0.0.1:${this.port}`;
  }

  async up() {
    const args = ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', this.dir];
    if (this.tls) {
      const key = path.join(this.dir, 'key.pem');
      args.push('--port', '0', '--tls-port', String(this.port), '--tls-auth-clients', 'no');
      args.push('--tls-cert-file', this.ca, '--tls-key-file', key, '--tls-ca-cert-file', this.ca);
    } else {
      args.push('--port', String(this.port));
    }
    if (this.password) args.push('--requirepass', this.password);
    this.proc = new Proc('redis-server', args, { env: { PATH: process.env.PATH }, cwd: this.dir });
    await this.proc.line(/Ready to accept connections/);
  }

  async kill() {
    this.proc.child.kill('SIGKILL');
    await this.proc.ended;
  }

  /* One command without arguments that have spaces, to the plain server; gives what it answers. */
  command(words) {
    return new Promise((resolve, reject) => {
      const socket = net.connect(this.port, '127.0.0.1', () => socket.write(`${words}\r\n`));
      let text = '';
      socket.setEncoding('utf8');
      socket.on('error', reject);
      socket.on('data', (piece) => {
        text += piece;
        if (!text.endsWith('\r\n')) return;
        socket.destroy();
        resolve(text);
      });
    });
  }

  async drop() {
    await this.kill();
    removeDir(this.dir);
  }
}

/* Until a server of ours counts over it again. */
export const isUsed = (redis) =>
  until('Redis is asked', async () => /cmdstat_eval/.test(await redis.command('INFO commandstats')));
