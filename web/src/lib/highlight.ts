// Cuts JSON and templates into coloured pieces. A piece's text, joined, is exactly the source.

export type PieceKind = 'text' | 'key' | 'string' | 'number' | 'word' | 'mark' | 'expression';
export interface Piece {
  kind: PieceKind;
  text: string;
}

const EXPRESSION = /\{\{(?:[^{}]|\}(?!\}))*\}\}/g;
const JSON_TOKEN = /"(?:[^"\\\n]|\\.)*"?|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\b(?:true|false|null)\b|[{}[\],:]/g;

function cut(
  source: string,
  pattern: RegExp,
  name: (token: string, end: number) => PieceKind,
  rest: PieceKind,
): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  for (const match of source.matchAll(pattern)) {
    if (match.index > from) pieces.push({ kind: rest, text: source.slice(from, match.index) });
    from = match.index + match[0].length;
    pieces.push({ kind: name(match[0], from), text: match[0] });
  }
  if (from < source.length) pieces.push({ kind: rest, text: source.slice(from) });
  return pieces;
}

export function templatePieces(source: string, rest: PieceKind = 'text'): Piece[] {
  return cut(source, EXPRESSION, () => 'expression', rest);
}

export function jsonPieces(source: string): Piece[] {
  const pieces = cut(
    source,
    JSON_TOKEN,
    (token, end) => {
      if (token.startsWith('"')) return /^\s*:/.test(source.slice(end, end + 20)) ? 'key' : 'string';
      if (/^[-\d]/.test(token)) return 'number';
      return /^[a-z]/.test(token) ? 'word' : 'mark';
    },
    'text',
  );
  return pieces.flatMap((piece) =>
    piece.kind === 'string' && piece.text.includes('{{') ? templatePieces(piece.text, 'string') : [piece],
  );
}
