/* gemini_server.mjs - a model server that speaks Gemini's generateContent as strictly as the real one, and misbehaves
 * on request. What it does is the script of the model's name (`script`): a list, each request takes the next entry,
 * the last one stays. */
import { gone, send as sendTo, sendJson } from './listener.mjs';
import { ScriptedServer } from './scripted.mjs';

export class GeminiServer extends ScriptedServer {
  constructor() {
    super();
    this.apiKey = 'AIza-test-0123456789';
  }

  of(model) {
    return this.seen((r) => r.path.startsWith(`/v1beta/models/${model}:`));
  }

  async answer(entry, req, res) {
    const fail = (code, status, message, details = []) =>
      sendJson(res, code, { error: { code, message, status, details } });
    if (entry.headers['x-goog-api-key'] !== this.apiKey)
      return fail(400, 'INVALID_ARGUMENT', 'API key not valid. Please pass a valid API key.', [
        { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'API_KEY_INVALID' },
      ]);
    if (entry.path === '/v1beta/models')
      return sendJson(res, 200, {
        models: [
          ...[...this.scripts.keys()].map((name) => ({
            name: `models/${name}`,
            supportedGenerationMethods: ['generateContent', 'countTokens'],
          })),
          { name: 'models/embeds-only', supportedGenerationMethods: ['embedContent'] },
          { name: 'models/draws-only', supportedGenerationMethods: ['predict'] },
        ],
      });
    const [, model, method] = entry.path.match(/^\/v1beta\/models\/([^/:]+):(\w+)$/) ?? [];
    if (!methods.includes(method) || entry.method !== 'POST')
      return fail(404, 'NOT_FOUND', `no such path: ${entry.path}`);
    const wrong = others[method]?.problemOf(model, entry.body) ?? problemOf(model, entry.body);
    if (wrong) return fail(400, 'INVALID_ARGUMENT', wrong);

    /* status, name, details: an error instead;  html, hang, raw: as in other doubles;  parts: of the answer, else
     * text;  pieces: texts that are streamed;  reason: the finishReason;  blocked: no candidates;  empty: neither
     * candidates nor a reason;  usage;  gate: {after, gate}: wait before the n-th event;  cut_after, error_after,
     * malformed_after: n events;  endless;  packet: bytes of each write;  line_end. */
    const b = this.next(model);
    entry.behaviour = b;
    if (b.hang) return gone(res);
    if (b.html) {
      res.writeHead(b.status ?? 502, { 'content-type': 'text/html' });
      return res.end('<html><h1>502 Bad Gateway</h1></html>');
    }
    if (b.status) return fail(b.status, b.name ?? 'INTERNAL', `scripted ${b.status}`, b.details);
    if (b.raw) {
      res.writeHead(200, { 'content-type': b.raw.type });
      return res.end(b.raw.text);
    }
    if (others[method]) return sendJson(res, 200, others[method].answer(entry.body, b));
    const usageMetadata = {
      promptTokenCount: 11,
      candidatesTokenCount: 6,
      thoughtsTokenCount: 4,
      cachedContentTokenCount: 5,
      totalTokenCount: 21,
      ...b.usage,
    };
    const base = { modelVersion: model, responseId: 'resp1', usageMetadata };
    const parts = b.parts ?? (b.pieces ?? [b.text ?? 'ok']).map((text) => ({ text }));
    const candidate = (some, reason) => ({
      candidates: [
        { content: { role: 'model', parts: some }, ...(reason && { finishReason: reason }), index: 0 },
      ],
      ...base,
    });
    const blocked = { promptFeedback: { blockReason: 'PROHIBITED_CONTENT' }, ...base };
    const reason = b.reason ?? 'STOP';
    if (method === 'generateContent')
      return sendJson(res, 200, b.empty ? base : b.blocked ? blocked : candidate(parts, reason));
    if (entry.url.searchParams.get('alt') !== 'sse') return sendJson(res, 200, [candidate(parts, reason)]);
    const split = b.text === undefined ? parts.map((p) => [p]) : cut(b.text, 4).map((text) => [{ text }]);
    const events = b.empty
      ? [base]
      : b.blocked
        ? [blocked]
        : [
            ...split.map((some) => candidate(some)),
            candidate([{ text: '', thoughtSignature: 'bGFzdA==' }], reason),
          ];
    return this.#stream(entry, res, b, b.endless ? endless(candidate) : events);
  }

  async #stream(entry, res, b, events) {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    const write = async (text) => {
      const bytes = Buffer.from(text.replaceAll('\n', b.line_end ?? '\r\n'));
      const size = b.packet ?? bytes.length;
      for (let at = 0; at < bytes.length; at += size) {
        if (!(await sendTo(res, bytes.subarray(at, at + size)))) return false;
        if (b.packet) await new Promise(setImmediate);
      }
      return true;
    };
    entry.sent = 0;
    for (const event of events) {
      if (b.gate?.after === entry.sent) await Promise.race([b.gate.gate.opened, gone(res)]);
      if (b.cut_after === entry.sent) return setImmediate(() => res.destroy());
      if (b.malformed_after === entry.sent) {
        await write('data: {"candidates": [{"content"\n\n');
        return res.end();
      }
      if (b.error_after === entry.sent) {
        await write(
          'data: {"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}\n\n',
        );
        return res.end();
      }
      if (b.endless) await new Promise((resolve) => setTimeout(resolve, 5));
      if (!(await write(`data: ${JSON.stringify(event)}\n\n`))) return;
      entry.sent++;
    }
    res.end();
  }
}

function* endless(candidate) {
  for (let i = 0; ; i++) yield candidate([{ text: `word${i} ` }]);
}

/* By characters, never inside one. */
function cut(text, n) {
  const all = [...text];
  const out = [];
  for (let i = 0; i < all.length; i += n) out.push(all.slice(i, i + n).join(''));
  return out;
}

const methods = 'generateContent streamGenerateContent countTokens embedContent batchEmbedContents'.split(
  ' ',
);
const vectorOf = ({ content, outputDimensionality }) => ({
  values: [content.parts.map((p) => p.text).join('').length, 0.5, -1].slice(0, outputDimensionality ?? 3),
});
const embedFields = 'model content taskType title outputDimensionality'.split(' ');
const problemOfText = (model, body) =>
  unknown('request', body, embedFields) ||
  (body?.content?.parts?.length ? '' : 'content is not specified') ||
  (body.model !== undefined && body.model !== `models/${model}` ? 'model must match the URL' : '');

/* What is no chat: it has no wrong fields but its own. */
const others = {
  countTokens: {
    problemOf: (model, body) =>
      unknown('request', body, ['contents', 'generateContentRequest', 'model']) ||
      (body.generateContentRequest && body.generateContentRequest.model !== `models/${model}`
        ? 'model must match the URL'
        : ''),
    answer: (body, b) => ({ totalTokens: b.tokens ?? 31 }),
  },
  embedContent: {
    problemOf: problemOfText,
    answer: (body) => ({ embedding: vectorOf(body) }),
  },
  batchEmbedContents: {
    problemOf: (model, body) =>
      unknown('request', body, ['requests']) ||
      (body.requests?.length ? '' : 'requests is not specified') ||
      body.requests
        .map((r) => problemOfText(model, r) || (r.model ? '' : 'model is not specified'))
        .find(Boolean) ||
      '',
    answer: (body) => ({ embeddings: body.requests.map(vectorOf) }),
  },
};

const fields =
  'contents systemInstruction tools toolConfig generationConfig safetySettings cachedContent'.split(' ');
const configFields = `temperature topP topK candidateCount maxOutputTokens stopSequences seed presencePenalty
  frequencyPenalty responseMimeType responseJsonSchema thinkingConfig`.split(/\s+/);
const partFields = 'text inlineData fileData functionCall functionResponse thought thoughtSignature'.split(
  ' ',
);

function unknown(where, value, known) {
  const camel = (k) => k.replace(/_([a-z])/g, (_, c) => c.toUpperCase()); /* it takes both forms */
  const name = Object.keys(value ?? {}).find((k) => !known.includes(camel(k)));
  return name && `Invalid JSON payload received. Unknown name "${name}" at '${where}': Cannot find field.`;
}

/* What the real server would refuse; null if nothing. */
function problemOf(model, body) {
  if (!body || typeof body !== 'object') return 'Invalid JSON payload received.';
  const wrong =
    unknown('request', body, fields) || unknown('generation_config', body.generationConfig, configFields);
  if (wrong) return wrong;
  if (!body.contents?.length) return 'contents is not specified';
  let calls = 0;
  const turns = []; /* neighbours of one role are one */
  for (const { role = 'user', parts } of body.contents)
    if (turns.at(-1)?.role === role) turns.at(-1).parts.push(...(parts ?? []));
    else turns.push({ role, parts: [...(parts ?? [])] });
  for (const { role, parts } of turns) {
    if (!['user', 'model'].includes(role)) return 'Please use a valid role: user, model.';
    if (!parts?.length) return 'contents.parts must not be empty.';
    for (const part of parts) {
      const odd = unknown('contents.parts', part, partFields);
      if (odd) return odd;
    }
    const called = parts.filter((p) => p.functionCall);
    const answered = parts.filter((p) => p.functionResponse);
    if (answered.length !== calls)
      return 'the number of function response parts is equal to the number of function call parts';
    if (answered.some((p) => !p.functionResponse.name))
      return 'function_response.name: Name cannot be empty.';
    if (model.startsWith('gemini-3') && called.length && !called[0].thoughtSignature)
      return 'Function call is missing a thought_signature in functionCall parts.';
    calls = called.length;
  }
  return null;
}

export const startGeminiServer = () => new GeminiServer().start();
