/** A short random id with a readable start: "edge-k3f9a". */
export function randomId(prefix: string): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return `${prefix}-${Array.from(bytes, (byte) => (byte % 36).toString(36)).join('')}${Date.now().toString(36).slice(-3)}`;
}

/** The first of "type-1", "type-2", ... that is not taken. */
export function freeId(prefix: string, taken: Set<string>): string {
  let n = 1;
  while (taken.has(`${prefix}-${n}`)) n++;
  return `${prefix}-${n}`;
}
