import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiProblem } from '@/api/problem';
import type { Definition, Workflow } from '@/api/types';
import { DraftSaver, type SaveState } from '@/features/flow-editor/draft-saver';

const draft = (name: string): Definition => ({ heddle: 1, name, nodes: [], edges: [] });

describe('saving the draft', () => {
  let revision: number;
  let puts: { name: string; revision: string | null }[];
  let states: SaveState['kind'][];
  let kept: (string | null)[];
  let next: (() => Promise<void>)[];
  let saver: DraftSaver;

  beforeEach(() => {
    vi.useFakeTimers();
    revision = 1;
    puts = [];
    states = [];
    kept = [];
    next = [];
    saver = new DraftSaver({
      revision: '1',
      delayMs: 100,
      onState: (state) => states.push(state.kind),
      onSaved: () => undefined,
      keep: (definition) => kept.push(definition?.name ?? null),
      put: async (definition, match) => {
        puts.push({ name: definition.name, revision: match });
        await next.shift()?.();
        revision++;
        return { revision } as Workflow;
      },
    });
  });
  afterEach(() => vi.useRealTimers());

  const fails = (status: number) => () => Promise.reject(new ApiProblem(status, {}));

  it('waits for a pause, then saves the last state once, over the revision it knows', async () => {
    saver.touch(draft('a'));
    await vi.advanceTimersByTimeAsync(60);
    saver.touch(draft('ab'));
    await vi.advanceTimersByTimeAsync(150);
    expect(puts).toEqual([{ name: 'ab', revision: '1' }]);
    expect(saver.state.kind).toBe('saved');
    saver.touch(draft('abc'));
    await vi.advanceTimersByTimeAsync(150);
    expect(puts[1]).toEqual({ name: 'abc', revision: '2' });
  });

  it('keeps a copy until the server has it', async () => {
    saver.touch(draft('a'));
    await vi.advanceTimersByTimeAsync(150);
    expect(kept).toEqual(['a', null]);
  });

  it('sends what changed while a save was under way, after it', async () => {
    let finish = (): void => undefined;
    next.push(
      () =>
        new Promise((done) => {
          finish = done;
        }),
    );
    saver.touch(draft('a'));
    await vi.advanceTimersByTimeAsync(150);
    saver.touch(draft('b'));
    await vi.advanceTimersByTimeAsync(500);
    expect(puts).toHaveLength(1);
    finish();
    await vi.advanceTimersByTimeAsync(500);
    expect(puts[1]).toEqual({ name: 'b', revision: '2' });
    expect(saver.state.kind).toBe('saved');
  });

  it('stops at a conflict and loses nothing', async () => {
    next.push(fails(412));
    saver.touch(draft('mine'));
    await vi.advanceTimersByTimeAsync(150);
    saver.touch(draft('mine more'));
    await vi.advanceTimersByTimeAsync(5000);
    expect(saver.state.kind).toBe('conflict');
    expect(puts).toHaveLength(1);
    expect(await saver.flush()).toBe(false);
    expect(await saver.overwrite()).toBe(true);
    expect(puts[1]).toEqual({ name: 'mine more', revision: null });
  });

  it('lets mine go when theirs is taken', async () => {
    next.push(fails(412));
    saver.touch(draft('mine'));
    await vi.advanceTimersByTimeAsync(150);
    saver.reset('9');
    expect(saver.pending).toBe(false);
    expect(kept.at(-1)).toBeNull();
    saver.touch(draft('new'));
    await vi.advanceTimersByTimeAsync(150);
    expect(puts[1]).toEqual({ name: 'new', revision: '9' });
  });

  it('does not send again what the server called invalid, until it changes', async () => {
    next.push(fails(422));
    saver.touch(draft('bad'));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(puts).toHaveLength(1);
    expect(saver.state.kind).toBe('invalid');
    expect(saver.pending).toBe(true);
    saver.touch(draft('good'));
    await vi.advanceTimersByTimeAsync(150);
    expect(saver.state.kind).toBe('saved');
  });

  it('tries again by itself when the server is away', async () => {
    next.push(fails(0), fails(503));
    saver.touch(draft('a'));
    await vi.advanceTimersByTimeAsync(150);
    expect(saver.state.kind).toBe('failed');
    await vi.advanceTimersByTimeAsync(10_000);
    expect(puts).toHaveLength(3);
    expect(saver.state.kind).toBe('saved');
  });

  it('flushes at once and says whether all is saved', async () => {
    saver.touch(draft('a'));
    expect(await saver.flush()).toBe(true);
    expect(puts).toHaveLength(1);
    next.push(fails(422));
    saver.touch(draft('b'));
    expect(await saver.flush()).toBe(false);
  });
});
