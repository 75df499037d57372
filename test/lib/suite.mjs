/* suite.mjs - the same tests on every database: a server and doubles of its own for each, logs when one fails. */
import { after, before, describe, it } from 'node:test';
import { Server } from './server.mjs';
import { stopShared } from './postgres.mjs';
import { slow } from './gate.mjs';
import { startHttpApi } from '../doubles/http_api.mjs';
import { startModelServer } from '../doubles/model_server.mjs';
import { startWebhookReceiver } from '../doubles/webhook_receiver.mjs';

export const databases = (process.env.HEDDLE_TEST_DB || 'sqlite,postgres').split(',');
export const testLimit = 120_000 * slow;

/* Describe @title once for each database. @body gets the context {db, server, api, web, model, hooks, test}; all but
 * db and test are there once tests run. @options.server: for Server.start, or false for none. */
export function onEachDatabase(title, body, options = {}) {
  for (const db of options.databases ?? databases) {
    describe(`${title} [${db}]`, () => {
      const ctx = { db };
      before(
        async () => {
          [ctx.web, ctx.model, ctx.hooks] = await Promise.all([
            startHttpApi(),
            startModelServer(),
            startWebhookReceiver(),
          ]);
          if (options.server === false) return;
          ctx.server = await Server.start({
            db,
            ...options.server,
            env: {
              OPENAI_BASE_URL: ctx.model.url,
              OPENAI_API_KEY: 'sk-test-0123456789abcdef',
              ...options.server?.env,
            },
          });
        },
        { timeout: testLimit },
      );
      after(
        async () => {
          await ctx.server?.drop();
          await Promise.all([ctx.web?.stop(), ctx.model?.stop(), ctx.hooks?.stop()]);
        },
        { timeout: testLimit },
      );
      Object.defineProperty(ctx, 'api', { get: () => ctx.server.api });
      ctx.test = testWith(() => ctx.server);
      body(ctx);
    });
  }
  after(stopShared);
}

/* Like it(), but a failure shows what the server said. */
export function testWith(serverOf) {
  return (name, ...rest) => {
    const fn = rest.pop();
    const options = { timeout: testLimit, ...rest[0] };
    it(name, options, async (t) => {
      const from = serverOf()?.proc?.stderr.length ?? 0;
      try {
        await fn(t);
      } catch (error) {
        const proc = serverOf()?.proc;
        if (proc) {
          const text = (proc.stderr.length >= from ? proc.stderr.slice(from) : proc.stderr).trimEnd();
          console.error(
            `--- the server's log during "${name}"${proc.isEnded ? ` (it ended: ${proc.code ?? proc.signal})` : ''}\n${text.split('\n').slice(-80).join('\n')}\n---`,
          );
        }
        throw error;
      }
    });
  };
}
