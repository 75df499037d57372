/* How many tokens something is: by the vocabulary where there is one, else about so many; it says which. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { Tiktoken } from 'js-tiktoken/lite';
import cl100k from 'js-tiktoken/ranks/cl100k_base';
import o200k from 'js-tiktoken/ranks/o200k_base';
import { expectStatus } from '../lib/api.mjs';
import { Server, heddle } from '../lib/server.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { removeDir, tempDir } from '../lib/tmp.mjs';
import { writeVocabularies } from '../../tools/vocabularies.mjs';
import { startAnthropicServer } from '../doubles/anthropic_server.mjs';

const folder = tempDir('vocabularies');
await writeVocabularies(new URL('../node_modules/js-tiktoken', import.meta.url).pathname, folder);
const anthropic = await startAnthropicServer();
after(() => {
  removeDir(folder);
  return anthropic.stop();
});
const encoders = { o200k_base: new Tiktoken(o200k), cl100k_base: new Tiktoken(cl100k) };

/* Texts of many kinds, with their odd places. */
const texts = [
  '',
  ' ',
  "I'm sure they'LL say it's fine; WE'VE SEEN IT.\r\n\r\n  Twice.\n",
  'Grüße aus Köln \u{1f9f6}\u{1f469}\u{200d}\u{1f469}\u{200d}\u{1f467} — naïve café, ½ €, ﷽',
  '日本語のテキスト、中文文本。한국어 텍스트입니다. Это русский текст. هذا نص عربي. ไทย हिन्दी',
  'function f(a) {\n\tif (a >= 1000000) return a.toFixed(2); // 3.14159\n}\n\n\n',
  '1234567890 12 345 0x7fff 2026-11-20T15:04:05Z',
  '   leading,   inner and trailing   ',
  '<|endoftext|> is text when a user writes it',
  'HTTPServerError XMLParser iPhone McDonald ÉCOLE Ǆ',
  'a'.repeat(300),
  'ab '.repeat(2000),
  '\u0301\u0301e\u0301 \u200b\ufeff\u00a0\u3000x',
  fs.readFileSync(new URL(import.meta.url), 'utf8'),
];

const wanted = Object.fromEntries(
  Object.entries(encoders).map(([name, e]) => [name, texts.map((text) => e.encode(text, [], []).length)]),
);

onEachDatabase(
  'tokens',
  (ctx) => {
    const { test } = ctx;
    const count = async (body) => {
      const answer = await ctx.api.post('/api/tokens', body);
      expectStatus(answer, 200);
      return answer.json;
    };

    test('texts are counted as tiktoken counts them', async () => {
      for (const [model, encoding] of [
        ['openai/gpt-4o-mini', 'o200k_base'],
        ['openai/gpt-4', 'cl100k_base'],
      ])
        for (const [i, text] of texts.entries()) {
          const got = await count({ model, text });
          const want = wanted[encoding][i];
          assert.deepEqual(
            [got.tokens, got.exact, got.method],
            [want, true, encoding],
            JSON.stringify(text).slice(0, 80),
          );
        }
    });

    test('a chat is counted with what stands around its texts, and says where that is a guess', async () => {
      const messages = [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'How are you?' },
      ];
      const inner = messages.reduce((n, m) => n + encoders.o200k_base.encode(m.content).length, 0);
      const chat = await count({ model: 'openai/gpt-4o', messages });
      assert.deepEqual([chat.tokens, chat.exact, chat.model], [inner + 2 * 4 + 3, true, 'gpt-4o']);
      const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }];
      const called = await count({ model: 'openai/gpt-4o', messages, tools });
      assert.equal(called.exact, false);
      assert.ok(called.tokens > chat.tokens);
      const other = await count({ model: 'anthropic/claude-sonnet-5', messages });
      assert.deepEqual([other.exact, other.method], [false, 'estimate']);
      assert.ok(other.tokens > 10 && other.tokens < 40, other.tokens);
    });

    test('clients of Anthropic are told the count for the model that answers', async () => {
      const client = new Anthropic({ baseURL: ctx.server.url, apiKey: ctx.server.key, maxRetries: 0 });
      const { data, response } = await client.messages
        .countTokens({ model: 'openai/gpt-4o', messages: [{ role: 'user', content: 'How are you?' }] })
        .withResponse();
      assert.equal(data.input_tokens, encoders.o200k_base.encode('How are you?').length + 4 + 3);
      assert.equal(response.headers.get('x-heddle-tokens-by'), 'o200k_base');
      assert.equal(response.headers.get('x-heddle-estimated'), null);
    });

    test('the window of a model comes from the prices', async () => {
      const price = { input: 1, output: 2, max_input: 4000, max_output: 500 };
      expectStatus(await ctx.api.put('/api/prices', { provider: 'openai', model: 'gpt-4o', price }), 204);
      const got = await count({ model: 'openai/gpt-4o', text: 'x' });
      assert.deepEqual([got.context_window, got.max_output, got.provider], [4000, 500, 'openai']);
      const none = await count({ model: 'openai/gpt-4', text: 'x' });
      assert.deepEqual([none.context_window, none.max_output], [null, null]);
      const list = JSON.stringify({
        'gpt-4.1': {
          litellm_provider: 'openai',
          input_cost_per_token: 1e-6,
          output_cost_per_token: 2e-6,
          max_input_tokens: 1047576,
          max_output_tokens: 32768,
          mode: 'chat',
        },
      });
      const imported = await ctx.api.call('POST', '/api/prices/import', {
        text: list,
        headers: { 'content-type': 'application/json' },
      });
      expectStatus(imported, 200);
      assert.equal((await count({ model: 'openai/gpt-4.1', text: 'x' })).context_window, 1047576);
    });

    test('bad questions are refused', async () => {
      expectStatus(await ctx.api.post('/api/tokens', {}), 422);
      expectStatus(await ctx.api.post('/api/tokens', { model: 'nobody/x', text: 'a' }), 404);
      expectStatus(await ctx.api.post('/api/tokens', { model: 'openai/x', text: 'a', messages: [] }), 422);
    });

    test('a vocabulary that cannot be read is told at the start', async () => {
      const bad = tempDir('bad');
      try {
        fs.writeFileSync(path.join(bad, 'o200k_base.tiktoken'), 'IQ== 0\nno line\n');
        const server = await Server.make({ db: ctx.db, env: { HEDDLE_MODELS_VOCABULARIES: bad } });
        const first = await heddle(['serve', '--data', server.data], {
          env: { ...server.env },
          cwd: server.dir,
        });
        assert.notEqual(first.code, 0);
        assert.match(first.stderr, /o200k_base\.tiktoken.*Line 2/s);
        fs.renameSync(path.join(bad, 'o200k_base.tiktoken'), path.join(bad, 'other.tiktoken'));
        const second = await heddle(['serve', '--data', server.data], {
          env: { ...server.env },
          cwd: server.dir,
        });
        assert.match(second.stderr, /other\.tiktoken is of no kind that is known/);
        await server.drop();
      } finally {
        removeDir(bad);
      }
    });
  },
  {
    server: {
      env: {
        HEDDLE_MODELS_VOCABULARIES: folder,
        ANTHROPIC_API_KEY: anthropic.apiKey,
        ANTHROPIC_BASE_URL: anthropic.origin,
      },
    },
  },
);
