/* crash.mjs - kills the server at every journal write and at random moments, and checks that nothing was lost.
 *
 * The promise under test: a run that was accepted ends, and a step whose result is in the journal is never done again,
 * whatever happens to the process. A `Load` starts runs as real callers do: each with an Idempotency-Key, asked again
 * under the same key when the line broke before the answer. The doubles count every call by its step's key, and the
 * journal is read back over the API.
 *
 * By itself: node test/crash/crash.mjs [--db sqlite,postgres] [--rounds N] [--seed N]
 */
import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';
import { Api, isFinal } from '../lib/api.mjs';
import { pause, slow, until } from '../lib/gate.mjs';
import { Postgres } from '../lib/postgres.mjs';
import { Server } from '../lib/server.mjs';
import { payloadFaults } from '../lib/sql.mjs';
import { call, chain, flow, llm, output, quickRetry, set, trigger, webhook } from '../lib/flow.mjs';
import { startHttpApi } from '../doubles/http_api.mjs';
import { startModelServer } from '../doubles/model_server.mjs';
import { startWebhookReceiver } from '../doubles/webhook_receiver.mjs';

/* ---- a sequence of chance that can be had again ---- */

export function chance(seed) {
  let s = seed >>> 0;
  return () => {
    s = (s + 0x6d2b79f5) >>> 0;
    let t = Math.imul(s ^ (s >>> 15), 1 | s);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/* ---- what runs ---- */

/* Calls that end up at a double carry the step's key in a header of its own, so that GETs can be counted too. */
const key = (node) => ({ headers: { 'x-step': `{{ run.id }}:${node}` } });

function definitions(web, model, hooks) {
  const slowly = `${web.origin}/plan/slowly`;
  const fan = { start: trigger() };
  const fanEdges = [];
  for (let i = 0; i < 4; i++) {
    fan[`b${i}`] = call(slowly, key(`b${i}`));
    fanEdges.push(`start -> b${i}`, `b${i} -> out`);
  }
  fan.out = output('joined');
  return {
    pure: chain('Pure', {
      a: set({ n: '{{ input.n }}' }),
      b: set({ n: '{{ a.n }}' }),
      out: output('{{ b.n }}'),
    }),
    external: chain('External', {
      a: call(slowly, { method: 'POST', body: { n: '{{ input.n }}' }, ...key('a') }),
      b: call(slowly, { method: 'POST', body: {}, ...key('b') }),
      out: output('done'),
    }),
    repeat: chain('Repeat', {
      a: call(slowly, key('a')),
      b: call(slowly, { method: 'POST', body: {}, on_unknown: 'repeat', ...key('b') }),
      c: call(slowly, { method: 'PUT', body: {}, on_unknown: 'repeat', ...key('c') }),
      out: output('done'),
    }),
    lead: chain('Lead', {
      a: call(`${web.origin}/people`, { query: { email: 'ada@example.com' }, ...key('a') }),
      m: llm('analyst', 'Analyse {{ a.body.company.name }}', { on_unknown: 'repeat' }),
      w: webhook(
        hooks.secret('/lead', 'shh'),
        { text: '{{ m.text }}', step: '{{ run.id }}:w' },
        { secret: 'shh', on_unknown: 'repeat', headers: { 'x-step': '{{ run.id }}:w' } },
      ),
      out: output('{{ m.text }}'),
    }),
    fan: flow('Fan', fan, fanEdges),
    /* Values that have rows of their own, some of them shared by many runs. */
    large: chain('Large', {
      a: set({ mine: 'run {{ input.n }} has {{ input.big }}', shared: '{{ input.big }}' }),
      b: call(slowly, { method: 'POST', body: { n: '{{ input.n }}' }, on_unknown: 'repeat', ...key('b') }),
      c: set({ both: ['{{ a.mine }}', '{{ a.shared }}'] }),
      out: output('{{ c.both[0] }}'),
    }),
    flaky: chain('Flaky', {
      a: call(`${web.origin}/flaky`, { ...key('a'), retry: quickRetry(20) }),
      out: output('at last'),
    }),
  };
}

const big = (n) => `something long about ${n % 3} `.repeat(400);
const inputOf = ({ kind, n }) => (kind === 'large' ? { n, big: big(n) } : { n });

/* Steps that a crash in mid-call fails, and those that are asked again. */
const atMostOnce = new Set(['external:a', 'external:b']);

export class Load {
  constructor() {
    this.runs = new Map(); /* idempotency key -> {kind, id or null} */
    this.next = 0;
    this.callers = [];
    this.running = false;
    this.kills = 0;
    this.ended = new Set(); /* ids of runs that were looked at */
    this.seen = { runs: 0, steps: 0, unknown: 0, repeated: 0, resumed: 0 };
  }

  static async start(db, { postgres, random, env = {} } = {}) {
    const load = new Load();
    load.random = random;
    [load.web, load.model, load.hooks] = await Promise.all([
      startHttpApi(),
      startModelServer(),
      startWebhookReceiver(),
    ]);
    load.web.plan('slowly', { delay: 3 });
    load.model.script('analyst', { pieces: ['A ', 'good ', 'lead.'] });
    load.server = await Server.make({
      db,
      postgres,
      env: { OPENAI_BASE_URL: load.model.url, OPENAI_API_KEY: 'k', ...env },
    });
    await load.server.up();
    await load.server.makeKey();
    load.workflows = {};
    for (const [kind, definition] of Object.entries(definitions(load.web, load.model, load.hooks)))
      load.workflows[kind] = await load.server.api.published(definition);
    return load;
  }

  async stop() {
    this.running = false;
    await Promise.all(this.callers);
    await this.server.drop();
    await Promise.all([this.web.stop(), this.model.stop(), this.hooks.stop()]);
  }

  /* @n callers, each one run after the other, until rest(). @kinds: which workflows. */
  work(n, kinds = Object.keys(this.workflows)) {
    this.running = true;
    this.generation = (this.generation ?? 0) + 1;
    for (let i = 0; i < n; i++) this.callers.push(this.#call(kinds, this.generation));
  }

  async rest() {
    this.running = false;
    await Promise.all(this.callers);
    this.callers = [];
  }

  async #call(kinds, generation) {
    const api = new Api(this.server.url, this.server.key);
    while (this.running && this.generation === generation) {
      const n = this.next++;
      const kind = kinds[n % kinds.length];
      const name = `${kind}-${n}`;
      this.runs.set(name, { kind, id: null, n });
      if (!(await this.#ask(api, name))) break; /* the line is dead: asked again after the restart */
    }
    api.close();
  }

  async #ask(api, name) {
    const run = this.runs.get(name);
    try {
      const r = await api.post(
        `/api/workflows/${this.workflows[run.kind]}/execute`,
        { input: inputOf(run), mode: run.n % 3 ? 'async' : 'wait' },
        { headers: { 'idempotency-key': name }, ms: 30_000 },
      );
      if (r.status === 503 || r.status === 502)
        return false; /* it is stopping, or its database is gone: nothing was accepted */
      assert.ok([200, 202].includes(r.status), `a start answered ${r.status}: ${r.text}`);
      if (run.id) assert.equal(r.json.id, run.id, `${name} was started twice`);
      run.id = r.json.id;
      return true;
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      return false;
    }
  }

  async kill() {
    this.kills++;
    this.running = false;
    await this.server.kill();
    await this.rest();
  }

  /* Up again, and every start that got no answer is asked for again under its key. */
  async revive(options) {
    await this.server.forgetOthers();
    await this.server.up(options);
    await this.askAgain();
  }

  async askAgain() {
    for (const [name, run] of this.runs)
      if (!run.id)
        await until(
          `an answer to ${name}`,
          async () => !this.server.proc.isEnded && (await this.#ask(this.server.api, name)),
          { every: 50 },
        );
  }

  /* Every promise, for every run that was not looked at before. Gives the counts of all so far. */
  async check() {
    const { seen } = this;
    const calls = this.#calls();
    const todo = [...this.runs].filter(([, run]) => !run.checked);
    const one = async () => {
      for (let next; (next = todo.pop());) {
        const [name, run] = next;
        await this.#checkRun(name, run, calls, seen);
        run.checked = true;
        this.ended.add(run.id);
      }
    };
    for (const step of calls.keys())
      assert.ok(!this.ended.has(step.slice(0, 36)), `step ${step} was called after its run had ended`);
    await Promise.all(Array.from({ length: 16 }, one));
    const total = await this.#countRuns();
    assert.equal(total, this.runs.size, 'runs in the store and runs that were asked for');
    assert.deepEqual(await payloadFaults(this.server), { unused: 0, dangling: 0 });
    assert.doesNotMatch(this.server.proc.stderr, /Sanitizer|assertion/i);
    for (const double of [this.web, this.model, this.hooks]) double.forget();
    return seen;
  }

  /* step key -> requests at the doubles, oldest first. */
  #calls() {
    const calls = new Map();
    for (const double of [this.web, this.hooks])
      for (const r of double.requests) {
        const step = r.headers['x-step'];
        if (!step) continue;
        if (!calls.has(step)) calls.set(step, []);
        calls.get(step).push(r);
      }
    return calls;
  }

  async #checkRun(name, run, calls, seen) {
    const { api } = this.server;
    assert.ok(run.id, `${name} was never accepted`);
    const doc = await until(
      `${name} (${run.id}) ends`,
      async () => {
        const r = await api.get(`/api/runs/${run.id}`);
        assert.equal(r.status, 200, `${name} was lost: ${r.status} ${r.text}`);
        return isFinal(r.json) && r.json;
      },
      { limit: 90_000, every: 50 },
    );
    if (run.kind === 'large' && doc.state === 'succeeded')
      assert.equal(doc.output, `run ${run.n} has ${big(run.n)}`, `${name}: its value is another`);
    const events = (await (await api.events(run.id)).all()).map((e) => e.json);
    events.forEach((e, i) => assert.equal(e.seq, i + 1, `${name}: the journal has a gap`));
    seen.runs++;
    seen.resumed += events.filter((e) => e.type === 'run.resumed').length;

    const finished = new Map();
    for (const e of events) {
      if (e.type !== 'step.finished') continue;
      assert.ok(!finished.has(e.node), `${name}: step ${e.node} finished twice`);
      finished.set(e.node, e);
      seen.steps++;
    }
    for (const e of finished.values()) {
      const made = calls.get(`${run.id}:${e.node}`) ?? [];
      const late = made.filter((r) => r.at > Date.parse(e.at) + 1);
      assert.equal(late.length, 0, `${name}: step ${e.node} was called again after it had finished`);
    }
    for (const node of ['a', 'b', 'c', 'w']) {
      const made = calls.get(`${run.id}:${node}`) ?? [];
      if (atMostOnce.has(`${run.kind}:${node}`))
        assert.ok(
          made.length <= 1,
          `${name}: ${node}, which must not be repeated, was called ${made.length} times`,
        );
      if (made.length > 1) {
        seen.repeated += made.length - 1;
        const keys = new Set(made.map((r) => r.key));
        if (made[0].method !== 'GET')
          assert.equal(keys.size, 1, `${name}: ${node} was repeated under another Idempotency-Key`);
      }
    }
    if (doc.state === 'failed' && doc.error.code === 'unknown_outcome') {
      seen.unknown++;
      assert.equal(run.kind, 'external', `${name}: ${JSON.stringify(doc.error)}`);
      assert.ok(this.kills > 0, `${name} failed as unknown though nothing was killed`);
    } else if (doc.state !== 'succeeded') {
      assert.fail(`${name} ended as ${doc.state}: ${JSON.stringify(doc.error)}`);
    }
  }

  async #countRuns() {
    let total = 0;
    for (const id of Object.values(this.workflows)) {
      let cursor = '';
      do {
        const { json } = await this.server.api.get(`/api/runs?workflow_id=${id}&limit=200${cursor}`);
        total += json.items.length;
        cursor = json.next_cursor && `&cursor=${json.next_cursor}`;
      } while (cursor);
    }
    return total;
  }
}

/* ---- the ways to die ---- */

/* The names of the points that a load of every kind passes. */
export async function findPoints(load) {
  await load.server.restart({ env: { HEDDLE_INJECT: 'list' } });
  load.work(6);
  await until('every kind has run', () => load.next >= 60);
  await load.rest();
  await load.askAgain();
  await until('the last have ended', async () => {
    const { text } = await load.server.api.get('/metrics');
    return /^heddle_runs_active 0$/m.test(text);
  });
  const names = new Set();
  for (const [name] of load.server.proc.stderr.matchAll(/\b(?:wf|store)(?:\.\w+)+\b/g)) names.add(name);
  await load.server.restart();
  return [...names].sort();
}

/* Kill at the @nth passing of @point; false if it was not passed so often. */
export async function killAt(load, point, nth) {
  await load.server.down();
  await load.server.forgetOthers();
  const proc = await load.server.up({ env: { HEDDLE_INJECT: `${point}=crash@${nth}` } }).then(
    (s) => s.proc,
    () => load.server.proc,
  );
  if (!proc.isEnded) {
    load.work(4);
    const from = load.next;
    await until(`the server dies at ${point}, time ${nth}`, () => proc.isEnded || load.next > from + 150, {
      limit: 60_000,
    });
  }
  const died = Boolean(proc.isEnded);
  if (died) assert.equal(proc.signal, 'SIGKILL', proc.tail());
  if (died) load.kills++;
  await load.rest();
  if (!died) await load.server.down();
  await load.revive();
  return died;
}

/* Kill after a random while of work. */
export async function killAnytime(load) {
  load.work(12);
  await pause(20 + load.random() * 400 * Math.min(slow, 3));
  await load.kill();
  await load.revive();
}

async function main() {
  const { values } = parseArgs({
    options: {
      db: { type: 'string', default: 'sqlite,postgres' },
      rounds: { type: 'string', default: '300' },
      seed: { type: 'string', default: String(Date.now() % 1e6) },
    },
  });
  for (const db of values.db.split(',')) {
    const postgres = db === 'postgres' ? await Postgres.start() : undefined;
    const load = await Load.start(db, { postgres, random: chance(Number(values.seed)) });
    console.log(`${db}: ${values.rounds} random kills, seed ${values.seed}`);
    for (let i = 1; i <= Number(values.rounds); i++) {
      await killAnytime(load);
      if (i % 20 === 0 || i === Number(values.rounds))
        console.log(`${db}: ${i} kills, ${JSON.stringify(await load.check())}`);
    }
    await load.stop();
    await postgres?.stop();
  }
}

if (process.argv[1] === new URL(import.meta.url).pathname) await main();
