// Workflows to begin with. Each is complete as a drawing; what only its owner knows (addresses, models) is named plainly.
import type { Definition, EdgeDef, JsonObject, NodeDef } from '@/api/types';
import type { Messages } from '@/i18n/i18n';

export type StarterId = 'blank' | 'lead' | 'answer' | 'fanout' | 'alert';

const STEP = 320;
const node = (id: string, type: string, column: number, y: number, data: JsonObject): NodeDef => ({
  id,
  type,
  position: { x: column * STEP, y },
  data,
});
const edge = (n: number, source: string, target: string, sourceHandle?: string): EdgeDef =>
  sourceHandle === undefined ? { id: `e${n}`, source, target } : { id: `e${n}`, source, target, sourceHandle };
const input = (properties: JsonObject, required: string[]): JsonObject => ({ type: 'object', properties, required });

type Words = Messages['starters'];

function blank(w: Words): Definition {
  return {
    heddle: 1,
    name: w.blank.name,
    nodes: [
      node('trigger-1', 'trigger', 0, 0, { title: w.start, trigger: 'manual' }),
      node('output-1', 'output', 1, 0, { title: w.result, output: '{{ input }}' }),
    ],
    edges: [edge(1, 'trigger-1', 'output-1')],
  };
}

function lead(w: Words): Definition {
  return {
    heddle: 1,
    name: w.lead.name,
    description: w.lead.text,
    variables: [
      { name: 'people_api', type: 'string', value: 'https://api.example.com/v1/people/find' },
      { name: 'notify_url', type: 'string', value: 'https://hooks.example.com/leads' },
    ],
    nodes: [
      node('trigger-1', 'trigger', 0, 0, {
        title: w.lead.trigger,
        trigger: 'webhook',
        input: input({ email: { type: 'string', format: 'email' } }, ['email']),
      }),
      node('enrich-1', 'api-call', 1, 0, {
        title: w.lead.enrich,
        method: 'GET',
        url: '{{ vars.people_api }}',
        query: { email: '{{ input.email }}' },
        timeout: '10s',
        retry: { max_attempts: 3, delay: '500ms' },
      }),
      node('analyze-1', 'llm', 2, 0, {
        title: w.lead.analyse,
        model: 'gpt-4o-mini',
        system: w.lead.system,
        prompt: w.lead.prompt('{{ enrich-1.body }}'),
      }),
      node('notify-1', 'webhook', 3, 0, {
        title: w.lead.notify,
        url: '{{ vars.notify_url }}',
        payload: { text: w.lead.message, email: '{{ input.email }}', analysis: '{{ analyze-1.text }}' },
      }),
    ],
    edges: [edge(1, 'trigger-1', 'enrich-1'), edge(2, 'enrich-1', 'analyze-1'), edge(3, 'analyze-1', 'notify-1')],
  };
}

function answer(w: Words): Definition {
  return {
    heddle: 1,
    name: w.answer.name,
    description: w.answer.text,
    nodes: [
      node('trigger-1', 'trigger', 0, 0, {
        title: w.start,
        trigger: 'api',
        input: input({ question: { type: 'string', title: w.answer.question, maxLength: 4000 } }, ['question']),
      }),
      node('llm-1', 'llm', 1, 0, {
        title: w.answer.model,
        model: 'gpt-4o-mini',
        system: w.answer.system,
        prompt: '{{ input.question }}',
      }),
      node('output-1', 'output', 2, 0, { title: w.result, output: { answer: '{{ llm-1.text }}' } }),
    ],
    edges: [edge(1, 'trigger-1', 'llm-1'), edge(2, 'llm-1', 'output-1')],
  };
}

function fanout(w: Words): Definition {
  return {
    heddle: 1,
    name: w.fanout.name,
    description: w.fanout.text,
    nodes: [
      node('trigger-1', 'trigger', 0, 120, {
        title: w.start,
        trigger: 'api',
        input: input({ text: { type: 'string', title: w.fanout.input, maxLength: 20000 } }, ['text']),
      }),
      node('summary-1', 'llm', 1, 0, {
        title: w.fanout.summary,
        model: 'gpt-4o-mini',
        prompt: `${w.fanout.summaryPrompt}\n\n{{ input.text }}`,
      }),
      node('tags-1', 'llm', 1, 120, {
        title: w.fanout.tags,
        model: 'gpt-4o-mini',
        prompt: `${w.fanout.tagsPrompt}\n\n{{ input.text }}`,
      }),
      node('tone-1', 'llm', 1, 240, {
        title: w.fanout.tone,
        model: 'gpt-4o-mini',
        prompt: `${w.fanout.tonePrompt}\n\n{{ input.text }}`,
      }),
      node('output-1', 'output', 2, 120, {
        title: w.result,
        output: { summary: '{{ summary-1.text }}', tags: '{{ tags-1.text }}', tone: '{{ tone-1.text }}' },
      }),
    ],
    edges: [1, 2, 3].flatMap((n) => {
      const middle = ['summary-1', 'tags-1', 'tone-1'][n - 1] ?? '';
      return [edge(n * 2 - 1, 'trigger-1', middle), edge(n * 2, middle, 'output-1')];
    }),
  };
}

function alert(w: Words): Definition {
  return {
    heddle: 1,
    name: w.alert.name,
    description: w.alert.text,
    variables: [
      { name: 'limit', type: 'number', value: 90 },
      { name: 'status_url', type: 'string', value: 'https://status.example.com/api/metrics' },
      { name: 'alert_url', type: 'string', value: 'https://hooks.example.com/alerts' },
    ],
    nodes: [
      node('trigger-1', 'trigger', 0, 0, { title: w.start, trigger: 'manual' }),
      node('check-1', 'api-call', 1, 0, {
        title: w.alert.check,
        method: 'GET',
        url: '{{ vars.status_url }}',
        on_error: { strategy: 'branch' },
      }),
      node('decide-1', 'condition', 2, 0, {
        title: w.alert.decide,
        cases: [
          {
            id: 'high',
            title: w.alert.high,
            logic: 'and',
            conditions: [{ left: '{{ check-1.body.load }}', operator: 'gt', right: '{{ vars.limit }}' }],
          },
        ],
      }),
      node('alert-1', 'webhook', 3, -40, {
        title: w.alert.send,
        url: '{{ vars.alert_url }}',
        payload: { text: w.alert.message },
      }),
      node('down-1', 'webhook', 2, 200, {
        title: w.alert.down,
        url: '{{ vars.alert_url }}',
        payload: { text: w.alert.downMessage, reason: '{{ check-1.error.message }}' },
      }),
      node('output-1', 'output', 3, 140, { title: w.alert.calm, output: { load: '{{ check-1.body.load }}' } }),
    ],
    edges: [
      edge(1, 'trigger-1', 'check-1'),
      edge(2, 'check-1', 'decide-1'),
      edge(3, 'decide-1', 'alert-1', 'high'),
      edge(4, 'decide-1', 'output-1', 'else'),
      edge(5, 'check-1', 'down-1', 'error'),
    ],
  };
}

export const STARTERS: { id: StarterId; make: (words: Words) => Definition }[] = [
  { id: 'blank', make: blank },
  { id: 'lead', make: lead },
  { id: 'answer', make: answer },
  { id: 'fanout', make: fanout },
  { id: 'alert', make: alert },
];
