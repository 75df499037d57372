import { describe, expect, it } from 'vitest';
import type { EventKind, Run, RunEvent } from '@/api/types';
import { attemptsOf, foldEvent } from '@/run/fold';

const RUN: Run = {
  id: 'r',
  workflow_id: 'w',
  workflow_name: 'W',
  version: 1,
  state: 'queued',
  trigger: 'api',
  created_at: '2026-11-20T08:00:00Z',
  input: null,
  output: null,
  error: null,
  steps: [],
};
let seq = 0;
const at = (second: number) => `2026-11-20T08:00:${String(second).padStart(2, '0')}.000Z`;
const event = (type: EventKind, second: number, more: Partial<RunEvent> = {}): RunEvent => ({
  seq: ++seq,
  at: at(second),
  type,
  run_id: 'r',
  ...more,
});

const JOURNAL: RunEvent[] = [
  event('run.started', 0),
  event('step.started', 0, { node: 'a', attempt: 1 }),
  event('step.failed', 1, {
    node: 'a',
    attempt: 1,
    error: { code: 'unavailable', message: 'down' },
    retry_at: at(2),
    duration_ms: 1000,
  }),
  event('step.started', 2, { node: 'a', attempt: 2 }),
  event('step.finished', 4, { node: 'a', attempt: 2, output: { x: 1 }, handle: 'out', duration_ms: 2000 }),
  event('step.started', 4, { node: 'b', attempt: 1 }),
  event('step.skipped', 4, { node: 'c' }),
  event('step.failed', 5, { node: 'b', attempt: 1, error: { code: 'invalid', message: 'bad' }, handled: 'branch' }),
  event('run.succeeded', 6, { output: { done: true } }),
];

describe('a step that waits', () => {
  const at = (s: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, s)).toISOString();
  const run = (): Run => ({
    id: 'r',
    workflow_id: 'w',
    workflow_name: 'W',
    version: 1,
    state: 'running',
    trigger: 'manual',
    created_at: at(0),
    steps: [{ node: 'w', state: 'idle', attempts: 0 }],
  });
  const waiting: RunEvent = {
    seq: 3,
    at: at(1),
    type: 'step.waiting',
    run_id: 'r',
    node: 'w',
    attempt: 1,
    until: at(61),
    waiting_for: { kind: 'delay' },
  };

  it('says what for and until when, and is done when its time has come', () => {
    const now = foldEvent(run(), waiting);
    expect(now.steps[0]).toMatchObject({ state: 'waiting', due_at: at(61), waiting_for: { kind: 'delay' } });
    expect(foldEvent(now, waiting)).toBe(now);
    const done = foldEvent(now, { ...waiting, seq: 4, at: at(61), type: 'step.finished', duration_ms: 0, output: 1 });
    expect(done.steps[0]).toMatchObject({ state: 'succeeded', due_at: null, waiting_for: null, duration_ms: 60_000 });
  });

  it('is skipped when the run ends before', () => {
    const now = foldEvent(foldEvent(run(), waiting), { seq: 4, at: at(2), type: 'run.cancelled', run_id: 'r' });
    expect(now.steps[0]).toMatchObject({ state: 'skipped', due_at: null });
  });
});

describe('folding the events of a run', () => {
  it('gives its state, its output and those of its steps', () => {
    const run = JOURNAL.reduce(foldEvent, RUN);
    expect(run).toMatchObject({ state: 'succeeded', output: { done: true }, started_at: at(0), finished_at: at(6) });
    const [a, b, c] = run.steps;
    expect(a).toMatchObject({
      node: 'a',
      state: 'succeeded',
      attempts: 2,
      output: { x: 1 },
      error: null,
      started_at: at(0),
    });
    expect(b).toMatchObject({ node: 'b', state: 'succeeded', handle: 'error', error: { code: 'invalid' } });
    expect(c).toMatchObject({ node: 'c', state: 'skipped' });
  });

  it('changes nothing when events come again over any later snapshot', () => {
    const snapshots = JOURNAL.reduce<Run[]>((all, one) => [...all, foldEvent(all.at(-1) ?? RUN, one)], [RUN]);
    const end = snapshots.at(-1);
    for (const snapshot of snapshots) expect(JOURNAL.reduce(foldEvent, snapshot)).toEqual(end);
  });

  it('shows a step that waits for its next attempt', () => {
    const run = JOURNAL.slice(0, 3).reduce(foldEvent, RUN);
    expect(run.steps[0]).toMatchObject({ state: 'retrying', retry_at: at(2), error: { message: 'down' } });
  });

  it('leaves a run that has ended as it is', () => {
    const ended: Run = { ...RUN, state: 'cancelled' };
    expect(foldEvent(ended, event('run.started', 9))).toBe(ended);
  });
});

describe('the attempts of a step', () => {
  it('have their times and what came of them', () => {
    expect(attemptsOf(JOURNAL).get('a')).toEqual([
      {
        attempt: 1,
        from: Date.parse(at(0)),
        to: Date.parse(at(1)),
        ok: false,
        error: { code: 'unavailable', message: 'down' },
        retryAt: at(2),
      },
      { attempt: 2, from: Date.parse(at(2)), to: Date.parse(at(4)), ok: true, error: undefined, retryAt: undefined },
    ]);
  });
});
