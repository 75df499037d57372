/* Sound, images, ranking and moderation through the gateway: forms with files, answers that are no JSON. */
import assert from 'node:assert/strict';
import { after } from 'node:test';
import OpenAI, { AzureOpenAI, toFile } from 'openai';
import { expectStatus } from '../lib/api.mjs';
import { Gate, until } from '../lib/gate.mjs';
import { Server } from '../lib/server.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { soundOf, startMediaServer } from '../doubles/media_server.mjs';

const media = await startMediaServer();
after(() => media.stop());
media.script('dall-e-nine', {});
const wav = (n = 100_000) => toFile(soundOf(n), 'a "b".wav', { type: 'audio/wav' });

onEachDatabase(
  'gateway and media',
  (ctx) => {
    const { test } = ctx;
    let n = 0;
    const client = (more = {}) =>
      new OpenAI({ baseURL: `${ctx.server.url}/v1`, apiKey: ctx.server.key, maxRetries: 0, ...more });
    function named(kind, ...behaviours) {
      const name = `${kind}-${++n}-${ctx.db}`;
      media.script(name, ...behaviours);
      return name;
    }
    const model = (...behaviours) => {
      const name = named('m', ...behaviours);
      return { name, full: `openai/${name}` };
    };
    const raw = (path, body, headers = {}) =>
      fetch(ctx.server.url + path, {
        method: 'POST',
        headers: { authorization: `Bearer ${ctx.server.key}`, ...headers },
        body,
      });
    const usage = (name, calls = 1) =>
      until(`${calls} calls of ${name} are recorded`, async () => {
        const { items } = expectStatus(await ctx.api.get('/api/usage?group=model'), 200).json;
        const row = items.find((r) => r.group === name);
        return row?.calls >= calls && row;
      });
    const price = async (name, value) =>
      expectStatus(await ctx.api.put('/api/prices', { provider: 'openai', model: name, price: value }), 204);
    async function route(...targets) {
      const name = `r-${++n}`;
      const made = await ctx.api.post('/api/routes', {
        name,
        attempts: 3,
        targets: targets.map((target) => ({ provider: 'openai', model: target })),
      });
      expectStatus(made, 201);
      return name;
    }

    test('a file is transcribed: the form arrives whole, with the name changed alone', async () => {
      const { name, full } = model({});
      const answer = await client().audio.transcriptions.create({
        file: await wav(),
        model: full,
        language: 'de',
        timestamp_granularities: ['word', 'segment'],
      });
      assert.equal(answer.text, 'heard 100000 bytes');
      const [call] = media.of(name);
      assert.equal(call.path, '/v1/audio/transcriptions');
      assert.equal(call.form.get('language'), 'de');
      assert.deepEqual(call.form.getAll('timestamp_granularities[]'), ['word', 'segment']);
      assert.ok(Buffer.from(await call.form.get('file').arrayBuffer()).equals(soundOf(100_000)));
      assert.equal(call.form.get('file').name, 'a "b".wav');
    });

    test('also translations, text, and events as they come', async () => {
      const plain = model({ text: '1\n00:00:00,000 --> 00:00:01,000\nhello\n' });
      const text = await client().audio.translations.create({
        file: await wav(10),
        model: plain.full,
        response_format: 'srt',
      });
      assert.match(text, /-->/);
      const events = [
        { type: 'transcript.text.delta', delta: 'hel' },
        { type: 'transcript.text.delta', delta: 'lo' },
        { type: 'transcript.text.done', text: 'hello', usage: { input_tokens: 14, output_tokens: 4 } },
      ];
      const whole = model({ events });
      const heard = [];
      const stream = await client().audio.transcriptions.create({
        file: await wav(10),
        model: whole.full,
        stream: true,
      });
      for await (const event of stream) heard.push(event);
      assert.deepEqual(heard, events);
      const row = await usage(whole.full);
      assert.deepEqual([row.prompt_tokens, row.completion_tokens, row.estimated_calls], [14, 4, 0]);

      const cut = model({ events: events.slice(0, 2), no_end: true });
      const half = await client().audio.transcriptions.create({
        file: await wav(10),
        model: cut.full,
        stream: true,
      });
      await assert.rejects(async () => {
        for await (const event of half) assert.ok(event);
      }, /stopped in the middle/);
    });

    test('speech comes as it is made, with its length and type', async () => {
      const gate = new Gate();
      const size = 300_000;
      const { full } = model({ bytes: size, length: true, type: 'audio/wav', gate: { after: 65536, gate } });
      const answer = await client().audio.speech.create({ model: full, voice: 'alloy', input: 'Hello.' });
      assert.equal(answer.headers.get('content-type'), 'audio/wav');
      assert.equal(answer.headers.get('content-length'), `${size}`);
      const pieces = [];
      for await (const piece of answer.body) {
        pieces.push(piece); /* the first ones are here before the last ones are made */
        gate.open();
      }
      assert.ok(Buffer.concat(pieces).equals(soundOf(size)));
    });

    test('sound that is cut is no whole answer; a page is none at all', async () => {
      const cut = model({ bytes: 200_000, cut_after: 65536 });
      const answer = await client().audio.speech.create({ model: cut.full, voice: 'alloy', input: 'x' });
      await assert.rejects(answer.arrayBuffer());
      const page = model({ html: true });
      await assert.rejects(
        client().audio.speech.create({ model: page.full, voice: 'alloy', input: 'x' }),
        (e) => e.status === 502 && /usable/.test(e.message),
      );
    });

    test('a client that leaves ends the speech; one that does not read holds it up', async () => {
      const { name, full } = model({ bytes: 1 << 30 });
      const left = new AbortController();
      const answer = await client().audio.speech.create(
        { model: full, voice: 'alloy', input: 'long' },
        { signal: left.signal },
      );
      const call = await media.reached(1, (r) => r.model === name);
      let before = -1;
      await until(
        'the provider is held up',
        () => {
          const same = call.sent === before;
          before = call.sent;
          return same && before > 0;
        },
        { every: 300 },
      );
      assert.ok(before < 256 << 20, `${before} bytes came`);
      left.abort();
      await until('the provider was left', () => call.leftAt);
      assert.ok(answer);
    });

    test('images: made, changed, varied, and streamed', async () => {
      const { name, full } = model({});
      const made = await client().images.generate({ model: full, prompt: 'a loom', n: 2 });
      assert.equal(made.data.length, 2);
      const png = () => toFile(Buffer.from([0x89, 0x50, 0x4e, 0x47]), 'a.png', { type: 'image/png' });
      const changed = await client().images.edit({
        model: full,
        image: [await png(), await png()],
        prompt: 'x',
      });
      const varied = await client().images.createVariation({ model: full, image: await png(), n: 3 });
      assert.deepEqual([changed.data.length, varied.data.length], [1, 3]);
      assert.deepEqual(
        media.of(name).map((r) => [r.path.slice(11), r.form?.getAll('image[]').length]),
        [
          ['generations', undefined],
          ['edits', 2],
          ['variations', 0],
        ],
      );
      const b64_json = 'A'.repeat(100_000);
      const streamed = model({
        events: [
          { type: 'image_generation.partial_image', b64_json, partial_image_index: 0 },
          { type: 'image_generation.completed', b64_json, usage: { input_tokens: 50, output_tokens: 60 } },
        ],
      });
      const types = [];
      const stream = await client().images.generate({
        model: streamed.full,
        prompt: 'x',
        stream: true,
        partial_images: 1,
      });
      for await (const event of stream) types.push([event.type, event.b64_json.length]);
      assert.deepEqual(types, [
        ['image_generation.partial_image', 100_000],
        ['image_generation.completed', 100_000],
      ]);
      const row = await usage(streamed.full);
      assert.deepEqual([row.prompt_tokens, row.completion_tokens], [50, 60]);
    });

    test('moderation and ranking; a moderation needs no model where the provider has the usual one', async () => {
      media.script('omni-moderation-latest', {});
      const plain = await client().moderations.create({ input: 'no harm?' });
      assert.equal(plain.results[0].flagged, true);
      assert.equal(media.requests.at(-1).body.model, undefined);
      const { name, full } = model({});
      await client().moderations.create({ model: full, input: 'fine' });
      assert.equal(media.of(name)[0].body.model, name);
      const body = JSON.stringify({ model: full, query: 'loom', documents: ['a wheel', 'a loom'], top_n: 2 });
      for (const path of ['/v1/rerank', '/rerank']) {
        const answer = await raw(path, body, { 'content-type': 'application/json' });
        assert.equal(answer.status, 200);
        assert.equal((await answer.json()).results[0].index, 1);
      }
      assert.equal((await usage(full, 3)).prompt_tokens >= 42, true);
    });

    test('a route goes on to another target with the same form, before the first byte alone', async () => {
      const bad = named('bad', { status: 503 });
      const good = named('good', {});
      const model = await route(bad, good);
      const answer = await client().audio.transcriptions.create({ file: await wav(50_000), model });
      assert.equal(answer.text, 'heard 50000 bytes');
      assert.equal(media.of(bad).length, 1);
      assert.ok(Buffer.from(await media.of(good)[0].form.get('file').arrayBuffer()).equals(soundOf(50_000)));

      const silent = named('empty', { bytes: 1000, cut_after: 0 });
      const voice = named('voice', { bytes: 1000 });
      const speech = await client().audio.speech.create({
        model: await route(silent, voice),
        voice: 'alloy',
        input: 'x',
      });
      assert.equal((await speech.arrayBuffer()).byteLength, 1000);
      const cut = named('cut', { bytes: 100_000, cut_after: 16384 });
      const begun = await client().audio.speech.create({
        model: await route(cut, voice),
        voice: 'alloy',
        input: 'x',
      });
      await assert.rejects(begun.arrayBuffer());
      assert.equal(media.of(voice).length, 1);
    });

    test('each is priced by what it is made of', async () => {
      const spoken = model({ bytes: 10 });
      await price(spoken.name, { character: 15_000_000 });
      await client().audio.speech.create({ model: spoken.full, voice: 'a', input: 'zwölf "W" ☕😀' });
      assert.equal((await usage(spoken.full)).cost_micros, 13 * 15 - 15);

      const heard = model({ json: { text: 'x', duration: 90.5 } });
      await price(heard.name, { second: 100_000_000 });
      await client().audio.transcriptions.create({ file: await wav(10), model: heard.full });
      assert.equal((await usage(heard.full)).cost_micros, 9050);

      const unsaid = model({ text: 'x' });
      await price(unsaid.name, { second: 100_000_000 });
      await client().audio.transcriptions.create({
        file: await wav(80_000),
        model: unsaid.full,
        response_format: 'text',
      });
      const row = await usage(unsaid.full);
      assert.deepEqual([row.cost_micros, row.estimated_calls], [10_667, 1]);

      const drawn = model({});
      await price(drawn.name, { image: 40_000 });
      await price(`hd/1024-x-1792/${drawn.name}`, { image: 120_000 });
      await client().images.generate({ model: drawn.full, prompt: 'x', n: 2 });
      await client().images.generate({ model: drawn.full, prompt: 'x', quality: 'hd', size: '1024x1792' });
      assert.equal((await usage(drawn.full, 2)).cost_micros, 200_000);

      const counted = model({ json: { data: [{}], usage: { input_tokens: 10, output_tokens: 1000 } } });
      await price(counted.name, { input: 5_000_000, output: 40_000_000 });
      await client().images.generate({ model: counted.full, prompt: 'x' });
      assert.equal((await usage(counted.full)).cost_micros, 40_050);

      const free = model({});
      await client().images.generate({ model: free.full, prompt: 'x' });
      const none = await usage(free.full);
      assert.deepEqual([none.cost_micros, none.unpriced_calls], [0, 1]);
    });

    test('images cost what the provider was asked for, however it is written, and what it made', async () => {
      const json = { 'content-type': 'application/json' };
      const draw = (text) => raw('/v1/images/generations', text, json);
      const drawn = model({ json: { data: [] } });
      await price(drawn.name, { image: 40_000 });
      await price(`1024-x-1024/${drawn.name}`, { image: 90_000 });
      const asked = ['5.0', '"5"', '5e0', '" 5 "', 'null'];
      for (const many of asked) {
        const answer = await draw(`{"model":"${drawn.full}","prompt":"x","n":${many}}`);
        assert.equal(answer.status, 200);
      }
      assert.equal((await usage(drawn.full, 5)).cost_micros, 21 * 40_000);
      await draw(`{"model":"${drawn.full}","prompt":"x","size":"1024\\u00781024"}`);
      assert.equal((await usage(drawn.full, 6)).cost_micros, 21 * 40_000 + 90_000);
      const wrong = [
        '"n":1.5',
        '"n":0',
        '"n":"five"',
        '"n":129',
        '"n":true',
        '"n":[5]',
        '"n":""',
        '"size":1',
        '"quality":{}',
        `"size":"${'x'.repeat(300)}"`,
      ];
      for (const member of wrong) {
        const answer = await draw(`{"model":"${drawn.full}","prompt":"x",${member}}`);
        const { error } = await answer.json();
        assert.deepEqual([answer.status, /"(n|size|quality)" /.test(error.message)], [400, true], member);
      }
      assert.equal(media.of(drawn.name).length, 6);
      const form = new FormData();
      form.append('model', drawn.full);
      form.append('n', '3.0');
      assert.equal((await raw('/v1/images/variations', form)).status, 200);
      assert.equal((await usage(drawn.full, 7)).cost_micros, 24 * 40_000 + 90_000);

      const data = [{ url: 'a,"]\\' }, { more: [1, 2, { x: [3, 4] }] }, { b64_json: '\\"' }];
      const more = model({ json: { data } });
      await price(more.name, { image: 40_000 });
      await draw(`{"model":"${more.full}","prompt":"x","n":2}`);
      assert.equal((await usage(more.full)).cost_micros, 3 * 40_000);
    });

    test('what has a price of tokens alone and was not counted costs the most that it can', async () => {
      const tokens = { input: 1_000_000, output: 2_000_000 };
      const drawn = model({});
      await price(drawn.name, tokens);
      await client().images.generate({ model: drawn.full, prompt: 'x', n: 2 });
      const row = await usage(drawn.full);
      assert.equal(row.completion_tokens, 2 * 8192);
      assert.deepEqual([row.estimated_calls, row.unpriced_calls], [1, 0]);
      const heard = model({ json: { text: 'x', usage: { input_tokens: 10, output_tokens: 1 } } });
      await price(heard.name, { second: 100_000_000 });
      await client().audio.transcriptions.create({ file: await wav(7500), model: heard.full });
      assert.equal((await usage(heard.full)).cost_micros, 1000);
    });

    test('without a price for what is asked it is refused, if that is the rule', async () => {
      const strict = await Server.start({
        db: ctx.db,
        env: { OPENAI_BASE_URL: media.url, HEDDLE_MODELS_UNKNOWN_PRICE: 'refuse' },
      });
      try {
        const to = new OpenAI({ baseURL: `${strict.url}/v1`, apiKey: strict.key, maxRetries: 0 });
        const put = (name, value) =>
          strict.api.put('/api/prices', { provider: 'openai', model: name, price: value });
        const { name, full } = model({});
        const draw = () => to.images.generate({ model: full, prompt: 'x' });
        const hear = async () => to.audio.transcriptions.create({ file: await wav(10), model: full });
        expectStatus(await put(name, { input: 1_000_000, output: 0 }), 204);
        await assert.rejects(draw(), (e) => e.status === 422 && /images/.test(e.message));
        await hear();
        expectStatus(await put(name, { character: 1_000_000 }), 204);
        await assert.rejects(hear(), { status: 422 });
        expectStatus(await put(name, { image: 1_000_000 }), 204);
        await draw();
        expectStatus(await put(name, { input: 0, output: 0 }), 204);
        await draw();
        await hear();
      } finally {
        await strict.drop();
      }
    });

    test('limits hold for them as for chats', async () => {
      const made = expectStatus(
        await ctx.api.post('/api/keys', { name: `k-${++n}`, capabilities: 'model.call' }),
        201,
      ).json;
      const drawn = model({});
      await price(drawn.name, { image: 40_000 });
      const policy = { limits: { cost_micros: { day: 100_000 } }, endpoints: ['images'] };
      expectStatus(await ctx.api.put(`/api/keys/${made.id}/limits`, policy), 200);
      const limited = client({ apiKey: made.key });
      await assert.rejects(limited.images.createVariation({ model: drawn.full, image: await wav(4) }), {
        status: 403,
      });
      await limited.images.generate({ model: drawn.full, prompt: 'x', n: 3 });
      await usage(drawn.full);
      await assert.rejects(limited.images.generate({ model: drawn.full, prompt: 'x' }), { status: 402 });
      assert.equal(media.of(drawn.name).length, 1);
    });

    test('by the paths of Azure, and without /v1', async () => {
      const { name, full } = model({});
      const azure = new AzureOpenAI({
        endpoint: ctx.server.url,
        apiKey: ctx.server.key,
        apiVersion: '2024-10-21',
        maxRetries: 0,
      });
      await azure.images.generate({ model: full, prompt: 'x' });
      const form = () => {
        const f = new FormData();
        f.append('file', new Blob([soundOf(20)]), 'a.wav');
        return f;
      };
      const path = `/openai/deployments/${encodeURIComponent(full)}/audio/transcriptions?api-version=1`;
      const answer = await raw(path, form());
      assert.deepEqual(await answer.json(), { text: 'heard 20 bytes' });
      const bare = form();
      bare.append('model', full);
      assert.equal((await raw('/audio/translations', bare)).status, 200);
      assert.equal(media.of(name).length, 2);
    });

    test('forms that are wrong are refused by what is wrong with them', async () => {
      const type = 'multipart/form-data; boundary=xyz';
      const part = (name, value) =>
        `--xyz\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
      const { name, full } = model({});
      const rows = [
        [part('model', full), type, 400, /behind a boundary|ends in/],
        [`${part('language', 'de')}--xyz--`, type, 400, /must provide a model/],
        [`${part('model', full)}${part('model', 'other')}--xyz--`, type, 400, /must be one field/],
        ['{"model": "x"}', 'application/json', 415, /multipart/],
        [`${part('model', full)}--xyz--`, 'multipart/form-data', 415, /boundary/],
        [`${part('model', `openai-${full}`)}--xyz--`, type, 404, /no model/],
        ['x'.repeat(1024 * 1024 + 1), type, 413, /1048576/],
      ];
      for (const [text, contentType, status, message] of rows) {
        const answer = await raw('/v1/audio/transcriptions', text, { 'content-type': contentType });
        const { error } = await answer.json();
        assert.deepEqual([answer.status, message.test(error.message)], [status, true], error.message);
      }
      assert.equal(media.of(name).length, 0);
      await assert.rejects(
        client().images.generate({ model: 'dall-e-nein', prompt: 'x' }),
        (e) => e.status === 404 && e.message.includes('dall-e-nine'),
      );
      const response = await raw('/v1/images/generations', '{}', { 'content-type': 'application/json' });
      assert.equal(response.status, 400);
    });
  },
  { server: { env: { OPENAI_BASE_URL: media.url, HEDDLE_MODELS_UPLOAD_MAX: '1m' } } },
);
