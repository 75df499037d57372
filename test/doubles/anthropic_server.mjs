/* anthropic_server.mjs - a model server that speaks Anthropic's messages as strictly as the real one, and misbehaves
 * on request. What it does is the script of the model's name (`script`): a list, each request takes the next entry,
 * the last one stays. */
import { gone, send as sendTo, sendJson } from './listener.mjs';
import { ScriptedServer } from './scripted.mjs';

export class AnthropicServer extends ScriptedServer {
  constructor() {
    super();
    this.apiKey = 'sk-ant-test-0123456789';
  }

  of(model) {
    return this.seen((r) => r.body?.model === model);
  }

  async answer(entry, req, res) {
    const fail = (status, type, message, headers) =>
      sendJson(res, status, { type: 'error', error: { type, message }, request_id: 'req_1' }, headers);
    if (entry.headers['x-api-key'] !== this.apiKey)
      return fail(401, 'authentication_error', 'invalid x-api-key');
    if (!entry.headers['anthropic-version'])
      return fail(400, 'invalid_request_error', 'anthropic-version: header is required');
    if (entry.path === '/v1/models')
      return sendJson(res, 200, {
        data: [...this.scripts.keys()].map((id) => ({ type: 'model', id, display_name: id })),
        has_more: false,
      });
    const counts = entry.path === '/v1/messages/count_tokens';
    if ((entry.path !== '/v1/messages' && !counts) || entry.method !== 'POST')
      return fail(404, 'not_found_error', `no such path: ${entry.path}`);
    const wrong = problemOf(entry.body, counts);
    if (wrong) return fail(400, 'invalid_request_error', wrong);
    if (counts) return sendJson(res, 200, { input_tokens: 42 });

    /* status, error, headers: an error instead;  html: a proxy's page;  hang: say nothing;  blocks: the content, else
     * text;  pieces: texts that are streamed;  split: characters of each part of a call's arguments;  stop: the
     * stop_reason;  usage;  raw: {type, text};  gate: {after, gate}: wait before the n-th event;  cut_after: n
     * events, then close the line;  error_after: n events, then an overloaded_error;  malformed_after: n events,
     * then one that is no JSON;  no_stop: leave message_stop out;  endless;  packet: bytes of each write;
     * line_end: "\r\n". */
    const b = this.next(entry.body.model);
    entry.behaviour = b;
    if (b.hang) return gone(res);
    if (b.html) {
      res.writeHead(b.status ?? 502, { 'content-type': 'text/html' });
      return res.end('<html><h1>502 Bad Gateway</h1></html>');
    }
    if (b.status) return fail(b.status, b.error ?? 'api_error', `scripted ${b.status}`, b.headers);
    if (b.raw) {
      res.writeHead(200, { 'content-type': b.raw.type, ...b.headers });
      return res.end(b.raw.text);
    }
    const usage = {
      input_tokens: 10,
      cache_creation_input_tokens: 3,
      cache_read_input_tokens: 5,
      output_tokens: 7,
      ...b.usage,
    };
    const blocks = b.blocks ?? [{ type: 'text', text: b.text ?? (b.pieces ?? ['ok']).join('') }];
    const stop = b.stop ?? (blocks.some((x) => x.type === 'tool_use') ? 'tool_use' : 'end_turn');
    if (entry.body.stream) return this.#stream(entry, res, b, blocks, stop, usage);
    return sendJson(res, 200, {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: entry.body.model,
      content: blocks,
      stop_reason: stop,
      stop_sequence: b.sequence ?? null,
      usage,
    });
  }

  async #stream(entry, res, b, blocks, stop, usage) {
    res.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', ...b.headers });
    const write = async (text) => {
      const bytes = Buffer.from(b.line_end ? text.replaceAll('\n', b.line_end) : text);
      const size = b.packet ?? bytes.length;
      for (let at = 0; at < bytes.length; at += size) {
        if (!(await sendTo(res, bytes.subarray(at, at + size)))) return false;
        if (b.packet) await new Promise(setImmediate);
      }
      return true;
    };
    entry.sent = 0;
    for (const event of b.endless
      ? endless(entry.body.model)
      : eventsOf(entry.body.model, b, blocks, stop, usage)) {
      if (b.gate?.after === entry.sent) await Promise.race([b.gate.gate.opened, gone(res)]);
      if (b.cut_after === entry.sent) return setImmediate(() => res.destroy());
      if (b.malformed_after === entry.sent) {
        await write('event: content_block_delta\ndata: {"type":"content_blo\n\n');
        return res.end();
      }
      if (b.error_after === entry.sent) {
        await write(
          'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n',
        );
        return res.end();
      }
      if (b.endless) await new Promise((resolve) => setTimeout(resolve, 5));
      if (!(await write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`))) return;
      entry.sent++;
    }
    res.end();
  }
}

function start(model, usage) {
  const message = { id: 'msg_1', type: 'message', role: 'assistant', model, content: [] };
  return { type: 'message_start', message: { ...message, stop_reason: null, stop_sequence: null, usage } };
}

function* endless(model) {
  yield start(model, { input_tokens: 10, output_tokens: 1 });
  yield { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } };
  for (let i = 0; ; i++)
    yield { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: `word${i} ` } };
}

function* eventsOf(model, b, blocks, stop, usage) {
  yield start(model, { ...usage, output_tokens: 1 });
  yield { type: 'ping' };
  for (const [index, block] of blocks.entries()) {
    const delta = (type, member, value) => ({
      type: 'content_block_delta',
      index,
      delta: { type, [member]: value },
    });
    if (block.type === 'text') {
      yield { type: 'content_block_start', index, content_block: { type: 'text', text: '' } };
      for (const text of b.pieces ?? cut(block.text, 4)) yield delta('text_delta', 'text', text);
    } else if (block.type === 'thinking') {
      yield {
        type: 'content_block_start',
        index,
        content_block: { type: 'thinking', thinking: '', signature: '' },
      };
      for (const text of cut(block.thinking, 5)) yield delta('thinking_delta', 'thinking', text);
      yield delta('signature_delta', 'signature', block.signature);
    } else if (block.type === 'tool_use') {
      yield { type: 'content_block_start', index, content_block: { ...block, input: {} } };
      yield delta('input_json_delta', 'partial_json', '');
      const text = Object.keys(block.input).length ? JSON.stringify(block.input) : '';
      for (const part of cut(text, b.split ?? 6)) yield delta('input_json_delta', 'partial_json', part);
    } else {
      yield { type: 'content_block_start', index, content_block: block };
    }
    yield { type: 'content_block_stop', index };
  }
  const end = { stop_reason: stop, stop_sequence: b.sequence ?? null };
  yield { type: 'message_delta', delta: end, usage: { output_tokens: usage.output_tokens } };
  if (!b.no_stop) yield { type: 'message_stop' };
}

/* By characters, never inside one. */
function cut(text, n) {
  const all = [...text];
  const out = [];
  for (let i = 0; i < all.length; i += n) out.push(all.slice(i, i + n).join(''));
  return out;
}

const fields = new Set(
  `model messages max_tokens system tools tool_choice temperature top_p top_k stop_sequences stream metadata thinking
  output_config service_tier`.split(/\s+/),
);
const blockFields = {
  text: ['text', 'cache_control', 'citations'],
  image: ['source', 'cache_control'],
  document: ['source', 'title', 'cache_control'],
  thinking: ['thinking', 'signature'],
  redacted_thinking: ['data'],
  tool_use: ['id', 'name', 'input', 'cache_control'],
  tool_result: ['tool_use_id', 'content', 'is_error', 'cache_control'],
};

function blockProblem(where, block) {
  const known = blockFields[block?.type];
  if (!known) return `${where}: Input tag '${block?.type}' does not match any of the expected tags`;
  for (const name of Object.keys(block))
    if (name !== 'type' && !known.includes(name)) return `${where}.${name}: Extra inputs are not permitted`;
  if (block.type === 'text' && !block.text) return `${where}: text content blocks must be non-empty`;
  if (block.type === 'tool_use' && (typeof block.input !== 'object' || Array.isArray(block.input)))
    return `${where}.tool_use.input: Input should be a valid dictionary`;
  return null;
}

/* What the real server would refuse; null if nothing. */
function problemOf(body, counts) {
  if (!body || typeof body !== 'object') return 'The request body is not valid JSON.';
  for (const name of Object.keys(body))
    if (!fields.has(name)) return `${name}: Extra inputs are not permitted`;
  if (typeof body.model !== 'string') return 'model: Field required';
  if (!counts && !(body.max_tokens >= 1)) return 'max_tokens: Field required';
  if (body.temperature > 1) return 'temperature: range: 0..1';
  if (!Array.isArray(body.messages) || !body.messages.length)
    return 'messages: at least one message is required';
  let calls = [];
  for (const [i, m] of body.messages.entries()) {
    if (!['user', 'assistant'].includes(m.role))
      return `messages.${i}.role: Input should be 'user' or 'assistant'`;
    const blocks = typeof m.content === 'string' ? [] : m.content;
    if (typeof m.content === 'string' ? !m.content : !blocks?.length)
      return `messages.${i}: all messages must have non-empty content`;
    for (const [j, block] of blocks.entries()) {
      const wrong = blockProblem(`messages.${i}.content.${j}`, block);
      if (wrong) return wrong;
    }
    const results = blocks.filter((x) => x.type === 'tool_result').map((x) => x.tool_use_id);
    if (calls.some((id) => !results.includes(id)))
      return `messages.${i}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after`;
    if (results.some((id) => !calls.includes(id)))
      return `messages.${i}: unexpected \`tool_use_id\` found in \`tool_result\` blocks`;
    calls = blocks.filter((x) => x.type === 'tool_use').map((x) => x.id);
  }
  if (body.thinking?.type === 'enabled' && !(body.thinking.budget_tokens < body.max_tokens))
    return '`max_tokens` must be greater than `thinking.budget_tokens`';
  return null;
}

export const startAnthropicServer = () => new AnthropicServer().start();
