// What the mock server holds at its start: workflows and runs as a team might have them.
const n = (id, type, x, y, data) => ({ id, type, position: { x, y }, data });
const e = (id, source, target, sourceHandle) => ({ id, source, target, ...(sourceHandle ? { sourceHandle } : {}) });

export const lead = {
  heddle: 1,
  name: 'Lead Processing',
  description: 'Enrich a lead, let a model look at it, tell the team.',
  variables: [
    { name: 'channel', type: 'string', value: '#sales', description: 'Where to post' },
    { name: 'threshold', type: 'number', value: 50 },
  ],
  settings: { timeout: '10m' },
  nodes: [
    n('trigger-1', 'trigger', 0, 96, {
      title: 'New lead',
      trigger: 'webhook',
      input: {
        type: 'object',
        properties: {
          email: { type: 'string', format: 'email' },
          company: { type: 'string' },
          source: { type: 'string', enum: ['site', 'fair', 'partner'] },
        },
        required: ['email'],
      },
      webhook: { auth: 'hmac', secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' },
    }),
    n('enrich-1', 'api-call', 320, 96, {
      title: 'Enrich',
      method: 'GET',
      url: 'https://api.example.com/v1/people/find',
      query: { email: '{{ input.email }}' },
      timeout: '10s',
      retry: { max_attempts: 3, delay: '500ms' },
      on_error: { strategy: 'branch' },
    }),
    n('size-1', 'condition', 640, 56, {
      title: 'Worth a look?',
      cases: [
        {
          id: 'large',
          title: 'Large company',
          logic: 'and',
          conditions: [{ left: '{{ enrich-1.body.company.size }}', operator: 'gte', right: '{{ vars.threshold }}' }],
        },
        {
          id: 'partner',
          logic: 'and',
          conditions: [{ left: '{{ input.source }}', operator: 'equals', right: 'partner' }],
        },
      ],
    }),
    n('analyze-1', 'llm', 960, 0, {
      title: 'Analyse',
      model: 'gpt-4o-mini',
      system: 'You judge sales leads. Be brief and concrete.',
      prompt: 'Judge this lead. Who is it, and what should we offer?\n\n{{ enrich-1.body }}',
      temperature: 0.2,
    }),
    n('notify-1', 'webhook', 1280, 0, {
      title: 'Notify team',
      url: 'https://hooks.example.com/leads',
      payload: { channel: '{{ vars.channel }}', text: '{{ analyze-1.text }}', email: '{{ input.email }}' },
      secret: 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD',
    }),
    n('small-1', 'output', 960, 168, { title: 'Too small', output: { status: 'ignored', email: '{{ input.email }}' } }),
    n('missing-1', 'output', 640, 300, {
      title: 'Unknown person',
      output: { status: 'unknown', reason: '{{ enrich-1.error.message }}' },
    }),
  ],
  edges: [
    e('e1', 'trigger-1', 'enrich-1'),
    e('e2', 'enrich-1', 'size-1'),
    e('e3', 'size-1', 'analyze-1', 'large'),
    e('e4', 'size-1', 'analyze-1', 'partner'),
    e('e5', 'analyze-1', 'notify-1'),
    e('e6', 'size-1', 'small-1', 'else'),
    e('e7', 'enrich-1', 'missing-1', 'error'),
  ],
};

const answer = {
  heddle: 1,
  name: 'Support answers',
  description: 'A question in, an answer that streams out.',
  nodes: [
    n('trigger-1', 'trigger', 0, 0, { title: 'Question', trigger: 'api' }),
    n('llm-1', 'llm', 320, 0, { title: 'Answer', model: 'gpt-4o-mini', prompt: '{{ input.question }}' }),
    n('output-1', 'output', 640, 0, { title: 'Result', output: { answer: '{{ llm-1.text }}' } }),
  ],
  edges: [e('e1', 'trigger-1', 'llm-1'), e('e2', 'llm-1', 'output-1')],
};

const simple = (name, description) => ({ ...answer, name, description });

export const workflows = [
  { definition: lead, published: 3, ageMin: 6 },
  { definition: answer, published: 1, ageMin: 52 },
  {
    definition: simple('Nightly stock report', 'Reads the warehouse, writes a summary, posts it before eight.'),
    published: 12,
    ageMin: 540,
  },
  {
    definition: simple('Invoice intake', 'Turns mails with invoices into bookings that somebody approves.'),
    published: null,
    ageMin: 1500,
  },
  { definition: simple('Rate limit watch', ''), published: 2, ageMin: 4300 },
  {
    definition: simple('Translate release notes', 'German, Polish and Swedish at once, joined into one page.'),
    published: 4,
    ageMin: 14000,
  },
  {
    definition: simple('Churn signals', 'Looks at usage every morning and names accounts that fade.'),
    published: null,
    ageMin: 30000,
  },
];

const down = { code: 'unavailable', message: 'api.example.com answered 503 Service Unavailable.' };
const limited = { code: 'rate_limited', message: 'The model answered 429: rate limit reached, try again in 2 s.' };

/** Runs of the past: workflow by index, minutes ago, and what went wrong. */
export const runs = [
  { of: 0, ago: 3, trigger: 'webhook' },
  { of: 0, ago: 9, trigger: 'webhook', script: { 'enrich-1': { failures: [down] } } },
  { of: 1, ago: 14, trigger: 'api' },
  { of: 0, ago: 31, trigger: 'webhook', script: { 'analyze-1': { failures: [limited, limited, limited] } } },
  { of: 0, ago: 44, trigger: 'webhook', script: { 'size-1': { handle: 'else' } } },
  { of: 2, ago: 300, trigger: 'api' },
  { of: 0, ago: 420, trigger: 'manual', script: { 'enrich-1': { failures: [down, down, down] } } },
  ...Array.from({ length: 60 }, (_, i) => ({
    of: i % 5 === 4 ? 4 : i % 3,
    ago: 600 + i * 47,
    trigger: i % 4 ? 'api' : 'webhook',
  })),
];
