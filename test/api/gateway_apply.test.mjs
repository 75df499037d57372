/* A file says which providers, routes, prices, keys and limits there are to be: by command, and at the start. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after } from 'node:test';
import OpenAI from 'openai';
import { expectStatus } from '../lib/api.mjs';
import { until } from '../lib/gate.mjs';
import { Server, heddle } from '../lib/server.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { removeDir, tempDir } from '../lib/tmp.mjs';

const folder = tempDir('apply');
after(() => removeDir(folder));

onEachDatabase('a file that is applied', (ctx) => {
  const { test } = ctx;
  let n = 0;
  function write(text, name = `f${++n}.yaml`) {
    const file = path.join(folder, `${ctx.db}-${name}`);
    fs.writeFileSync(file, text);
    return file;
  }
  const apply = (file, args = [], env = {}, options = {}) =>
    heddle(['apply', file, '--data', ctx.server.data, ...args], {
      env: { ...ctx.server.env, SHELF_KEY: 'sk-shelf-0123456789', ...env },
      cwd: ctx.server.dir,
      ...options,
    });
  const whole = () => `
# What the shelf has.
providers:
  - name: shelf
    kind: openai-compatible
    base_url: \${SHELF_URL}
    credential: \${SHELF_KEY}
    private_network: true
  - kind: demo
routes:
  - name: tour
    targets:
      - {provider: shelf, model: m1, weight: 3}
      - {provider: demo, model: demo}
    balance: weighted
    timeout: 20s
    context: trim
prices:
  - {provider: shelf, model: m1, price: {input: 150000, output: 600000, max_input: 8000}}
keys:
  - name: tourist
    capabilities: [model.call]
    limits: {requests: {minute: 60}}
    models: [tour]
limits:
  limits: {cost_micros: {day: 5000000}}
`;
  const env = () => ({ SHELF_URL: ctx.model.url });

  test('it is made, and applied again nothing is done', async () => {
    const file = write(whole());
    const dry = await apply(file, ['--dry-run'], env());
    assert.equal(dry.code, 0, dry.stderr);
    assert.deepEqual(dry.stdout.trim().split('\n'), [
      '+ provider shelf',
      '+ provider demo',
      '+ route tour',
      '+ price shelf/m1',
      '+ key tourist',
      '~ limits of all: limits',
      '5 would be made, 1 would be changed, 0 as they are to be',
    ]);
    assert.ok(!(await ctx.api.get('/api/providers')).json.items.some((p) => p.name === 'shelf'));

    const first = await apply(file, [], env());
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stdout, /5 made, 1 changed, 0 as they are to be/);
    const [, key] = first.stdout.match(/\+ key tourist\n {2}(hdl_\S+)\n/);
    const second = await apply(file, [], env());
    assert.equal(second.stdout, '0 made, 0 changed, 6 as they are to be\n');

    /* The running server sees it, and it works. */
    await until('the route is there', async () =>
      (await ctx.api.get('/api/routes')).json.items.some((r) => r.name === 'tour'),
    );
    const client = new OpenAI({ baseURL: `${ctx.server.url}/v1`, apiKey: key, maxRetries: 0 });
    const messages = [{ role: 'user', content: 'hi' }];
    ctx.model.apiKey = 'sk-shelf-0123456789';
    try {
      const { data } = await client.chat.completions.create({ model: 'tour', messages }).withResponse();
      assert.match(data.choices[0].message.content, /hi/);
      await assert.rejects(
        client.chat.completions.create({ model: 'shelf/m1', messages }),
        OpenAI.PermissionDeniedError,
      );
    } finally {
      ctx.model.apiKey = null;
    }
    const limits = expectStatus(await ctx.api.get('/api/limits'), 200).json;
    assert.deepEqual(limits.limits, { cost_micros: { day: 5000000 } });
  });

  test('what is changed in it is changed, by name, and what it does not name stays', async () => {
    const changed = whole()
      .replace('timeout: 20s', 'timeout: 30s')
      .replace('weight: 3', 'weight: 2')
      .replace('input: 150000', 'input: 160000')
      .replace('minute: 60', 'minute: 90')
      .replace(/ {2}- kind: demo\n/, '');
    const file = write(changed);
    const { code, stdout, stderr } = await apply(file, [], { ...env(), SHELF_KEY: 'sk-shelf-other-key' });
    assert.equal(code, 0, stderr);
    assert.deepEqual(stdout.trim().split('\n'), [
      '~ provider shelf: credential',
      '~ route tour: targets, timeout',
      '~ price shelf/m1: price',
      '~ key tourist: limits',
      '0 made, 4 changed, 1 as they are to be',
    ]);
    await until('the server has seen it', async () => {
      const { items } = (await ctx.api.get('/api/routes')).json;
      return items.find((r) => r.name === 'tour').timeout === '30s';
    });
    assert.ok((await ctx.api.get('/api/providers')).json.items.some((p) => p.name === 'demo'));
  });

  test('JSON is taken as well, from standard input and from files, and secrets by files', async () => {
    const secret = write('sk-from-a-file\n', 'secret');
    const body = JSON.stringify({
      providers: [
        {
          name: 'json',
          kind: 'openai-compatible',
          base_url: ctx.model.url,
          private_network: true,
          credential: { file: secret },
        },
      ],
    });
    const { code, stdout, stderr } = await apply('-', [], {}, { stdin: body });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /\+ provider json\n1 made/);
    assert.match((await apply(write(body, 'x.json'))).stdout, /0 made, 0 changed, 1 as/);
  });

  test('what is wrong is told with its place, and nothing of the file is done', async () => {
    const shelf = 'providers:\n  - {name: never, kind: demo}\n';
    for (const [text, reason] of [
      ['providers: [', /Line \d+/],
      ['providers: {}\n', /"providers" must be a list/],
      ['provider: []\n', /There is no "provider"/],
      ['a: &x 1\nb: *x\n', /Line 1: anchors/],
      ['routes: []\nroutes: []\n', /Line 2: this name stands here twice/],
      [
        `${shelf}routes:\n  - {name: r, targets: [{provider: nobody, model: m}]}\n`,
        /routes, entry 1: .*"nobody"/,
      ],
      [
        `${shelf}routes:\n  - {name: r, targets: [{provider: never, model: m}], balanced: x}\n`,
        /no "balanced"/,
      ],
      [
        `${shelf}routes:\n  - {name: r, targets: [{provider: never, model: m}], balance: x}\n`,
        /balance must be/,
      ],
      ['providers:\n  - {kind: mistral, credential: sk-in-the-file}\n', /never in the file itself/],
      ['providers:\n  - {kind: mistral, credential: "${NOT_SET_ANYWHERE}"}\n', /NOT_SET_ANYWHERE/],
      ['providers:\n  - {kind: mistral, credential: {file: /nonexistent/key}}\n', /nonexistent/],
      ['providers:\n  - {kind: mistrall}\n', /no kind "mistrall"/],
      ['providers:\n  - {kind: demo, enabled: "yes"}\n', /"enabled" must be true or false/],
      [`${shelf}prices:\n  - {provider: p, model: m, price: {input: 1}}\n`, /prices, entry 1: .*"output"/],
      [`${shelf}keys:\n  - {name: k}\n`, /capabilities/],
      [`${shelf}limits: {limits: {requests: {minute: -1}}}\n`, /limits: /],
      [`${shelf}---\nproviders: []\n`, /second document/],
    ]) {
      const { code, stdout, stderr } = await apply(write(text));
      assert.notEqual(code, 0, text);
      assert.match(stderr, reason);
      assert.equal(stdout, '', text);
    }
    assert.ok(!(await ctx.api.get('/api/providers')).json.items.some((p) => p.name === 'never'));
    assert.notEqual((await apply(path.join(folder, 'none.yaml'))).code, 0);
  });

  test('a key that cannot have its limits is not made', async () => {
    const before = expectStatus(await ctx.api.get('/api/keys'), 200).json.items.length;
    const models = Array.from({ length: 200 }, (_, i) => `'m${i}-${'"'.repeat(200)}'`);
    for (const [entry, reason] of [
      [
        '{name: loose, capabilities: [model.call], endpoints: [nope], limits: {requests: {day: 1}}}',
        /"nope"/,
      ],
      ['{name: loose, capabilities: [model.cal], limits: {requests: {day: 1}}}', /no capability "model.cal"/],
      [`{name: loose, capabilities: [model.call], models: [${models}]}`, /bytes of JSON/],
      [`{name: ${'l'.repeat(300)}, capabilities: [model.call]}`, /name of 1 to/],
    ]) {
      const file = write(`providers:\n  - {name: before, kind: demo}\nkeys:\n  - ${entry}\n`);
      for (const args of [['--dry-run'], []]) {
        const { code, stdout, stderr } = await apply(file, args);
        assert.notEqual(code, 0, entry);
        assert.match(stderr, reason);
        assert.equal(stdout, '');
      }
    }
    assert.equal(expectStatus(await ctx.api.get('/api/keys'), 200).json.items.length, before);
    const file = write('limits: {endpoints: [nope]}\n');
    assert.match((await apply(file, ['--dry-run'])).stderr, /"nope"/);
  });

  test('what an entry leaves out stays, and null takes it away', async () => {
    const provider = (more) =>
      write(
        `providers:\n  - {name: kept, kind: openai-compatible, base_url: "${ctx.model.url}", private_network: true${more}}\n`,
      );
    const run = async (file) => {
      const { code, stdout, stderr } = await apply(file);
      assert.equal(code, 0, stderr);
      return stdout.trim().split('\n');
    };
    const has = async () =>
      (await ctx.api.get('/api/providers')).json.items.find((p) => p.name === 'kept')?.has_credential;
    await run(provider(', credential: "${SHELF_KEY}"'));
    await until('it has a credential', has);
    assert.deepEqual(await run(provider('')), ['0 made, 0 changed, 1 as they are to be']);
    assert.match((await run(provider(', timeout: 7s')))[0], /kept: timeout$/);
    await until('it is changed', async () =>
      (await ctx.api.get('/api/providers')).json.items.some((p) => p.name === 'kept' && p.timeout === '7s'),
    );
    assert.equal(await has(), true);
    const moved = provider('');
    fs.writeFileSync(moved, fs.readFileSync(moved, 'utf8').replace(ctx.model.url, 'http://127.0.0.1:1/v1'));
    assert.match((await apply(moved, ['--dry-run'])).stderr, /names another server/);
    assert.match((await run(provider(', credential: null')))[0], /timeout, credential \(taken away\)$/);
    await until('it has none', async () => (await has()) === false);

    const key = (more) => write(`keys:\n  - {name: kept, capabilities: [run.read, model.call]${more}}\n`);
    await run(key(', limits: {requests: {day: 5}}, models: [tour]'));
    const { id } = (await ctx.api.get('/api/keys')).json.items.find((k) => k.name === 'kept');
    const policy = async () => expectStatus(await ctx.api.get(`/api/keys/${id}/limits`), 200).json;
    assert.deepEqual(await run(key('')), ['0 made, 0 changed, 1 as they are to be']);
    assert.equal((await run(key(', models: [other]')))[0], '~ key kept: models');
    assert.deepEqual((await policy()).limits, { requests: { day: 5 } });
    assert.equal((await run(key(', limits: null')))[0], '~ key kept: limits');
    const now = await policy();
    assert.deepEqual([now.limits, now.models], [{}, ['other']]);
  });

  test('a server applies its file at the start, and does not start with a wrong one', async () => {
    const file = write(
      'providers:\n  - {kind: demo, name: stage}\nroutes:\n  - {name: play, targets: [{provider: stage, model: demo}]}\n',
    );
    const server = await Server.start({ db: ctx.db, env: { HEDDLE_MODELS_FILE: file } });
    try {
      const ask = () =>
        server.api.post('/v1/chat/completions', {
          model: 'play',
          messages: [{ role: 'user', content: 'x' }],
        });
      expectStatus(await ask(), 200);
      await server.restart();
      expectStatus(await ask(), 200);
    } finally {
      await server.drop();
    }
    const bad = await Server.make({ db: ctx.db, env: { HEDDLE_MODELS_FILE: write('nonsense: 1\n') } });
    try {
      const { code, stderr } = await heddle(['serve', '--data', bad.data], { env: bad.env, cwd: bad.dir });
      assert.notEqual(code, 0);
      assert.match(stderr, /There is no "nonsense"/);
    } finally {
      await bad.drop();
    }
  });
});
