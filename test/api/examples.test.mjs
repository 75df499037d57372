/* The workflows in examples/, as people try them: through the API and on the command line, against local far ends. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { expectStatus, stepOf } from '../lib/api.mjs';
import { Proc } from '../lib/proc.mjs';
import { binary, cleanEnv, heddle, top } from '../lib/server.mjs';
import { until } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';

const folder = path.join(top, 'examples');
const read = (name) => JSON.parse(fs.readFileSync(path.join(folder, name), 'utf8'));
const secret = 'whsec_' + Buffer.from('the secret of this test, 32 byte').toString('base64');

onEachDatabase('examples', (ctx) => {
  const { test } = ctx;
  let n = 0;

  /* The example's variables, pointed at the doubles. */
  function lead() {
    const hookPath = `/leads-${++n}`;
    ctx.hooks.secret(hookPath, secret);
    const vars = {
      enrich_url: `${ctx.web.origin}/people`,
      model_url: ctx.model.url,
      model: `lead-${ctx.db}`,
      notify_url: ctx.hooks.url(hookPath),
      notify_secret: secret,
    };
    const definition = read('lead-processing.json');
    for (const v of definition.variables) if (v.name in vars) v.value = vars[v.name];
    assert.deepEqual(
      Object.keys(vars).filter((name) => !definition.variables.some((v) => v.name === name)),
      [],
    );
    return { vars, definition, hookPath };
  }
  function checkLead(hookPath) {
    const [delivery] = ctx.hooks.at(hookPath).slice(-1);
    assert.equal(delivery.signature, 'good');
    assert.equal(delivery.body.lead.email, 'ada@example.com');
    assert.equal(delivery.body.lead.person.company.name, 'Analytical Engines');
    assert.match(delivery.body.analysis, /fits well/);
    return delivery;
  }
  const input = { email: 'ada@example.com', message: 'We need machines' };

  test('every example is valid as it stands', async () => {
    const names = fs.readdirSync(folder).filter((f) => f.endsWith('.json'));
    assert.ok(names.length >= 3);
    for (const name of names) {
      const { json } = expectStatus(await ctx.api.post('/api/workflows/validate', read(name)), 200);
      /* Their webhooks are open, so that one can try them. */
      const warnings = json.warnings.filter((w) => w.code !== 'open_webhook');
      assert.deepEqual([json.valid, json.errors, warnings], [true, [], []], name);
    }
  });

  test('the orders of a list are gone through, and the broken one is left out', async () => {
    const id = await ctx.api.workflow(read('each-order.json'));
    const orders = [{ number: 1, total: 10 }, { number: 2 }, { number: 3, total: 5000 }];
    assert.deepEqual((await ctx.api.run(id, { orders })).output, {
      orders: [
        { order: 1, goes: 'out' },
        { order: 3, goes: 'to a person' },
      ],
      left_out: 1,
    });
  });

  test('lead processing runs from its webhook to the signed result', async () => {
    const { definition, hookPath } = lead();
    ctx.model.script(
      `lead-${ctx.db}`,
      { status: 429, headers: { 'retry-after': '1' } },
      { pieces: ['Ada ', 'fits well.'], cut_after: 1 },
      { pieces: ['Ada ', 'fits well.'] },
    );
    const id = await ctx.api.published(definition);
    const { json: w } = await ctx.api.get(`/api/workflows/${id}`);
    expectStatus(await ctx.api.as(null).post(new URL(w.webhook_url).pathname, input), [200, 202]);
    const { json } = await ctx.api.get(`/api/runs?workflow_id=${id}`);
    const run = await ctx.api.finished(json.items[0].id);
    assert.equal(run.state, 'succeeded', JSON.stringify(run.error));
    assert.deepEqual([stepOf(run, 'analyze-1').attempts, run.trigger], [3, 'webhook']);
    const delivery = checkLead(hookPath);
    assert.deepEqual(
      [run.output.email, run.output.analysis, run.output.delivery],
      [input.email, 'Ada fits well.', delivery.id],
    );
    /* What the model was asked has the lead in it. */
    const asked = JSON.stringify(ctx.model.of(`lead-${ctx.db}`).at(-1).body.messages);
    for (const word of ['ada@example.com', 'We need machines', 'Analytical Engines'])
      assert.ok(asked.includes(word), word);
    /* A lead without an address starts nothing. */
    expectStatus(await ctx.api.as(null).post(new URL(w.webhook_url).pathname, { name: 'x' }), 422);
  });

  test('lead processing streams its progress to a caller of the API', async () => {
    const { definition, hookPath } = lead();
    ctx.model.script(`lead-${ctx.db}`, { pieces: ['Ada ', 'fits well.'] });
    const events = await (await ctx.api.stream(await ctx.api.workflow(definition), input)).all();
    assert.equal(events.at(-1).event, 'run.succeeded');
    const text = events
      .filter((e) => e.event === 'step.delta' && e.json.node === 'analyze-1')
      .map((e) => e.json.text)
      .join('');
    assert.equal(text, 'Ada fits well.');
    checkLead(hookPath);
  });

  test('lead processing in the terminal shows each step, its time and the output', async () => {
    const { vars, hookPath } = lead();
    ctx.model.script(`lead-${ctx.db}`, { pieces: ['Ada ', 'fits well.'] });
    const set = Object.entries(vars).flatMap(([k, v]) => ['--var', `${k}=${v}`]);
    const args = ['run', path.join(folder, 'lead-processing.json'), '--input', JSON.stringify(input), ...set];
    const env = { OPENAI_API_KEY: 'sk-test' };
    const plain = await heddle(args, { env });
    assert.equal(plain.code, 0, plain.stderr);
    assert.equal(JSON.parse(plain.stdout).analysis, 'Ada fits well.');
    for (const title of ['New lead', 'Look up the person', 'Analyse the lead', 'Tell the team', 'Result'])
      assert.match(plain.stderr, new RegExp(`${title} .*\\d ms|${title} .*\\d s`), title);
    checkLead(hookPath);
    assert.ok(!(plain.stdout + plain.stderr).includes(secret));

    const lines = await heddle([...args, '--json'], { env });
    assert.equal(lines.code, 0, lines.stderr);
    const events = lines.stdout
      .trimEnd()
      .split('\n')
      .map((l) => JSON.parse(l));
    assert.deepEqual([events[0].type, events.at(-1).type], ['run.started', 'run.succeeded']);

    ctx.model.script(`lead-${ctx.db}`, {
      status: 401,
      body: { error: { message: 'Incorrect API key provided' } },
    });
    const failed = await heddle(args, { env });
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /Analyse the lead/);
    assert.match(failed.stderr, /401.*API key/);
  });

  test('ask a model answers through the API and in the terminal', async () => {
    const definition = read('start-llm-end.json');
    for (const v of definition.variables) if (v.name === 'model') v.value = `ask-${ctx.db}`;
    ctx.model.script(`ask-${ctx.db}`, { text: 'Forty-two.' });
    const run = await ctx.api.once(definition, { query: 'What is the answer?' });
    assert.equal(run.output?.answer, 'Forty-two.', JSON.stringify(run.error));
    assert.equal(run.output.model, `ask-${ctx.db}`);
    assert.ok(run.output.usage.total_tokens > 0);
    const r = await heddle(
      [
        'run',
        path.join(folder, 'start-llm-end.json'),
        '--input',
        '{"query":"?"}',
        '--var',
        `model=ask-${ctx.db}`,
      ],
      { env: { OPENAI_API_KEY: 'k', OPENAI_BASE_URL: ctx.model.url } },
    );
    assert.equal(r.code, 0, r.stderr);
    assert.equal(JSON.parse(r.stdout).answer, 'Forty-two.');
  });

  test('route a ticket takes each of its ways, through the API and in the terminal', async () => {
    const id = await ctx.api.workflow(read('fan-out.json'));
    const cases = [
      [{ subject: 'Fire', priority: 9 }, 'on-call'],
      [{ subject: 'Hello', customer: { name: 'Ada', tier: 'gold' } }, 'on-call'],
      [{ subject: 'My invoice', text: 'is wrong' }, 'billing'],
      [{ subject: 'Hello' }, 'desk'],
    ];
    for (const [ticket, queue] of cases) {
      const run = await ctx.api.run(id, ticket);
      assert.equal(run.output?.queue, queue, JSON.stringify(run.error));
      const r = await heddle(['run', path.join(folder, 'fan-out.json'), '--input', JSON.stringify(ticket)]);
      assert.equal(r.code, 0, r.stderr);
      assert.equal(JSON.parse(r.stdout).queue, queue);
    }
    const refused = await heddle(['run', path.join(folder, 'fan-out.json'), '--input', '{}']);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /subject/);
  });

  test('a run in the terminal that is interrupted is cancelled, and its call closed', async () => {
    ctx.model.script(`hang-${ctx.db}`, { hang: true });
    const proc = new Proc(
      binary,
      [
        'run',
        path.join(folder, 'start-llm-end.json'),
        '--input',
        '{"query":"?"}',
        '--var',
        `model=hang-${ctx.db}`,
        '--var',
        `model_url=${ctx.model.url}`,
      ],
      { env: cleanEnv({ OPENAI_API_KEY: 'k' }) },
    );
    const entry = await until('the model is asked', () => ctx.model.of(`hang-${ctx.db}`)[0]);
    proc.child.kill('SIGINT');
    const { code } = await proc.ended;
    assert.equal(code, 4, proc.tail());
    await until('the far end sees it', () => entry.leftAt);
  });
});
