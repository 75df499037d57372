/* What operators see: health, metrics that Prometheus accepts, the API's own description, logs. */
import assert from 'node:assert/strict';
import { expectStatus } from '../lib/api.mjs';
import { run } from '../lib/proc.mjs';
import { until } from '../lib/gate.mjs';
import { heddle } from '../lib/server.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { call, chain, llm, noRetry, output, set } from '../lib/flow.mjs';

onEachDatabase('operations', (ctx) => {
  const { test } = ctx;

  test('health and readiness say how it stands', async () => {
    assert.equal(expectStatus(await ctx.api.get('/healthz'), 200).json.status, 'ok');
    assert.equal(expectStatus(await ctx.api.get('/readyz'), 200).json.status, 'ready');
  });

  test('metrics pass promtool and count what happened', async () => {
    const read = async () => {
      const { text } = expectStatus(await ctx.api.get('/metrics'), 200);
      const values = new Map();
      for (const line of text.split('\n'))
        if (line && !line.startsWith('#'))
          values.set(line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1)));
      return {
        text,
        of: (start) =>
          [...values].filter(([name]) => name.startsWith(start)).reduce((sum, [, v]) => sum + v, 0),
        values,
      };
    };
    const before = await read();
    await ctx.api.once(
      chain('M', { a: set({ x: 1 }), m: llm('metrics', 'hi'), w: call(`${ctx.web.origin}/echo`) }),
      {},
    );
    await ctx.api.once(
      chain('M', { a: call(`${ctx.web.origin}/status/500`, { retry: noRetry }), out: output(1) }),
      {},
    );
    const now = await read();
    const checked = await run('promtool', ['check', 'metrics'], { stdin: now.text });
    assert.equal(checked.code, 0, `${checked.stdout}${checked.stderr}`);
    assert.equal(checked.stderr.trim(), '', 'promtool has something to say');
    assert.equal(
      now.of('heddle_runs_total{state="succeeded"}') - before.of('heddle_runs_total{state="succeeded"}'),
      1,
    );
    assert.equal(
      now.of('heddle_runs_total{state="failed"}') - before.of('heddle_runs_total{state="failed"}'),
      1,
    );
    assert.ok(now.of('heddle_http_requests_total') - before.of('heddle_http_requests_total') >= 5);
    /* Loops and fibers are looked at from time to time. */
    for (const family of [
      'heddle_http',
      'heddle_steps_total',
      'heddle_run_duration_seconds_bucket',
      'heddle_step_duration_seconds_bucket',
      'heddle_fiber',
      'heddle_loop',
      'heddle_store',
      'process_resident_memory_bytes',
    ])
      await until(
        `a metric that begins with ${family}`,
        async () => [...(await read()).values.keys()].some((k) => k.startsWith(family)),
        { every: 200 },
      );
    for (const [name, value] of now.values) assert.ok(!Number.isNaN(value), name);
  });

  test('paths do not become labels without bound', async () => {
    for (let i = 0; i < 50; i++)
      await ctx.api.get(`/api/workflows/00000000-0000-7000-8000-${String(i).padStart(12, '0')}`);
    const { text } = await ctx.api.get('/metrics');
    assert.ok(!text.includes('00000000-0000-7000-8000'));
  });

  test('the document that is served is the one that is printed', async () => {
    const served = expectStatus(await ctx.api.get('/api/openapi.json'), 200);
    const printed = await heddle(['openapi']);
    assert.equal(printed.code, 0, printed.stderr);
    assert.deepEqual(JSON.parse(printed.stdout), served.json);
    const doc = served.json;
    assert.match(doc.openapi, /^3\.1\./);
    for (const [path, method] of [
      ['/api/workflows', 'get'],
      ['/api/workflows', 'post'],
      ['/api/workflows/{id}', 'get'],
      ['/api/workflows/{id}', 'put'],
      ['/api/workflows/{id}', 'delete'],
      ['/api/workflows/{id}/publish', 'post'],
      ['/api/workflows/{id}/versions', 'get'],
      ['/api/workflows/{id}/versions/{version}', 'get'],
      ['/api/workflows/{id}/versions/{version}/publish', 'post'],
      ['/api/workflows/validate', 'post'],
      ['/api/node-types', 'get'],
      ['/api/workflows/{id}/execute', 'post'],
      ['/api/runs', 'get'],
      ['/api/runs/{id}', 'get'],
      ['/api/runs/{id}/events', 'get'],
      ['/api/runs/{id}/cancel', 'post'],
      ['/api/me', 'get'],
      ['/api/signout', 'post'],
      ['/healthz', 'get'],
      ['/readyz', 'get'],
      ['/metrics', 'get'],
    ])
      assert.ok(doc.paths[path]?.[method], `${method} ${path} is not in the document`);
    for (const [path, item] of Object.entries(doc.paths))
      for (const [method, op] of Object.entries(item)) {
        if (method === 'parameters') continue;
        assert.ok(op.operationId && op.summary, `${method} ${path} has no name or summary`);
        for (const name of path.matchAll(/\{(\w+)\}/g))
          assert.ok(
            [...(item.parameters ?? []), ...(op.parameters ?? [])].some(
              (p) => p.name === name[1] && p.in === 'path',
            ),
            `${path}: parameter ${name[1]}`,
          );
      }
    for (const [, ref] of JSON.stringify(doc).matchAll(/"\$ref":"#\/([^"]+)"/g))
      assert.ok(
        ref.split('/').reduce((o, k) => o?.[k], doc),
        `#/${ref} leads nowhere`,
      );
  });

  test('a failed request can be found in the log by its id', async () => {
    const r = await ctx.api.get('/api/workflows/x', { headers: { 'x-request-id': `find-me-${ctx.db}` } });
    assert.equal(r.json.request_id, `find-me-${ctx.db}`);
  });
});
