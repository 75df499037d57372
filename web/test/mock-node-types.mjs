// The node types as GET /api/node-types gives them; for the mock server alone.
const f = (name, kind, title, more = {}) => ({ name, kind, title, required: false, ...more });
const one = (words) => words.split(' ');

const webhookFields = [
  f('method', 'enum', 'Method', { default: 'POST', one_of: one('POST GET PUT PATCH DELETE ANY') }),
  f('auth', 'enum', 'Authentication', { default: 'none', one_of: one('none header basic bearer hmac') }),
  f('header', 'string', 'Header', { default: 'X-Api-Key', when: { field: 'auth', is: ['header'] }, help: 'The header that carries the secret.' }),
  f('user', 'string', 'User', { required: true, when: { field: 'auth', is: ['basic'] } }),
  f('secret', 'string', 'Secret', { required: true, secret: true, when: { field: 'auth', is: one('header basic bearer hmac') }, help: 'The value of the header, the password, the token, or the key of the signature.' }),
  f('signature_header', 'string', 'Signature header', { default: 'webhook-signature', when: { field: 'auth', is: ['hmac'] } }),
  f('timestamp_header', 'string', 'Timestamp header', { default: 'webhook-timestamp', when: { field: 'auth', is: ['hmac'] }, help: 'Empty: the signature is of the body alone, as GitHub sends it.' }),
  f('tolerance', 'span', 'Tolerance', { default: '5m', min: 1, max: 86400, when: { field: 'auth', is: ['hmac'] } }),
  f('respond', 'enum', 'Answer', { default: 'immediately', one_of: one('immediately result'), help: 'Whether the caller waits for the result of the run.' }),
];
const authFields = [
  f('type', 'enum', 'Kind', { default: 'none', one_of: one('none basic bearer header') }),
  f('user', 'template', 'User', { required: true, when: { field: 'type', is: ['basic'] } }),
  f('password', 'template', 'Password', { secret: true, when: { field: 'type', is: ['basic'] } }),
  f('token', 'template', 'Token', { required: true, secret: true, when: { field: 'type', is: ['bearer'] } }),
  f('header', 'string', 'Header', { required: true, when: { field: 'type', is: ['header'] } }),
  f('value', 'template', 'Value', { required: true, secret: true, when: { field: 'type', is: ['header'] } }),
];
const type = (name, title, group, help, fields, more = {}) => ({ type: name, title, group, help, effects: 'pure', handles: ['out'], handles_by_settings: false, timeout: '60s', max_attempts: 1, fields, ...more });

export const nodeTypes = {
  types: [
    type('api-call', 'API call', 'integration', 'Call an HTTP API and read its answer.', [
      f('method', 'enum', 'Method', { default: 'GET', one_of: one('GET POST PUT PATCH DELETE HEAD') }),
      f('url', 'template', 'URL', { required: true }),
      f('query', 'map', 'Query', { help: 'Parameters that are encoded and put behind the URL; null leaves one out.' }),
      f('headers', 'map', 'Headers'),
      f('body', 'value', 'Body', { lines: true, help: 'Any JSON with templates; a string is sent as it is.' }),
      f('body_type', 'enum', 'Body type', { default: 'json', one_of: one('json form text') }),
      f('auth', 'object', 'Authentication', { fields: authFields }),
      f('redirects', 'integer', 'Redirects', { default: 5, min: 0, max: 10, help: 'How many are followed.' }),
      f('response', 'enum', 'Answer', { default: 'auto', one_of: one('auto json text'), help: 'What the body is read as; auto goes by its content type.' }),
      f('max_response', 'size', 'Largest answer', { default: '8MiB' }),
      f('fail_on_status', 'boolean', 'Fail on 4xx and 5xx', { default: true, help: 'Off: the step succeeds whatever the status, which stands in its output.' }),
    ], { effects: 'external', timeout: '30s' }),
    type('condition', 'Condition', 'logic', 'Take one of several ways: if, else if, else.', [
      f('cases', 'list', 'Cases', { required: true, min: 1, max: 50, help: 'The first case that holds is taken, "else" when none does.', fields: [] }),
    ], { handles: ['else'], handles_by_settings: true }),
    type('data-transform', 'Data transform', 'data', 'Make text or data out of other data.', [
      f('mode', 'enum', 'Mode', { required: true, one_of: one('template set pick omit jsonpath') }),
      f('template', 'template', 'Template', { required: true, lines: true, when: { field: 'mode', is: ['template'] } }),
      f('parse_json', 'boolean', 'Read as JSON', { when: { field: 'mode', is: ['template'] }, help: 'Give what the text says as JSON instead of the text.' }),
      f('from', 'value', 'From', { when: { field: 'mode', is: one('set pick omit jsonpath') }, help: 'The data to begin with.' }),
      f('values', 'value', 'Values', { required: true, lines: true, when: { field: 'mode', is: ['set'] } }),
      f('keys', 'json', 'Keys', { required: true, when: { field: 'mode', is: one('pick omit') }, help: 'Dotted paths; for pick also an object of new names and paths.' }),
      f('path', 'string', 'Path', { required: true, when: { field: 'mode', is: ['jsonpath'] }, help: 'A JSON path, as of RFC 9535.' }),
      f('first', 'boolean', 'First match only', { when: { field: 'mode', is: ['jsonpath'] } }),
    ]),
    type('llm', 'Language model', 'ai', 'Ask a model; its answer streams to who watches.', [
      f('model', 'template', 'Model', { required: true }),
      f('system', 'template', 'System', { lines: true, help: 'Who the model is and how it answers.' }),
      f('prompt', 'template', 'Prompt', { lines: true }),
      f('messages', 'list', 'Messages', { help: 'A conversation in place of the prompt.', fields: [f('role', 'enum', 'Role', { required: true, one_of: one('system user assistant') }), f('content', 'template', 'Content', { required: true, lines: true })] }),
      f('response_format', 'enum', 'Answer', { default: 'text', one_of: one('text json json_schema') }),
      f('schema', 'schema', 'Schema', { required: true, when: { field: 'response_format', is: ['json_schema'] }, help: 'JSON Schema that the answer must meet.' }),
      f('base_url', 'template', 'Base URL', { help: 'Of an OpenAI-compatible API; OPENAI_BASE_URL by default.' }),
      f('api_key', 'template', 'API key', { secret: true, help: 'OPENAI_API_KEY by default.' }),
      f('temperature', 'number', 'Temperature', { min: 0, max: 2 }),
      f('top_p', 'number', 'Top p', { min: 0, max: 1 }),
      f('max_tokens', 'integer', 'Most tokens', { min: 1, max: 1000000 }),
      f('stop', 'strings', 'Stop at'),
      f('seed', 'integer', 'Seed'),
      f('stream', 'boolean', 'Stream', { default: true }),
      f('extra', 'json', 'Extra', { help: 'Merged into the request.' }),
    ], { effects: 'idempotent', timeout: '120s', max_attempts: 3 }),
    type('output', 'Output', 'data', 'The result of the run.', [f('output', 'value', 'Output', { required: true, lines: true, help: 'Any JSON with templates.' })], { handles: [] }),
    type('trigger', 'Trigger', 'trigger', 'Where a run begins: by hand, by the API, or by a call to its webhook.', [
      f('trigger', 'enum', 'Trigger', { default: 'manual', one_of: one('manual api webhook') }),
      f('input', 'schema', 'Input', { help: 'JSON Schema that the input of a run must meet.' }),
      f('webhook', 'object', 'Webhook', { when: { field: 'trigger', is: ['webhook'] }, fields: webhookFields }),
    ]),
    type('webhook', 'Webhook', 'integration', 'Send a signed message to an address, again until it is taken.', [
      f('url', 'template', 'URL', { required: true }),
      f('method', 'enum', 'Method', { default: 'POST', one_of: one('POST PUT PATCH') }),
      f('payload', 'value', 'Payload', { required: true, lines: true, help: 'Any JSON with templates.' }),
      f('secret', 'template', 'Secret', { secret: true, help: 'Signs the delivery: whsec_ and base64, or any text. Without it, it is not signed.' }),
      f('headers', 'map', 'Headers'),
    ], { effects: 'external', timeout: '30s', max_attempts: 5 }),
  ],
  common: [],
};
