/* http_api.mjs - an ordinary HTTP API with an enrichment service, and every way one can go wrong.
 *
 * Paths are listed in `routes`. /plan/NAME follows the list given to plan(NAME, ...), one entry for each request,
 * the last one stays: {status, headers, body, gate, hang, delay}, or a function of the request that gives one.
 */
import zlib from 'node:zlib';
import { Listener, gone, send, sendJson } from './listener.mjs';
import { pause } from '../lib/gate.mjs';

const people = {
  'ada@example.com': {
    name: 'Ada Lovelace',
    title: 'Engineer',
    company: { name: 'Analytical Engines', employees: 1843, tags: ['b2b', 'machines'] },
  },
  'grace@example.com': {
    name: 'Grace Hopper',
    title: 'Admiral',
    company: { name: 'Flow-Matic', employees: 7, tags: ['compilers'] },
  },
};

export class HttpApi extends Listener {
  constructor() {
    super();
    this.plans = new Map();
    this.turns = new Map();
  }

  plan(name, ...entries) {
    this.plans.set(name, entries);
    this.turns.delete(name);
    return `${this.origin}/plan/${name}`;
  }

  at(path) {
    return this.seen((r) => r.path === path);
  }

  async answer(entry, req, res) {
    const [, first, second] = entry.path.split('/');
    const route = routes[first];
    if (!route) return sendJson(res, 404, { error: 'not found' });
    return route.call(this, entry, res, second === undefined ? '' : decodeURIComponent(second), req);
  }
}

const routes = {
  people(entry, res) {
    const person = people[entry.url.searchParams.get('email')];
    if (!person)
      return sendJson(res, 404, {
        error: { code: 'unknown_person', message: 'nobody of that address is known' },
      });
    sendJson(res, 200, person, { 'x-credits-left': '41' });
  },

  echo(entry, res) {
    const query = {};
    for (const [k, v] of entry.url.searchParams) query[k] = v;
    sendJson(res, 200, {
      method: entry.method,
      path: entry.path,
      query,
      headers: entry.headers,
      text: entry.text,
      json: entry.body ?? null,
    });
  },

  async plan(entry, res, name) {
    const list = this.plans.get(name) ?? [{ status: 404 }];
    const turn = this.turns.get(name) ?? 0;
    this.turns.set(name, turn + 1);
    const planned = list[Math.min(turn, list.length - 1)];
    const b = typeof planned === 'function' ? planned(entry) : planned;
    entry.turn = turn;
    if (b.delay) await pause(b.delay);
    if (b.gate) await Promise.race([b.gate.opened, gone(res)]);
    if (b.hang) return gone(res);
    if (b.text !== undefined) {
      res.writeHead(b.status ?? 200, { 'content-type': 'text/plain; charset=utf-8', ...b.headers });
      return res.end(b.text);
    }
    sendJson(res, b.status ?? 200, b.body ?? { name, turn }, b.headers);
  },

  /* 503 to the first request of each x-step header. */
  flaky(entry, res) {
    const same = this.seen((r) => r.path === entry.path && r.headers['x-step'] === entry.headers['x-step']);
    sendJson(res, same.length === 1 ? 503 : 200, {});
  },

  status(entry, res, code) {
    if (code === '204' || code === '304') {
      res.writeHead(Number(code));
      return res.end();
    }
    sendJson(res, Number(code), { status: Number(code) });
  },

  hang: (entry, res) => gone(res),

  /* Headers and the first bytes, then nothing. */
  stall(entry, res) {
    res.writeHead(200, { 'content-type': 'application/json' });
    res.write('{"partly": ');
    return gone(res);
  },

  /* Never silent for long, never done. */
  async drip(entry, res) {
    res.writeHead(200, { 'content-type': 'text/plain' });
    while (!res.destroyed) {
      res.write('.');
      await Promise.race([pause(50), gone(res)]);
    }
  },

  html(entry, res, code) {
    res.writeHead(Number(code || 200), { 'content-type': 'text/html; charset=utf-8' });
    res.end('<!doctype html><title>Maintenance</title><h1>We will be back soon</h1>');
  },

  'bad-json'(entry, res) {
    res.writeHead(200, { 'content-type': 'application/json' });
    res.end('{"name": "Ada", ');
  },

  'bad-utf8'(entry, res) {
    res.writeHead(200, { 'content-type': 'application/json' });
    res.end(Buffer.from([0x22, 0xc3, 0x28, 0xff, 0x22]));
  },

  text(entry, res) {
    res.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' });
    res.end('plain words: \u00e4\u00f6\u00fc \u{1f9f6}');
  },

  /* @mb MiB of JSON string, sent as fast as it is taken. */
  async big(entry, res, mb) {
    const total = Number(mb || 100) << 20;
    const piece = Buffer.alloc(64 << 10, 'x');
    res.writeHead(200, { 'content-type': 'application/json', 'content-length': total });
    entry.sentBytes = 0;
    res.write('"');
    for (let n = 1; n < total - 1 && !res.destroyed;) {
      const part = n + piece.length <= total - 1 ? piece : piece.subarray(0, total - 1 - n);
      n += part.length;
      entry.sentBytes = n;
      if (!(await send(res, part))) return;
    }
    res.end('"');
  },

  /* The same without saying how long it is. */
  async flood(entry, res) {
    const piece = Buffer.alloc(64 << 10, 'x');
    res.writeHead(200, { 'content-type': 'text/plain' });
    entry.sentBytes = 0;
    while (!res.destroyed && entry.sentBytes < 1 << 30) {
      entry.sentBytes += piece.length;
      if (!(await send(res, piece))) return;
    }
    res.end();
  },

  'gzip-bomb'(entry, res) {
    res.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
    res.end(bomb());
  },

  gzip(entry, res) {
    res.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
    res.end(zlib.gzipSync(JSON.stringify({ squeezed: true })));
  },

  redirect(entry, res) {
    res.writeHead(Number(entry.url.searchParams.get('status') || 302), {
      location: entry.url.searchParams.get('to'),
    });
    res.end();
  },

  'redirect-metadata'(entry, res) {
    res.writeHead(302, { location: 'http://169.254.169.254/latest/meta-data/iam/security-credentials/' });
    res.end();
  },

  'redirect-loop'(entry, res, n) {
    res.writeHead(302, { location: `/redirect-loop/${Number(n || 0) + 1}` });
    res.end();
  },

  /* Says 1000 bytes, sends 20, closes. */
  die(entry, res) {
    res.writeHead(200, { 'content-type': 'application/json', 'content-length': 1000 });
    res.write('{"name": "Ada Lovela');
    setImmediate(() => res.destroy());
  },

  /* The same in the middle of a chunked body. */
  'die-chunked'(entry, res) {
    res.writeHead(200, { 'content-type': 'application/json' });
    res.write('{"name": "Ada Lovela');
    setImmediate(() => res.destroy());
  },

  'not-http'(entry, res) {
    res.socket.end('SSH-2.0-OpenSSH_9.2p1\r\n');
  },

  headers(entry, res) {
    res.setHeader('x-one', 'first');
    res.setHeader('X-Mixed-Case', 'Value');
    res.setHeader('set-cookie', ['a=1', 'b=2']);
    sendJson(res, 200, {});
  },

  'huge-header'(entry, res) {
    res.writeHead(200, { 'content-type': 'text/plain', 'x-huge': 'h'.repeat(1 << 20) });
    res.end('x');
  },
};

/* 512 MiB of zeros in about half a MiB; made once. */
let bombBytes;
function bomb() {
  bombBytes ??= zlib.gzipSync(Buffer.alloc(512 << 20), { level: 9, chunkSize: 1 << 20 });
  return bombBytes;
}

export const startHttpApi = () => new HttpApi().start();
