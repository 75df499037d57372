/* media_server.mjs - a model server for sound, images, ranking and moderation, as OpenAI's API and its like have
 * them. Forms are read by Node's own reader, so that what arrives is judged by another one than ours.
 *
 * What it does is found by the model's name (`script`): status, body, headers: answer so;  hang: say nothing;
 * html: a page;  bytes: so many of them, seeded by their place;  gate: {after, gate}: of these bytes;  cut_after: so
 * many, then close the line;  type: their Content-Type;  json, events: answer so;  no_end: leave the last event out. */
import { gone, send, sendJson } from './listener.mjs';
import { ScriptedServer } from './scripted.mjs';

const created = 1_790_000_000;

/* The sound that is "spoken": bytes that tell their place. */
export function soundOf(n, from = 0) {
  const bytes = Buffer.alloc(n);
  for (let i = 0; i < n; i++) bytes[i] = ((from + i) * 31 + ((from + i) >> 8)) & 255;
  return bytes;
}

export class MediaServer extends ScriptedServer {
  get url() {
    return `${this.origin}/v1`;
  }

  of(model) {
    return this.seen((r) => r.model === model);
  }

  async answer(entry, req, res) {
    if (entry.path === '/v1/models')
      return sendJson(res, 200, {
        object: 'list',
        data: [...this.scripts.keys()].map((id) => ({ id, object: 'model', created, owned_by: 'tests' })),
      });
    const op = operations[entry.path];
    if (!op || entry.method !== 'POST') return sendJson(res, 404, problem(`no such path: ${entry.path}`));
    if (/^multipart\//.test(req.headers['content-type'] ?? '')) {
      entry.form = await new Response(entry.raw, {
        headers: { 'content-type': req.headers['content-type'] },
      }).formData();
      entry.body = Object.fromEntries([...entry.form].filter(([, v]) => typeof v === 'string'));
    }
    entry.model = entry.body?.model;
    const b = this.next(entry.model);
    if (b.hang) return gone(res);
    if (b.html) {
      res.writeHead(200, { 'content-type': 'text/html' });
      return res.end('<html><script>alert(1)</script></html>');
    }
    if (b.status && b.status !== 200)
      return sendJson(res, b.status, b.body ?? problem(`scripted ${b.status}`), b.headers);
    if (b.json) return sendJson(res, 200, b.json, b.headers);
    if (b.text !== undefined) {
      res.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' });
      return res.end(b.text);
    }
    if (b.events) return events(res, b);
    if (b.bytes !== undefined) return bytes(entry, res, b);
    return sendJson(res, 200, op(entry));
  }
}

async function events(res, b) {
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const event of b.events) await send(res, `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  if (b.no_end) return setImmediate(() => res.destroy());
  res.end();
}

async function bytes(entry, res, b) {
  const piece = 16 * 1024;
  res.writeHead(200, {
    'content-type': b.type ?? 'audio/mpeg',
    ...(b.length ? { 'content-length': b.bytes } : {}),
    ...b.headers,
  });
  entry.sent = 0;
  while (entry.sent < b.bytes) {
    if (b.gate && entry.sent >= b.gate.after) await Promise.race([b.gate.gate.opened, gone(res)]);
    if (b.cut_after !== undefined && entry.sent >= b.cut_after) return setImmediate(() => res.destroy());
    const n = Math.min(piece, b.bytes - entry.sent);
    if (!(await send(res, soundOf(n, entry.sent)))) return;
    entry.sent += n;
  }
  res.end();
}

const problem = (message) => ({
  error: { message, type: 'invalid_request_error', param: null, code: null },
});

const heard = (entry) => ({ text: `heard ${entry.form.get('file').size} bytes` });
const image = (entry) => ({
  created,
  data: Array.from({ length: Number(entry.body.n ?? 1) }, () => ({ b64_json: 'aGVkZGxl' })),
});
const operations = {
  '/v1/audio/transcriptions': heard,
  '/v1/audio/translations': heard,
  '/v1/audio/speech': () => problem('script the speech'),
  '/v1/images/generations': image,
  '/v1/images/edits': image,
  '/v1/images/variations': image,
  '/v1/moderations': ({ body }) => ({
    id: 'modr-1',
    model: body.model ?? 'omni-moderation-latest',
    results: [{ flagged: /harm/.test(body.input), categories: {}, category_scores: {} }],
  }),
  '/v1/rerank': ({ body }) => ({
    id: 'rerank-1',
    results: body.documents
      .map((text, index) => ({ index, relevance_score: text.includes(body.query) ? 0.9 : 0.1 }))
      .sort((a, b) => b.relevance_score - a.relevance_score),
    usage: { total_tokens: 21 },
  }),
};

export const startMediaServer = () => new MediaServer().start();
