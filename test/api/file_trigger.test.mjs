/* Workflows that watch a folder: each new or changed file starts one run, and nobody looks elsewhere. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, realpath, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expectProblem, expectStatus } from '../lib/api.mjs';
import { until } from '../lib/gate.mjs';
import { Server } from '../lib/server.mjs';
import { databases, testWith } from '../lib/suite.mjs';
import { stopShared } from '../lib/postgres.mjs';
import { flow, output } from '../lib/flow.mjs';
import { after, before, describe } from 'node:test';

const watches = (name, file, more) =>
  flow(
    name,
    {
      start: ['trigger', { trigger: 'file', file: { every: '200ms', settle: '200ms', ...file } }],
      o: output('{{ input }}'),
    },
    ['start -> o'],
    more,
  );

for (const db of databases) {
  describe(`file triggers [${db}]`, () => {
    let root, server;
    const others = [];
    const test = testWith(() => server);
    before(async () => {
      root = await realpath(await mkdtemp(join(tmpdir(), 'heddle-files-')));
      await mkdir(join(root, 'open'));
      await mkdir(join(root, 'closed'));
      server = await Server.start({ db, env: { HEDDLE_TRIGGER_FOLDERS: `/nowhere,${join(root, 'open')}/` } });
    });
    after(async () => {
      for (const other of others) await other.down();
      await server?.drop();
      if (root) await rm(root, { recursive: true });
    });

    const folder = async (name) => {
      await mkdir(join(root, 'open', name), { recursive: true });
      return join(root, 'open', name);
    };
    const runsOf = async (id) => (await server.api.get(`/api/runs?workflow_id=${id}&limit=100`)).json.items;
    const looked = (id) =>
      until('it has looked', async () => {
        const { json } = await server.api.get(`/api/workflows/${id}/poll`);
        return json.looked_at && json;
      });
    /* What was there has been looked at twice since. */
    const settled = async (id) => {
      for (let n = 0, at; n < 4; n++)
        at = await until('it has looked again', async () => {
          const { looked_at } = (await server.api.get(`/api/workflows/${id}/poll`)).json;
          return looked_at && looked_at !== at && looked_at;
        });
    };
    const outputs = async (id, n) => {
      const runs = await until(`${n} runs are there`, async () => {
        const all = await runsOf(id);
        return all.length >= n && all;
      });
      assert.equal(runs.length, n);
      return (await Promise.all(runs.map((run) => server.api.finished(run.id)))).map((run) => run.output);
    };

    test('a file that is new starts one run, and the others none', async () => {
      const dir = await folder('in');
      await writeFile(join(dir, 'old.csv'), 'old');
      const id = await server.api.published(
        watches('New', { folder: dir, pattern: '*.csv', content: 'text' }),
      );
      await looked(id);
      await writeFile(join(dir, 'a.csv'), 'größe;1\n');
      await writeFile(join(dir, 'a.txt'), 'no');
      await writeFile(join(dir, '.b.csv'), 'no');
      await mkdir(join(dir, 'dir.csv'));
      const [file] = await outputs(id, 1);
      const { modified_at, ...rest } = file;
      assert.ok(Math.abs(Date.parse(modified_at) - Date.now()) < 600_000);
      assert.deepEqual(rest, {
        event: 'created',
        folder: dir,
        name: 'a.csv',
        path: join(dir, 'a.csv'),
        size: 10,
        content: 'größe;1\n',
      });
      await writeFile(join(dir, 'a.csv'), 'changed');
      await settled(id);
      assert.equal((await runsOf(id)).length, 1);
      const [run] = await runsOf(id);
      assert.equal(run.trigger, 'file');
      /* It goes and comes again: that is a new one. */
      await rm(join(dir, 'a.csv'));
      await settled(id);
      await writeFile(join(dir, 'a.csv'), 'again');
      assert.deepEqual((await outputs(id, 2)).map((f) => f.content).sort(), ['again', 'größe;1\n']);
    });

    test('a change starts another run where that is wanted, and what is there at first where that is', async () => {
      const dir = await folder('changed');
      await writeFile(join(dir, 'a'), 'one');
      const id = await server.api.published(
        watches('Changed', { folder: dir, on: 'changed', existing: true, content: 'base64', max_size: 4 }),
      );
      await outputs(id, 1);
      await writeFile(join(dir, 'a'), 'more than four');
      const files = await outputs(id, 2);
      files.sort((a, b) => a.size - b.size);
      assert.deepEqual(
        [files[0].event, files[0].content],
        ['created', Buffer.from('one').toString('base64')],
      );
      assert.deepEqual([files[1].event, files[1].content, files[1].content_omitted], ['changed', null, true]);
      /* A version that looks at the same goes on where that one was. */
      expectStatus(
        await server.api.put(
          `/api/workflows/${id}`,
          watches('Changed', { folder: dir, on: 'changed', existing: true, content: 'none' }),
        ),
        200,
      );
      expectStatus(await server.api.post(`/api/workflows/${id}/publish`), 200);
      await settled(id);
      assert.equal((await runsOf(id)).length, 2);
    });

    test('a file that is still being written waits until it has settled', async () => {
      const dir = await folder('slow');
      const id = await server.api.published(
        watches('Settles', { folder: dir, settle: '2s', content: 'text' }),
      );
      await looked(id);
      let text = '';
      for (let i = 0; i < 8; i++) {
        text += `${i}`;
        await writeFile(join(dir, 'slow'), text);
        await settled(id);
      }
      assert.deepEqual(
        (await outputs(id, 1)).map((file) => file.content),
        [text],
      );
    });

    test('nobody gets out of the folders that are open', async () => {
      const id = await server.api.workflow(watches('Out', { folder: join(root, 'closed') }));
      const refused = await server.api.post(`/api/workflows/${id}/publish`);
      expectProblem(refused, 422, 'invalid');
      assert.match(refused.json.detail, /triggers\.folders/);
      for (const folder of [`${root}/openly`, root, '/']) {
        expectStatus(await server.api.put(`/api/workflows/${id}`, watches('Out', { folder })), 200);
        expectProblem(await server.api.post(`/api/workflows/${id}/publish`), 422, 'invalid');
      }
      for (const folder of [
        `${root}/open/../closed`,
        `${root}/open/./in`,
        `${root}/open//in`,
        'open/in',
        `${root}/open/`,
      ]) {
        const { json } = await server.api.post('/api/workflows/validate', watches('Bad', { folder }));
        assert.deepEqual(
          json.errors.map((e) => e.field),
          ['file/folder'],
          folder,
        );
      }
      /* A link on the way, or as the file, leads nowhere. */
      await writeFile(join(root, 'closed', 'secret'), 'secret');
      await symlink(join(root, 'closed'), join(root, 'open', 'link'));
      const linked = await server.api.published(
        watches('Linked', { folder: join(root, 'open', 'link'), existing: true, content: 'text' }),
      );
      const { error } = await looked(linked);
      assert.match(error, /link leads there/);
      const dir = await folder('links');
      await symlink(join(root, 'closed', 'secret'), join(dir, 'secret'));
      const files = await server.api.published(
        watches('Links', { folder: dir, existing: true, content: 'text' }),
      );
      await settled(files);
      assert.deepEqual([...(await runsOf(linked)), ...(await runsOf(files))], []);
    });

    test('what cannot be used says so, and holds up nothing', async () => {
      const dir = await folder('odd');
      const id = await server.api.published(watches('Odd', { folder: dir, existing: true, content: 'text' }));
      await looked(id);
      await writeFile(join(dir, 'bytes'), Buffer.from([0xff, 0xfe, 0]));
      await until('it says so', async () =>
        /bytes: .*UTF-8/.test((await server.api.get(`/api/workflows/${id}/poll`)).json.error ?? ''),
      );
      await writeFile(join(dir, 'text'), 'fine');
      assert.equal((await outputs(id, 1))[0].content, 'fine');
      await rename(dir, `${dir}-gone`);
      await until('it misses the folder', async () =>
        /There is no folder/.test((await server.api.get(`/api/workflows/${id}/poll`)).json.error ?? ''),
      );
      expectStatus(await server.api.delete(`/api/workflows/${id}`), 204);
      expectProblem(await server.api.get(`/api/workflows/${id}/poll`), 404);
    });

    test('flow control holds, and a batch of files is one run', async () => {
      const dir = await folder('batch');
      for (const n of [1, 2, 3]) await writeFile(join(dir, `${n}`), `${n}`);
      const id = await server.api.published(
        watches(
          'Batch',
          { folder: dir, existing: true },
          { settings: { flow: { batch: { size: 3, timeout: '1h' } } } },
        ),
      );
      const [files] = await outputs(id, 1);
      assert.deepEqual(files.map((file) => file.name).sort(), ['1', '2', '3']);
    });

    test('a file that cannot be read holds up no other', async () => {
      const dir = await folder('unread');
      await server.restart({ env: { HEDDLE_INJECT: 'wf.folder.read=error:E_FORBIDDEN@1' } });
      for (const name of ['a', 'b', 'c']) await writeFile(join(dir, name), name);
      const id = await server.api.published(
        watches('Unread', { folder: dir, existing: true, content: 'text', every: '5s' }),
      );
      const json = await until('it says which', async () => {
        const poll = (await server.api.get(`/api/workflows/${id}/poll`)).json;
        return poll.error && poll;
      });
      assert.match(json.error, /^[abc]: /);
      assert.equal((await runsOf(id)).length, 2);
      const files = await outputs(id, 3); /* it can be read now */
      assert.deepEqual(files.map((file) => file.content).sort(), ['a', 'b', 'c']);
      await until('nothing is wrong any more', async () => {
        const poll = (await server.api.get(`/api/workflows/${id}/poll`)).json;
        return !poll.error;
      });
      await server.restart({ env: { HEDDLE_INJECT: '' } });
    });

    test('killed while files come, it starts one run for each', async () => {
      const dir = await folder('kill');
      const id = await server.api.published(watches('Killed', { folder: dir }));
      await looked(id);
      let n = 0;
      for (let round = 0; round < 3; round++) {
        for (let i = 0; i < 12; i++) {
          await writeFile(join(dir, `${n}`), 'x');
          await utimes(join(dir, `${n}`), 1700000000, 1700000000 + n++);
        }
        await until('some have started', async () => (await runsOf(id)).length > round * 12);
        await server.killAndRestart();
      }
      const files = await outputs(id, n);
      assert.equal(new Set(files.map((file) => file.name)).size, n);
      assert.equal((await readdir(dir)).length, n);
    });

    if (db === 'postgres')
      test('of two nodes one looks', async () => {
        const other = await Server.make({
          db: 'sqlite',
          env: { DATABASE_URL: server.databaseUrl, HEDDLE_TRIGGER_FOLDERS: join(root, 'open') },
        });
        other.key = server.key;
        others.push(await other.up());
        const dir = await folder('nodes');
        const id = await server.api.published(watches('Nodes', { folder: dir }));
        await looked(id);
        for (let i = 0; i < 30; i++) await writeFile(join(dir, `${i}`), 'x');
        const files = await outputs(id, 30);
        assert.equal(new Set(files.map((file) => file.name)).size, 30);
      });
  });
}
after(stopShared);
