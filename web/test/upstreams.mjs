// What workflows call in a test, on one loopback port: a model server that streams (OpenAI's protocol), an API that knows
// people (and is down once for "flaky@..."), and a receiver of webhooks.
import { createServer } from 'node:http';

const ANSWER =
  'Mara leads data engineering at Northloom. Offer a pilot of two weeks with a measured goal. Priority: high.';
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

export async function startUpstreams({ wordMs = 120 } = {}) {
  const received = [];
  const failures = new Map();

  async function chat(res, body) {
    const words = ANSWER.match(/\S+\s*/g);
    const usage = { prompt_tokens: 40, completion_tokens: words.length, total_tokens: 40 + words.length };
    if (!body.stream)
      return res.setHeader('Content-Type', 'application/json').end(
        JSON.stringify({
          id: 'c1',
          model: body.model,
          choices: [{ index: 0, message: { role: 'assistant', content: ANSWER }, finish_reason: 'stop' }],
          usage,
        }),
      );
    res.writeHead(200, { 'Content-Type': 'text/event-stream' });
    const send = (data) =>
      res.write(
        `data: ${JSON.stringify({ id: 'c1', object: 'chat.completion.chunk', model: body.model, ...data })}\n\n`,
      );
    for (const content of words) {
      send({ choices: [{ index: 0, delta: { content }, finish_reason: null }] });
      await sleep(wordMs);
    }
    send({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
    send({ choices: [], usage });
    res.end('data: [DONE]\n\n');
  }

  const server = createServer(async (req, res) => {
    const chunks = [];
    for await (const chunk of req) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const url = new URL(req.url, 'http://upstream');
    if (url.pathname === '/v1/chat/completions') return chat(res, JSON.parse(text));
    if (url.pathname === '/people') {
      const email = url.searchParams.get('email') ?? '';
      const n = (failures.get(email) ?? 0) + 1;
      failures.set(email, n);
      if (email.startsWith('nobody') || (email.startsWith('flaky') && n % 2 === 1))
        return res.writeHead(503).end('away');
      return res
        .setHeader('Content-Type', 'application/json')
        .end(JSON.stringify({ name: 'Mara Lindqvist', company: { name: 'Northloom', size: 400 } }));
    }
    if (url.pathname === '/hook') {
      received.push({ headers: req.headers, body: text });
      return res.writeHead(204).end();
    }
    res.writeHead(404).end();
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const url = `http://127.0.0.1:${server.address().port}`;
  return { url, received, close: () => (server.close(), server.closeAllConnections()) };
}

/** A workflow that uses all of them. */
export const leadFlow = (upstream) => ({
  heddle: 1,
  name: 'Lead Processing',
  description: 'Enrich a lead, let a model look at it, tell the team.',
  variables: [{ name: 'threshold', type: 'number', value: 50 }],
  nodes: [
    {
      id: 'trigger-1',
      type: 'trigger',
      position: { x: 0, y: 96 },
      data: {
        title: 'New lead',
        trigger: 'webhook',
        webhook: { auth: 'bearer', secret: 'open sesame' },
        input: {
          type: 'object',
          properties: { email: { type: 'string' }, source: { type: 'string', enum: ['site', 'fair'] } },
          required: ['email'],
        },
      },
    },
    {
      id: 'enrich-1',
      type: 'api-call',
      position: { x: 320, y: 96 },
      data: {
        title: 'Enrich',
        url: `${upstream}/people`,
        query: { email: '{{ input.email }}' },
        retry: { max_attempts: 2, delay: '1500ms' },
        on_error: { strategy: 'branch' },
      },
    },
    {
      id: 'size-1',
      type: 'condition',
      position: { x: 640, y: 56 },
      data: {
        title: 'Worth a look?',
        cases: [
          {
            id: 'large',
            title: 'Large company',
            conditions: [{ left: '{{ enrich-1.body.company.size }}', operator: 'gte', right: '{{ vars.threshold }}' }],
          },
        ],
      },
    },
    {
      id: 'analyze-1',
      type: 'llm',
      position: { x: 960, y: 0 },
      data: {
        title: 'Analyse',
        base_url: `${upstream}/v1`,
        api_key: 'sk-test',
        model: 'test-model',
        prompt: 'Judge this lead: {{ enrich-1.body }}',
      },
    },
    {
      id: 'notify-1',
      type: 'webhook',
      position: { x: 1280, y: 0 },
      data: {
        title: 'Notify team',
        url: `${upstream}/hook`,
        payload: { text: '{{ analyze-1.text }}' },
        secret: 'a-secret-that-nobody-guesses',
      },
    },
    {
      id: 'small-1',
      type: 'output',
      position: { x: 960, y: 168 },
      data: { title: 'Too small', output: { status: 'ignored' } },
    },
    {
      id: 'missing-1',
      type: 'output',
      position: { x: 640, y: 300 },
      data: { title: 'Unknown person', output: { status: 'unknown', reason: '{{ enrich-1.error.message }}' } },
    },
  ],
  edges: [
    { id: 'e1', source: 'trigger-1', target: 'enrich-1' },
    { id: 'e2', source: 'enrich-1', target: 'size-1' },
    { id: 'e3', source: 'size-1', target: 'analyze-1', sourceHandle: 'large' },
    { id: 'e4', source: 'analyze-1', target: 'notify-1' },
    { id: 'e5', source: 'size-1', target: 'small-1', sourceHandle: 'else' },
    { id: 'e6', source: 'enrich-1', target: 'missing-1', sourceHandle: 'error' },
  ],
});
