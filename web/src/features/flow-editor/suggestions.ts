// What a template may read at a node: outputs of the nodes before it, the input, variables, the run.
import type { Definition, Json, JsonObject, NodeDef } from '@/api/types';
import { ancestors, arr, obj, str } from '@/flow/model';
import { exampleInput } from '@/run/input-schema';
import { isObject } from '@/lib/json';

export interface Suggestion {
  path: string;
  /** Whose value it is: a node's title, or a key of the catalogue. */
  group: string;
  sample?: string;
}

/** Outputs as docs/formats/workflow.md gives them, for nodes that have not run yet. */
const SHAPES: Record<string, Json> = {
  'api-call': { status: 200, headers: {}, body: {} },
  llm: { text: '', model: '', finish_reason: '', usage: { total_tokens: 0 } },
  webhook: { status: 200, id: '', body: {} },
  respond: { status: 200, headers: {}, as: 'json', body: {} },
  condition: { case: '' },
  iteration: { results: [], count: 0, failed: 0, errors: [] },
  loop: { rounds: 0, ended_by: '', vars: {}, last: {} },
};

/** What a container gives the nodes inside of it. */
function insideOf({ type, data }: NodeDef): Json {
  if (type !== 'loop') return { item: {}, index: 0, count: 0 };
  const vars = arr(data['variables']).map((one) => [str(obj(one)['name']), obj(one)['value'] ?? null] as const);
  return { index: 0, vars: Object.fromEntries(vars) };
}

const DEPTH = 3;
const MOST_PER_NODE = 24;

/** "a.b", or `a["odd key"]` where the key is no name. */
export function joinPath(base: string, key: string | number): string {
  if (typeof key === 'number') return `${base}[${key}]`;
  return /^[A-Za-z0-9_-]+$/.test(key) ? `${base}.${key}` : `${base}[${JSON.stringify(key)}]`;
}

function sampleOf(value: Json): string | undefined {
  if (value === '' || (isObject(value) && Object.keys(value).length === 0)) return undefined;
  const text = JSON.stringify(value);
  return text.length > 48 ? `${text.slice(0, 47)}…` : text;
}

function walk(base: string, value: Json, depth: number, out: (path: string, value: Json) => void) {
  out(base, value);
  if (depth === 0) return;
  if (Array.isArray(value)) {
    if (value[0] !== undefined) walk(joinPath(base, 0), value[0], depth - 1, out);
  } else if (isObject(value)) {
    for (const [key, member] of Object.entries(value)) walk(joinPath(base, key), member, depth - 1, out);
  }
}

export function suggestionsFor(node: string, definition: Definition, outputs: Record<string, Json>): Suggestion[] {
  const found: Suggestion[] = [];
  const add = (base: string, value: Json, group: string) => {
    let n = 0;
    walk(base, value, DEPTH, (path, member) => {
      if (n++ < MOST_PER_NODE) found.push({ path, group, sample: sampleOf(member) });
    });
  };
  const byId = new Map(definition.nodes.map((one) => [one.id, one]));
  const seen = new Set<unknown>();
  for (let at: unknown = node; typeof at === 'string' && !seen.has(at); at = byId.get(at)?.['parentId']) {
    seen.add(at);
    for (const id of ancestors(at, definition.edges)) {
      const one = byId.get(id);
      if (!one || one.type === 'trigger') continue;
      const shape = outputs[id] ?? SHAPES[one.type] ?? {};
      add(id, withJson(one.data, shape), str(one.data['title']) || id);
    }
    const around = byId.get(str(byId.get(at)?.['parentId'] as Json));
    if (around) add(around.id, insideOf(around), str(around.data['title']) || around.id);
  }
  add('input', exampleInput(definition), 'input');
  for (const variable of definition.variables ?? [])
    found.push({ path: `vars.${variable.name}`, group: 'vars', sample: sampleOf(variable.value ?? null) });
  for (const path of ['run.id', 'run.started_at', 'workflow.name', 'workflow.version'])
    found.push({ path, group: 'run' });
  const trigger = definition.nodes.find((one) => one.type === 'trigger');
  if (['webhook', 'form', 'chat'].includes(str(trigger?.data['trigger'])))
    for (const path of ['request.method', 'request.headers', 'request.query']) found.push({ path, group: 'request' });
  return found;
}

/** A model that is asked for JSON gives it parsed, too. */
function withJson(data: JsonObject, shape: Json): Json {
  const wants = data['response_format'] === 'json' || data['response_format'] === 'json_schema';
  return wants && isObject(shape) && !('json' in shape) ? { json: {}, ...shape } : shape;
}

/** The expression that is being typed before @caret: its text from "{{" on; null outside of one. */
export function openExpression(text: string, caret: number): { from: number; typed: string } | null {
  const before = text.slice(0, caret);
  const from = before.lastIndexOf('{{');
  if (from < 0 || before.indexOf('}}', from) >= 0) return null;
  const typed = before.slice(from + 2);
  return typed.includes('\n') ? null : { from, typed: typed.trimStart() };
}
