/* smtp_server.mjs - a mail server (RFC 5321) that keeps what it gets, and misbehaves on request.
 *
 * What it does is the script of the recipient (`script`), a list: each mail takes the next entry, the last one stays.
 * reply: what RCPT is answered, such as "550 no such user";  data_reply: the same of what is sent;  hang: say nothing
 * any more;  cut: close the line at the end of the data, after it was taken;  gate: wait for it before the last answer.
 * user, password: who must sign in. tls: {key, cert} for STARTTLS. */
import net from 'node:net';
import tls from 'node:tls';
import { until } from '../lib/gate.mjs';

export class SmtpServer {
  constructor({ user = null, password = null, tls: pair = null } = {}) {
    Object.assign(this, { user, password, pair });
    this.mails = [];
    this.asked = []; /* recipients, also of mails that were not taken */
    this.scripts = new Map();
    this.sockets = new Set();
  }

  async start(port = 0) {
    this.server = net.createServer((socket) => this.#serve(socket));
    await new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(port, '127.0.0.1', resolve);
    });
    this.port = this.server.address().port;
    this.url = `smtp://127.0.0.1:${this.port}`;
    return this;
  }

  async stop() {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  script(to, ...behaviours) {
    this.scripts.set(to, behaviours);
  }

  to(address) {
    return this.mails.filter((one) => one.to === address);
  }

  async got(address, n = 1) {
    await until(`${n} mail(s) to ${address}`, () => this.to(address).length >= n);
    return this.to(address)[n - 1];
  }

  #serve(socket, greet = true) {
    this.sockets.add(socket);
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('error', () => {}); /* clients that leave are part of the tests */
    const session = { mail: null, data: null, signedIn: !this.user, secure: !greet };
    let left = '';
    const take = (piece) => {
      left += piece.toString('latin1');
      for (let end; (end = left.indexOf('\r\n')) >= 0;) {
        const line = left.slice(0, end);
        left = left.slice(end + 2);
        const answer = this.#line(session, line, socket);
        if (answer === 'tls') {
          socket.off('data', take);
          socket.write('220 go on\r\n');
          return this.#serve(new tls.TLSSocket(socket, { isServer: true, ...this.pair }), false);
        }
        if (answer) socket.write(`${answer}\r\n`);
      }
    };
    socket.on('data', take);
    if (greet) socket.write('220 mail.test ESMTP\r\n');
  }

  #line(session, line, socket) {
    if (session.data !== null) return this.#data(session, line, socket);
    if (session.signingIn) return this.#signIn(session, line);
    const [, verb, rest] = /^([A-Za-z]+) ?(.*)$/.exec(line) ?? [];
    switch ((verb ?? '').toUpperCase()) {
      case 'EHLO': {
        const says = ['mail.test', 'SIZE 1000000'];
        if (this.pair && !session.secure) says.push('STARTTLS');
        if (this.user) says.push('AUTH PLAIN');
        return says.map((one, i) => `250${i + 1 < says.length ? '-' : ' '}${one}`).join('\r\n');
      }
      case 'STARTTLS':
        return this.pair && !session.secure ? 'tls' : '502 not here';
      case 'AUTH': {
        const given = rest.replace(/^PLAIN ?/, '');
        session.signingIn = !given;
        return given ? this.#signIn(session, given) : '334 ';
      }
      case 'MAIL':
        if (!session.signedIn) return '530 5.7.0 sign in first';
        session.mail = { from: /<(.*)>/.exec(rest)?.[1], secure: session.secure };
        return '250 well';
      case 'RCPT': {
        const to = /<(.*)>/.exec(rest)?.[1];
        const list = this.scripts.get(to) ?? [{}];
        session.how = list.length > 1 ? list.shift() : list[0];
        session.mail.to = to;
        this.asked.push(to);
        return session.how.reply ?? '250 well';
      }
      case 'DATA':
        session.data = [];
        return '354 go on';
      case 'QUIT':
        socket.end('221 bye\r\n');
        return null;
      default:
        return '500 what?';
    }
  }

  #signIn(session, given) {
    const [, user, password] = Buffer.from(given, 'base64').toString().split('\0');
    session.signingIn = false;
    session.signedIn = user === this.user && password === this.password;
    return session.signedIn ? '235 welcome' : '535 5.7.8 who is that?';
  }

  #data(session, line, socket) {
    if (line !== '.') {
      session.data.push(line.replace(/^\./, ''));
      return null;
    }
    const { how, mail } = session;
    const text = session.data.join('\r\n');
    session.data = null;
    if (how.hang) return null;
    if (how.data_reply && !how.data_reply.startsWith('2')) return how.data_reply;
    this.mails.push({ ...mail, ...read(text), raw: text });
    if (how.cut) {
      socket.destroy();
      return null;
    }
    if (how.gate) {
      how.gate.opened.then(() => socket.write('250 taken\r\n'));
      return null;
    }
    return '250 taken';
  }
}

/* Headers and text, read by other code than what wrote them. */
function read(raw) {
  const at = raw.indexOf('\r\n\r\n');
  const headers = Object.fromEntries(
    raw
      .slice(0, at)
      .replace(/\r\n[ \t]/g, ' ')
      .split('\r\n')
      .map((line) => [
        line.slice(0, line.indexOf(':')).toLowerCase(),
        line.slice(line.indexOf(':') + 1).trim(),
      ]),
  );
  const word = (_, b64) => Buffer.from(b64, 'base64').toString();
  const bytes = raw
    .slice(at + 4)
    .replace(/=\r\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
  return {
    headers,
    subject: headers.subject.replace(/\?= =\?/g, '?==?').replace(/=\?UTF-8\?B\?([^?]*)\?=/g, word),
    text: Buffer.from(bytes, 'latin1').toString('utf8'),
  };
}
