import { describe, expect, it } from 'vitest';
import { rightText, rightValue } from '@/features/flow-editor/nodes/condition/operators';

describe('what a value is compared with', () => {
  it('is a number for what compares numbers, and stays text else', () => {
    expect(rightValue('gte', '50')).toBe(50);
    expect(rightValue('equals', '50')).toBe('50');
    expect(rightValue('gt', 'many')).toBe('many');
  });

  it('is a list where one is asked for, also as JSON', () => {
    expect(rightValue('in', 'a, 2 ,c')).toEqual(['a', 2, 'c']);
    expect(rightValue('between', '[1, 10]')).toEqual([1, 10]);
  });

  it('stays a template', () => {
    expect(rightValue('gt', '{{ vars.limit }}')).toBe('{{ vars.limit }}');
  });

  it('is shown as it was typed', () => {
    for (const value of ['x', 5, ['a', 2], { deep: [1] }]) expect(typeof rightText(value)).toBe('string');
    expect(rightText(['a', 2])).toBe('a, 2');
  });
});
