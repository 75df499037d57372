// How a node type looks: its icon, its dye, and one line that says what a node does.
import type { JsonObject } from '@/api/types';
import type { Messages } from '@/i18n/i18n';
import type { IconName } from '@/ui/icon';
import { arr, obj, str } from '@/flow/model';

export type Tone = 'ink' | 'weld' | 'walnut' | 'indigo' | 'lichen' | 'green';

const ICONS: Record<string, IconName> = {
  trigger: 'bolt',
  'api-call': 'globe',
  condition: 'split',
  delay: 'clock',
  iteration: 'list',
  loop: 'refresh',
  parallel: 'split',
  merge: 'transform',
  error: 'stop',
  approval: 'check',
  wait_event: 'pause',
  sub_workflow: 'workflow',
  'data-transform': 'transform',
  llm: 'spark',
  webhook: 'send',
  respond: 'undo',
  output: 'flag',
};
const GROUP_ICONS: Record<string, IconName> = {
  trigger: 'bolt',
  logic: 'split',
  data: 'transform',
  ai: 'spark',
  integration: 'globe',
  output: 'flag',
};
const GROUP_TONES: Record<string, Tone> = {
  trigger: 'ink',
  logic: 'weld',
  data: 'walnut',
  ai: 'indigo',
  integration: 'lichen',
  output: 'green',
};
/** While the types are not loaded (or a definition has one the server does not know). */
const TYPE_GROUPS: Record<string, string> = {
  trigger: 'trigger',
  condition: 'logic',
  delay: 'logic',
  iteration: 'logic',
  loop: 'logic',
  parallel: 'logic',
  merge: 'logic',
  error: 'logic',
  approval: 'logic',
  wait_event: 'logic',
  sub_workflow: 'logic',
  'data-transform': 'data',
  llm: 'ai',
  'api-call': 'integration',
  webhook: 'integration',
  respond: 'integration',
  output: 'output',
};

export const TONES: Record<Tone, string> = {
  ink: 'bg-ink text-linen',
  weld: 'bg-weld-soft text-weld',
  walnut: 'bg-walnut-soft text-walnut',
  indigo: 'bg-indigo-soft text-indigo',
  lichen: 'bg-lichen-soft text-lichen',
  green: 'bg-green-soft text-green',
};

export function nodeIcon(type: string, group?: string): IconName {
  return ICONS[type] ?? GROUP_ICONS[group ?? ''] ?? 'thread';
}

export function nodeTone(type: string, group?: string): Tone {
  return GROUP_TONES[TYPE_GROUPS[type] ?? group ?? ''] ?? 'walnut';
}

/** "https://api.example.com/v1/x?y" as "api.example.com/v1/x". */
function place(url: string): string {
  return url.replace(/^https?:\/\//, '').replace(/\?.*$/, '');
}

const word = (words: Record<string, string | undefined>, name: string) => words[name];

const plain = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));

/** "90s", "2 minutes": a number counts in the unit. */
function duration(data: JsonObject, t: Messages): string {
  const text = plain(data['duration']);
  const unit = str(data['unit']) || 'seconds';
  return /^[0-9.]+$/.test(text) ? `${text} ${word(t.flow.units, unit) ?? unit}` : text;
}

/** "0 9 * * MON-FRI", "Every 5m". */
function scheduleText(schedule: JsonObject, t: Messages): string {
  const every = schedule['repeat'] === 'interval' ? schedule['every'] : undefined;
  if (typeof every === 'string' || typeof every === 'number')
    return t.flow.every(typeof every === 'number' ? `${every}s` : every);
  return str(schedule['cron']) || t.flow.triggerKinds.schedule;
}

/** "run.failed, order.paid". */
function eventText(event: JsonObject, t: Messages): string {
  const names = Array.isArray(event['on']) ? event['on'].map((name) => str(name)).filter(Boolean) : [];
  return names.join(', ') || t.flow.triggerKinds.event;
}

export function nodeSummary(type: string, data: JsonObject, t: Messages): string {
  switch (type) {
    case 'trigger':
      if (data['trigger'] === 'schedule') return scheduleText(obj(data['schedule']), t);
      if (data['trigger'] === 'file') return str(obj(data['file'])['folder']) || t.flow.triggerKinds.file;
      if (data['trigger'] === 's3') return str(obj(data['s3'])['bucket']) || t.flow.triggerKinds.s3;
      if (data['trigger'] === 'email') return str(obj(data['email'])['user']) || t.flow.triggerKinds.email;
      if (data['trigger'] === 'event') return eventText(obj(data['event']), t);
      return word(t.flow.triggerKinds, str(data['trigger'])) ?? t.flow.triggerKinds.manual;
    case 'api-call':
      return data['url'] ? `${str(data['method']) || 'GET'} ${place(str(data['url']))}` : t.flow.notSet;
    case 'webhook':
      return data['url'] ? `${str(data['method']) || 'POST'} ${place(str(data['url']))}` : t.flow.notSet;
    case 'respond':
      return [data['status'] ?? '', str(data['respond_with']) || 'json'].map(plain).join(' ').trim();
    case 'llm':
      return str(data['model']) || t.flow.notSet;
    case 'data-transform':
      return word(t.flow.transformModes, str(data['mode'])) ?? t.flow.notSet;
    case 'delay':
      if (data['mode'] === 'until') return data['until'] ? t.flow.until(plain(data['until'])) : t.flow.notSet;
      return data['duration'] === undefined || data['duration'] === '' ? t.flow.notSet : duration(data, t);
    case 'approval':
      return str(data['subject']) || t.flow.notSet;
    case 'wait_event':
      return str(data['name']) || t.flow.notSet;
    case 'iteration':
      return data['items'] === undefined || data['items'] === '' ? t.flow.notSet : plain(data['items']);
    case 'loop':
      return t.flow.rounds(typeof data['max_rounds'] === 'number' ? data['max_rounds'] : 100);
    case 'parallel':
      return t.flow.branches(arr(data['branches']).length);
    case 'merge':
      return word(t.flow.mergeModes, str(data['mode']) || 'object') ?? t.flow.notSet;
    case 'error':
      return str(data['message']) || t.flow.notSet;
    case 'sub_workflow':
      return str(data['workflow']) || t.flow.notSet;
    case 'condition':
      return t.flow.cases(arr(data['cases']).length);
    case 'output': {
      const output = data['output'];
      return output === undefined ? t.flow.notSet : typeof output === 'string' ? output : JSON.stringify(output);
    }
    default:
      return type;
  }
}

/** `{{ a.b }} ≥ 50` for a condition, as it stands on the node. */
export function conditionText(condition: JsonObject, t: Messages): string {
  const show = (value: unknown) =>
    typeof value === 'string' ? value.replace(/^\{\{\s*(.*?)\s*\}\}$/, '$1') : JSON.stringify(value);
  const operator = str(condition['operator']);
  const sign = word(t.flow.operatorSigns, operator) ?? operator;
  const right = condition['right'] === undefined ? '' : ` ${show(condition['right'])}`;
  return `${condition['left'] === undefined ? '…' : show(condition['left'])} ${sign}${right}`;
}
