// Pretended runs for the mock server: a graph is walked with made-up outputs and times, as events and as a run document.
import { EventEmitter } from 'node:events';

const ANSWER =
  'Mara Lindqvist leads data engineering at Northloom, a textile maker of 400 people that moves its planning to the cloud. She asked about durable runs. Offer: a pilot on their order intake, two weeks, one workflow, with a measured goal. Priority: high.';
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const handlesOf = (node) =>
  node.type === 'condition' ? [...(node.data.cases ?? []).map((one) => one.id), 'else'] : ['out'];

function outputOf(node, run) {
  switch (node.type) {
    case 'trigger':
      return run.input;
    case 'api-call':
      return {
        status: 200,
        headers: { 'content-type': 'application/json', 'x-ratelimit-remaining': '4982' },
        body: {
          id: 'p_81276',
          name: 'Mara Lindqvist',
          title: 'Head of Data Engineering',
          company: { name: 'Northloom AB', size: 400, country: 'SE', tags: ['textile', 'manufacturing', 'b2b'] },
          load: 94.5,
          verified: true,
        },
      };
    case 'llm':
      return {
        text: ANSWER,
        model: node.data.model,
        finish_reason: 'stop',
        usage: { prompt_tokens: 412, completion_tokens: 71, total_tokens: 483 },
      };
    case 'webhook':
      return { status: 204, id: `msg_${node.id}`, body: null };
    case 'condition':
      return { case: handlesOf(node)[0] };
    case 'output':
      return { answer: ANSWER, status: 'done' };
    default:
      return { text: 'made of other data' };
  }
}

export class Run extends EventEmitter {
  constructor(fields, definition, { pace = 1, script = {} } = {}) {
    super();
    this.setMaxListeners(0);
    Object.assign(this, { pace, script, definition, events: [], cancelled: false });
    this.doc = {
      output: null,
      error: null,
      started_at: null,
      finished_at: null,
      duration_ms: null,
      ...fields,
      state: 'queued',
      steps: definition.nodes.map((node) => ({
        node: node.id,
        title: node.data.title ?? node.id,
        type: node.type,
        state: 'idle',
        attempts: 0,
        started_at: null,
        finished_at: null,
        duration_ms: null,
        output: null,
        handle: null,
        error: null,
        retry_at: null,
      })),
    };
    this.clock = null;
  }

  /** Wall time; a run of the past has its own. */
  now() {
    return new Date(this.clock ?? Date.now()).toISOString();
  }

  async wait(ms) {
    if (this.clock !== null) this.clock += ms;
    else await sleep(ms * this.pace);
  }

  tell(type, fields = {}) {
    const event = { seq: this.events.length + 1, at: this.now(), type, run_id: this.doc.id, ...fields };
    this.events.push(event);
    this.emit('event', event);
  }

  step(id) {
    return this.doc.steps.find((one) => one.node === id);
  }

  end(state, fields = {}) {
    Object.assign(this.doc, {
      state,
      finished_at: this.now(),
      duration_ms: Date.parse(this.now()) - Date.parse(this.doc.started_at ?? this.doc.created_at),
      ...fields,
    });
    this.tell(
      `run.${state}`,
      state === 'succeeded'
        ? { output: fields.output }
        : fields.error
          ? { error: { code: fields.error.code, message: fields.error.message }, node: fields.error.node }
          : {},
    );
  }

  async attempt(node, n) {
    const step = this.step(node.id);
    const plan = this.script[node.id] ?? {};
    const before = Date.parse(this.now());
    Object.assign(step, { state: 'running', attempts: n, started_at: step.started_at ?? this.now(), retry_at: null });
    this.tell('step.started', { node: node.id, attempt: n });
    if (node.type === 'llm' && this.clock === null)
      for (const word of ANSWER.match(/\S+\s*/g)) {
        await this.wait(55);
        if (this.cancelled) return null;
        this.emit('delta', { run_id: this.doc.id, node: node.id, text: word });
      }
    else
      await this.wait(
        plan.ms ?? { trigger: 2, 'api-call': 640, llm: 2900, webhook: 380, condition: 1, output: 1 }[node.type] ?? 5,
      );
    const took = Date.parse(this.now()) - before + 0.4;
    const failing = plan.failures?.[n - 1];
    if (!failing) {
      const handle = plan.handle ?? handlesOf(node)[0];
      const output = plan.output ?? outputOf(node, this.doc);
      Object.assign(step, {
        state: 'succeeded',
        finished_at: this.now(),
        duration_ms: Date.parse(this.now()) - Date.parse(step.started_at) + 0.4,
        output,
        handle,
        error: null,
      });
      this.tell('step.finished', { node: node.id, attempt: n, duration_ms: took, handle, output });
      return { handle };
    }
    const more = n < (plan.failures.length < (plan.attempts ?? 3) ? plan.failures.length + 1 : (plan.attempts ?? 3));
    if (more) {
      const retryAt = new Date(Date.parse(this.now()) + 900).toISOString();
      Object.assign(step, { state: 'retrying', error: failing, retry_at: retryAt });
      this.tell('step.failed', { node: node.id, attempt: n, duration_ms: took, error: failing, retry_at: retryAt });
      await this.wait(900);
      return this.cancelled ? null : this.attempt(node, n + 1);
    }
    const branch = node.data.on_error?.strategy === 'branch';
    Object.assign(step, {
      state: branch ? 'succeeded' : 'failed',
      finished_at: this.now(),
      duration_ms: Date.parse(this.now()) - Date.parse(step.started_at),
      error: failing,
      handle: branch ? 'error' : null,
      output: branch ? { error: failing } : null,
    });
    this.tell('step.failed', {
      node: node.id,
      attempt: n,
      duration_ms: took,
      error: failing,
      ...(branch ? { handled: 'branch', output: { error: failing } } : {}),
    });
    return branch ? { handle: 'error' } : { failed: failing };
  }

  /** Walk the graph; @from (milliseconds) makes it a run of the past, done at once. */
  async go(from = null) {
    this.clock = from;
    const { nodes, edges } = this.definition;
    const taken = new Map();
    const done = new Set();
    Object.assign(this.doc, { state: 'running', started_at: this.now() });
    this.tell('run.started', { input: this.doc.input });
    let failure = null;
    const running = new Map();
    for (;;) {
      for (const node of nodes) {
        if (done.has(node.id) || running.has(node.id) || failure) continue;
        const into = edges.filter((edge) => edge.target === node.id);
        if (into.some((edge) => !taken.has(edge.id)) || (node.type !== 'trigger' && into.length === 0)) continue;
        const settle = (handle) =>
          edges
            .filter((edge) => edge.source === node.id)
            .forEach((edge) => taken.set(edge.id, handle !== null && (edge.sourceHandle ?? 'out') === handle));
        if (node.type !== 'trigger' && !into.some((edge) => taken.get(edge.id))) {
          done.add(node.id);
          this.step(node.id).state = 'skipped';
          this.tell('step.skipped', { node: node.id });
          settle(null);
          continue;
        }
        const job = this.attempt(node, 1).then((result) => {
          running.delete(node.id);
          done.add(node.id);
          if (result?.failed) failure = { ...result.failed, node: node.id };
          else if (result) settle(result.handle);
        });
        running.set(node.id, job);
        if (from !== null) await job;
      }
      if (this.cancelled) return this.end('cancelled');
      if (running.size === 0) break;
      await Promise.race(running.values());
    }
    if (failure) return this.end('failed', { error: failure });
    const last =
      nodes.filter((node) => node.type === 'output' && this.step(node.id).state === 'succeeded')[0] ?? nodes.at(-1);
    this.end('succeeded', { output: this.step(last.id).output });
  }

  cancel() {
    this.cancelled = true;
    this.tell('run.cancel_requested');
  }
}
