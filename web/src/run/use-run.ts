// One run as it goes on: its snapshot, its journal from the event stream, and the live pieces of its steps.
import { useEffect, useMemo, useRef, useState } from 'react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { openEvents, type SseMessage, type StreamState } from '@/api/events';
import type { ApiProblem } from '@/api/problem';
import type { Run, RunEvent, Step, StepDelta } from '@/api/types';
import { foldEvent, isFinal } from '@/run/fold';
import { runQuery } from '@/run/queries';

interface Live {
  events: RunEvent[];
  /** Of the last event heard, kept or not. */
  seq: number;
  texts: Record<string, string>;
}

const NOTHING: Live = { events: [], texts: {}, seq: 0 };
/** Live text kept per step; what came before is in the output at the end. */
const TEXT_MAX = 100_000;
/** Of those inside of iterations; others are few. */
const EVENTS_MAX = 2000;
const LAST_EVENTS = ['run.succeeded', 'run.failed', 'run.cancelled'];

function readMessage(message: SseMessage): RunEvent | StepDelta | null {
  try {
    const data = JSON.parse(message.data) as RunEvent | StepDelta;
    return 'type' in data ? data : ({ ...(data as object), type: message.event } as StepDelta);
  } catch {
    return null;
  }
}

export function addLive(live: Live, batch: (RunEvent | StepDelta)[]): Live {
  const events = [...live.events];
  let { seq } = live;
  const texts = { ...live.texts };
  for (const item of batch) {
    if (item.type === 'step.delta' && item.scope !== undefined) continue;
    if (item.type === 'step.delta') {
      texts[item.node] = ((texts[item.node] ?? '') + item.text).slice(-TEXT_MAX);
      continue;
    }
    if (item.seq <= seq) continue;
    seq = item.seq;
    // Of a long iteration the journal shows the beginning; all of it is in the API.
    if (item.scope !== undefined && events.length >= EVENTS_MAX) continue;
    events.push(item);
    if (item.type === 'step.started' && item.node !== undefined) delete texts[item.node];
  }
  return { events, texts, seq };
}

export interface RunView {
  run: Run | undefined;
  steps: Record<string, Step>;
  events: RunEvent[];
  texts: Record<string, string>;
  stream: StreamState;
  error: ApiProblem | Error | null;
  refetch: () => void;
}

/** Follow run @id; null: none. */
export function useRun(id: string | null): RunView {
  const cache = useQueryClient();
  const [live, setLive] = useState(NOTHING);
  const [stream, setStream] = useState<StreamState>('connecting');
  const [followed, setFollowed] = useState(id);
  if (followed !== id) {
    setFollowed(id);
    setLive(NOTHING);
  }
  // Without its events a run is looked at now and then.
  const snapshot = useQuery({
    ...runQuery(id ?? ''),
    enabled: id !== null,
    refetchInterval: (query) =>
      stream === 'refused' && query.state.data && !isFinal(query.state.data.state) ? 3000 : false,
  });
  const queue = useRef<(RunEvent | StepDelta)[]>([]);

  useEffect(() => {
    if (id === null) return;
    let frame = 0;
    const flush = () => {
      frame = 0;
      const batch = queue.current;
      queue.current = [];
      setLive((now) => addLive(now, batch));
    };
    const close = openEvents(`/api/runs/${id}/events`, {
      onState: setStream,
      onMessage: (message) => {
        const item = readMessage(message);
        if (!item) return;
        queue.current.push(item);
        // A hidden tab paints no frames; events are folded all the same.
        if (document.hidden) flush();
        else frame ||= requestAnimationFrame(flush);
        if (!LAST_EVENTS.includes(item.type)) return;
        close();
        setStream('closed');
        void cache.invalidateQueries({ queryKey: ['run', id] });
        void cache.invalidateQueries({ queryKey: ['runs'] });
      },
    });
    return () => {
      close();
      cancelAnimationFrame(frame);
      queue.current = [];
    };
  }, [id, cache]);

  const run = useMemo(
    () => (id === null ? undefined : snapshot.data && live.events.reduce(foldEvent, snapshot.data)),
    [id, snapshot.data, live.events],
  );
  const steps = useMemo(() => Object.fromEntries((run?.steps ?? []).map((step) => [step.node, step])), [run]);
  return {
    run,
    steps,
    events: live.events,
    texts: live.texts,
    stream,
    error: snapshot.error,
    refetch: () => void snapshot.refetch(),
  };
}
