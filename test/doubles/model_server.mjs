/* model_server.mjs - a model server that speaks OpenAI's chat completions, and misbehaves on request.
 *
 * What it does with a request is a plain object (see `answer`), found in this order: the request body's member
 * "double", the header x-double (JSON), the script of the model's name (`script`), else an echo of the last
 * message. A script is a list: each request takes the next entry, the last one stays.
 */
import { gone, send as sendTo, sendJson } from './listener.mjs';
import { ScriptedServer } from './scripted.mjs';
import { pause } from '../lib/gate.mjs';

const created = 1_790_000_000;

export class ModelServer extends ScriptedServer {
  constructor() {
    super();
    this.apiKey = null; /* when set, other keys get 401 */
  }

  get url() {
    return `${this.origin}/v1`;
  }

  of(model) {
    return this.seen((r) => r.body?.model === model);
  }

  #behaviour(entry) {
    if (entry.body?.double) return entry.body.double;
    if (entry.headers['x-double']) return JSON.parse(entry.headers['x-double']);
    return this.next(entry.body?.model);
  }

  async answer(entry, req, res) {
    if (this.apiKey && entry.headers.authorization !== `Bearer ${this.apiKey}`)
      return sendJson(
        res,
        401,
        openaiError('Incorrect API key provided', 'invalid_request_error', 'invalid_api_key'),
      );
    if (entry.path === '/v1/models')
      return sendJson(res, 200, { object: 'list', data: [...this.scripts.keys(), 'echo'].map(modelCard) });
    const op = operations[entry.path];
    if (!op || entry.method !== 'POST')
      return sendJson(res, 404, openaiError(`no such path: ${entry.path}`, 'invalid_request_error', null));
    const wrong = op.problemOf(entry.body);
    if (wrong) return sendJson(res, 400, openaiError(wrong, 'invalid_request_error', null));

    /* status, headers, body: answer so instead;  html: a proxy's page;  delay: ms before anything;  gate: wait
     * for it before anything;  hang: accept and say nothing;  text or pieces or json: what the model says;
     * token_delay: ms between pieces;  piece_gate: {after, gate};  cut_after: n pieces, then close the line;
     * no_done: leave [DONE] out;  malformed_after: n pieces, then a chunk that is no JSON;  error_after: n
     * pieces, then an error object;  endless: pieces until the client leaves;  finish: the finish_reason;
     * raw: {type, text}, sent as it is;  packet: bytes of each write of a stream;  line_end: "\r\n";  floats: write
     * embeddings as numbers whatever was asked;  vector: a function from a text to its embedding;
     * tool: {name, arguments}, called instead of text. */
    const b = this.#behaviour(entry);
    entry.behaviour = b;
    if (b.delay) await pause(b.delay);
    if (b.gate) await Promise.race([b.gate.opened, gone(res)]);
    if (b.hang) return gone(res);
    if (b.html) {
      res.writeHead(b.status ?? 502, { 'content-type': 'text/html', ...b.headers });
      return res.end(
        '<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>',
      );
    }
    if (b.status && b.status !== 200)
      return sendJson(
        res,
        b.status,
        b.body ?? openaiError(`scripted ${b.status}`, errorType(b.status), null),
        b.headers,
      );

    if (b.raw) {
      res.writeHead(200, { 'content-type': b.raw.type, ...b.headers });
      return res.end(b.raw.text);
    }
    if (op.embeds) return sendJson(res, 200, embeddingsOf(entry.body, b), b.headers);
    const pieces = piecesOf(b, entry.body);
    if (op.plain) return sendJson(res, 200, completionOf(entry.body, pieces), b.headers);
    return entry.body.stream ? this.#stream(entry, res, b, pieces) : this.#whole(entry, res, b, pieces);
  }

  #whole(entry, res, b, pieces) {
    if (b.cut_after !== undefined) {
      res.writeHead(200, { 'content-type': 'application/json', 'content-length': 4096 });
      res.write('{"id": "chatcmpl-1", "choices": [');
      return setImmediate(() => res.destroy());
    }
    if (b.malformed_after !== undefined) {
      res.writeHead(200, { 'content-type': 'application/json' });
      return res.end('{"id": "chatcmpl-1", "choices": [{]}');
    }
    return sendJson(
      res,
      200,
      {
        id: `chatcmpl-${this.requests.length}`,
        object: 'chat.completion',
        created,
        model: entry.body.model,
        choices: [
          {
            index: 0,
            message: b.tool
              ? { role: 'assistant', content: null, tool_calls: [toolCall(b.tool)] }
              : { role: 'assistant', content: pieces.join('') },
            logprobs: null,
            finish_reason: b.finish ?? (b.tool ? 'tool_calls' : 'stop'),
          },
        ],
        usage: usageOf(entry.body, pieces),
      },
      b.headers,
    );
  }

  async #stream(entry, res, b, pieces) {
    const chunk = (delta, finish = null, more = {}) =>
      `data: ${JSON.stringify({
        id: `chatcmpl-${this.requests.indexOf(entry) + 1}`,
        object: 'chat.completion.chunk',
        created,
        model: entry.body.model,
        choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
        ...more,
      })}\n\n`;
    const send = async (text) => {
      const bytes = Buffer.from(b.line_end ? text.replaceAll('\n', b.line_end) : text);
      const size = b.packet ?? bytes.length;
      for (let at = 0; at < bytes.length; at += size) {
        if (!(await sendTo(res, bytes.subarray(at, at + size)))) return false;
        if (b.packet) await new Promise(setImmediate);
      }
      return true;
    };

    res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache', ...b.headers });
    await send(chunk({ role: 'assistant', content: '' }));
    if (b.tool) {
      const call = toolCall(b.tool);
      await send(
        chunk({ tool_calls: [{ index: 0, ...call, function: { ...call.function, arguments: '' } }] }),
      );
      for (const part of cut(call.function.arguments))
        await send(chunk({ tool_calls: [{ index: 0, function: { arguments: part } }] }));
    }
    entry.sent = 0;
    for (let i = 0; b.endless || i <= pieces.length; i++) {
      if (b.piece_gate?.after === i) await Promise.race([b.piece_gate.gate.opened, gone(res)]);
      if (b.cut_after === i) return setImmediate(() => res.destroy());
      if (b.malformed_after === i) {
        await send('data: {"id":"chatcmpl-1","choices":[{"delta":\n\n');
        return res.end();
      }
      if (b.error_after === i) {
        await send(
          `data: ${JSON.stringify(openaiError('The server had an error while processing', 'server_error', null))}\n\n`,
        );
        return res.end();
      }
      if (!b.endless && i === pieces.length) break;
      if (b.token_delay) await Promise.race([pause(b.token_delay), gone(res)]);
      if (!(await send(chunk({ content: b.endless ? `word${i} ` : pieces[i] })))) return;
      entry.sent++;
    }
    await send(chunk({}, b.finish ?? (b.tool ? 'tool_calls' : 'stop')));
    if (entry.body.stream_options?.include_usage)
      await send(chunk({}, null, { choices: [], usage: usageOf(entry.body, pieces) }));
    if (!b.no_done) await send('data: [DONE]\n\n');
    res.end();
  }
}

function modelCard(id) {
  return { id, object: 'model', created, owned_by: 'heddle-tests' };
}

function openaiError(message, type, code) {
  return { error: { message, type, param: null, code } };
}

function errorType(status) {
  return status === 429 ? 'rate_limit_exceeded' : status < 500 ? 'invalid_request_error' : 'server_error';
}

/* What a real server would refuse; null if nothing. */
function problemOf(body) {
  if (!body || typeof body !== 'object') return 'We could not parse the JSON body of your request.';
  if (typeof body.model !== 'string' || !body.model) return 'you must provide a model parameter';
  if (!Array.isArray(body.messages) || body.messages.length === 0)
    return "'messages' must be a non-empty array";
  for (const m of body.messages) {
    if (!['system', 'developer', 'user', 'assistant', 'tool'].includes(m?.role))
      return `invalid role: ${m?.role}`;
    const callsOnly = m.role === 'assistant' && m.content == null && m.tool_calls?.length;
    if (typeof m.content !== 'string' && !Array.isArray(m.content) && !callsOnly)
      return "'content' must be a string or an array";
  }
  const unanswered = unansweredCall(body.messages);
  if (unanswered) return unanswered;
  if (body.stream_options && !body.stream)
    return "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
  const format = body.response_format;
  if (format && !['text', 'json_object', 'json_schema'].includes(format.type))
    return `invalid response_format: ${format.type}`;
  if (format?.type === 'json_schema' && (!format.json_schema?.name || !format.json_schema?.schema))
    return "Missing required parameter: 'response_format.json_schema'";
  return null;
}

/* Calls of tools must be answered at once, and nothing else may be. */
function unansweredCall(messages) {
  let open = new Set();
  for (const m of messages) {
    if (m.role === 'tool' && !open.delete(m.tool_call_id))
      return "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'";
    if (m.role !== 'tool' && open.size) break;
    if (m.tool_calls) open = new Set(m.tool_calls.map((c) => c.id));
  }
  return open.size
    ? "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'"
    : null;
}

const operations = {
  '/v1/chat/completions': { problemOf },
  '/v1/completions': {
    plain: true,
    problemOf: (body) => (body?.model ? null : 'you must provide a model parameter'),
  },
  '/v1/embeddings': {
    embeds: true,
    problemOf: (body) =>
      !body?.model
        ? 'you must provide a model parameter'
        : body.input === undefined
          ? "'input' is a required property"
          : null,
  },
};

function toolCall(tool) {
  return {
    id: 'call_1',
    type: 'function',
    function: { name: tool.name, arguments: JSON.stringify(tool.arguments) },
  };
}

function completionOf(body, pieces) {
  return {
    id: 'cmpl-1',
    object: 'text_completion',
    created,
    model: body.model,
    choices: [{ index: 0, text: pieces.join(''), logprobs: null, finish_reason: 'stop' }],
    usage: { prompt_tokens: 1, completion_tokens: pieces.length, total_tokens: 1 + pieces.length },
  };
}

/* Numbers that a float32 holds exactly, so that both forms are equal. */
function embeddingsOf(body, b) {
  const inputs = Array.isArray(body.input) ? body.input : [body.input];
  const data = inputs.map((text, index) => {
    const numbers = (b.vector?.(text) ?? [0.5, -0.25, text.length, 1e-3]).map(Math.fround);
    const asked = body.encoding_format === 'base64' && !b.floats;
    const embedding = asked ? Buffer.from(new Float32Array(numbers).buffer).toString('base64') : numbers;
    return { object: 'embedding', index, embedding };
  });
  return { object: 'list', data, model: body.model, usage: { prompt_tokens: 5, total_tokens: 5 } };
}

function piecesOf(b, body) {
  if (b.tool) return [];
  if (b.pieces) return b.pieces;
  if (b.json !== undefined) return cut(JSON.stringify(b.json));
  if (b.text !== undefined) return cut(b.text);
  if (!body.messages) return cut(`echo: ${body.prompt}`);
  const last = body.messages.at(-1).content;
  return cut(`echo: ${typeof last === 'string' ? last : JSON.stringify(last)}`);
}

/* Cut as tokens are: by characters, never inside one. */
function cut(text) {
  const all = [...text];
  const out = [];
  for (let i = 0; i < all.length; i += 4) out.push(all.slice(i, i + 4).join(''));
  return out;
}

function usageOf(body, pieces) {
  const prompt = Math.ceil(JSON.stringify(body.messages).length / 4);
  return { prompt_tokens: prompt, completion_tokens: pieces.length, total_tokens: prompt + pieces.length };
}

export const startModelServer = () => new ModelServer().start();
