import { afterEach, describe, expect, it, vi } from 'vitest';
import { openEvents, SseParser, type SseMessage } from '@/api/events';

describe('the parser of server-sent events', () => {
  const TEXT =
    ': hello\n\nid: 1\nevent: step.started\ndata: {"a":1}\n\nevent: step.delta\ndata: one\ndata: two\r\n\r\nid: 2\rdata: x\r\r';
  const EXPECTED: SseMessage[] = [
    { id: '1', event: 'step.started', data: '{"a":1}' },
    { id: null, event: 'step.delta', data: 'one\ntwo' },
    { id: '2', event: 'message', data: 'x' },
  ];

  it('sees the same events however the bytes are cut', () => {
    for (let cut = 0; cut <= TEXT.length; cut++) {
      const parser = new SseParser();
      expect([...parser.feed(TEXT.slice(0, cut)), ...parser.feed(TEXT.slice(cut))]).toEqual(EXPECTED);
    }
  });

  it('sees them byte by byte', () => {
    const parser = new SseParser();
    expect(Array.from(TEXT).flatMap((c) => parser.feed(c))).toEqual(EXPECTED);
  });

  it('drops a comment, and an event without data', () => {
    expect(new SseParser().feed(': beat\n\nevent: x\n\n')).toEqual([]);
  });
});

describe('an event stream', () => {
  afterEach(() => vi.useRealTimers());

  const answer = (text: string) => new Response(text, { headers: { 'Content-Type': 'text/event-stream' } });

  it('resumes after the last event it has seen', async () => {
    vi.useFakeTimers();
    const calls: (string | null)[] = [];
    vi.stubGlobal(
      'fetch',
      vi.fn((_path: string, init: RequestInit) => {
        calls.push(new Headers(init.headers).get('Last-Event-ID'));
        return Promise.resolve(answer(calls.length === 1 ? 'id: 7\ndata: a\n\n' : 'id: 8\ndata: b\n\n'));
      }),
    );
    const seen: string[] = [];
    const close = openEvents('/api/runs/1/events', { onMessage: (message) => seen.push(message.data) });
    await vi.advanceTimersByTimeAsync(1000);
    close();
    expect(calls.slice(0, 2)).toEqual([null, '7']);
    expect(seen.slice(0, 2)).toEqual(['a', 'b']);
  });

  it('gives up when it is refused, and says why', async () => {
    const fetched = vi.fn(() =>
      Promise.resolve(Response.json({ code: 'not_found', detail: 'There is no such run.' }, { status: 404 })),
    );
    vi.stubGlobal('fetch', fetched);
    const states: string[] = [];
    openEvents('/x', {
      onMessage: () => undefined,
      onState: (state, problem) => states.push(problem ? `${state}: ${problem.detail}` : state),
    });
    await vi.waitFor(() => expect(states).toEqual(['connecting', 'refused: There is no such run.']));
    expect(fetched).toHaveBeenCalledTimes(1);
  });
});
