/* faulty_server.mjs - one server that speaks every dialect, and breaks what it says byte by byte.
 *
 * A model's name says which dialect and which fault: "openai~cut". What a fault does to the bytes of a stream, or to
 * a whole answer, is in `faults`; what each means to a client is for the test to know. */
import { Listener, gone, send, sendJson } from './listener.mjs';

/* Ends within a character of several bytes when it is cut at its middle byte. */
export const text = 'Grüße, 世界 \u{1f9f6}, Ende.';
export const huge = 'x'.repeat(10 << 20);

const sse = (data, event) => `${event ? `event: ${event}\n` : ''}data: ${JSON.stringify(data)}\n\n`;
const halves = (s) => [s.slice(0, s.length >> 1), s.slice(s.length >> 1)];

/* Of each dialect: a whole answer, the events of a stream, its end, the pieces that faults put in. */
const dialects = {
  openai: {
    whole: (said) => ({
      id: 'c1',
      object: 'chat.completion',
      created: 1,
      model: 'm',
      choices: [{ index: 0, message: { role: 'assistant', content: said }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 },
    }),
    events: (pieces) => [
      ...pieces.map((content, i) => sse(chunk(i ? { content } : { role: 'assistant', content }))),
      sse(chunk({}, 'stop')),
      sse({ ...chunk({}), choices: [], usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 } }),
    ],
    end: 'data: [DONE]\n\n',
    overloaded: sse({
      error: { message: 'Overloaded', type: 'server_error', code: 'overloaded', param: null },
    }),
    error: (status) => ({ error: { message: 'scripted', type: 'x', code: `s${status}`, param: null } }),
    empty: { id: 'c1', object: 'chat.completion', created: 1, model: 'm', choices: [] },
    malformed: 'data: {"id":"c1","choices":[{"delta":\n\n',
  },
  anthropic: {
    whole: (said) => ({
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'm',
      content: [{ type: 'text', text: said }],
      stop_reason: 'end_turn',
      stop_sequence: null,
      usage: { input_tokens: 3, output_tokens: 4 },
    }),
    events: (pieces) => [
      message('message_start', {
        message: { ...dialects.anthropic.whole(''), content: [], stop_reason: null },
      }),
      message('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
      ...pieces.map((piece) =>
        message('content_block_delta', { index: 0, delta: { type: 'text_delta', text: piece } }),
      ),
      message('content_block_stop', { index: 0 }),
      message('message_delta', {
        delta: { stop_reason: 'end_turn', stop_sequence: null },
        usage: { output_tokens: 4 },
      }),
    ],
    end: sse({ type: 'message_stop' }, 'message_stop'),
    overloaded: message('error', { error: { type: 'overloaded_error', message: 'Overloaded' } }),
    error: () => ({ type: 'error', error: { type: 'api_error', message: 'scripted' } }),
    empty: { type: 'message' },
    malformed: 'event: content_block_delta\ndata: {"type":"content_blo\n\n',
  },
  gemini: {
    whole: (said) => ({
      ...candidate(said, 'STOP'),
      usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 4 },
    }),
    events: (pieces) =>
      pieces.map((piece, i) => sse(candidate(piece, i === pieces.length - 1 ? 'STOP' : undefined))),
    end: '',
    overloaded: sse({ error: { code: 503, message: 'Overloaded', status: 'UNAVAILABLE' } }),
    error: (status) => ({ error: { code: status, message: 'scripted', status: 'X' } }),
    empty: { candidates: [], usageMetadata: { promptTokenCount: 3 } },
    malformed: 'data: {"candidates":[{"content"\n\n',
  },
};

function chunk(delta, finish = null) {
  return {
    id: 'c1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm',
    choices: [{ index: 0, delta, finish_reason: finish }],
  };
}

function message(type, more) {
  return sse({ type, ...more }, type);
}

function candidate(piece, finishReason) {
  return {
    candidates: [{ content: { role: 'model', parts: [{ text: piece }] }, finishReason, index: 0 }],
    responseId: 'r1',
    modelVersion: 'm',
  };
}

/* The index of a byte within the first character of several bytes behind @from. */
function insideCharacter(bytes, from) {
  let at = from;
  while (at < bytes.length && (bytes[at] & 0xc0) !== 0x80) at++;
  return at;
}

const retryForms = {
  seconds: { 'retry-after': '7' },
  date: () => ({ 'retry-after': new Date(Date.now() + 60_000).toUTCString() }),
  ms: { 'retry-after-ms': '7000' },
};

const called = (index, more, args) =>
  sse(chunk({ tool_calls: [{ ...index, ...more, function: { ...more?.function, arguments: args } }] }));
const callWithoutIndex = [
  sse(chunk({ role: 'assistant', content: null })),
  called({}, { id: 'c1', type: 'function', function: { name: 'weather' } }, '{"city":'),
  called({}, undefined, '"Rom"}'),
  sse(chunk({}, 'stop')),
  'data: [DONE]\n\n',
];

/* What is sent of a stream: pieces of bytes; null: nothing more, and the line stays open; an error: it is cut. */
const streams = {
  none: (d) => [all(d)],
  packets7: (d) => cut(all(d), 7),
  packets1: (d) => cut(all(d), 1),
  crlf: (d) => cut(Buffer.from(`${all(d)}`.replaceAll('\n', '\r\n')), 7),
  no_end: (d) => [Buffer.from(d.events(halves(text)).join(''))],
  cut: (d) => [all(d).subarray(0, half(d)), new Error('cut')],
  cut_in_character: (d) => [all(d).subarray(0, insideCharacter(all(d), half(d) >> 1)), new Error('cut')],
  ends_early: (d) => [begin(d)],
  malformed: (d) => [Buffer.concat([begin(d), Buffer.from(d.malformed)])],
  overloaded: (d) => [Buffer.concat([begin(d), Buffer.from(d.overloaded)])],
  goes_silent: (d) => [begin(d), null],
  call_without_index: () => [Buffer.from(callWithoutIndex.join(''))],
  huge: (d) => [Buffer.from(d.events(['a ', huge]).join('') + d.end)],
};

const all = (d) => Buffer.from(d.events(halves(text)).join('') + d.end);
/* The first half of what is said, in whole events. */
const begin = (d) => {
  const events = d.events(halves(text));
  return Buffer.from(events.slice(0, events.findIndex((e) => e.includes('Gr')) + 1).join(''));
};
const half = (d) => begin(d).length + 20;
const cut = (bytes, n) =>
  Array.from({ length: Math.ceil(bytes.length / n) }, (_, i) => bytes.subarray(i * n, (i + 1) * n));

export class FaultyServer extends Listener {
  async answer(entry, req, res) {
    const [, inPath] = entry.path.match(/\/models\/([^:]+):/) ?? [];
    const [kind, fault] = decodeURIComponent(entry.body?.model ?? inPath ?? '').split('~');
    const d = dialects[kind];
    if (!d) return sendJson(res, 404, { error: { message: `no such model: ${entry.path}` } });
    entry.fault = fault;
    const streamed = entry.body.stream || entry.path.endsWith(':streamGenerateContent');

    if (fault === 'hang') return gone(res);
    if (fault === 'html') {
      res.writeHead(502, { 'content-type': 'text/html' });
      return res.end('<html><h1>502 Bad Gateway</h1></html>');
    }
    const [, form] = fault.match(/^429_(\w+)$/) ?? [];
    if (form) {
      const headers = typeof retryForms[form] === 'function' ? retryForms[form]() : retryForms[form];
      return sendJson(res, 429, d.error(429), headers);
    }
    if (!streamed && fault === 'dribbles') {
      res.writeHead(200, { 'content-type': 'application/json' });
      while (await send(res, ' ')) await new Promise((resolve) => setTimeout(resolve, 20));
      return;
    }
    if (!streamed) {
      if (fault === 'malformed' || fault === 'cut') {
        const bytes = JSON.stringify(d.whole(text)).slice(0, -40);
        res.writeHead(200, {
          'content-type': 'application/json',
          ...(fault === 'cut' && { 'content-length': bytes.length + 60 }),
        });
        res.write(bytes);
        return fault === 'cut' ? setImmediate(() => res.destroy()) : res.end();
      }
      return sendJson(res, 200, fault === 'empty' ? d.empty : d.whole(fault === 'huge' ? huge : text));
    }
    return this.#stream(res, fault === 'empty' ? [Buffer.from(sse(d.empty))] : streams[fault](d));
  }

  async #stream(res, pieces) {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const piece of pieces) {
      if (piece === null) return gone(res);
      if (piece instanceof Error) return setImmediate(() => res.destroy());
      if (!(await send(res, piece))) return;
      if (pieces.length > 2) await new Promise(setImmediate);
    }
    res.end();
  }
}

export const startFaultyServer = () => new FaultyServer().start();
