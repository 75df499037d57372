import { describe, expect, it } from 'vitest';
import { frameOf, shiftInto } from '@/flow/frame';

const START = { x: 100, y: 200, width: 232, height: 56 };

describe('the part of a graph that is shown', () => {
  it('is all of it, in the middle, where that can be read', () => {
    const { x, y, zoom } = frameOf({ x: 100, y: 200, width: 1000, height: 400 }, START, 1200, 800);
    expect(zoom).toBeLessThanOrEqual(1.05);
    expect(100 * zoom + x).toBeCloseTo((1200 - 1000 * zoom) / 2);
    expect(200 * zoom + y).toBeCloseTo((800 - 400 * zoom) / 2);
  });

  it('is its beginning, readable, where all would be too small', () => {
    const { x, zoom } = frameOf({ x: 100, y: 0, width: 4000, height: 900 }, START, 390, 700);
    expect(zoom).toBeGreaterThanOrEqual(0.5);
    expect(START.x * zoom + x).toBe(20);
  });
});

describe('bringing a box into sight', () => {
  it('moves it no further than needed', () => {
    expect(shiftInto(100, 50, 500)).toBe(0);
    expect(shiftInto(480, 50, 500)).toBe(500 - 24 - 530);
    expect(shiftInto(-10, 50, 500)).toBe(34);
  });

  it('shows the beginning of what is too large', () => {
    expect(shiftInto(-100, 900, 500)).toBe(124);
  });
});
