// A small server that speaks docs/formats/api.md from memory: for developing the console, and for looking at it with
// realistic data. It is no part of the product. `node test/mock-server.mjs [port]`; the sign-in token is "letmein123".
import { createServer } from 'node:http';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Run } from './mock-runs.mjs';
import * as seed from './mock-data.mjs';

/** The answer of the real server, as it was: renewed by hand when node types change. */
export const nodeTypes = JSON.parse(readFileSync(new URL('node-types.json', import.meta.url), 'utf8'));

const DIST = fileURLToPath(new URL('../dist', import.meta.url));
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
  '.md': 'text/plain; charset=utf-8',
};
const HEARTBEAT_MS = 15_000;

class Problem extends Error {
  constructor(status, code, detail, errors) {
    super(detail);
    Object.assign(this, { status, code, errors });
  }
}

/** A little of what the real server checks. */
export function check(definition) {
  const errors = [];
  const warnings = [];
  const ids = new Set(definition.nodes.map((node) => node.id));
  const into = new Set(definition.edges.map((edge) => edge.target));
  definition.nodes.forEach((node, i) => {
    const type = nodeTypes.types.find((one) => one.type === node.type);
    const add = (list, field, code, message) =>
      list.push({ path: `/nodes/${i}/data/${field}`, node: node.id, field, code, message, warning: list === warnings });
    if (!type)
      return errors.push({
        path: `/nodes/${i}/type`,
        node: node.id,
        field: '',
        code: 'unknown_type',
        message: `There is no node type "${node.type}".`,
      });
    for (const field of type.fields) {
      const other = field.when && type.fields.find((one) => one.name === field.when.field);
      const applies =
        !field.when || field.when.is.includes(String(node.data[field.when.field] ?? other?.default ?? ''));
      if (applies && field.required && (node.data[field.name] === undefined || node.data[field.name] === ''))
        add(errors, field.name, 'required', `${field.title} is required.`);
    }
    for (const [, name] of JSON.stringify(node.data).matchAll(/\{\{\s*([A-Za-z0-9_-]+)/g))
      if (
        !ids.has(name) &&
        !['input', 'vars', 'run', 'workflow', 'request'].includes(name) &&
        !(definition.variables ?? []).some((one) => one.name === name)
      )
        add(errors, 'template', 'unknown_name', `There is no node or variable "${name}".`);
    if (node.type !== 'trigger' && !into.has(node.id))
      warnings.push({
        path: `/nodes/${i}`,
        node: node.id,
        field: '',
        code: 'unreachable',
        message: 'The trigger does not lead here, so this never runs.',
        warning: true,
      });
  });
  if (definition.nodes.filter((node) => node.type === 'trigger').length !== 1)
    errors.push({
      path: '/nodes',
      node: '',
      field: '',
      code: 'trigger',
      message: 'A workflow has exactly one trigger.',
    });
  definition.edges.forEach((edge, i) => {
    if (!ids.has(edge.source) || !ids.has(edge.target))
      errors.push({
        path: `/edges/${i}`,
        node: '',
        field: '',
        code: 'unknown_node',
        message: `Edge "${edge.id}" leads to a node that is not there.`,
      });
  });
  return { valid: errors.length === 0, errors, warnings };
}

export async function makeMock({ pace = 1, empty = false } = {}) {
  const sessions = new Set();
  const workflows = new Map();
  const versions = new Map();
  const runs = new Map();
  const base = { url: '' };
  const state = { down: false };

  const at = (minutes) => new Date(Date.now() - minutes * 60_000).toISOString();
  const shown = (w) => ({ ...w, webhook_url: `${base.url}/hooks/${w.id}`, definition: undefined });
  const whole = (w) => ({ ...shown(w), definition: w.definition, warnings: check(w.definition).warnings });
  const add = (definition, { ageMin = 0, published = null } = {}) => {
    const id = randomUUID();
    const w = {
      id,
      name: definition.name,
      description: definition.description ?? '',
      revision: 1,
      published_version: published,
      latest_version: published,
      created_at: at(ageMin + 9000),
      updated_at: at(ageMin),
      definition,
    };
    workflows.set(id, w);
    versions.set(
      id,
      Array.from({ length: published ?? 0 }, (_, i) => ({
        version: i + 1,
        created_at: at(ageMin + (published - i) * 1500),
        created_by: 'Administrator',
        definition,
      })),
    );
    return w;
  };
  const start = (w, definition, fields, options) => {
    const run = new Run(
      {
        id: randomUUID(),
        workflow_id: w.id,
        workflow_name: w.name,
        version: w.published_version ?? 0,
        trigger: 'manual',
        input: null,
        created_at: new Date().toISOString(),
        ...fields,
      },
      definition,
      { pace, ...options },
    );
    runs.set(run.doc.id, run);
    return run;
  };
  if (!empty) {
    const made = [...seed.workflows]
      .reverse()
      .map((one) => add(one.definition, one))
      .reverse();
    for (const one of [...seed.runs].reverse()) {
      const w = made[one.of];
      const input =
        one.of === 0
          ? { email: 'mara@northloom.example', company: 'Northloom', source: 'fair' }
          : { question: 'How do I resume a run?' };
      await start(w, w.definition, { trigger: one.trigger, input, created_at: at(one.ago) }, { script: one.script }).go(
        Date.now() - one.ago * 60_000 + 12,
      );
    }
  }

  const find = (map, id, what) =>
    map.get(id) ??
    (() => {
      throw new Problem(404, 'not_found', `There is no such ${what}.`);
    })();
  const page = (all, query, show) => {
    const limit = Number(query.get('limit') ?? 50);
    const from = Number(query.get('cursor') ?? 0);
    return {
      items: all.slice(from, from + limit).map(show),
      next_cursor: from + limit < all.length ? String(from + limit) : null,
    };
  };
  const mustBeValid = (definition) => {
    const found = check(definition);
    if (!found.valid) throw new Problem(422, 'invalid', 'The definition has mistakes.', found.errors);
  };
  const row = ({ doc }) => ({
    id: doc.id,
    workflow_id: doc.workflow_id,
    workflow_name: doc.workflow_name,
    version: doc.version,
    state: doc.state,
    trigger: doc.trigger,
    created_at: doc.created_at,
    finished_at: doc.finished_at,
    duration_ms: doc.duration_ms,
  });

  function stream(req, res, run) {
    res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    let seen = Number(req.headers['last-event-id'] ?? 0);
    const send = (event) => {
      if (event.seq <= seen) return;
      seen = event.seq;
      res.write(`id: ${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
      if (['run.succeeded', 'run.failed', 'run.cancelled'].includes(event.type)) res.end();
    };
    const delta = (data) => res.write(`event: step.delta\ndata: ${JSON.stringify(data)}\n\n`);
    run.events.forEach(send);
    run.on('event', send).on('delta', delta);
    const beat = setInterval(() => res.write(': \n\n'), HEARTBEAT_MS);
    res.on('close', () => {
      clearInterval(beat);
      run.off('event', send).off('delta', delta);
    });
  }

  const routes = [
    [
      'GET',
      /^\/api\/me$/,
      () => ({
        name: 'Administrator',
        kind: 'session',
        capabilities: ['*'],
        tenant: '01934f6e-0000-7000-8000-000000000001',
        version: '0.1.0',
      }),
    ],
    ['POST', /^\/api\/signout$/, ({ session }) => void sessions.delete(session)],
    ['GET', /^\/api\/node-types$/, () => nodeTypes],
    ['GET', /^\/api\/approvals$/, () => ({ items: [], next_cursor: null })],
    ['GET', /^\/api\/prompts$/, () => ({ items: [], next_cursor: null })],
    ['GET', /^\/api\/calls$/, () => ({ items: [], next_cursor: null })],
    ['POST', /^\/api\/workflows\/validate$/, ({ body }) => check(body)],
    [
      'GET',
      /^\/api\/workflows$/,
      ({ query }) => {
        const q = (query.get('q') ?? '').toLowerCase();
        return page(
          [...workflows.values()].reverse().filter((w) => w.name.toLowerCase().includes(q)),
          query,
          shown,
        );
      },
    ],
    [
      'POST',
      /^\/api\/workflows$/,
      ({ body, res }) => {
        mustBeValid(body);
        res.statusCode = 201;
        return whole(add(body));
      },
    ],
    ['GET', /^\/api\/workflows\/([^/]+)$/, ({ id }) => whole(find(workflows, id, 'workflow'))],
    [
      'PUT',
      /^\/api\/workflows\/([^/]+)$/,
      ({ id, body, req }) => {
        const w = find(workflows, id, 'workflow');
        const match = req.headers['if-match'];
        if (match && match !== `"${w.revision}"`)
          throw new Problem(
            412,
            'precondition',
            `The workflow was changed meanwhile: it is at revision ${w.revision}. Load it again.`,
          );
        mustBeValid(body);
        Object.assign(w, {
          definition: body,
          name: body.name,
          description: body.description ?? '',
          revision: w.revision + 1,
          updated_at: at(0),
        });
        return whole(w);
      },
    ],
    [
      'DELETE',
      /^\/api\/workflows\/([^/]+)$/,
      ({ id }) => {
        find(workflows, id, 'workflow');
        workflows.delete(id);
      },
    ],
    [
      'POST',
      /^\/api\/workflows\/([^/]+)\/publish$/,
      ({ id }) => {
        const w = find(workflows, id, 'workflow');
        const list = versions.get(id);
        list.push({
          version: list.length + 1,
          created_at: at(0),
          created_by: 'Administrator',
          definition: w.definition,
        });
        w.published_version = w.latest_version = list.length;
        return { version: list.length };
      },
    ],
    [
      'GET',
      /^\/api\/workflows\/([^/]+)\/versions$/,
      ({ id, query }) =>
        page([...find(versions, id, 'workflow')].reverse(), query, (v) => ({ ...v, definition: undefined })),
    ],
    [
      'GET',
      /^\/api\/workflows\/([^/]+)\/versions\/(\d+)$/,
      ({ id, second }) => find(versions, id, 'workflow')[Number(second) - 1] ?? find(new Map(), '', 'version'),
    ],
    [
      'POST',
      /^\/api\/workflows\/([^/]+)\/versions\/(\d+)\/publish$/,
      ({ id, second }) => {
        find(workflows, id, 'workflow').published_version = Number(second);
        return { version: Number(second) };
      },
    ],
    [
      'POST',
      /^\/api\/workflows\/([^/]+)\/execute$/,
      async ({ id, body, req, res }) => {
        const w = find(workflows, id, 'workflow');
        const draft = body.version === 'draft' || w.published_version === null;
        const run = start(
          w,
          structuredClone(w.definition),
          { input: body.input ?? null, version: draft ? 0 : w.published_version },
          { script: state.script },
        );
        const over = run.go();
        if (body.mode === 'stream') return (stream(req, res, run), 'streamed');
        if (body.mode === 'async') res.statusCode = 202;
        else await over;
        return run.doc;
      },
    ],
    [
      'GET',
      /^\/api\/runs$/,
      ({ query }) => {
        const wanted = (run) =>
          (!query.get('workflow_id') || run.doc.workflow_id === query.get('workflow_id')) &&
          (!query.get('state') || run.doc.state === query.get('state'));
        return page([...runs.values()].reverse().filter(wanted), query, row);
      },
    ],
    [
      'GET',
      /^\/api\/runs\/([^/]+)$/,
      ({ id }) => {
        const run = find(runs, id, 'run');
        return { ...run.doc, definition: run.definition };
      },
    ],
    [
      'GET',
      /^\/api\/runs\/([^/]+)\/events$/,
      ({ id, req, res }) => (stream(req, res, find(runs, id, 'run')), 'streamed'),
    ],
    [
      'POST',
      /^\/api\/runs\/([^/]+)\/cancel$/,
      ({ id, res }) => {
        const run = find(runs, id, 'run');
        if (run.doc.finished_at) throw new Problem(409, 'conflict', 'The run has ended.');
        run.cancel();
        res.statusCode = 202;
        return run.doc;
      },
    ],
  ];

  async function serveApi(req, res, url) {
    const session = /heddle_session=([\w-]+)/.exec(req.headers.cookie ?? '')?.[1];
    if (!sessions.has(session)) throw new Problem(401, 'unauthorized', 'Sign in, or send a key.');
    for (const [method, pattern, handle] of routes) {
      const match = pattern.exec(url.pathname);
      if (!match || method !== req.method) continue;
      const chunks = [];
      for await (const chunk of req) chunks.push(chunk);
      const text = Buffer.concat(chunks).toString();
      const answer = await handle({
        req,
        res,
        session,
        id: match[1],
        second: match[2],
        query: url.searchParams,
        body: text ? JSON.parse(text) : undefined,
      });
      if (answer === 'streamed') return;
      if (answer === undefined) return res.writeHead(204).end();
      return res.setHeader('Content-Type', 'application/json').end(JSON.stringify(answer));
    }
    throw new Problem(404, 'not_found', 'There is no such call.');
  }

  async function serveFile(res, path) {
    const name = extname(path) ? normalize(path) : '/index.html';
    const body = await readFile(join(DIST, name)).catch(() => null);
    if (!body) return res.writeHead(404).end('not found');
    res
      .writeHead(200, {
        'Content-Type': TYPES[extname(name)] ?? 'application/octet-stream',
        'Content-Security-Policy': CSP,
        'X-Content-Type-Options': 'nosniff',
      })
      .end(body);
  }

  const server = createServer((req, res) => {
    const url = new URL(req.url, 'http://mock');
    const requestId = randomUUID().slice(0, 13);
    res.setHeader('X-Request-Id', requestId);
    const done = async () => {
      if (url.pathname === '/signin' && url.searchParams.has('token')) {
        if (url.searchParams.get('token') !== 'letmein123')
          return res.writeHead(303, { Location: '/signin?expired=1' }).end();
        const session = randomUUID();
        sessions.add(session);
        return res
          .writeHead(303, { Location: '/', 'Set-Cookie': `heddle_session=${session}; Path=/; HttpOnly; SameSite=Lax` })
          .end();
      }
      if (url.pathname === '/readyz')
        return res
          .setHeader('Content-Type', 'application/json')
          .end(JSON.stringify({ status: 'ready', version: '0.1.0' }));
      if (state.down && url.pathname.startsWith('/api/'))
        throw new Problem(503, 'unavailable', 'The database is not available.');
      return url.pathname.startsWith('/api/') ? serveApi(req, res, url) : serveFile(res, url.pathname);
    };
    done().catch((error) => {
      const { status = 500, code = 'internal', message, errors } = error;
      res.writeHead(status, { 'Content-Type': 'application/problem+json' }).end(
        JSON.stringify({
          type: 'about:blank',
          title: code,
          status,
          code,
          detail: message,
          request_id: requestId,
          errors,
        }),
      );
    });
  });
  return { server, base, state, workflows, runs, sessions };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const port = Number(process.argv[2] ?? 3000);
  const mock = await makeMock();
  mock.server.listen(port, '127.0.0.1', () => {
    mock.base.url = `http://127.0.0.1:${port}`;
    console.log(`ready ${mock.base.url}\nsign in: ${mock.base.url}/signin?token=letmein123`);
  });
}
