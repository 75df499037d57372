// Which part of a graph to show: all of it where it stays readable, else its beginning.

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

const MARGIN = 40;
const MARGIN_PHONE = 20;
/** Below this a node's title cannot be read. */
const READABLE = 0.5;
const LARGEST = 1.05;

/** The viewport for a graph within @bounds whose first node is @start, in a pane of @width and @height. */
export function frameOf(
  bounds: Box,
  start: Box,
  width: number,
  height: number,
): { x: number; y: number; zoom: number } {
  const margin = width < 600 ? MARGIN_PHONE : MARGIN;
  const fit = Math.min(
    (width - 2 * margin) / Math.max(1, bounds.width),
    (height - 2 * margin) / Math.max(1, bounds.height),
    LARGEST,
  );
  if (fit >= READABLE || !Number.isFinite(fit)) {
    const zoom = Number.isFinite(fit) ? fit : 1;
    return {
      zoom,
      x: (width - bounds.width * zoom) / 2 - bounds.x * zoom,
      y: (height - bounds.height * zoom) / 2 - bounds.y * zoom,
    };
  }
  const zoom = width < 600 ? 0.7 : READABLE;
  const middle = start.y + start.height / 2;
  return { zoom, x: margin - start.x * zoom, y: height * 0.42 - middle * zoom };
}

/** How far a box must be moved to lie inside @size; 0 where it does already. */
export function shiftInto(from: number, length: number, size: number): number {
  const margin = 24;
  if (from + length > size - margin) return Math.max(size - margin - from - length, margin - from);
  return from < margin ? margin - from : 0;
}
