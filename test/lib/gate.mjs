/* gate.mjs - waiting without sleeping: gates that a test opens, and conditions that must come true.
 *
 * A double that holds an answer behind a gate lets a test act at an exact point of a run, on a machine of any
 * speed.
 */

/* All time limits of the tests stretch with this: sanitizer builds and busy machines need more. */
export const slow = Number(process.env.HEDDLE_TEST_SLOW || 1);

/* So do limits on memory: a sanitizer keeps shadows and what was freed. */
export const roomy = process.env.ASAN_OPTIONS ? 5 : 1;

export class Gate {
  constructor() {
    this.isOpen = false;
    this.opened = new Promise((resolve) => {
      this.open = () => {
        this.isOpen = true;
        resolve();
      };
    });
  }
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/* Ask again and again until the answer is truthy, and give it. What never comes true is named. */
export async function until(what, ask, { limit = 30_000, every = 10 } = {}) {
  const end = Date.now() + limit * slow;
  let last;
  for (;;) {
    last = await ask();
    if (last) return last;
    if (Date.now() > end) throw new Error(`never came true within ${(limit * slow) / 1000} s: ${what}`);
    await pause(every);
  }
}

/* The promise's result, or an error that names what took too long. */
export async function within(ms, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`took longer than ${ms * slow} ms: ${what}`)), ms * slow);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
