// Server-sent events by fetch: unlike EventSource it can read a refusal, and it resumes by Last-Event-ID with
// growing waits. One stream per call; the caller closes it.
import { tellSessionLost } from '@/api/client';
import type { ApiProblem } from '@/api/problem';
import { problemOf } from '@/api/problem';

export interface SseMessage {
  id: string | null;
  event: string;
  data: string;
}

/** Cuts a byte stream into events (WHATWG HTML 9.2.6), however the bytes are cut into pieces. */
export class SseParser {
  private rest = '';
  private data: string[] = [];
  private event = '';
  private id: string | null = null;
  private afterCr = false;

  feed(piece: string): SseMessage[] {
    const out: SseMessage[] = [];
    let text = this.rest + piece;
    if (this.afterCr && text.startsWith('\n')) text = text.slice(1);
    this.afterCr = false;
    let from = 0;
    for (let i = 0; i < text.length; i++) {
      const c = text[i];
      if (c !== '\n' && c !== '\r') continue;
      const message = this.line(text.slice(from, i));
      if (message) out.push(message);
      if (c === '\r') {
        if (i + 1 === text.length) this.afterCr = true;
        else if (text[i + 1] === '\n') i++;
      }
      from = i + 1;
    }
    this.rest = text.slice(from);
    return out;
  }

  private line(line: string): SseMessage | null {
    if (line === '') {
      const message = this.data.length
        ? { id: this.id, event: this.event || 'message', data: this.data.join('\n') }
        : null;
      this.data = [];
      this.event = '';
      this.id = null;
      return message;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return null;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') this.data.push(value);
    else if (field === 'event') this.event = value;
    else if (field === 'id' && !value.includes('\0')) this.id = value;
    return null;
  }
}

export type StreamState = 'connecting' | 'open' | 'waiting' | 'closed' | 'refused';

export interface StreamOptions {
  onMessage: (message: SseMessage) => void;
  onState?: (state: StreamState, problem: ApiProblem | null) => void;
}

/** The server's heartbeat comes every 15 s; a line that is silent for three of them is dead. */
const SILENCE_MS = 45_000;
const WAIT_MIN_MS = 500;
const WAIT_MAX_MS = 15_000;

/** Follow the events at @path until the returned function is called. */
export function openEvents(path: string, { onMessage, onState }: StreamOptions): () => void {
  let closed = false;
  let lastId: string | null = null;
  let wait = WAIT_MIN_MS;
  let abort = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;

  const say = (state: StreamState, problem: ApiProblem | null = null) => {
    if (!closed) onState?.(state, problem);
  };

  async function follow(response: Response, guard: () => void) {
    const reader = response.body?.getReader();
    if (!reader) return;
    const decoder = new TextDecoder();
    const parser = new SseParser();
    for (;;) {
      const { done, value } = await reader.read();
      if (done || closed) return;
      guard();
      for (const message of parser.feed(decoder.decode(value, { stream: true }))) {
        if (message.id !== null) lastId = message.id;
        wait = WAIT_MIN_MS;
        onMessage(message);
      }
    }
  }

  async function connect() {
    abort = new AbortController();
    let silence: ReturnType<typeof setTimeout> | undefined;
    const guard = () => {
      clearTimeout(silence);
      silence = setTimeout(() => abort.abort(), SILENCE_MS);
    };
    say('connecting');
    try {
      guard();
      const headers: Record<string, string> = { Accept: 'text/event-stream' };
      if (lastId !== null) headers['Last-Event-ID'] = lastId;
      const response = await fetch(path, {
        headers,
        credentials: 'same-origin',
        cache: 'no-store',
        signal: abort.signal,
      });
      if (!response.ok) {
        const problem = await problemOf(response);
        if (problem.status < 500 && problem.status !== 429) {
          if (problem.status === 401) tellSessionLost();
          say('refused', problem);
          return;
        }
        throw problem;
      }
      say('open');
      await follow(response, guard);
    } catch {
      // The line broke; it is taken up again below.
    } finally {
      clearTimeout(silence);
    }
    if (closed) return;
    say('waiting');
    timer = setTimeout(() => void connect(), wait * (0.75 + Math.random() / 2));
    wait = Math.min(wait * 2, WAIT_MAX_MS);
  }

  void connect();
  return () => {
    closed = true;
    clearTimeout(timer);
    abort.abort();
  };
}
