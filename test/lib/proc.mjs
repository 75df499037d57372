/* proc.mjs - child processes: started, watched, stopped by their id. */
import { spawn } from 'node:child_process';
import { whenDone } from './tmp.mjs';
import { within } from './gate.mjs';

const keepBytes = 4 << 20; /* of output, the newest */

export class Proc {
  constructor(file, args, { env, cwd, stdin } = {}) {
    this.name = [file, ...args].join(' ');
    this.stdout = '';
    this.stderr = '';
    this.watchers = new Set();
    this.child = spawn(file, args, {
      env,
      cwd,
      stdio: [stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    this.pid = this.child.pid;
    for (const stream of ['stdout', 'stderr']) {
      this.child[stream].setEncoding('utf8');
      this.child[stream].on('data', (text) => {
        this[stream] = (this[stream] + text).slice(-keepBytes);
        for (const look of [...this.watchers]) look();
      });
    }
    if (stdin !== undefined) {
      this.child.stdin.on('error', () => {}); /* it may end without reading all */
      this.child.stdin.end(stdin);
    }
    const forget = whenDone(() => this.child.kill('SIGKILL'));
    this.ended = new Promise((resolve) => {
      const done = (code, signal) => {
        forget();
        this.code = code;
        this.signal = signal;
        this.isEnded = true;
        for (const look of [...this.watchers]) look();
        resolve({ code, signal });
      };
      this.child.once('error', (error) => {
        this.stderr += `${error}\n`;
        done(null, null);
      });
      this.child.once('close', done);
    });
  }

  /* Wait until @pattern is in what it printed; gives the match. Fails when it ends or takes longer than @ms. */
  line(pattern, ms = 30_000, stream = 'stdout') {
    const found = new Promise((resolve, reject) => {
      const look = () => {
        const match = this[stream].match(pattern);
        if (match) {
          this.watchers.delete(look);
          resolve(match);
        } else if (this.isEnded) {
          this.watchers.delete(look);
          reject(
            new Error(
              `"${this.name}" ended (${this.code ?? this.signal}) without printing ${pattern}\n${this.tail()}`,
            ),
          );
        }
      };
      this.watchers.add(look);
      look();
    });
    return within(ms, `"${this.name}" to print ${pattern}`, found).catch((error) => {
      throw new Error(`${error.message}\n${this.tail()}`);
    });
  }

  kill(signal = 'SIGKILL') {
    this.child.kill(signal);
    return this.ended;
  }

  /* Ask it to end; force it after @ms, which is an error unless @force. */
  async stop(ms = 20_000, { force = false } = {}) {
    if (this.isEnded) return this.ended;
    this.child.kill('SIGTERM');
    try {
      return await within(ms, `"${this.name}" to end after SIGTERM`, this.ended);
    } catch (error) {
      await this.kill('SIGKILL');
      if (force) return this.ended;
      throw new Error(`${error.message}\n${this.tail()}`);
    }
  }

  tail(lines = 60) {
    const cut = (text) => text.trimEnd().split('\n').slice(-lines).join('\n');
    return [
      this.stdout && `--- stdout\n${cut(this.stdout)}`,
      this.stderr && `--- stderr\n${cut(this.stderr)}`,
    ]
      .filter(Boolean)
      .join('\n');
  }
}

/* Run to the end: {code, signal, stdout, stderr}. */
export async function run(file, args, { ms = 60_000, ...options } = {}) {
  const proc = new Proc(file, args, options);
  try {
    await within(ms, `"${proc.name}" to end`, proc.ended);
  } catch (error) {
    await proc.kill('SIGKILL');
    throw new Error(`${error.message}\n${proc.tail()}`);
  }
  return { code: proc.code, signal: proc.signal, stdout: proc.stdout, stderr: proc.stderr };
}
