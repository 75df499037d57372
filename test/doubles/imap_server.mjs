/* imap_server.mjs - an IMAP server that does what a test says: cuts, stalls, lies, forgets what it can. */
import net from 'node:net';

export class ImapServer {
  constructor(options = {}) {
    this.capabilities = 'IMAP4rev1 AUTH=PLAIN UIDPLUS MOVE IDLE';
    this.password = 'secret';
    this.uidvalidity = 1;
    this.messages = []; /* {uid, raw, flags, date} */
    this.next = 1;
    this.connections = 0;
    this.commands = [];
    this.sockets = new Set();
    /* fault(command, session): true: the test has answered itself. */
    this.fault = null;
    Object.assign(this, options);
  }

  async start() {
    this.server = net.createServer((socket) => this.#serve(socket));
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.port = this.server.address().port;
    return this;
  }

  async stop() {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  deliver(raw, { flags = [], date = new Date() } = {}) {
    this.messages.push({ uid: this.next++, raw: Buffer.from(raw), flags, date });
    for (const socket of this.sockets) if (socket.idles) socket.write(`* ${this.messages.length} EXISTS\r\n`);
  }

  /* The folder is made anew: the same mails under other numbers. */
  renumber() {
    this.uidvalidity++;
    this.next = 1;
    for (const m of this.messages) m.uid = this.next++;
    this.cut();
  }

  cut() {
    for (const socket of this.sockets) socket.destroy();
  }

  #serve(socket) {
    const session = { socket, greeted: false, send: (text) => socket.write(text) };
    this.connections++;
    this.sockets.add(socket);
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('error', () => {});
    if (this.silent) return;
    socket.write(this.greeting ?? '* OK ready\r\n');
    let text = '';
    socket.setEncoding('latin1');
    socket.on('data', (piece) => {
      text += piece;
      for (let end; (end = text.indexOf('\n')) >= 0;) {
        const line = text.slice(0, end).replace(/\r$/, '');
        text = text.slice(end + 1);
        this.#line(session, line);
      }
    });
  }

  #line(s, line) {
    if (s.idle) {
      s.socket.idles = false;
      const tag = s.idle;
      s.idle = null;
      return s.send(`${tag} OK done\r\n`);
    }
    if (s.plain) {
      const tag = s.plain;
      s.plain = null;
      const [, , password] = Buffer.from(line, 'base64').toString().split('\0');
      return s.send(
        password === this.password
          ? `${tag} OK in\r\n`
          : `${tag} NO [AUTHENTICATIONFAILED] not ${password}\r\n`,
      );
    }
    const [, tag, command] = line.match(/^(\S+) (.*)$/) ?? [];
    if (!tag) return s.send('* BAD what?\r\n');
    this.commands.push(command.replace(/^LOGIN .*/, 'LOGIN'));
    s.tag = tag;
    if (this.fault?.(command, s)) return;
    this.#answer(s, tag, command);
  }

  #answer(s, tag, command) {
    const ok = (more = '') => s.send(`${more}${tag} OK done\r\n`);
    let m;
    if (command === 'CAPABILITY') return ok(`* CAPABILITY ${this.capabilities}\r\n`);
    if (command === 'AUTHENTICATE PLAIN') {
      s.plain = tag;
      return s.send('+ \r\n');
    }
    if (command.startsWith('LOGIN '))
      return command.endsWith(` "${this.password}"`) ? ok() : s.send(`${tag} NO no\r\n`);
    if (/^(SELECT|EXAMINE) /.test(command))
      return ok(
        `* ${this.messages.length} EXISTS\r\n* OK [UIDVALIDITY ${this.uidvalidity}] so\r\n* OK [UIDNEXT ${this.next}] so\r\n`,
      );
    if (command === 'IDLE') {
      s.idle = tag;
      s.socket.idles = true;
      return s.send('+ waiting\r\n');
    }
    if ((m = command.match(/^UID SEARCH UID (\d+):(\d+|\*)( .*)?$/))) {
      const last = Math.max(0, ...this.messages.map((x) => x.uid));
      const [from, to] = [Number(m[1]), m[2] === '*' ? last : Number(m[2])];
      const [lo, hi] = from <= to ? [from, to] : [to, from]; /* as servers do: "9:*" has the last */
      const since = m[3]?.match(/SINCE (\S+)/)?.[1];
      const found = this.messages.filter(
        (x) =>
          x.uid >= lo &&
          x.uid <= hi &&
          (!/UNSEEN/.test(m[3] ?? '') || !x.flags.includes('\\Seen')) &&
          (!since || x.date >= new Date(`${since} 00:00 UTC`)),
      );
      return ok(`* SEARCH${found.map((x) => ` ${x.uid}`).join('')}\r\n`);
    }
    if ((m = command.match(/^(UID )?FETCH (\d+) \((.*)\)$/))) {
      const at = this.messages.findIndex((x, i) => (m[1] ? x.uid : i + 1) === Number(m[2]));
      return at < 0 ? ok() : this.sendMessage(s, at, m[3], () => ok());
    }
    if ((m = command.match(/^UID STORE (\d+) \+FLAGS.SILENT \((.*)\)$/))) {
      this.messages.find((x) => x.uid === Number(m[1]))?.flags.push(m[2]);
      return ok();
    }
    if ((m = command.match(/^UID (EXPUNGE|MOVE) (\d+)/))) {
      this.messages = this.messages.filter((x) => x.uid !== Number(m[2]));
      return ok();
    }
    return ok();
  }

  sendMessage(s, at, items, done) {
    const x = this.messages[at];
    const day = x.date.toUTCString().split(' '); /* "Fri, 20 Nov 2026 12:00:00 GMT" */
    const when = `${day[1]}-${day[2]}-${day[3]} ${day[4]} +0000`;
    const part = items.match(/BODY\.PEEK\[(HEADER)?\]<0\.(\d+)>/);
    s.send(`* ${at + 1} FETCH (UID ${x.uid} INTERNALDATE "${when}" RFC822.SIZE ${x.raw.length}`);
    if (part) {
      let body = x.raw;
      if (part[1]) body = body.subarray(0, body.indexOf('\r\n\r\n') + 4);
      body = body.subarray(0, Number(part[2]));
      s.send(` BODY[${part[1] ?? ''}]<0> {${body.length}}\r\n`);
      s.send(body);
    }
    s.send(')\r\n');
    done();
  }
}
