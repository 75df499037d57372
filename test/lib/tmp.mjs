/* tmp.mjs - folders and processes that are gone when the tests are. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const folders = new Set();
const atExit = new Set();

export function tempDir(what = 'dir') {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), `heddle-test-${what}-`));
  folders.add(dir);
  return dir;
}

export function removeDir(dir) {
  fs.rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  folders.delete(dir);
}

/* Run @fn (which must not wait) when this process ends, whatever the reason. Gives a function that takes it back. */
export function whenDone(fn) {
  atExit.add(fn);
  return () => atExit.delete(fn);
}

process.on('exit', () => {
  for (const fn of atExit) {
    try {
      fn();
    } catch {
      /* the others still want their turn */
    }
  }
  if (!process.env.HEDDLE_TEST_KEEP) for (const dir of [...folders]) removeDir(dir);
});
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
])
  process.on(signal, () => process.exit(code));
