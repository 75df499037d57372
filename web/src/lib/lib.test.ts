import { describe, expect, it } from 'vitest';
import { jsonPieces, templatePieces } from '@/lib/highlight';
import { freeId } from '@/lib/id';
import { pointerParts, sameJson, tryParse } from '@/lib/json';
import { duration, relative, spanMs } from '@/lib/time';

describe('spans of time', () => {
  it('are read as the workflow format writes them', () => {
    expect(['250ms', '30s', '10m', '1h30m', '7d', '1.5s', '12', 3].map(spanMs)).toEqual([
      250, 30_000, 600_000, 5_400_000, 604_800_000, 1500, 12_000, 3000,
    ]);
    expect(['', 'soon', '1 h', '-3s', '5x'].map(spanMs)).toEqual([null, null, null, null, null]);
  });

  it('are told in the unit that fits', () => {
    expect([0.42, 8.6, 850, 2440, 59_400, 60_000, 192_000, 3_900_000, 400_000_000].map((ms) => duration(ms))).toEqual([
      '0.4 ms',
      '8.6 ms',
      '850 ms',
      '2.4 s',
      '59 s',
      '1 min',
      '3 min 12 s',
      '1 h 5 min',
      '4.6 d',
    ]);
    expect(duration(2440, 'de')).toBe('2,4 s');
  });

  it('are told from now', () => {
    expect(relative(0, 65_000)).toBe('1 minute ago');
    expect(relative(0, 86_400_000, 'de')).toBe('gestern');
  });
});

describe('colouring', () => {
  const SOURCE = '{\n "a{{b}}": "x {{ y.z }} \\" {{", "n": -1.5e3, "t": [true, null]\n}';

  it('never changes the text', () => {
    for (const pieces of [jsonPieces(SOURCE), templatePieces(SOURCE)])
      expect(pieces.map((piece) => piece.text).join('')).toBe(SOURCE);
    for (let cut = 0; cut < SOURCE.length; cut++)
      expect(
        jsonPieces(SOURCE.slice(0, cut))
          .map((piece) => piece.text)
          .join(''),
      ).toBe(SOURCE.slice(0, cut));
  });

  it('tells keys, texts, numbers and expressions apart', () => {
    const kinds = jsonPieces(SOURCE)
      .filter((piece) => !['text', 'mark'].includes(piece.kind))
      .map((piece) => `${piece.kind} ${piece.text}`);
    expect(kinds).toEqual([
      'key "a{{b}}"',
      'string "x ',
      'expression {{ y.z }}',
      'string  \\" {{"',
      'key "n"',
      'number -1.5e3',
      'key "t"',
      'word true',
      'word null',
    ]);
  });
});

describe('JSON', () => {
  it('is compared without regard to the order of keys', () => {
    expect(sameJson({ a: 1, b: [1, { c: null }] }, { b: [1, { c: null }], a: 1 })).toBe(true);
    expect(sameJson([1, 2], [2, 1])).toBe(false);
    expect(sameJson({ a: 1 }, { a: 1, b: undefined })).toBe(false);
  });

  it('says where it is wrong', () => {
    expect(tryParse('{\n "a": 1,\n}')).toMatchObject({ ok: false, line: 3 });
    expect(tryParse('{"a":')).toMatchObject({ ok: false, line: 1 });
  });

  it('is pointed into', () => {
    expect(pointerParts('/nodes/2/data/a~1b~0c')).toEqual(['nodes', '2', 'data', 'a/b~c']);
    expect(pointerParts('')).toEqual([]);
  });
});

describe('ids', () => {
  it('are the first that is free', () => {
    expect(freeId('llm', new Set(['llm-1', 'llm-3']))).toBe('llm-2');
  });
});
