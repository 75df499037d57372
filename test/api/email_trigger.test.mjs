/* Workflows that read mails: each message starts one run, whatever the mail server, the network or a crash does. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe } from 'node:test';
import { Api, expectProblem, expectStatus } from '../lib/api.mjs';
import { Dovecot, mail } from '../lib/dovecot.mjs';
import { flow, output } from '../lib/flow.mjs';
import { pause, until } from '../lib/gate.mjs';
import { stopShared } from '../lib/postgres.mjs';
import { Server } from '../lib/server.mjs';
import { databases, testWith } from '../lib/suite.mjs';
import { ImapServer } from '../doubles/imap_server.mjs';

const reads = (name, email, more) =>
  flow(
    name,
    { start: ['trigger', { trigger: 'email', email }], o: output('{{ input }}') },
    ['start -> o'],
    more,
  );

let dovecot;
before(async () => {
  dovecot = await Dovecot.start(
    databases.flatMap((db) =>
      ['first', 'more', 'sealed', 'says', 'kill', 'nodes'].map((name) => `${name}-${db}`),
    ),
  );
});
after(async () => {
  await dovecot?.stop();
  await stopShared();
});

for (const db of databases) {
  describe(`email triggers [${db}]`, () => {
    let server;
    const doubles = [];
    const env = {
      HEDDLE_TRIGGER_PLAIN_MAIL: 'true',
      HEDDLE_MASTER_KEY: '0123456789abcdef'.repeat(4),
      HEDDLE_FLEET_TAKEOVER_AFTER: '3s',
    };
    const test = testWith(() => server);
    before(async () => {
      env.SSL_CERT_FILE = dovecot.cert;
      server = await Server.start({ db, env });
    });
    after(async () => {
      await server?.drop();
      for (const double of doubles) await double.stop();
    });

    const double = async (options) => {
      const d = await new ImapServer(options).start();
      doubles.push(d);
      return d;
    };
    const at = (user, more) => ({
      host: 'localhost',
      port: dovecot.tlsPort,
      user: `${user}-${db}`,
      password: dovecot.password,
      every: '2s',
      ...more,
    });
    const atDouble = (d, more) => ({
      host: '127.0.0.1',
      port: d.port,
      tls: 'none',
      user: 'ann',
      password: 'secret',
      every: '1s',
      ...more,
    });
    const mailbox = async (id) => (await server.api.get(`/api/workflows/${id}/mailbox`)).json;
    const looked = (id, so = (m) => m.state === 'connected' && m.looked_at) =>
      until('it has looked', async () => {
        const m = await mailbox(id);
        return so(m) && m;
      });
    const listening = async (definition) => {
      const id = await server.api.published(definition);
      await looked(id);
      return id;
    };
    /* It looks again after now. */
    const lookedAgain = async (id) => {
      const { looked_at } = await mailbox(id);
      await looked(id, (m) => m.looked_at > looked_at);
    };
    const runsOf = async (id) => {
      const all = [];
      for (let cursor = ''; cursor !== null;) {
        const { json } = await server.api.get(
          `/api/runs?workflow_id=${id}&limit=200${cursor && `&cursor=${cursor}`}`,
        );
        all.push(...json.items);
        cursor = json.next_cursor;
      }
      return all;
    };
    const inputs = async (id, n) => {
      const runs = await until(`${n} runs are there`, async () => {
        const all = await runsOf(id);
        return all.length >= n && all;
      });
      assert.equal(runs.length, n);
      return (await Promise.all(runs.map((run) => server.api.finished(run.id)))).map((run) => run.output);
    };
    const subjects = async (id, n) => (await inputs(id, n)).map((m) => m.subject).sort();

    describe('each by itself', { concurrency: true }, () => {
      test('a mail that comes starts one run, with what is in it, and is marked as read', async () => {
        const box = await dovecot.user(`first-${db}`);
        await box.append(mail('Old'));
        const id = await listening(reads('First', at('first')));
        const file = Buffer.from([0, 1, 2, 250, 255]);
        await box.append(
          [
            'From: =?utf-8?Q?J=C3=BCrgen_M?= =?utf-8?B?w7xsbGVy?= <jm@example.com>',
            'To: Box <box@example.com>, "B, C" <bc@example.com>',
            'Cc: Team: x@example.com, y@example.com;',
            'Reply-To: answers@example.com (Answers)',
            'Subject: =?iso-8859-1?Q?Gr=FC=DFe?=',
            'Date: Fri, 20 Nov 2026 12:00:00 +0100',
            'Message-ID: <one@example.com>',
            'X-Two: a',
            'X-Two: b',
            'MIME-Version: 1.0',
            'Content-Type: multipart/mixed; boundary="out er"',
            '',
            'preamble',
            '--out er',
            'Content-Type: multipart/alternative; boundary=inner',
            '',
            '--inner',
            'Content-Type: text/plain; charset=windows-1252',
            'Content-Transfer-Encoding: quoted-printable',
            '',
            'Sch=F6n =80=',
            '5',
            '--inner',
            'Content-Type: text/html; charset=utf-8',
            '',
            '<b>Schön</b>',
            '--inner--',
            '--out er',
            'Content-Type: application/octet-stream',
            'Content-Transfer-Encoding: base64',
            "Content-Disposition: attachment; filename*0*=utf-8''na%C3%AF; filename*1=ve.bin",
            '',
            file.toString('base64'),
            '--out er--',
            '',
          ].join('\r\n'),
        );
        const [{ received_at, headers, size, uid, ...rest }] = await inputs(id, 1);
        assert.ok(Math.abs(Date.parse(received_at) - Date.now()) < 600_000);
        assert.equal(headers['x-two'], 'a\nb');
        assert.equal(headers.subject, 'Grüße');
        assert.ok(size > 500 && uid === 2);
        assert.deepEqual(rest, {
          message_id: '<one@example.com>',
          from: [{ name: 'Jürgen Müller', address: 'jm@example.com' }],
          to: [
            { name: 'Box', address: 'box@example.com' },
            { name: 'B, C', address: 'bc@example.com' },
          ],
          cc: [
            { name: '', address: 'x@example.com' },
            { name: '', address: 'y@example.com' },
          ],
          reply_to: [{ name: 'Answers', address: 'answers@example.com' }],
          subject: 'Grüße',
          date: '2026-11-20T11:00:00.000000Z',
          text: 'Schön €5',
          html: '<b>Schön</b>',
          attachments: [
            {
              name: 'naïve.bin',
              type: 'application/octet-stream',
              size: 5,
              sha256: createHash('sha256').update(file).digest('hex'),
              inline: false,
              content_id: null,
              content: file.toString('base64'),
            },
          ],
          cut: false,
          folder: 'INBOX',
        });
        await until('it is marked', async () => (await box.search('SEEN')).includes(2));
        assert.deepEqual(await box.search('UNSEEN'), [1]);
        const [run] = await runsOf(id);
        assert.equal(run.trigger, 'email');
        const state = await mailbox(id);
        assert.equal(state.started, 1);
        assert.equal(state.error, null);
        assert.ok(state.mail_at);
        box.close();
      });

      test('filters, what is done afterwards, STARTTLS, and a folder with a name of its own', async () => {
        const box = await dovecot.user(`more-${db}`);
        for (const folder of ['Done', 'R&-D &APw-ber']) await box.command(`CREATE "${folder}"`);
        await box.append(mail('Invoice 1'), 'R&-D &APw-ber');
        await box.append(mail('invoice 2', 'b', { from: 'Bob <bob@example.com>' }), 'R&-D &APw-ber');
        await box.append(mail('INVOICE 3'), 'R&-D &APw-ber', '\\Seen');
        await box.append(mail('Other'), 'R&-D &APw-ber');
        const email = {
          ...at('more', { port: dovecot.port, tls: 'starttls', folder: 'R&D über', existing: true }),
          unseen: true,
          from: 'ANN@',
          subject: 'invoice',
        };
        const id = await listening(reads('Move', { ...email, after: 'move', move_to: 'Done' }));
        assert.deepEqual(await subjects(id, 1), ['Invoice 1']);
        await until('it is moved', async () => (await box.search('ALL', 'Done')).length === 1);
        assert.equal((await box.search('ALL', 'R&-D &APw-ber')).length, 3);
        const all = await listening(reads('Delete', { ...at('more'), existing: true, after: 'delete' }));
        await box.append(mail('Gone'));
        assert.deepEqual(await subjects(all, 1), ['Gone']);
        await until('it is deleted', async () => (await box.search()).length === 0);
        box.close();
      });

      test('a password is sealed when it is stored, for its server and user alone', async () => {
        const id = (await server.api.post('/api/workflows', reads('Sealed', at('sealed')))).json.id;
        const { definition } = (await server.api.get(`/api/workflows/${id}`)).json;
        const sealed = definition.nodes[0].data.email.password;
        assert.match(sealed, /^sealed:/);
        assert.ok(!JSON.stringify(definition).includes('geheim'));
        expectStatus(await server.api.put(`/api/workflows/${id}`, definition), 200);
        for (const change of [
          { host: '127.0.0.1' },
          { user: 'other' },
          { port: 1143 },
          { tls: 'starttls' },
        ]) {
          const answer = await server.api.put(
            `/api/workflows/${id}`,
            reads('Sealed', { ...at('sealed'), password: sealed, ...change }),
          );
          expectProblem(answer, 422, 'invalid');
          assert.match(answer.json.detail, /sealed for another server/);
        }
      });

      test('what cannot work is said before, and where it is asked for', async () => {
        const box = await dovecot.user(`says-${db}`);
        const tried = async (email) => {
          const id = (await server.api.post('/api/workflows', reads('Try', email))).json.id;
          const { json } = await server.api.post(`/api/workflows/${id}/mailbox/test`, {});
          return json;
        };
        assert.deepEqual(await tried(at('says')), { ok: true, error: null, messages: 0, idle: true });
        assert.match((await tried(at('says', { password: 'wrong' }))).error, /does not take this user/);
        assert.match((await tried(at('says', { folder: 'None' }))).error, /"None" cannot be used/);
        assert.match(
          (await tried(at('says', { after: 'move', move_to: 'Nowhere' }))).error,
          /"Nowhere" cannot be used/,
        );
        assert.match((await tried(at('says', { host: '127.0.0.2', port: 1 }))).error, /could not be reached/);
        assert.match((await tried(at('says', { port: dovecot.port }))).error, /encryption/);
        for (const [email, field] of [
          [{ folder: 'A', after: 'move', move_to: 'A' }, 'email/move_to'],
          [{ since: 'yesterday' }, 'email/since'],
          [{ user: 'a\r\nb' }, 'email/user'],
          [{ nothing: 1 }, 'email/nothing'],
        ]) {
          const { status, json } = await server.api.post('/api/workflows', reads('Bad', at('says', email)));
          assert.equal(status, 422);
          assert.equal(json.errors[0].path, `/nodes/0/data/${field}`);
        }
        const foreign = await server.api.get('/api/workflows/0000000000000000000000/mailbox');
        assert.equal(foreign.status, 404);
        box.close();
      });

      test('a server may cut, stall, say too much or leave: each mail still starts one run', async () => {
        const faults = {
          cut: (c, s) =>
            /BODY.PEEK\[\]/.test(c) && s.send('* 1 FETCH (UID 1 BODY[] {100}\r\nhalf') && s.socket.end(),
          huge: (c, s) => /BODY.PEEK\[\]/.test(c) && s.send('* 1 FETCH (UID 1 BODY[]<0> {4000000000}\r\n'),
          bye: (c, s) => /SEARCH/.test(c) && s.send('* BYE for a while\r\n') && s.socket.end(),
          nonsense: (c, s) => /SEARCH/.test(c) && s.send('(((((((((((((\r\n'),
          unmarked: (c, s) => /STORE/.test(c) && s.send('* BYE now\r\n') && s.socket.end(),
          stall: (c, s) => /BODY.PEEK\[\]/.test(c) && s.send('* 1 FETCH (UID 1 BODY[] {100}\r\nhalf'),
          endless: (c, s) => /SEARCH/.test(c) && s.send(`* OK ${'x'.repeat(600_000)}`),
        };
        const one = async ([name, fault]) => {
          const d = await double();
          const id = await listening(reads(`Fault ${name}`, atDouble(d)));
          let done = false;
          d.fault = (c, s) => !done && (done = !!fault(c, s));
          d.deliver(mail(name));
          await until(`${name}: it has its run`, async () => done && (await runsOf(id)).length);
          await until(`${name}: it is marked`, () => d.messages[0].flags.includes('\\Seen'));
          await looked(id);
          d.deliver(mail(`${name} again`));
          assert.deepEqual(await subjects(id, 2), [name, `${name} again`]);
          assert.equal((await mailbox(id)).started, 2);
        };
        await Promise.all(Object.entries(faults).map(one));
      });

      test('a connection that is dead on one side is noticed', async () => {
        const d = await double();
        const id = await listening(reads('Half', atDouble(d)));
        for (const socket of d.sockets) {
          socket.removeAllListeners('data');
          socket.idles = false;
        }
        d.deliver(mail('Later'));
        assert.deepEqual(await subjects(id, 1), ['Later']);
        assert.equal(d.connections, 2);
      });

      test('a server without IDLE is asked again and again, and one that wants another password seldom', async () => {
        const d = await double({ capabilities: 'IMAP4rev1' });
        const id = await listening(reads('Poll', atDouble(d)));
        d.deliver(mail('Polled'));
        assert.deepEqual(await subjects(id, 1), ['Polled']);
        assert.ok(!d.commands.includes('IDLE'));
        const wrong = await double({ password: 'changed' });
        const other = await server.api.published(reads('Wrong', atDouble(wrong)));
        const state = await looked(other, (m) => m.state === 'failing');
        assert.match(state.error, /does not take this user and password/);
        assert.ok(!state.error.includes('secret'));
        assert.ok(Date.parse(state.next_at) - Date.now() > 15_000);
        await pause(1500);
        assert.equal(wrong.connections, 1);
        assert.ok(!server.proc.stderr.includes('secret'));
      });

      test('a folder that is numbered anew starts no old mail again, and the new ones', async () => {
        const d = await double({ capabilities: 'IMAP4rev1 AUTH=PLAIN' });
        const hour = 3_600_000;
        d.deliver(mail('Old'), { date: new Date(Date.now() - 3 * hour) });
        const id = await listening(reads('Renumbered', atDouble(d, { existing: true })));
        d.deliver(mail('Middle'), { date: new Date(Date.now() - 2 * hour) });
        assert.deepEqual(await subjects(id, 2), ['Middle', 'Old']);
        await lookedAgain(id);
        d.cut();
        d.messages.push({
          uid: d.next++,
          raw: Buffer.from(mail('New')),
          flags: [],
          date: new Date(Date.now() - hour),
        });
        d.renumber();
        assert.deepEqual(await subjects(id, 3), ['Middle', 'New', 'Old']);
        await lookedAgain(id);
        assert.equal((await runsOf(id)).length, 3);
      });

      test('a mail that is too large comes without its end, and files beyond the limit by name', async () => {
        const d = await double();
        const id = await listening(
          reads('Large', atDouble(d, { max_size: '64KiB', max_attachments: '1KiB' })),
        );
        const part = (name, n) =>
          ['--b', `Content-Disposition: attachment; filename=${name}`, '', 'x'.repeat(n)].join('\r\n');
        const many = (...parts) =>
          mail('Large', ['--b', '', 'Text', ...parts, '--b--'].join('\r\n'), {
            more: 'Content-Type: multipart/mixed; boundary=b',
          });
        d.deliver(many(part('small', 1000), part('big', 2000), part('tiny', 24)));
        const [first] = await inputs(id, 1);
        assert.deepEqual(
          first.attachments.map((f) => [f.name, f.size, f.content === null]),
          [
            ['small', 1000, false],
            ['big', 2000, true],
            ['tiny', 24, false],
          ],
        );
        assert.equal(first.attachments[1].content_omitted, true);
        assert.equal(first.cut, false);
        d.deliver(many(part('whole', 10), part('huge', 100_000)));
        const second = (await inputs(id, 2)).find((m) => m.cut);
        assert.equal(second.text, 'Text');
        assert.deepEqual(
          second.attachments.map((f) => [f.name, f.content === null]),
          [
            ['whole', false],
            ['huge', true],
          ],
        );
        assert.ok(second.size > 100_000);
      });

      test('files that would be more than a step may give come by name, the largest', async () => {
        const d = await double();
        const id = await listening(reads('Full', atDouble(d)));
        const part = (name, n) =>
          ['--b', `Content-Disposition: attachment; filename=${name}`, '', 'x'.repeat(n)].join('\r\n');
        const parts = ['--b', '', 'Text', part('one', 3 << 20), part('two', 7 << 19), part('three', 9)];
        d.deliver(
          mail('Full', [...parts, '--b--'].join('\r\n'), {
            more: 'Content-Type: multipart/mixed; boundary=b',
          }),
        );
        const [full] = await inputs(id, 1);
        assert.deepEqual(
          full.attachments.map((f) => [f.name, f.content === null, f.content_omitted ?? false]),
          [
            ['one', false, false],
            ['two', true, true],
            ['three', false, false],
          ],
        );
      });

      test('flow control lets mails wait in the folder, and what cannot start a run is passed over', async () => {
        const d = await double();
        const definition = reads('Flow', atDouble(d), {
          settings: { flow: { rate_limit: { limit: 1, per: '3s' } } },
        });
        definition.nodes[0].data.input = {
          type: 'object',
          properties: { subject: { not: { const: 'Refused' } } },
        };
        const id = await listening(definition);
        for (const subject of ['One', 'Refused', 'Two']) d.deliver(mail(subject));
        assert.deepEqual(await subjects(id, 2), ['One', 'Two']);
        await until('the others are marked', () => d.messages[2].flags.includes('\\Seen'));
        assert.deepEqual(d.messages[1].flags, []);
        const one = await double();
        await listening(reads('Both', atDouble(one)));
        const other = await listening(reads('Both, too', atDouble(one)));
        one.deliver(mail('For both'));
        assert.deepEqual(await subjects(other, 1), ['For both']);
      });

      test('where the operator does not allow it mails are not read', async () => {
        const closed = await Server.start({ db, env: { HEDDLE_EGRESS_ALLOW: '*' } });
        try {
          for (const [email, why] of [
            [{ tls: 'none', host: 'mail.example.com' }, /encrypted connections alone/],
            [{ host: '127.0.0.1' }, /127.0.0.1/],
          ]) {
            const made = await closed.api.post('/api/workflows', reads('Closed', { ...at('x'), ...email }));
            expectStatus(made, 201);
            const { id } = made.json;
            const refused = await closed.api.post(`/api/workflows/${id}/publish`);
            assert.equal(refused.status, 422);
            assert.match(refused.json.detail, why);
            const { json } = await closed.api.post(`/api/workflows/${id}/mailbox/test`, {});
            assert.equal(json.ok, false);
          }
          const key = await closed.newKey('reader', 'workflow.read');
          const { id } = (await closed.api.post('/api/workflows', reads('Shown', at('x')))).json;
          const read = new Api(closed.url, key);
          const shown = (await read.get(`/api/workflows/${id}`)).json.definition.nodes[0].data.email;
          assert.equal(shown.password, '********');
          assert.equal((await read.post(`/api/workflows/${id}/mailbox/test`, {})).status, 403);
          read.close();
        } finally {
          await closed.drop();
        }
      });

      test('a new version goes on where the old one was, and an unpublished one reads no more', async () => {
        const d = await double();
        const id = await listening(reads('Versions', atDouble(d)));
        d.deliver(mail('One'));
        await inputs(id, 1);
        expectStatus(
          await server.api.put(`/api/workflows/${id}`, reads('Versions', atDouble(d, { subject: 'w' }))),
          200,
        );
        expectStatus(await server.api.post(`/api/workflows/${id}/publish`), 200);
        await looked(id, (m) => m.version === 2 && m.looked_at && m.state === 'connected');
        d.deliver(mail('Three'));
        d.deliver(mail('Two'));
        assert.deepEqual(await subjects(id, 2), ['One', 'Two']);
        expectStatus(await server.api.delete(`/api/workflows/${id}`), 204);
        await until('it has left', () => d.sockets.size === 0);
      });
    });

    test('killed in the middle of 200 mails, each has one run', async () => {
      const box = await dovecot.user(`kill-${db}`);
      const names = Array.from({ length: 200 }, (_, i) => `Mail ${i + 1000}`);
      for (const name of names) await box.append(mail(name));
      const id = await server.api.published(reads('Kill', { ...at('kill'), existing: true }));
      const count = async () => (await runsOf(id)).length;
      for (const n of [20, 90, 150]) {
        const were = await until(`${n} runs are there`, async () => {
          const there = await count();
          return there >= n && there;
        });
        if (n === 20) assert.ok(were < 200, 'it is killed in the middle');
        await server.kill();
        await server.up();
      }
      await until('all are there', async () => (await count()) === 200, { limit: 90_000 });
      await until('all are marked', async () => (await box.search('UNSEEN')).length === 0);
      await looked(id);
      const all = await inputs(id, 200);
      assert.deepEqual(all.map((m) => m.subject).sort(), names);
      box.close();
    });

    if (db === 'postgres')
      test('of several nodes one reads, and another goes on when it stops or dies', async () => {
        const box = await dovecot.user(`nodes-${db}`);
        const node = async () => {
          const n = await Server.make({ db: 'sqlite', env: { ...env, DATABASE_URL: server.databaseUrl } });
          n.key = server.key;
          return n.up();
        };
        const others = [await node(), await node()];
        const id = await listening(reads('Nodes', at('nodes')));
        const names = [];
        const more = async (n) => {
          for (let i = 0; i < n; i++) {
            names.push(`Mail ${100 + names.length}`);
            await box.append(mail(names.at(-1)));
          }
        };
        await more(20);
        /* All that read are stopped, but for the last one. */
        await others[0].down();
        await more(20);
        await server.kill();
        await more(20);
        server.api = others[1].api;
        assert.deepEqual(await subjects(id, 60), names);
        await until('all are marked', async () => (await box.search('UNSEEN')).length === 0);
        await server.up();
        await more(5);
        await others[1].down();
        assert.deepEqual(await subjects(id, 65), names);
        box.close();
      });
  });
}
