// Brings the draft to the server: a little after each change, one call at a time, never over somebody else's change.
// It knows nothing of React; the editor feeds it and shows its state.
import { asProblem, type ApiProblem } from '@/api/problem';
import type { Definition, Workflow } from '@/api/types';

export type SaveState =
  | { kind: 'saved' }
  | { kind: 'dirty' }
  | { kind: 'saving' }
  /** The server does not take it as it is; it is kept in this tab until it is mended. */
  | { kind: 'invalid'; problem: ApiProblem }
  /** Somebody else has changed the workflow since. */
  | { kind: 'conflict' }
  /** It will be tried again by itself. */
  | { kind: 'failed'; problem: ApiProblem };

interface SaverOptions {
  put: (definition: Definition, revision: string | null) => Promise<Workflow>;
  revision: string;
  onState: (state: SaveState) => void;
  /** The workflow as the server has it after a save. */
  onSaved: (workflow: Workflow) => void;
  /** Keep @definition in case the page goes away; null: it is safe. */
  keep: (definition: Definition | null, revision: string) => void;
  delayMs?: number;
}

const DELAY_MS = 700;
const RETRY_MIN_MS = 2000;
const RETRY_MAX_MS = 30_000;

export class DraftSaver {
  private readonly options: SaverOptions;
  private revision: string;
  private wanted: Definition | null = null;
  private saving: Promise<void> | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly delay: number;
  private retry = RETRY_MIN_MS;
  private stopped = false;
  state: SaveState = { kind: 'saved' };

  constructor(options: SaverOptions) {
    this.options = options;
    this.revision = options.revision;
    this.delay = options.delayMs ?? DELAY_MS;
  }

  /** The draft is now @definition. */
  touch(definition: Definition): void {
    this.wanted = definition;
    this.options.keep(definition, this.revision);
    if (this.state.kind === 'conflict') return;
    if (!this.saving) this.say({ kind: 'dirty' });
    this.plan(this.delay);
  }

  /** Save now; true when the server has all of it. */
  async flush(): Promise<boolean> {
    clearTimeout(this.timer);
    while (!this.stopped && this.state.kind !== 'conflict') {
      if (this.saving) await this.saving;
      else if (this.wanted) {
        await this.save();
        if (this.state.kind !== 'saved' && this.state.kind !== 'dirty') return false;
      } else return true;
    }
    return false;
  }

  /** After a conflict: put mine over theirs. */
  async overwrite(): Promise<boolean> {
    if (this.state.kind !== 'conflict') return false;
    this.revision = '';
    this.say({ kind: 'dirty' });
    return this.flush();
  }

  /** After a conflict: theirs is shown, mine is let go. */
  reset(revision: string): void {
    clearTimeout(this.timer);
    this.wanted = null;
    this.revision = revision;
    this.options.keep(null, revision);
    this.say({ kind: 'saved' });
  }

  /** Whether @revision is the one this saver builds on. */
  knows(revision: string): boolean {
    return revision === this.revision;
  }

  get pending(): boolean {
    return this.wanted !== null || this.saving !== null;
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  private plan(ms: number) {
    clearTimeout(this.timer);
    if (!this.stopped) this.timer = setTimeout(() => void this.save(), ms);
  }

  private say(state: SaveState) {
    this.state = state;
    if (!this.stopped) this.options.onState(state);
  }

  private save(): Promise<void> {
    if (this.saving || !this.wanted || this.state.kind === 'conflict') return this.saving ?? Promise.resolve();
    this.saving = this.send(this.wanted).finally(() => {
      this.saving = null;
    });
    return this.saving;
  }

  private async send(definition: Definition) {
    this.wanted = null;
    this.say({ kind: 'saving' });
    try {
      const workflow = await this.options.put(definition, this.revision === '' ? null : this.revision);
      this.revision = String(workflow.revision);
      this.retry = RETRY_MIN_MS;
      this.options.onSaved(workflow);
      if (this.isDirty()) {
        this.say({ kind: 'dirty' });
        this.plan(this.delay);
      } else {
        this.options.keep(null, this.revision);
        this.say({ kind: 'saved' });
      }
    } catch (error) {
      this.fail(definition, asProblem(error));
    }
  }

  private isDirty(): boolean {
    return this.wanted !== null;
  }

  private fail(definition: Definition, problem: ApiProblem) {
    const newer = this.isDirty();
    this.wanted ??= definition;
    if (problem.status === 412) {
      clearTimeout(this.timer);
      this.say({ kind: 'conflict' });
    } else if (problem.status >= 400 && problem.status < 500 && problem.status !== 429 && problem.status !== 408) {
      // Sending the same again would help nobody; the next change does it.
      this.say({ kind: 'invalid', problem });
      if (newer) this.plan(this.delay);
    } else {
      this.say({ kind: 'failed', problem });
      this.plan(Math.max(this.retry, (problem.retryAfter ?? 0) * 1000));
      this.retry = Math.min(this.retry * 2, RETRY_MAX_MS);
    }
  }
}
