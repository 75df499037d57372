/* guard_server.mjs - a guard of model calls: looks at what it is asked, by a plan for each path.
 *
 * plan(path, ...entries): one entry for each question, the last one stays. An entry is a function from the question
 * to a verdict, a verdict, or {status, text, hang, gate, cut, delay, size}. Without a plan it allows all. Signatures
 * are checked against secret(path, text).
 */
import { Listener, gone, sendJson } from './listener.mjs';
import { verify } from './webhook_receiver.mjs';
import { pause } from '../lib/gate.mjs';

export class GuardServer extends Listener {
  constructor() {
    super();
    this.plans = new Map();
    this.turns = new Map();
    this.secrets = new Map();
  }

  url(path) {
    return this.origin + path;
  }

  plan(path, ...entries) {
    this.plans.set(path, entries);
    this.turns.delete(path);
    return this.url(path);
  }

  secret(path, text) {
    this.secrets.set(path, text);
  }

  questions(path, event) {
    return this.seen((r) => r.path === path && (!event || r.body?.event === event));
  }

  async answer(entry, req, res) {
    const secret = this.secrets.get(entry.path);
    entry.signature = secret ? verify(secret, entry.headers, entry.raw, entry.at) : 'not asked for';
    const plan = this.plans.get(entry.path) ?? [{ action: 'allow' }];
    const turn = this.turns.get(entry.path) ?? 0;
    this.turns.set(entry.path, turn + 1);
    const step = plan[Math.min(turn, plan.length - 1)];
    const b = typeof step === 'function' ? step(entry.body) : step;
    if (b.delay) await pause(b.delay);
    if (b.gate) await Promise.race([b.gate.opened, gone(res)]);
    if (b.hang) return gone(res);
    if (b.cut) return res.destroy();
    if (b.size) {
      res.writeHead(200, { 'content-type': 'application/json' });
      return res.end(`{"action":"allow","reason":"${'x'.repeat(b.size)}"}`);
    }
    if (b.status || b.text !== undefined) {
      res.writeHead(b.status ?? 200, { 'content-type': 'application/json' });
      return res.end(b.text ?? '{}');
    }
    return sendJson(res, 200, b.verdict ?? b);
  }
}

/* Replace what matches in every text of a question; allow if nothing does. */
export function masking(pattern, mask = '[masked]') {
  return (q) => {
    const parts = q.parts
      .filter((p) => p.text !== undefined && p.text.replace(pattern, mask) !== p.text)
      .map((p) => ({ part: p.part, text: p.text.replace(pattern, mask) }));
    return { verdict: parts.length ? { action: 'replace', parts } : { action: 'allow' } };
  };
}

/* Refuse what matches in any text. */
export function refusing(pattern, reason) {
  return (q) => ({
    verdict: q.parts.some((p) => p.text !== undefined && pattern.test(p.text))
      ? { action: 'refuse', reason }
      : { action: 'allow' },
  });
}

export async function startGuardServer() {
  return new GuardServer().start();
}
