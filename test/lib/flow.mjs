/* flow.mjs - short words for workflow definitions (docs/formats/workflow.md). */

/* @nodes: {id: [type, data, what stands beside data]}; @edges: "a -> b", "cond:case-1 -> c". */
export function flow(name, nodes, edges = [], more = {}) {
  let x = 0;
  return {
    heddle: 1,
    name,
    nodes: Object.entries(nodes).map(([id, [type, data, beside]]) => ({
      id,
      type,
      position: { x: (x += 200), y: 0 },
      data,
      ...beside,
    })),
    edges: edges.map((text, i) => {
      const [, source, handle, target] = text.match(/^([\w-]+)(?::([\w-]+))?\s*->\s*([\w-]+)$/);
      return { id: `e${i + 1}`, source, ...(handle && { sourceHandle: handle }), target };
    }),
    ...more,
  };
}

/* Nodes one after the other, behind a manual trigger "start". */
export function chain(name, nodes, more) {
  const all = { start: trigger(), ...nodes };
  const ids = Object.keys(all);
  return flow(
    name,
    all,
    ids.slice(1).map((id, i) => `${ids[i]} -> ${id}`),
    more,
  );
}

export const trigger = (more = {}) => ['trigger', { trigger: 'manual', ...more }];
export const hook = (webhook = {}, more = {}) => [
  'trigger',
  { trigger: 'webhook', webhook: { method: 'POST', auth: 'none', ...webhook }, ...more },
];
export const call = (url, more = {}) => ['api-call', { url, ...more }];
export const set = (values, more = {}) => ['data-transform', { mode: 'set', values, ...more }];
export const text = (template, more = {}) => ['data-transform', { mode: 'template', template, ...more }];
export const llm = (model, prompt, more = {}) => ['llm', { model, prompt, ...more }];
export const webhook = (url, payload, more = {}) => ['webhook', { url, payload, ...more }];
export const delay = (duration, more = {}) => ['delay', { duration, ...more }];
export const waitEvent = (name, key, more = {}) => ['wait_event', { name, ...(key && { key }), ...more }];
export const approval = (subject, more = {}) => ['approval', { subject, ...more }];
export const iteration = (items, more = {}) => ['iteration', { items, ...more }];
export const loop = (more = {}) => ['loop', more];
/* Nodes in the body of @parent. */
export const inside = (parent, nodes) =>
  Object.fromEntries(
    Object.entries(nodes).map(([id, [type, data, more]]) => [
      id,
      [type, data, { ...more, parentId: parent }],
    ]),
  );
export const sub = (workflow, more = {}) => ['sub_workflow', { workflow, ...more }];
export const output = (value) => ['output', { output: value }];
export const condition = (...cases) => ['condition', { cases }];
export const when = (id, left, operator, right) => ({
  id,
  logic: 'and',
  conditions: [right === undefined ? { left, operator } : { left, operator, right }],
});

/* Retries that tests need not wait for. */
export const quickRetry = (max_attempts = 3, more = {}) => ({
  max_attempts,
  backoff: 'constant',
  delay: '10ms',
  jitter: 0,
  ...more,
});
export const noRetry = { max_attempts: 1 };
