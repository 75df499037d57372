/* api.mjs - a client of Heddle's API on Node's bare HTTP client, which hides nothing. */
import http from 'node:http';
import assert from 'node:assert/strict';
import { SseReader } from './sse.mjs';
import { slow, until } from './gate.mjs';

const finalStates = ['succeeded', 'failed', 'cancelled'];
export const isFinal = (run) => finalStates.includes(run.state);

export class Api {
  constructor(base, key, headers = {}) {
    this.base = base;
    this.key = key;
    this.headers = headers;
    this.agent = new http.Agent({ keepAlive: true });
  }

  /* The same server as somebody else. */
  as(key, headers = {}) {
    return new Api(this.base, key, headers);
  }

  close() {
    this.agent.destroy();
  }

  /* The answer's head; the body is still to be read. */
  open(method, path, { body, headers = {}, text, signal, agent = this.agent, ms = 60_000 } = {}) {
    const payload = text ?? (body === undefined ? undefined : JSON.stringify(body));
    const all = { ...this.headers, ...headers };
    if (this.key) all.authorization ??= `Bearer ${this.key}`;
    if (body !== undefined) all['content-type'] ??= 'application/json';
    if (payload !== undefined) all['content-length'] = Buffer.byteLength(payload);
    return new Promise((resolve, reject) => {
      const request = http.request(this.base + path, { method, headers: all, agent, signal }, (response) => {
        response.request = request;
        resolve(response);
      });
      request.setTimeout(ms * slow, () =>
        request.destroy(new Error(`no byte for ${ms} ms: ${method} ${path}`)),
      );
      request.on('error', reject);
      request.end(payload);
    });
  }

  /* {status, headers, text, json} */
  async call(method, path, options) {
    const response = await this.open(method, path, options);
    const pieces = [];
    for await (const piece of response) pieces.push(piece);
    const text = Buffer.concat(pieces).toString('utf8');
    let json;
    if (/json/.test(response.headers['content-type'] ?? '') && text) json = JSON.parse(text);
    return { status: response.statusCode, headers: response.headers, text, json };
  }

  get(path, options) {
    return this.call('GET', path, options);
  }
  post(path, body, options) {
    return this.call('POST', path, { body, ...options });
  }
  put(path, body, options) {
    return this.call('PUT', path, { body, ...options });
  }
  delete(path, options) {
    return this.call('DELETE', path, options);
  }

  async sse(method, path, options = {}) {
    /* Streams get no part in the pool: they are cut at will. */
    const response = await this.open(method, path, { agent: false, ms: 120_000, ...options });
    if (response.statusCode !== 200) {
      const pieces = [];
      for await (const piece of response) pieces.push(piece);
      throw new Error(`${method} ${path} answered ${response.statusCode}: ${Buffer.concat(pieces)}`);
    }
    assert.match(response.headers['content-type'], /^text\/event-stream/);
    return new SseReader(response);
  }

  events(runId, lastId) {
    const headers = lastId === undefined ? {} : { 'last-event-id': String(lastId) };
    return this.sse('GET', `/api/runs/${runId}/events`, { headers });
  }

  /* ---- what most tests want; anything unexpected fails with the answer's text ---- */

  async workflow(definition) {
    const r = await this.post('/api/workflows', definition);
    expectStatus(r, 201);
    return r.json.id;
  }

  async published(definition) {
    const id = await this.workflow(definition);
    expectStatus(await this.post(`/api/workflows/${id}/publish`), 200);
    return id;
  }

  /* Start and wait for the end. */
  async run(workflowId, input, more = {}, headers = {}) {
    const r = await this.post(
      `/api/workflows/${workflowId}/execute`,
      { input, mode: 'wait', timeout: '60s', ...more },
      { headers, ms: 90_000 },
    );
    expectStatus(r, 200);
    assert.ok(isFinal(r.json), `an answer of 200 to mode wait must be final, it is "${r.json.state}"`);
    return r.json;
  }

  async start(workflowId, input, more = {}, headers = {}) {
    const r = await this.post(
      `/api/workflows/${workflowId}/execute`,
      { input, mode: 'async', ...more },
      { headers },
    );
    expectStatus(r, 202);
    return r.json.id;
  }

  stream(workflowId, input, more = {}, options = {}) {
    return this.sse('POST', `/api/workflows/${workflowId}/execute`, {
      body: { input, mode: 'stream', ...more },
      ...options,
    });
  }

  async runOf(id) {
    const r = await this.get(`/api/runs/${id}`);
    expectStatus(r, 200);
    return r.json;
  }

  finished(id, options) {
    return until(
      `run ${id} reaches a terminal state`,
      async () => {
        const run = await this.runOf(id);
        return isFinal(run) && run;
      },
      { every: 20, ...options },
    );
  }

  /* A definition run once: made, run, its end. */
  async once(definition, input, more) {
    return this.run(await this.workflow(definition), input, more);
  }
}

export function expectStatus(answer, status, what = '') {
  const wanted = Array.isArray(status) ? status : [status];
  assert.ok(
    wanted.includes(answer.status),
    `${what} expected ${wanted.join(' or ')}, got ${answer.status}: ${answer.text.slice(0, 2000)}`,
  );
  return answer;
}

/* An RFC 9457 answer of the given status and code. */
export function expectProblem(answer, status, code) {
  expectStatus(answer, status);
  assert.match(answer.headers['content-type'], /^application\/problem\+json/);
  assert.equal(answer.json.status, answer.status);
  for (const field of ['type', 'title', 'detail', 'code', 'request_id'])
    assert.equal(typeof answer.json[field], 'string', `problem has no ${field}: ${answer.text}`);
  assert.equal(answer.json.request_id, answer.headers['x-request-id']);
  if (code) assert.equal(answer.json.code, code, answer.text);
  return answer.json;
}

export function stepOf(run, node) {
  const step = run.steps.find((s) => s.node === node);
  assert.ok(step, `run has no step "${node}": ${JSON.stringify(run.steps.map((s) => s.node))}`);
  return step;
}
