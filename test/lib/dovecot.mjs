/* dovecot.mjs - a real mail server in a folder of its own, and a small client that puts mails there. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { until } from './gate.mjs';
import { Proc } from './proc.mjs';
import { removeDir, tempDir } from './tmp.mjs';

const freePort = () =>
  new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

/* Run as root it drops to the users that the package has made, and mails belong to nobody; else all is ours. */
function rights() {
  const { uid, gid, username } = os.userInfo();
  if (uid === 0) return { uid: 65534, gid: 65534, lines: 'first_valid_uid = 1\n' };
  const group = execFileSync('id', ['-gn'], { encoding: 'utf8' }).trim();
  return {
    uid,
    gid,
    lines: `default_internal_user = ${username}\ndefault_internal_group = ${group}\ndefault_login_user = ${username}\nfirst_valid_uid = ${uid}\nfirst_valid_gid = ${gid}\n`,
  };
}

export class Dovecot {
  /* @users: all that there will be. */
  static async start(users) {
    const d = new Dovecot();
    d.dir = tempDir('dovecot');
    d.password = 'geheim "pass\\wört"';
    [d.port, d.tlsPort] = [await freePort(), await freePort()];
    const own = rights();
    const at = (name) => path.join(d.dir, name);
    d.cert = at('cert.pem');
    execFileSync('openssl', [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
      ...['-days', '30', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
      ...['-keyout', at('key.pem'), '-out', d.cert],
    ]);
    fs.mkdirSync(at('mail'));
    fs.chmodSync(d.dir, 0o755);
    fs.chownSync(at('mail'), own.uid, own.gid);
    fs.writeFileSync(at('users'), users.map((user) => `${user}:{PLAIN}${d.password}\n`).join(''));
    fs.writeFileSync(
      at('dovecot.conf'),
      `protocols = imap
base_dir = ${at('run')}
state_dir = ${at('state')}
log_path = ${at('log')}
listen = 127.0.0.1
ssl = yes
ssl_cert = <${d.cert}
ssl_key = <${at('key.pem')}
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0 secs
mail_location = maildir:${at('mail')}/%u
mailbox_idle_check_interval = 1 secs
mail_max_userip_connections = 100
${own.lines}
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u ${at('users')}
}
userdb {
  driver = static
  args = uid=${own.uid} gid=${own.gid} home=${at('mail')}/%u
}
service anvil {
  chroot =
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service imap-login {
  chroot =
  process_min_avail = 1
  inet_listener imap {
    port = ${d.port}
  }
  inet_listener imaps {
    port = ${d.tlsPort}
    ssl = yes
  }
}
`,
    );
    d.proc = new Proc('dovecot', ['-F', '-c', at('dovecot.conf')], { env: process.env, cwd: d.dir });
    await until(
      'dovecot listens',
      () =>
        new Promise((resolve) => {
          if (d.proc.isEnded) throw new Error(`dovecot: ${d.proc.stderr}`);
          const socket = net.connect(d.port, '127.0.0.1', () => resolve(socket.destroy() && true));
          socket.on('error', () => resolve(false));
        }),
    );
    return d;
  }

  /* A client that is signed in. */
  async user(name) {
    return ImapClient.open(this.port, name, this.password);
  }

  log() {
    return fs.readFileSync(path.join(this.dir, 'log'), 'utf8');
  }

  async stop() {
    if (this.proc) await this.proc.stop(10_000, { force: true });
    removeDir(this.dir);
  }
}

const quoted = (text) => `"${text.replace(/[\\"]/g, '\\$&')}"`;

export class ImapClient {
  static async open(port, user, password) {
    const c = new ImapClient();
    c.tag = 0;
    c.text = '';
    c.socket = net.connect(port, '127.0.0.1');
    c.socket.setEncoding('latin1');
    c.socket.on('error', () => {});
    c.socket.on('data', (text) => {
      c.text += text;
      c.look?.();
    });
    await c.#until(/^\* OK[^\n]*\n/);
    const plain = Buffer.from(`\0${user}\0${password}`).toString('base64');
    await c.command(`AUTHENTICATE PLAIN ${plain}`);
    return c;
  }

  #until(pattern) {
    return new Promise((resolve) => {
      this.look = () => {
        const match = this.text.match(pattern);
        if (!match) return;
        this.text = this.text.slice(match.index + match[0].length);
        this.look = null;
        resolve(match);
      };
      this.look();
    });
  }

  async command(text, literal) {
    const tag = `t${++this.tag}`;
    this.socket.write(`${tag} ${text}\r\n`);
    if (literal !== undefined) {
      await this.#until(/^\+[^\n]*\n/m);
      this.socket.write(Buffer.concat([literal, Buffer.from('\r\n')]));
    }
    const [all, before, status, rest] = await this.#until(
      new RegExp(`([\\s\\S]*?)^${tag} (OK|NO|BAD)([^\\n]*)\\n`, 'm'),
    );
    if (status !== 'OK') throw new Error(`${text}: ${all}`);
    return before + rest;
  }

  append(raw, folder = 'INBOX', flags = '') {
    return this.command(`APPEND ${quoted(folder)} (${flags}) {${Buffer.byteLength(raw)}}`, Buffer.from(raw));
  }

  /* Numbers of messages in @folder that fit @what. */
  async search(what = 'ALL', folder = 'INBOX') {
    await this.command(`SELECT ${quoted(folder)}`);
    const [, list] = (await this.command(`UID SEARCH ${what}`)).match(/^\* SEARCH(.*)$/m) ?? [];
    return (list ?? '').trim().split(' ').filter(Boolean).map(Number);
  }

  close() {
    this.socket.destroy();
  }
}

/* A mail as text; @more: further headers. */
export const mail = (subject, text = 'Hello', { from = 'Ann <ann@example.com>', more = '' } = {}) =>
  [
    `From: ${from}`,
    'To: box@example.com',
    `Subject: ${subject}`,
    'Date: Fri, 20 Nov 2026 12:00:00 +0100',
    `Message-ID: <${Buffer.from(subject).toString('hex').slice(0, 60)}@example.com>`,
    ...(more ? [more] : []),
    '',
    text,
    '',
  ].join('\r\n');
