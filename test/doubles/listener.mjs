/* listener.mjs - what all doubles share: a real HTTP server on a free loopback port that remembers every request. */
import http from 'node:http';
import { until } from '../lib/gate.mjs';

export class Listener {
  constructor() {
    this.requests = [];
    this.sockets = new Set();
  }

  async start() {
    this.server = http.createServer((req, res) => this.#take(req, res));
    this.server.keepAliveTimeout = 60_000;
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('error', () => {}); /* clients that leave are part of the tests */
    });
    await new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(0, '127.0.0.1', resolve);
    });
    this.port = this.server.address().port;
    this.origin = `http://127.0.0.1:${this.port}`;
    return this;
  }

  async stop() {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  async #take(req, res) {
    const entry = {
      at: Date.now(),
      method: req.method,
      url: new URL(req.url, this.origin),
      path: req.url.split('?')[0],
      headers: req.headers,
      key: req.headers['idempotency-key'] ?? null,
      text: '',
      answeredAt: null /* the whole answer was handed to the kernel */,
      leftAt: null /* the client closed before that */,
    };
    this.requests.push(entry);
    res.on('finish', () => (entry.answeredAt = Date.now()));
    res.on('close', () => {
      if (!entry.answeredAt) entry.leftAt = Date.now();
    });
    res.on('error', () => {});
    req.on('error', () => {});
    try {
      const pieces = [];
      for await (const piece of req) pieces.push(piece);
      entry.raw = Buffer.concat(pieces);
      entry.text = entry.raw.toString('utf8');
      try {
        entry.body = entry.text ? JSON.parse(entry.text) : undefined;
      } catch {
        entry.body = undefined;
      }
      await this.answer(entry, req, res);
    } catch (error) {
      if (!req.destroyed && !res.headersSent) {
        res.writeHead(500, { 'content-type': 'text/plain' });
        res.end(`the double failed: ${error.stack}`);
      }
    }
  }

  /* The requests for which @want holds. */
  seen(want = () => true) {
    return this.requests.filter(want);
  }

  /* Wait until there are @n of them, and give the last of these. */
  async reached(n = 1, want = () => true, options) {
    await until(
      `${n} request(s) at the ${this.constructor.name}`,
      () => this.seen(want).length >= n,
      options,
    );
    return this.seen(want)[n - 1];
  }

  forget() {
    this.requests.length = 0;
  }
}

export function sendJson(res, status, value, headers = {}) {
  const text = JSON.stringify(value);
  res.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...headers,
  });
  res.end(text);
}

const closings = new WeakMap();

/* Resolves when the client has gone, also when it went before. */
export function gone(res) {
  if (!closings.has(res))
    closings.set(res, new Promise((resolve) => (res.closed ? resolve() : res.once('close', resolve))));
  return closings.get(res);
}

/* Write with backpressure; false once the client has gone. */
export async function send(res, piece) {
  if (res.destroyed) return false;
  if (!res.write(piece)) {
    let drained;
    await Promise.race([new Promise((resolve) => res.once('drain', (drained = resolve))), gone(res)]);
    res.off('drain', drained);
  }
  return !res.destroyed;
}
