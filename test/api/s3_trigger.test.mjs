/* Workflows that watch a bucket: each version of an object starts one run, and what goes wrong is said. */
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { expectProblem, expectStatus } from '../lib/api.mjs';
import { until } from '../lib/gate.mjs';
import { Server } from '../lib/server.mjs';
import { databases, testWith } from '../lib/suite.mjs';
import { stopShared } from '../lib/postgres.mjs';
import { flow, output } from '../lib/flow.mjs';
import { startS3Server } from '../doubles/s3_server.mjs';

const watches = (name, s3, more) =>
  flow(
    name,
    { start: ['trigger', { trigger: 's3', s3: { every: '200ms', ...s3 } }], o: output('{{ input }}') },
    ['start -> o'],
    more,
  );

for (const db of databases) {
  describe(`s3 triggers [${db}]`, () => {
    let server;
    const others = [];
    const doubles = [];
    const test = testWith(() => server);
    before(async () => {
      server = await Server.start({ db });
    });
    after(async () => {
      for (const other of others) await other.down();
      await server?.drop();
      for (const double of doubles) await double.stop();
    });

    const bucket = async (options) => {
      const s3 = await startS3Server(options);
      doubles.push(s3);
      return s3;
    };
    const runsOf = async (id) => (await server.api.get(`/api/runs?workflow_id=${id}&limit=100`)).json.items;
    const poll = async (id) => expectStatus(await server.api.get(`/api/workflows/${id}/poll`), 200).json;
    /* A list that began after now was answered, and what it says was looked at. */
    const looked = async (id, s3) => {
      const n = s3.lists().length;
      await s3.reached(n + 2, (r) => r.url.searchParams.has('list-type'));
      return until('it has looked', async () => {
        const json = await poll(id);
        return json.looked_at && json;
      });
    };
    const failed = (id, what) =>
      until(`it says ${what}`, async () => {
        const json = await poll(id);
        return what.test(json.error ?? '') && json;
      });
    const outputs = async (id, n) => {
      const runs = await until(`${n} runs are there`, async () => {
        const all = await runsOf(id);
        return all.length >= n && all;
      });
      assert.equal(runs.length, n);
      return (await Promise.all(runs.map((run) => server.api.finished(run.id)))).map((run) => run.output);
    };

    test('an object that is new starts one run, and the others none', async () => {
      const s3 = await bucket();
      s3.page = 2;
      for (const key of ['in/old.csv', 'in/z.csv', 'other.csv']) s3.put(key);
      const id = await server.api.published(
        watches('New', { ...s3.settings, prefix: 'in/', pattern: '*.csv', content: 'text' }),
      );
      await until('all was seen', async () => (await poll(id)).looked_at);
      const odd = 'in/a b+c%20&<ü>/d\t"\'.csv';
      s3.put(odd, 'größe');
      s3.put('in/no.txt');
      s3.put('in/folder.csv/', '');
      s3.put('out/no.csv');
      const [object] = await outputs(id, 1);
      const { last_modified, etag, ...rest } = object;
      assert.equal(Date.parse(last_modified), s3.objects.get(odd).modified.getTime());
      assert.equal(`"${etag}"`, s3.objects.get(odd).etag);
      assert.deepEqual(rest, { event: 'created', bucket: 'inbox', key: odd, size: 7, content: 'größe' });
      /* New content alone starts none here. What goes and comes again is new. */
      s3.put(odd, 'changed');
      await looked(id, s3);
      assert.equal((await runsOf(id)).length, 1);
      assert.equal((await runsOf(id))[0].trigger, 's3');
      s3.delete(odd);
      await looked(id, s3);
      s3.put(odd, 'again', new Date(Date.now() + 5000));
      assert.deepEqual((await outputs(id, 2)).map((o) => o.content).sort(), ['again', 'größe']);
      const json = await looked(id, s3);
      assert.deepEqual([json.kind, json.failures, json.error], ['s3', 0, null]);
    });

    test('a change starts another run where that is wanted, and what is there at first where that is', async () => {
      const s3 = await bucket();
      s3.put('a', 'one');
      s3.put('b', Buffer.from([0xff, 0]));
      const settings = { ...s3.settings, on: 'changed', existing: true, content: 'base64', max_size: 4 };
      const id = await server.api.published(watches('Changed', settings));
      assert.deepEqual((await outputs(id, 2)).map((o) => [o.event, o.key, o.content]).sort(), [
        ['created', 'a', Buffer.from('one').toString('base64')],
        ['created', 'b', '/wA='],
      ]);
      s3.put('a', 'more than four');
      const large = (await outputs(id, 3)).find((o) => o.size === 14);
      assert.deepEqual([large.event, large.content, large.content_omitted], ['changed', null, true]);
      /* A version that looks at the same goes on where that one was. */
      expectStatus(
        await server.api.put(`/api/workflows/${id}`, watches('Changed', { ...settings, content: 'text' })),
        200,
      );
      expectStatus(await server.api.post(`/api/workflows/${id}/publish`), 200);
      await looked(id, s3);
      assert.equal((await runsOf(id)).length, 3);
    });

    test('what is more than a step may give comes without its content', async () => {
      const s3 = await bucket();
      s3.put('a', Buffer.alloc(7 << 20));
      const id = await server.api.published(
        watches('Full', { ...s3.settings, existing: true, content: 'base64', max_size: '8MiB' }),
      );
      const [full] = await outputs(id, 1);
      assert.deepEqual([full.size, full.content, full.content_omitted], [7 << 20, null, true]);
    });

    test('a list of many pages is gone through, and gone through again', async () => {
      const s3 = await bucket();
      s3.page = 300;
      for (let i = 0; i < 2500; i++) s3.put(`k/${i}`, '');
      const id = await server.api.published(watches('Many', s3.settings));
      await until('all was seen', async () => (await poll(id)).looked_at);
      for (let i = 0; i < 2500; i += 2) s3.delete(`k/${i}`);
      for (const key of ['a', 'k/1234x', 'z']) s3.put(key);
      await outputs(id, 3);
      await looked(id, s3);
      s3.put('k/2', 'x');
      assert.equal((await outputs(id, 4)).filter((o) => o.key === 'k/2').length, 1);
    });

    test('what comes while a bucket is gone through for the first time is new', async () => {
      const s3 = await bucket();
      s3.page = 2;
      for (const key of ['a', 'b', 'c', 'd']) s3.put(key);
      s3.wrong = (entry) => {
        if (entry.url.searchParams.has('continuation-token') && !s3.objects.has('z'))
          s3.put('z', 'z', new Date(Date.now() + 2000));
      };
      const id = await server.api.published(watches('Meanwhile', s3.settings));
      assert.equal((await outputs(id, 1))[0].key, 'z');
      await looked(id, s3);
      assert.equal((await runsOf(id)).length, 1);
    });

    test('what is wrong is said with what to do, and looks become rare meanwhile', async () => {
      const s3 = await bucket();
      const xml = (code) => `<Error><Code>${code}</Code><Message>secret of the server</Message></Error>`;
      const publish = async (more) => server.api.published(watches('Wrong', { ...s3.settings, ...more }));
      s3.wrong = { status: 503, body: xml('SlowDown'), headers: { 'retry-after': '3600' } };
      const slow = await publish();
      const json = await failed(slow, /less often \(503 SlowDown\)/);
      assert.ok(json.failures >= 1);
      assert.ok(Date.parse(json.next_at) - Date.parse(json.looked_at) > 3_000_000, json.next_at);
      assert.doesNotMatch(json.error, /secret/);
      s3.wrong = undefined;
      for (const [more, what] of [
        [{ secret_key: 'other' }, /secret_key is not the one of access_key.*SignatureDoesNotMatch/],
        [{ access_key: 'AKIAOTHER' }, /does not know the access key/],
        [{ access_key: '', secret_key: '' }, /s3:ListBucket/],
        [{ bucket: 'nowhere' }, /no bucket of this name/],
        [{ region: 'us-east-1' }, /another region/],
      ])
        await failed(await publish(more), what);
      s3.skew = 40 * 60_000;
      await failed(
        await publish({ prefix: 'skew' }),
        /clock here is 2\d\d\d s behind that of the server.*NTP/,
      );
      s3.skew = 0;
      for (const [wrong, what] of [
        [{ body: '<ListBucketResult><Contents>' }, /cannot be read/],
        [{ body: '{}' }, /cannot be read/],
        [{ body: '<!DOCTYPE x [<!ENTITY a "b">]><ListBucketResult/>' }, /document type/],
        [{ body: '<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>' }, /no token/],
        [{ body: `<ListBucketResult>${'<x/>'.repeat(3 << 20)}</ListBucketResult>` }, /more than 8 MiB/],
        [
          {
            body: `<ListBucketResult>${['b', 'a'].map((k) => `<Contents><Key>${k}</Key><Size>1</Size></Contents>`).join('')}</ListBucketResult>`,
          },
          /order/,
        ],
        [{ status: 301, headers: { 'x-amz-bucket-region': 'eu-west-9' } }, /set region to eu-west-9/],
        [{ status: 500 }, /cannot answer now: 500/],
      ]) {
        s3.wrong = wrong;
        await failed(await publish({ prefix: `${doubles.length}${what}` }), what);
      }
    });

    test('those in trouble are listed, and look at once when they are told to', async () => {
      const s3 = await bucket();
      const fine = await server.api.published(watches('Fine', { ...s3.settings, every: '1d' }));
      const bad = await server.api.published(
        watches('Trouble', { ...s3.settings, bucket: 'no', every: '1d' }),
      );
      await failed(bad, /no bucket/);
      await until('all was seen', async () => !(await poll(fine)).first && (await poll(fine)).looked_at);
      const listed = async (query) => {
        const items = [];
        for (let cursor = ''; cursor !== null;) {
          const { json } = await server.api.get(`/api/polls?limit=3${query}${cursor && `&cursor=${cursor}`}`);
          items.push(...json.items);
          cursor = json.next_cursor;
        }
        return items;
      };
      const all = await listed('');
      assert.equal(new Set(all.map((item) => item.workflow_id)).size, all.length);
      const item = all.find(({ workflow_id }) => workflow_id === fine);
      assert.deepEqual([item.workflow_name, item.kind, item.state], ['Fine', 's3', 'waiting']);
      const trouble = await listed('&state=trouble');
      assert.ok(trouble.every(({ state, error }) => state === 'trouble' && error));
      assert.ok(trouble.some(({ workflow_id }) => workflow_id === bad));
      assert.ok(!trouble.some(({ workflow_id }) => workflow_id === fine));
      expectProblem(await server.api.get('/api/polls?state=bad'), 400);
      s3.put('new');
      const reader = server.api.as(await server.newKey('looker', 'workflow.read'));
      expectProblem(await reader.post(`/api/workflows/${fine}/poll`), 403);
      expectStatus(await server.api.post(`/api/workflows/${fine}/poll`), 202);
      assert.equal((await outputs(fine, 1))[0].key, 'new');
    });

    test('an end of the trouble is noticed, and nothing is lost or done twice by it', async () => {
      const s3 = await bucket();
      const id = await server.api.published(watches('Recovers', s3.settings));
      await until('all was seen', async () => (await poll(id)).looked_at);
      s3.wrong = { status: 503 };
      s3.put('a');
      const json = await failed(id, /503/);
      assert.equal(json.failures, 1);
      s3.wrong = undefined;
      assert.equal((await outputs(id, 1))[0].key, 'a');
      await until('nothing is wrong any more', async () => !(await poll(id)).error);
    });

    test('an object that cannot be read or used holds up no other', async () => {
      const s3 = await bucket();
      s3.put('closed');
      s3.objects.get('closed').closed = true;
      s3.put('bytes', Buffer.from([0xff]));
      s3.put('fine', 'fine');
      const id = await server.api.published(
        watches('Odd', { ...s3.settings, existing: true, content: 'text' }),
      );
      assert.equal((await outputs(id, 1))[0].key, 'fine');
      await failed(id, /closed: .*s3:GetObject/);
      delete s3.objects.get('closed').closed;
      assert.deepEqual((await outputs(id, 2)).map((o) => o.key).sort(), ['closed', 'fine']);
      await until('nothing is wrong any more', async () => !(await poll(id)).error);
    });

    test('flow control holds, and a batch of objects is one run', async () => {
      const s3 = await bucket();
      for (const key of ['1', '2', '3']) s3.put(key);
      const id = await server.api.published(
        watches(
          'Batch',
          { ...s3.settings, existing: true },
          { settings: { flow: { batch: { size: 3, timeout: '1h' } } } },
        ),
      );
      const [objects] = await outputs(id, 1);
      assert.deepEqual(objects.map((o) => o.key).sort(), ['1', '2', '3']);
    });

    test('what cannot be watched is refused where it is written', async () => {
      const settings = { bucket: 'inbox', endpoint: 'http://127.0.0.1:9' };
      for (const [more, field] of [
        [{ endpoint: 'ftp://x' }, 's3/endpoint'],
        [{ endpoint: 'http://u:p@x' }, 's3/endpoint'],
        [{ endpoint: 'http://x/path' }, 's3/endpoint'],
        [{ bucket: '../x' }, 's3/bucket'],
        [{ bucket: 'A_b', addressing: 'virtual' }, 's3/bucket'],
        [{ region: 'Eu West' }, 's3/region'],
        [{ access_key: 'a' }, 's3/secret_key'],
        [{ access_key: 'a b', secret_key: 'x' }, 's3/access_key'],
        [{ session_token: 'x' }, 's3/session_token'],
        [{ max_size: 1 }, 's3/max_size'],
        [{ other: 1 }, 's3/other'],
      ]) {
        const { json } = await server.api.post(
          '/api/workflows/validate',
          watches('Bad', { ...settings, ...more }),
        );
        assert.deepEqual(
          json.errors.map((e) => e.field),
          [field],
          JSON.stringify(json),
        );
      }
      /* The operator's rules for calls hold; so does what is secret. */
      const closed = await server.api.workflow(
        watches('Metadata', { ...settings, endpoint: 'http://169.254.169.254' }),
      );
      expectProblem(await server.api.post(`/api/workflows/${closed}/publish`), 422);
      const id = await server.api.published(
        watches('Hidden', { ...settings, access_key: 'AK', secret_key: 'hide-me' }),
      );
      const reader = server.api.as(await server.newKey('reader', 'workflow.read'));
      const seen = expectStatus(await reader.get(`/api/workflows/${id}`), 200).text;
      assert.doesNotMatch(seen, /hide-me|sealed:/);
      await failed(id, /could not be reached|refused|Connection|connect/i);
      assert.doesNotMatch(server.proc.stderr, /hide-me/);
      expectStatus(await server.api.delete(`/api/workflows/${id}`), 204);
      expectProblem(await server.api.get(`/api/workflows/${id}/poll`), 404);
    });

    test('secrets are sealed when they are stored, for their endpoint and access key alone', async () => {
      const s3 = await bucket();
      const plain = { ...s3.settings, session_token: 'tok-123' };
      const id = (await server.api.post('/api/workflows', watches('Sealed', plain))).json.id;
      const { definition } = expectStatus(await server.api.get(`/api/workflows/${id}`), 200).json;
      const { secret_key, session_token } = definition.nodes[0].data.s3;
      assert.match(secret_key, /^sealed:/);
      assert.match(session_token, /^sealed:/);
      const save = (more) =>
        server.api.put(
          `/api/workflows/${id}`,
          watches('Sealed', { ...plain, secret_key, session_token, ...more }),
        );
      expectStatus(await save({ prefix: 'p', bucket: s3.bucket }), 200);
      for (const more of [
        { endpoint: 'http://127.0.0.1:9' },
        { access_key: 'other' },
        { secret_key: session_token },
        { secret_key: 'sealed:AAAA' },
      ]) {
        const refused = await save(more);
        expectProblem(refused, 422, 'invalid');
        assert.match(refused.json.detail, /sealed for another server/);
      }
      expectStatus(await server.api.post(`/api/workflows/${id}/publish`), [200, 201]);
      await until('all was seen', async () => (await poll(id)).looked_at);
      assert.equal((await poll(id)).error, null);
      assert.equal(s3.lists()[0].headers['x-amz-security-token'], 'tok-123');
    });

    test('killed while objects come, it starts one run for each', async () => {
      const s3 = await bucket();
      s3.page = 5;
      const id = await server.api.published(watches('Killed', s3.settings));
      await until('all was seen', async () => (await poll(id)).looked_at);
      let n = 0;
      for (let round = 0; round < 3; round++) {
        for (let i = 0; i < 12; i++) s3.put(`key ${n++}`);
        await until('some have started', async () => (await runsOf(id)).length > round * 12);
        await server.killAndRestart();
      }
      const objects = await outputs(id, n);
      assert.equal(new Set(objects.map((o) => o.key)).size, n);
    });

    test('a server that does not answer holds up neither others nor the end', async () => {
      const s3 = await bucket();
      s3.wrong = { hang: true };
      const id = await server.api.published(watches('Hangs', s3.settings));
      await s3.reached();
      const well = await bucket();
      const beside = await server.api.published(watches('Beside', well.settings));
      await until('the other one was seen', async () => (await poll(beside)).looked_at);
      well.put('x');
      await outputs(beside, 1);
      assert.equal((await poll(id)).looked_at, null);
      const started = Date.now();
      await server.restart();
      assert.ok(Date.now() - started < 30_000, 'the server waits for a call that hangs');
      s3.wrong = undefined;
      await until('all was seen', async () => (await poll(id)).looked_at);
    });

    if (db === 'postgres')
      test('of two nodes one looks', async () => {
        const other = await Server.make({ db: 'sqlite', env: { DATABASE_URL: server.databaseUrl } });
        other.key = server.key;
        others.push(await other.up());
        const s3 = await bucket();
        s3.page = 7;
        const id = await server.api.published(watches('Nodes', s3.settings));
        await until('all was seen', async () => (await poll(id)).looked_at);
        for (let i = 0; i < 30; i++) s3.put(`${i}`);
        const objects = await outputs(id, 30);
        assert.equal(new Set(objects.map((o) => o.key)).size, 30);
        await looked(id, s3);
        assert.equal((await runsOf(id)).length, 30);
      });
  });
}
after(stopShared);
