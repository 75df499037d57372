// The operators of conditions, and what stands at their right.
import type { Json } from '@/api/types';
import { tryParse } from '@/lib/json';

export const GROUPS = {
  any: [
    'equals',
    'not_equals',
    'exists',
    'not_exists',
    'is_empty',
    'is_not_empty',
    'is_null',
    'is_not_null',
    'type_is',
  ],
  text: ['contains', 'not_contains', 'starts_with', 'ends_with', 'matches'],
  number: ['gt', 'gte', 'lt', 'lte', 'between'],
  boolean: ['is_true', 'is_false'],
  list: ['in', 'not_in', 'length_equals', 'length_gt', 'length_lt'],
  date: ['before', 'after'],
} as const;

export const UNARY = new Set([
  'is_empty',
  'is_not_empty',
  'exists',
  'not_exists',
  'is_null',
  'is_not_null',
  'is_true',
  'is_false',
]);
const NUMERIC = new Set(['gt', 'gte', 'lt', 'lte', 'length_equals', 'length_gt', 'length_lt']);
export const LISTS = new Set(['between', 'in', 'not_in']);
export const TYPES = ['string', 'number', 'boolean', 'object', 'array', 'null'];

/** What was typed at the right, as the operator wants it: numbers and lists as such, all else as text. */
export function rightValue(operator: string, text: string): Json {
  if (text.includes('{{')) return text;
  if (NUMERIC.has(operator) && text.trim() !== '' && Number.isFinite(Number(text))) return Number(text);
  if (LISTS.has(operator)) {
    const parsed = tryParse(text);
    if (parsed.ok && Array.isArray(parsed.value)) return parsed.value as Json;
    return text
      .split(',')
      .map((item) => item.trim())
      .filter(Boolean)
      .map((item) => (Number.isFinite(Number(item)) ? Number(item) : item));
  }
  return text;
}

export const rightText = (value: Json | undefined): string =>
  value === undefined
    ? ''
    : typeof value === 'string'
      ? value
      : Array.isArray(value) && value.every((item) => typeof item !== 'object')
        ? value.join(', ')
        : JSON.stringify(value);
