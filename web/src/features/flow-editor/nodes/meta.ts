// What the node types' tables do not say: which settings are for later, and how a new node begins. And how their
// "when" is followed.
import type { FieldType, Json, JsonObject } from '@/api/types';

const LATER = new Set([
  'api-call.auth',
  'api-call.body_type',
  'api-call.redirects',
  'api-call.response',
  'api-call.max_response',
  'api-call.fail_on_status',
  'llm.base_url',
  'llm.api_key',
  'llm.messages',
  'llm.temperature',
  'llm.top_p',
  'llm.max_tokens',
  'llm.stop',
  'llm.seed',
  'llm.stream',
  'llm.silence',
  'llm.extra',
  'approval.approvals',
  'approval.form',
  'wait_event.accept_past',
  'iteration.max_items',
  'loop.on_max',
  'merge.inputs',
  'error.code',
  'respond.headers',
  'respond.status',
  'webhook.headers',
  'webhook.method',
]);

/** Settings that every type has; they stand in their own section. */
export const COMMON = new Set(['title', 'notes', 'timeout', 'total_timeout', 'retry', 'on_error', 'on_unknown']);

export const isLater = (type: string, field: FieldType): boolean =>
  LATER.has(`${type}.${field.name}`) && !field.required;

/** Whether @field belongs to @data as the fields beside it are set. */
export function applies(field: FieldType, fields: FieldType[], data: JsonObject): boolean {
  const { when } = field;
  if (!when) return true;
  const other = fields.find((one) => one.name === when.field);
  const value = data[when.field] ?? other?.default ?? '';
  return when.is.includes(typeof value === 'object' ? '' : String(value)) && (!other || applies(other, fields, data));
}

/** Settings that apply by the table and yet make no sense with others. */
const IDLE: Record<string, (data: JsonObject) => boolean> = {
  'api-call.body': (data) => bodiless(data),
  'api-call.body_type': (data) => bodiless(data),
};
const bodiless = (data: JsonObject) =>
  data['method'] === undefined || data['method'] === 'GET' || data['method'] === 'HEAD';

/** Whether to show @field; one that does not apply is shown only while it has a value, which the server would refuse. */
export function isShown(type: string, field: FieldType, fields: FieldType[], data: JsonObject): boolean {
  if (data[field.name] !== undefined) return true;
  return applies(field, fields, data) && !IDLE[`${type}.${field.name}`]?.(data);
}

/** @data with @name set (undefined: not given); what applies no more because of it is taken out. */
export function withField(fields: FieldType[], data: JsonObject, name: string, value: Json | undefined): JsonObject {
  const next = { ...data };
  if (value === undefined) delete next[name];
  else next[name] = value;
  for (const field of fields)
    if (next[field.name] !== undefined && applies(field, fields, data) && !applies(field, fields, next))
      delete next[field.name];
  return next;
}

/** The settings a new node begins with: such that it says what it wants, not such that it pretends to be done. */
export function newData(type: string, title: string): JsonObject {
  switch (type) {
    case 'trigger':
      return { title, trigger: 'manual' };
    case 'delay':
      return { title, duration: '1m' };
    case 'approval':
      return { title, subject: '' };
    case 'wait_event':
      return { title, name: '' };
    case 'iteration':
      return { title, items: '' };
    case 'parallel':
      return { title, branches: [{ id: 'branch-1' }, { id: 'branch-2' }] };
    case 'merge':
      return { title, mode: 'object' };
    case 'error':
      return { title, message: '' };
    case 'loop':
      return { title, max_rounds: 10 };
    case 'sub_workflow':
      return { title, workflow: '', input: {} };
    case 'condition':
      return { title, cases: [{ id: 'case-1', conditions: [{ left: '', operator: 'equals', right: '' }] }] };
    case 'data-transform':
      return { title, mode: 'template', template: '' };
    case 'api-call':
      return { title, method: 'GET', url: '' };
    case 'llm':
      return { title, model: '', prompt: '' };
    case 'respond':
      return { title, body: {} };
    case 'webhook':
      return { title, url: '', payload: {} };
    case 'output':
      return { title, output: {} };
    default:
      return { title };
  }
}
