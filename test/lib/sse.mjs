/* sse.mjs - server-sent events as they come over the line, comments included, parsed as the HTML standard says. */
import { within } from './gate.mjs';

export class SseReader {
  /* @response: an http.IncomingMessage. */
  constructor(response) {
    this.response = response;
    this.items = []; /* not taken yet: {id, event, data, json, at} or {comment} */
    this.comments = 0;
    this.ended = false;
    this.error = null;
    this.text = '';
    this.fields = {};
    response.setEncoding('utf8');
    response.on('data', (text) => this.#feed(text));
    response.on('end', () => this.#end(null));
    response.on('error', (error) => this.#end(error));
    response.on('close', () => this.#end(response.complete ? null : new Error('the stream was cut')));
  }

  #end(error) {
    if (this.ended) return;
    this.ended = true;
    this.error = error;
    this.wake?.();
  }

  #feed(text) {
    this.text += text;
    const lines = this.text.split(/\r\n|\n|\r/);
    this.text = lines.pop();
    for (const line of lines) this.#line(line);
    this.wake?.();
  }

  #line(line) {
    if (line === '') {
      if (this.fields.data !== undefined) {
        const item = { id: null, event: 'message', ...this.fields, at: Date.now() };
        try {
          item.json = JSON.parse(item.data);
        } catch {
          item.json = undefined;
        }
        this.items.push(item);
      }
      this.fields = {};
    } else if (line.startsWith(':')) {
      this.comments++;
      this.items.push({ comment: line.slice(1).trim(), at: Date.now() });
    } else {
      const colon = line.indexOf(':');
      const name = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
      if (name === 'data')
        this.fields.data = this.fields.data === undefined ? value : `${this.fields.data}\n${value}`;
      else if (['id', 'event', 'retry'].includes(name)) this.fields[name] = value;
      else throw new Error(`no field of server-sent events: ${line}`);
    }
  }

  /* The next event or comment; null at the end. A cut stream throws. */
  async nextItem(ms = 30_000) {
    while (!this.items.length) {
      if (this.error) throw this.error;
      if (this.ended) return null;
      await within(ms, 'the next event', new Promise((resolve) => (this.wake = resolve)));
    }
    return this.items.shift();
  }

  async next(ms) {
    for (;;) {
      const item = await this.nextItem(ms);
      if (!item || item.comment === undefined) return item;
    }
  }

  /* The next event for which @want holds, those before it are dropped. */
  async nextWith(want, ms) {
    for (;;) {
      const event = await this.next(ms);
      if (!event) throw new Error('the stream ended before the event that was waited for');
      if (want(event)) return event;
    }
  }

  async all(ms) {
    const events = [];
    for (let event; (event = await this.next(ms));) events.push(event);
    return events;
  }

  close() {
    this.response.destroy();
  }
}
