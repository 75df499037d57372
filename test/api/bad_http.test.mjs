/* HTTP as nobody should speak it: smuggling, floods, drips, and bodies that are no JSON. */
import assert from 'node:assert/strict';
import net from 'node:net';
import { expectProblem, expectStatus } from '../lib/api.mjs';
import { roomy, pause, slow, within } from '../lib/gate.mjs';
import { raw } from '../lib/raw.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { chain, output } from '../lib/flow.mjs';

/* Requests that must be answered 400 and end the connection. What follows them must not be taken as a request. */
const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n';
const malformed = {
  'Content-Length and Transfer-Encoding': `POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
  'two different Content-Length': `POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n${smuggled}`,
  'a Content-Length list': 'POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5\r\n\r\nabcde',
  'a negative Content-Length': 'POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n',
  'a Content-Length with a sign': 'POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc',
  'a Content-Length beyond all numbers':
    'POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n',
  'a hexadecimal Content-Length': 'POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0x3\r\n\r\nabc',
  'chunked, then identity': `POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${smuggled}`,
  'an unknown Transfer-Encoding':
    'POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n',
  'a Transfer-Encoding with odd space': `POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n${smuggled}`,
  'a bad chunk size':
    'POST /api/workflows HTTP/1.1\r\nHost: x\r\nAUTH\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
  'a chunk size beyond all numbers':
    'POST /api/workflows HTTP/1.1\r\nHost: x\r\nAUTH\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n',
  'a chunk longer than it says':
    'POST /api/workflows HTTP/1.1\r\nHost: x\r\nAUTH\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n',
  'a bare CR in a header': `GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: b\rX-B: c\r\n\r\n`,
  'bare LF line ends': `GET /healthz HTTP/1.1\nHost: x\n\n${smuggled}`,
  'a space before the colon': 'GET /healthz HTTP/1.1\r\nHost: x\r\nX-A : b\r\n\r\n',
  'a folded header': 'GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\r\n\r\n',
  'a header without a name': 'GET /healthz HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n',
  'a NUL in a header': 'GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: b\0c\r\n\r\n',
  'no Host': 'GET /healthz HTTP/1.1\r\n\r\n',
  'two Hosts': 'GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n',
  'an odd Host': 'GET /healthz HTTP/1.1\r\nHost: x y/z\r\n\r\n',
  'an unknown protocol version': 'GET /healthz HTTP/3.7\r\nHost: x\r\n\r\n',
  'no protocol version': 'GET /healthz\r\nHost: x\r\n\r\n',
  'a control character in the path': 'GET /heal\x01thz HTTP/1.1\r\nHost: x\r\n\r\n',
  'a space in the path': 'GET /heal thz HTTP/1.1\r\nHost: x\r\n\r\n',
  'TLS to a plain port':
    Buffer.from('16030100c8010000c40303', 'hex').toString('latin1') + 'x'.repeat(200) + '\r\n\r\n',
  'an SSH client': 'SSH-2.0-OpenSSH_9.2p1 Debian\r\n',
  'a stray line before the request': 'hello\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n',
};

onEachDatabase('bad HTTP', (ctx) => {
  const { test } = ctx;
  const send = (pieces, options) => raw(ctx.server.port, pieces, options);
  const alive = async () => expectStatus(await ctx.api.get('/healthz'), 200);
  const authorization = () => `Authorization: Bearer ${ctx.server.key}\r\n`;

  for (const [what, bytes] of Object.entries(malformed))
    test(`${what} is refused and ends the connection`, async () => {
      const { text, closed, statuses } = await send(bytes.replace('AUTH\r\n', authorization()));
      assert.ok(closed);
      assert.ok(statuses.length <= 1, `the bytes behind it were taken as a request: ${text}`);
      if (statuses.length) assert.ok([400, 405, 411, 413, 431, 501, 505].includes(statuses[0]), text);
      assert.ok(!text.includes('/smuggled'));
      await alive();
    });

  test('a method that does not exist is refused', async () => {
    const { statuses } = await send('BREW /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    assert.ok([400, 405, 501].includes(statuses[0]), `${statuses}`);
  });

  test('good requests in one piece and byte by byte are the same', async () => {
    const text = 'GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
    assert.deepEqual((await send(text)).statuses, [200]);
    assert.deepEqual((await send([...text])).statuses, [200]);
  });

  test('pipelined requests are answered in order', async () => {
    const one = (path, more = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${authorization()}${more}\r\n`;
    const { statuses } = await send(
      one('/healthz') + one('/api/nothing') + one('/api/me') + one('/healthz', 'Connection: close\r\n'),
    );
    assert.deepEqual(statuses, [200, 404, 200, 200]);
  });

  test('chunked bodies and 100-continue work', async () => {
    const body = JSON.stringify(chain('Chunked', { out: output(1) }));
    const head = `POST /api/workflows HTTP/1.1\r\nHost: x\r\n${authorization()}Content-Type: application/json\r\nConnection: close\r\n`;
    const chunks = body
      .match(/.{1,7}/gs)
      .map((c) => `${c.length.toString(16)};ext=1\r\n${c}\r\n`)
      .join('');
    assert.deepEqual(
      (await send(`${head}Transfer-Encoding: chunked\r\n\r\n${chunks}0\r\nX-Trailer: 1\r\n\r\n`)).statuses,
      [201],
    );
    let asked;
    const { statuses } = await send([
      `${head}Expect: 100-continue\r\nContent-Length: ${body.length}\r\n\r\n`,
      (socket) => new Promise((resolve) => socket.once('data', (d) => resolve((asked = d)))),
      body,
    ]);
    assert.match(asked, /^HTTP\/1\.1 100/);
    assert.deepEqual(statuses, [100, 201]);
  });

  test('headers that are too many or too large are refused', async () => {
    const many = Array.from({ length: 300 }, (_, i) => `X-${i}: v\r\n`).join('');
    assert.deepEqual((await send(`GET /healthz HTTP/1.1\r\nHost: x\r\n${many}\r\n`)).statuses, [431]);
    assert.deepEqual(
      (await send(`GET /healthz HTTP/1.1\r\nHost: x\r\nX-Big: ${'b'.repeat(64 << 10)}\r\n\r\n`)).statuses,
      [431],
    );
    const { statuses } = await send(`GET /${'p'.repeat(64 << 10)} HTTP/1.1\r\nHost: x\r\n\r\n`);
    assert.ok([414, 431].includes(statuses[0]), `${statuses}`);
  });

  test('a header line that never ends is cut off, whatever its length', async () => {
    let written = 0;
    const { closed, statuses } = await send([
      'GET /healthz HTTP/1.1\r\nHost: x\r\nX-Endless: ',
      async (socket) => {
        while (!socket.destroyed && written < 64 << 20) {
          written += 65536;
          if (!socket.write('a'.repeat(65536)))
            await Promise.race([
              new Promise((r) => socket.once('drain', r)),
              new Promise((r) => socket.once('close', r)),
            ]);
        }
      },
    ]);
    assert.ok(closed);
    assert.ok(statuses.length === 0 || statuses[0] === 431, `${statuses}`);
    assert.ok(written < 32 << 20, `${written} bytes were taken`);
  });

  test('bodies beyond the limit are refused by their announced size, without being read', async () => {
    const { text, statuses, closed } = await send(
      `POST /api/workflows HTTP/1.1\r\nHost: x\r\n${authorization()}Content-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n{`,
    );
    assert.deepEqual(statuses, [413], text);
    assert.ok(closed);
  });

  test('bodies that turn out beyond the limit are cut off', async () => {
    let written = 0;
    const { statuses } = await send([
      `POST /api/workflows HTTP/1.1\r\nHost: x\r\n${authorization()}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`,
      async (socket) => {
        const piece = `10000\r\n${' '.repeat(65536)}\r\n`;
        while (!socket.destroyed && written < 128 << 20) {
          written += 65536;
          if (!socket.write(piece))
            await Promise.race([
              new Promise((r) => socket.once('drain', r)),
              new Promise((r) => socket.once('close', r)),
            ]);
        }
      },
    ]);
    assert.ok(statuses.length === 0 || statuses[0] === 413, `${statuses}`);
    assert.ok(written < 64 << 20, `${written} bytes were taken`);
    await alive();
  });

  test('paths that climb or hide find nothing', async () => {
    for (const path of [
      '/../../../etc/passwd',
      '/%2e%2e/%2e%2e/etc/passwd',
      '/..%2f..%2fetc/passwd',
      '/./api/../api/me',
      '//api//me',
      '/api/me%00.html',
      '/\\..\\windows',
      '/%ff%fe',
      '/api/%6de',
    ]) {
      const { text } = await send(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      assert.ok(!text.includes('root:'), path);
      assert.ok(!/^HTTP\/1\.1 (5|2\d\d[^]*"tenant")/.test(text), `${path}: ${text.slice(0, 200)}`);
    }
    await alive();
  });

  test('bodies that are no JSON, or more than JSON, are refused', async () => {
    const id = await ctx.api.workflow(chain('Echo', { out: output('{{ input }}') }));
    const post = (text, type = 'application/json') =>
      ctx.api.call('POST', `/api/workflows/${id}/execute`, { text, headers: { 'content-type': type } });
    for (const text of [
      '{',
      '{"input": 01}',
      "{'input': 1}",
      '{"input": 1,}',
      '{"input": NaN}',
      '{"input": 1} 2',
      '\ufeff{"input": 1}x',
      '{"input": "a\tb"}',
      '{"input": "\\ud800"}',
      '{"input": .5}',
      'undefined',
    ])
      expectProblem(await post(text), [400, 422]);
    expectProblem(
      await post(
        Buffer.from([0x7b, 0x22, 0x69, 0x6e, 0x70, 0x75, 0x74, 0x22, 0x3a, 0x22, 0xc3, 0x28, 0x22, 0x7d]),
      ),
      400,
    );
    expectProblem(await post(`{"input": ${'['.repeat(500)}${']'.repeat(500)}}`), [400, 413]);
    expectProblem(await post(`{"input": ${'['.repeat(1_000_000)}`), [400, 413]);
    expectStatus(await post(`{"input": ${'['.repeat(100)}${']'.repeat(100)}}`), 200);
    expectProblem(await post('input=1', 'application/x-www-form-urlencoded'), 415);
    expectStatus(await post('{"input": 1}', 'application/json; charset=utf-8'), 200);
    assert.deepEqual(
      (await post('{"input": 1, "input": 2}')).json?.output ?? 2,
      2,
      'of two the last counts, or it is refused',
    );
  });

  test('hundreds of connections that say nothing hold up nobody', async () => {
    const idle = await Promise.all(
      Array.from(
        { length: 400 },
        () =>
          new Promise((resolve, reject) => {
            const s = net.connect(ctx.server.port, '127.0.0.1', () => resolve(s));
            s.on('error', reject);
          }),
      ),
    );
    idle.forEach((s, i) => i % 2 && s.write('GET /healthz HTTP/1.1\r\nHo'));
    const at = Date.now();
    await alive();
    assert.ok(Date.now() - at < 5000 * slow);
    for (const s of idle) s.destroy();
  });

  test('the memory of the server is as it was', async () => {
    assert.ok(ctx.server.peakRss() < 400 * roomy, `${ctx.server.peakRss()} MiB at most`);
    assert.doesNotMatch(ctx.server.proc.stderr, /Sanitizer|assert/i);
  });
});

/* The times a client may take, made short so that tests can wait for them. */
const limits = {
  HEDDLE_LIMITS_HEADER_TIMEOUT: '500ms',
  HEDDLE_LIMITS_BODY_TIMEOUT: '500ms',
  HEDDLE_LIMITS_IDLE_TIMEOUT: '1s',
  HEDDLE_LIMITS_WRITE_TIMEOUT: '1s',
};
onEachDatabase(
  'slow clients',
  (ctx) => {
    const { test } = ctx;

    test('a header that drips is cut off, however busy it looks', async () => {
      let dripped = 0;
      const { closed, statuses } = await raw(ctx.server.port, [
        'GET /healthz HTTP/1.1\r\nHost: x\r\n',
        async (socket) => {
          while (!socket.destroyed && dripped < 600) {
            socket.write('X-A: b\r\n'.slice(dripped % 8, (dripped % 8) + 1));
            dripped++;
            await pause(50);
          }
        },
      ]);
      assert.ok(closed && dripped < 600, `it dripped ${dripped} bytes`);
      assert.ok(statuses.length === 0 || statuses[0] === 408, `${statuses}`);
    });

    test('a body that drips is cut off', async () => {
      let dripped = 0;
      const { closed, statuses } = await raw(ctx.server.port, [
        `POST /api/workflows HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ctx.server.key}\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n`,
        async (socket) => {
          while (!socket.destroyed && dripped < 600) {
            socket.write('{');
            dripped++;
            await pause(50);
          }
        },
      ]);
      assert.ok(closed && dripped < 600, `it dripped ${dripped} bytes`);
      assert.ok(statuses.length === 0 || statuses[0] === 408, `${statuses}`);
    });

    test('connections that say nothing are closed', async () => {
      assert.ok((await raw(ctx.server.port, [])).closed);
      const kept = await raw(ctx.server.port, 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
      assert.deepEqual([kept.closed, kept.statuses], [true, [200]]);
    });

    test('a client that takes no byte of a large answer is dropped', async () => {
      const id = await ctx.api.workflow(chain('Large', { out: output('{{ input }}') }));
      const run = await ctx.api.run(id, 'x'.repeat(8 << 20), {});
      let n = 0;
      const s = net.connect(ctx.server.port, '127.0.0.1');
      s.on('error', () => {});
      const closed = new Promise((resolve) => s.on('close', resolve));
      await new Promise((resolve) => s.once('connect', resolve));
      s.pause();
      s.write(
        `GET /api/runs/${run.id} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ctx.server.key}\r\n\r\n`,
      );
      /* Nothing is read until the server has had more than enough time to lose patience. */
      await pause(4000);
      s.on('data', (d) => (n += d.length));
      s.resume();
      await within(20_000, 'the connection to be closed', closed);
      assert.ok(n < 8 << 20, 'it waited for a reader that did not read');
    });
  },
  { databases: ['sqlite'], server: { env: limits } },
);
