/* The webhook node: signed so that others can check it, retried under one id, given up when it must be. */
import assert from 'node:assert/strict';
import { stepOf } from '../lib/api.mjs';
import { freePort } from '../lib/postgres.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { chain, noRetry, quickRetry, webhook } from '../lib/flow.mjs';

onEachDatabase('webhook', (ctx) => {
  const { test } = ctx;
  const send = (url, payload, more = {}, input = {}) =>
    ctx.api.once(chain('Sends', { w: webhook(url, payload, more) }), input);

  test('deliveries are signed as Standard Webhooks says, with either kind of secret', async () => {
    for (const [path, secret] of [
      ['/whsec', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
      ['/plain', 'any text at all'],
    ]) {
      const url = ctx.hooks.secret(path, secret);
      const run = await send(
        url,
        { text: 'New lead: {{ input.name }}', n: '{{ input.n }}' },
        { secret, headers: { 'X-Kind': 'lead' } },
        { name: 'Ada \u00e9 \u{1f9f6}', n: 3 },
      );
      assert.equal(run.state, 'succeeded', JSON.stringify(run.error));
      const [delivery] = ctx.hooks.at(path);
      assert.equal(delivery.signature, 'good');
      assert.deepEqual(
        [delivery.method, delivery.body, delivery.headers['x-kind']],
        ['POST', { text: 'New lead: Ada \u00e9 \u{1f9f6}', n: 3 }, 'lead'],
      );
      assert.match(delivery.headers['content-type'], /^application\/json/);
      assert.deepEqual(
        [run.output.status, run.output.id, run.output.body],
        [200, delivery.id, { received: delivery.id }],
      );
    }
  });

  test('without a secret there is no signature', async () => {
    await send(ctx.hooks.url('/unsigned'), {});
    assert.equal(ctx.hooks.at('/unsigned')[0].headers['webhook-signature'], undefined);
  });

  test('other methods work', async () => {
    for (const method of ['PUT', 'PATCH']) await send(ctx.hooks.url(`/m-${method}`), { a: 1 }, { method });
    assert.deepEqual(
      [ctx.hooks.at('/m-PUT')[0].method, ctx.hooks.at('/m-PATCH')[0].method],
      ['PUT', 'PATCH'],
    );
  });

  test('every attempt has the same id and a good signature of its own time', async () => {
    ctx.hooks.secret('/flaky', 'shh');
    const url = ctx.hooks.plan(
      '/flaky',
      500,
      503,
      { status: 429, headers: { 'retry-after': '1' } },
      { cut: true },
      200,
    );
    const run = await send(url, { a: 1 }, { secret: 'shh', retry: quickRetry(9) });
    assert.equal(run.state, 'succeeded', JSON.stringify(run.error));
    const all = ctx.hooks.at('/flaky');
    assert.equal(all.length, 5);
    assert.equal(new Set(all.map((d) => d.id)).size, 1);
    assert.ok(all.every((d) => d.signature === 'good'));
    assert.ok(all[3].at - all[2].at >= 990, 'Retry-After was honoured');
    assert.equal(stepOf(run, 'w').attempts, 5);
    const other = await send(ctx.hooks.url('/flaky'), { a: 1 }, { secret: 'shh' });
    assert.notEqual(other.output.id, all[0].id);
  });

  test('retries are on by default', async () => {
    const url = ctx.hooks.plan('/default', 500, 200);
    const run = await send(url, {});
    assert.deepEqual([run.state, stepOf(run, 'w').attempts], ['succeeded', 2]);
  });

  test('a receiver that says no is not asked again', async () => {
    for (const status of [400, 401, 404, 410]) {
      const path = `/no-${status}`;
      const run = await send(ctx.hooks.plan(path, status), {}, { retry: quickRetry(5) });
      assert.equal(run.state, 'failed');
      assert.match(run.error.message, new RegExp(String(status)));
      assert.equal(ctx.hooks.at(path).length, 1, `${status}`);
    }
  });

  test('a receiver that never answers, or is not there, is given up after all attempts', async () => {
    const hang = await send(
      ctx.hooks.plan('/hang', { hang: true }),
      {},
      { timeout: '300ms', retry: quickRetry(2) },
    );
    assert.deepEqual([hang.state, hang.error.code, ctx.hooks.at('/hang').length], ['failed', 'timeout', 2]);
    const nobody = await send(`http://127.0.0.1:${await freePort()}/`, {}, { retry: quickRetry(3) });
    assert.deepEqual(
      [nobody.state, nobody.error.code, stepOf(nobody, 'w').attempts],
      ['failed', 'connect', 3],
    );
  });

  test('the secret is told to nobody', async () => {
    const secret = 'whsec_' + Buffer.from('a very secret secret of webhooks').toString('base64');
    const run = await send(ctx.hooks.plan('/told', 400), {}, { secret, retry: noRetry });
    const events = await (await ctx.api.events(run.id)).all();
    assert.ok(!JSON.stringify([run, events]).includes(secret));
    assert.ok(!ctx.server.proc.stderr.includes(secret));
  });
});
