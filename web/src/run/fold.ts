// What a run's events make of it. Folding is safe to repeat: an event that tells what the run already shows, or what is
// older, changes nothing; so a snapshot and a stream that overlap fit together in any order.
import type { Run, RunEvent, RunState, Step } from '@/api/types';

const FINAL: readonly RunState[] = ['succeeded', 'failed', 'cancelled'];
export const isFinal = (state: RunState): boolean => FINAL.includes(state);

const isDone = (step: Step) => step.state === 'succeeded' || step.state === 'failed' || step.state === 'skipped';

function started(step: Step, event: RunEvent): Step {
  const attempt = event.attempt ?? 1;
  if (attempt < step.attempts || (attempt === step.attempts && step.state !== 'idle')) return step;
  return {
    ...step,
    state: 'running',
    attempts: attempt,
    started_at: step.started_at ?? event.at,
    finished_at: null,
    retry_at: null,
    error: null,
  };
}

function ended(step: Step, event: RunEvent): Step {
  const attempt = event.attempt ?? step.attempts;
  if (attempt < step.attempts || (attempt === step.attempts && isDone(step))) return step;
  const waited =
    step.state === 'waiting' && step.started_at ? Date.parse(event.at) - Date.parse(step.started_at) : undefined;
  const base = { ...step, attempts: attempt, duration_ms: waited ?? event.duration_ms ?? step.duration_ms };
  if (event.type === 'step.finished')
    return {
      ...base,
      state: 'succeeded',
      finished_at: event.at,
      output: event.output ?? step.output,
      handle: event.handle ?? 'out',
      kept: typeof event.kept === 'string' ? event.kept : null,
      error: null,
      retry_at: null,
      due_at: null,
      waiting_for: null,
    };
  if (event.retry_at) return { ...base, state: 'retrying', retry_at: event.retry_at, error: event.error };
  if (event.handled)
    return {
      ...base,
      state: 'succeeded',
      finished_at: event.at,
      output: event.output ?? step.output,
      error: event.error,
      retry_at: null,
      handle: event.handled === 'branch' ? 'error' : 'out',
    };
  return { ...base, state: 'failed', finished_at: event.at, error: event.error, retry_at: null };
}

/** It began, and waits for a time or an answer. */
function waits(step: Step, event: RunEvent): Step {
  const attempt = event.attempt ?? 1;
  if (attempt < step.attempts || (attempt === step.attempts && step.state !== 'idle')) return step;
  return {
    ...step,
    state: 'waiting',
    attempts: attempt,
    started_at: step.started_at ?? event.at,
    due_at: event.until ?? null,
    waiting_for: event.waiting_for ?? null,
    error: null,
  };
}

/** An iteration or a loop began: its items follow. */
function opened(step: Step, event: RunEvent): Step {
  return isDone(step) || step.state === 'running' ? step : started(step, event);
}

function foldStep(step: Step, event: RunEvent): Step {
  if (event.type === 'step.opened') return opened(step, event);
  if (event.type === 'step.round') return step;
  if (event.type === 'step.waiting') return waits(step, event);
  if (event.type === 'step.answered') return step;
  if (event.type === 'step.started') return started(step, event);
  if (event.type === 'step.skipped') return isDone(step) ? step : { ...step, state: 'skipped' };
  return ended(step, event);
}

/** What still waits when a run ends did not come to its end. */
const ends = (run: Run): Run => ({
  ...run,
  steps: run.steps.map((step) =>
    step.state === 'waiting' ? { ...step, state: 'skipped', due_at: null, waiting_for: null } : step,
  ),
});

function foldRun(run: Run, event: RunEvent): Run {
  if (isFinal(run.state)) return run;
  switch (event.type) {
    case 'run.started':
      return run.state === 'queued' ? { ...run, state: 'running', started_at: event.at } : run;
    case 'run.queued':
      return { ...run, state: 'queued' };
    case 'run.admitted':
      return { ...run, state: 'running' };
    case 'run.waiting':
      return { ...run, state: 'waiting' };
    case 'run.paused':
      return { ...run, state: event.reason === 'crash_loop' ? 'poisoned' : 'paused', pause_requested: true };
    case 'run.resumed':
      return { ...run, state: 'running', pause_requested: false };
    case 'run.succeeded':
      return { ...run, state: 'succeeded', finished_at: event.at, output: event.output };
    case 'run.failed':
      return {
        ...ends(run),
        state: 'failed',
        finished_at: event.at,
        error: event.error ? { ...event.error, node: event.node } : run.error,
      };
    case 'run.cancelled':
      return { ...ends(run), state: 'cancelled', finished_at: event.at };
    default:
      return run;
  }
}

export function foldEvent(run: Run, event: RunEvent): Run {
  const id = event.node;
  // Steps of items and rounds are shown with the step they belong to.
  if (event.scope !== undefined && event.type.startsWith('step.')) return run;
  if (!event.type.startsWith('step.') || id === undefined) return foldRun(run, event);
  const known = run.steps.find((step) => step.node === id);
  const step = known ?? { node: id, state: 'idle', attempts: 0 };
  const next = foldStep(step, event);
  if (next === known) return run;
  return { ...run, steps: known ? run.steps.map((one) => (one === known ? next : one)) : [...run.steps, next] };
}

export interface Attempt {
  attempt: number;
  from: number;
  to: number | null;
  ok: boolean | null;
  error: RunEvent['error'];
  retryAt: string | undefined;
}

/** The attempts of each step, from the journal. */
export function attemptsOf(events: RunEvent[]): Map<string, Attempt[]> {
  const found = new Map<string, Attempt[]>();
  for (const event of events) {
    if (event.node === undefined || event.scope !== undefined || !event.type.startsWith('step.')) continue;
    if (event.type === 'step.skipped' || event.type === 'step.answered' || event.type === 'step.round') continue;
    const list = found.get(event.node) ?? [];
    found.set(event.node, list);
    const at = Date.parse(event.at);
    const last = list.at(-1);
    if (event.type === 'step.started' || event.type === 'step.waiting' || event.type === 'step.opened') {
      list.push({
        attempt: event.attempt ?? list.length + 1,
        from: at,
        to: null,
        ok: null,
        error: undefined,
        retryAt: undefined,
      });
      continue;
    }
    const end = { to: at, ok: event.type === 'step.finished', error: event.error, retryAt: event.retry_at };
    if (last && last.to === null) Object.assign(last, end);
    else list.push({ attempt: event.attempt ?? list.length + 1, from: at - (event.duration_ms ?? 0), ...end });
  }
  return found;
}
