/* responses_server.mjs - a model server that speaks OpenAI's responses, remembers them, and misbehaves on request.
 * What it does is the script of the model's name: a list, each request takes the next entry, the last one stays. */
import { gone, send as sendTo, sendJson } from './listener.mjs';
import { ScriptedServer } from './scripted.mjs';

export class ResponsesServer extends ScriptedServer {
  constructor(name) {
    super();
    this.name = name;
    this.made = new Map();
  }

  of(model) {
    return this.seen((r) => r.body?.model === model);
  }

  async answer(entry, req, res) {
    const fail = (status, code, message) =>
      sendJson(res, status, { error: { message, type: 'invalid_request_error', param: null, code } });
    const [, id, rest] = entry.path.match(/^\/v1\/responses\/([^/]+)(\/\w+)?$/) ?? [];
    if (id) {
      const made = this.made.get(id);
      if (!made) return fail(404, null, `Response with id '${id}' not found.`);
      if (rest === '/input_items') return sendJson(res, 200, { object: 'list', data: [made.input] });
      if (rest === '/cancel') return sendJson(res, 200, { ...made.response, status: 'cancelled' });
      if (req.method === 'DELETE') this.made.delete(id);
      return sendJson(res, 200, req.method === 'DELETE' ? { id, deleted: true } : made.response);
    }
    if (entry.path === '/v1/models') return sendJson(res, 200, { object: 'list', data: [] });
    if (entry.path !== '/v1/responses') return fail(404, null, `no such path: ${entry.path}`);
    const { model, input, previous_response_id: previous, stream } = entry.body ?? {};
    if (!model || input === undefined) return fail(400, null, 'Missing required parameter');
    if (previous && !this.made.has(previous))
      return fail(400, 'previous_response_not_found', `Previous response with id '${previous}' not found.`);

    /* status: an error instead;  text: what is said;  extra: bytes more in the last event;  cut_after,
     * failed_after, error_after: n events;  endless;  packet: bytes of each write. */
    const b = this.next(model);
    if (b.status) return fail(b.status, null, `scripted ${b.status}`);
    const text = b.text ?? `${this.name} heard ${JSON.stringify(input)}`;
    const response = {
      id: `resp_${this.name}_${this.made.size + 1}`,
      object: 'response',
      created_at: 1_790_000_000,
      status: 'completed',
      error: null,
      incomplete_details: null,
      model,
      output: [
        {
          id: 'msg_1',
          type: 'message',
          role: 'assistant',
          status: 'completed',
          content: [{ type: 'output_text', text, annotations: [] }],
        },
      ],
      metadata: { extra: 'x'.repeat(b.extra ?? 0) },
      tools: [],
      usage: {
        input_tokens: 12,
        input_tokens_details: { cached_tokens: 4 },
        output_tokens: 6,
        output_tokens_details: { reasoning_tokens: 2 },
        total_tokens: 18,
      },
    };
    this.made.set(response.id, { response, input });
    if (!stream) return sendJson(res, 200, response);
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    entry.sent = 0;
    for (const event of b.endless ? endless(response) : eventsOf(response, text)) {
      if (b.cut_after === entry.sent) return setImmediate(() => res.destroy());
      const bad = b.failed_after === entry.sent || b.error_after === entry.sent;
      const wrong = { code: 'server_error', message: 'The model failed.' };
      const said = !bad
        ? event
        : b.failed_after === undefined
          ? { type: 'error', ...wrong, param: null }
          : { type: 'response.failed', response: { ...response, status: 'failed', error: wrong } };
      if (b.endless) await new Promise((resolve) => setTimeout(resolve, 5));
      const bytes = Buffer.from(
        `event: ${said.type}\ndata: ${JSON.stringify({ ...said, sequence_number: entry.sent })}\n\n`,
      );
      const size = b.packet ?? bytes.length;
      for (let at = 0; at < bytes.length; at += size)
        if (!(await sendTo(res, bytes.subarray(at, at + size)))) return gone(res);
      if (bad) return res.end();
      entry.sent++;
    }
    res.end();
  }
}

const begun = (response) => ({ ...response, status: 'in_progress', output: [], usage: null });

function* endless(response) {
  yield { type: 'response.created', response: begun(response) };
  for (let i = 0; ; i++)
    yield {
      type: 'response.output_text.delta',
      item_id: 'msg_1',
      output_index: 0,
      content_index: 0,
      delta: `w${i} `,
    };
}

function* eventsOf(response, text) {
  const at = { item_id: 'msg_1', output_index: 0, content_index: 0 };
  const [item] = response.output;
  yield { type: 'response.created', response: begun(response) };
  yield { type: 'response.in_progress', response: begun(response) };
  yield { type: 'response.output_item.added', output_index: 0, item: { ...item, content: [] } };
  yield { type: 'response.content_part.added', ...at, part: { ...item.content[0], text: '' } };
  const all = [...text];
  for (let i = 0; i < all.length; i += 4)
    yield { type: 'response.output_text.delta', ...at, delta: all.slice(i, i + 4).join('') };
  yield { type: 'response.output_text.done', ...at, text };
  yield { type: 'response.content_part.done', ...at, part: item.content[0] };
  yield { type: 'response.output_item.done', output_index: 0, item };
  yield { type: 'response.completed', response };
}

export const startResponsesServer = (name) => new ResponsesServer(name).start();
