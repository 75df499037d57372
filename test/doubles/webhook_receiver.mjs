/* webhook_receiver.mjs - takes webhooks and checks their Standard Webhooks signature by itself.
 *
 * Any path takes deliveries. secret(path, text) says with what they must be signed; plan(path, ...) what is
 * answered, one entry for each delivery (a status, or {status, headers, hang, gate, delay, cut}), the last one stays.
 */
import crypto from 'node:crypto';
import { Listener, gone, sendJson } from './listener.mjs';
import { pause } from '../lib/gate.mjs';

export class WebhookReceiver extends Listener {
  constructor() {
    super();
    this.secrets = new Map();
    this.plans = new Map();
    this.turns = new Map();
    this.deliveries = [];
  }

  url(path = '/in') {
    return this.origin + path;
  }

  secret(path, text) {
    this.secrets.set(path, text);
    return this.url(path);
  }

  plan(path, ...entries) {
    this.plans.set(path, entries);
    this.turns.delete(path);
    return this.url(path);
  }

  at(path) {
    return this.deliveries.filter((d) => d.path === path);
  }

  forget() {
    super.forget();
    this.deliveries.length = 0;
  }

  async answer(entry, req, res) {
    const secret = this.secrets.get(entry.path);
    const delivery = {
      at: entry.at,
      path: entry.path,
      method: entry.method,
      headers: entry.headers,
      id: entry.headers['webhook-id'] ?? null,
      timestamp: entry.headers['webhook-timestamp'] ?? null,
      text: entry.text,
      body: entry.body,
      signature: secret === undefined ? 'not asked for' : verify(secret, entry.headers, entry.raw, entry.at),
      entry,
    };
    this.deliveries.push(delivery);
    const list = this.plans.get(entry.path) ?? [200];
    const turn = this.turns.get(entry.path) ?? 0;
    this.turns.set(entry.path, turn + 1);
    const given = list[Math.min(turn, list.length - 1)];
    const b = typeof given === 'number' ? { status: given } : given;
    if (b.delay) await pause(b.delay);
    if (b.gate) await Promise.race([b.gate.opened, gone(res)]);
    if (b.hang) return gone(res);
    if (b.cut) {
      /* In mid-answer: a line that closes before any answer may be tried again under the same key at once. */
      res.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 });
      res.write('{"received": ');
      return setImmediate(() => res.destroy());
    }
    if (secret !== undefined && delivery.signature !== 'good')
      return sendJson(res, 401, { error: delivery.signature });
    delivery.status = b.status ?? 200;
    sendJson(res, delivery.status, b.body ?? { received: delivery.id }, b.headers);
  }
}

/* "good", or what is wrong with it: https://www.standardwebhooks.com, written from its text. */
export function verify(secret, headers, body, now = Date.now(), toleranceSeconds = 300) {
  const id = headers['webhook-id'];
  const timestamp = headers['webhook-timestamp'];
  const signatures = headers['webhook-signature'];
  if (!id || !timestamp || !signatures) return 'a webhook header is missing';
  if (!/^\d+$/.test(timestamp)) return 'the time stamp is no number of seconds';
  if (Math.abs(now / 1000 - Number(timestamp)) > toleranceSeconds)
    return 'the time stamp is too old or too new';
  const want = mac(secret, `${id}.${timestamp}.`, body);
  for (const one of signatures.split(' ')) {
    const [version, value] = [one.slice(0, one.indexOf(',')), one.slice(one.indexOf(',') + 1)];
    const got = Buffer.from(value, 'base64');
    if (version === 'v1' && got.length === want.length && crypto.timingSafeEqual(got, want)) return 'good';
  }
  return 'no signature fits';
}

/* The headers of a signed delivery, for calling hooks that check them. */
export function sign(secret, body, { id = `msg_${crypto.randomUUID()}`, at = Date.now() } = {}) {
  const timestamp = String(Math.floor(at / 1000));
  const value = mac(secret, `${id}.${timestamp}.`, Buffer.from(body)).toString('base64');
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${value}` };
}

function mac(secret, head, body) {
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : Buffer.from(secret);
  return crypto.createHmac('sha256', key).update(head).update(body).digest();
}

export const startWebhookReceiver = () => new WebhookReceiver().start();
