// Words of graphs: nodes, their types, the canvas.
export const flow = {
  notSet: 'Not set up yet',
  if: 'If',
  elseIf: 'Else if',
  else: 'Else',
  onError: 'On error',
  handleOut: 'Then',
  caseNumber: (n: number) => `Case ${n}`,
  branches: (n: number) => (n === 1 ? '1 branch' : `${n} branches`),
  mergeModes: {
    object: 'Results by node',
    append: 'Lists one behind the other',
    combine: 'Objects together',
    pick: 'The first that is there',
    zip: 'Lists side by side',
  } as Record<string, string | undefined>,
  rounds: (n: number) => (n === 1 ? '1 round' : `up to ${n} rounds`),
  cases: (n: number) => (n === 1 ? '1 case' : `${n} cases`),
  problems: (n: number) => (n === 0 ? 'No problems' : n === 1 ? '1 problem' : `${n} problems`),
  triggerKinds: {
    manual: 'Started by hand',
    api: 'Started by API',
    webhook: 'Started by webhook',
    form: 'Started by a form',
    chat: 'Started by a chat',
    schedule: 'Started by the clock',
    event: 'Started by an event',
    file: 'Started by a file',
    s3: 'Started by an object',
    email: 'Started by a mail',
    rerun: 'Run again',
    workflow: 'Started by a workflow',
    error: 'Started by a failure',
  },
  every: (span: string) => `Every ${span}`,
  nextTimes: 'Next times',
  nextTimesAfterPublishing: 'Counted from the publication, so from now if it were published now.',
  transformModes: {
    template: 'Text from a template',
    set: 'Set values',
    pick: 'Pick values',
    omit: 'Leave values out',
    jsonpath: 'JSON path',
  },
  groups: {
    trigger: 'Start',
    logic: 'Logic',
    data: 'Data',
    ai: 'AI',
    integration: 'Integration',
    output: 'Result',
    other: 'Other',
  },
  operatorSigns: {
    equals: '=',
    not_equals: '≠',
    gt: '>',
    gte: '≥',
    lt: '<',
    lte: '≤',
    contains: 'contains',
    not_contains: 'lacks',
    starts_with: 'starts with',
    ends_with: 'ends with',
    matches: 'matches',
    between: 'between',
    before: 'before',
    after: 'after',
    in: 'in',
    not_in: 'not in',
    is_empty: 'is empty',
    is_not_empty: 'is not empty',
    exists: 'exists',
    not_exists: 'is missing',
    is_null: 'is null',
    is_not_null: 'is not null',
    is_true: 'is true',
    is_false: 'is false',
    type_is: 'is a',
    length_equals: 'length =',
    length_gt: 'length >',
    length_lt: 'length <',
  },
  units: { seconds: 'seconds', minutes: 'minutes', hours: 'hours', days: 'days' },
  until: (time: string) => `Until ${time}`,
  /** Handles of nodes that have several ways out. */
  handles: { timeout: 'When time is up', approve: 'Approved', reject: 'Rejected' } as Record<
    string,
    string | undefined
  >,
  zoomIn: 'Zoom in',
  zoomOut: 'Zoom out',
  zoomReset: 'Zoom to 100 %',
  fit: 'Fit into view',
  minimap: 'Map of the graph',
  a11y: {
    'node.a11yDescription.default':
      'Press Enter or Space to select a node, the arrow keys to move it, Delete to remove it.',
    'edge.a11yDescription.default': 'Press Enter or Space to select an edge, Delete to remove it.',
  },
};

type NodeWords = {
  types: Record<string, { title: string; help: string } | undefined>;
  /** "type.field": title and help. */
  fields: Record<string, [string, string?] | undefined>;
  /** Options of enums, by "type.field.option" or by the option alone. */
  options: Record<string, string | undefined>;
};

/** In English the server's own words are used; here stands only what it does not say. */
export const nodeWords: NodeWords = {
  types: {},
  fields: {},
  options: {
    api: 'API',
    json: 'JSON',
    json_schema: 'JSON by schema',
    jsonpath: 'JSON path',
    hmac: 'Signature (HMAC)',
    s3: 'Bucket (S3)',
    'trigger.s3.addressing.path': 'In the path',
    'trigger.s3.addressing.virtual': 'In the host',
    basic: 'User and password',
    bearer: 'Bearer token',
    header: 'A header',
    'trigger.schedule.catch_up.skip': 'Leave them out',
    'trigger.schedule.catch_up.last': 'Make up for the last',
    'trigger.schedule.catch_up.all': 'Make up for all',
    'trigger.schedule.overlap.allow': 'Start another',
    'trigger.schedule.overlap.skip': 'Start none',
  },
};
