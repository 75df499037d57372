/* Approvers get their links by mail: signed in, under TLS, once each, across refusals, a dead server and a crash. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe } from 'node:test';
import { expectStatus, stepOf } from '../lib/api.mjs';
import { Gate, until } from '../lib/gate.mjs';
import { Server } from '../lib/server.mjs';
import { stopShared } from '../lib/postgres.mjs';
import { databases, testWith } from '../lib/suite.mjs';
import { removeDir, tempDir } from '../lib/tmp.mjs';
import { approval, flow, output, trigger } from '../lib/flow.mjs';
import { SmtpServer } from '../doubles/smtp_server.mjs';

const asks = (approvers, more = {}) =>
  flow(
    'Asks by mail',
    {
      start: trigger(),
      p: approval('Zahlen: {{ input.n }} €?', { approvers, email: true, ...more }),
      yes: output('yes'),
      no: output('no'),
      late: output('late'),
    },
    ['start -> p', 'p:approve -> yes', 'p:reject -> no', 'p:timeout -> late'],
  );

function makePair(dir, name) {
  const [key, cert] = ['key', 'cert'].map((what) => path.join(dir, `${name}-${what}.pem`));
  const args = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '30',
  ];
  args.push('-subj', '/CN=mail.test', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert);
  execFileSync('openssl', args, { stdio: 'pipe' });
  return { key: fs.readFileSync(key), cert: fs.readFileSync(cert), file: cert };
}

for (const db of databases) {
  describe(`links by mail [${db}]`, () => {
    const dir = tempDir('mail');
    let server, smtp, own;
    const test = testWith(() => server);
    before(async () => {
      own = makePair(dir, 'own');
      smtp = await new SmtpServer({ user: 'house', password: 'a:b-p@ss%', tls: own }).start();
      server = await Server.start({
        db,
        env: {
          SMTP_URL: smtp.url,
          SMTP_USER: 'house',
          SMTP_PASSWORD: 'a:b-p@ss%',
          SMTP_FROM: 'heddle@house.example',
          SMTP_CA_FILE: own.file,
          SMTP_LANGUAGE: 'de',
        },
      });
    });
    after(async () => {
      await server?.drop();
      await smtp?.stop();
      removeDir(dir);
    });

    async function asked(approvers, more) {
      const id = await server.api.workflow(asks(approvers, more));
      const runId = await server.api.start(id, { n: 7 });
      let item;
      await until('it is asked', async () => {
        item = (await server.api.get('/api/approvals?limit=200')).json.items.find(
          (one) => one.run_id === runId,
        );
        return item;
      });
      return { runId, path: `/api/approvals/${item.id}` };
    }
    const mailsOf = async (at) => expectStatus(await server.api.get(at), 200).json.mails;
    const settled = (at, state) =>
      until(`the mails are ${state}`, async () => (await mailsOf(at)).every((one) => one.state === state));

    test('each approver gets a link of their own, which decides', async () => {
      const { runId, path: at } = await asked('ann@example.com, bob@example.com', {
        message: 'Für Ann.\n.\nUnd Bob.',
        approvals: 2,
        max_wait: '30d',
      });
      for (const to of ['ann@example.com', 'bob@example.com']) {
        const mail = await smtp.got(to);
        assert.equal(mail.subject, 'Zahlen: 7 €?');
        assert.equal(mail.from, 'heddle@house.example');
        assert.equal(mail.secure, true, 'under TLS');
        assert.match(mail.text, /^Zahlen: 7 €\?\r\n\r\nFür Ann\.\r\n\.\r\nUnd Bob\.\r\n/);
        assert.match(mail.text, /Hier zustimmen oder ablehnen:\r\n/);
        const [link] = /http:\S+/.exec(mail.text);
        assert.ok(link.startsWith(`${server.url}/approve/`), link);
        assert.ok(link.includes(encodeURIComponent(to)), 'in their name');
        const answer = await fetch(link, {
          method: 'POST',
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
          body: 'decision=approve',
        });
        assert.equal(answer.status, 200, await answer.text());
      }
      const run = await server.api.finished(runId);
      assert.deepEqual([run.state, run.output], ['succeeded', 'yes']);
      assert.deepEqual(
        stepOf(run, 'p').output.answers.map((one) => one.by),
        ['ann@example.com', 'bob@example.com'],
      );
      const mails = await mailsOf(at);
      assert.deepEqual(
        mails.map((one) => [one.to, one.state, one.attempts, one.error]),
        [
          ['ann@example.com', 'sent', 1, null],
          ['bob@example.com', 'sent', 1, null],
        ],
      );
    });

    test('a refusal for ever is told, one for now is tried again, and nobody else waits for either', async () => {
      smtp.script('gone@example.com', { reply: '550 5.1.1 no such user here' });
      smtp.script('full@example.com', { data_reply: '452 4.2.2 mailbox full' });
      const { path: at } = await asked('gone@example.com, full@example.com, cleo@example.com');
      await smtp.got('cleo@example.com');
      const [gone, full] = await until('both were refused', async () => {
        const mails = await mailsOf(at);
        return mails[0].error && mails[1].error ? mails : null;
      });
      assert.equal(gone.state, 'dead');
      assert.match(gone.error, /refuses the mail.*550/);
      assert.deepEqual([full.state, full.attempts], ['pending', 1]);
      assert.ok(Date.parse(full.next_at) > Date.now(), 'later');
      const metrics = (await server.api.get('/metrics')).text;
      assert.match(metrics, /heddle_approval_mails_total\{outcome="dead"\} 1/);
    });

    test('what was decided meanwhile is not asked any more', async () => {
      smtp.script('late@example.com', { reply: '451 4.3.0 try later' }, {});
      const { path: at } = await asked('late@example.com');
      await until('it was tried', async () => (await mailsOf(at))[0].attempts === 1);
      expectStatus(await server.api.post(at, { decision: 'reject' }), 200);
      await settled(at, 'needless');
      assert.equal(smtp.to('late@example.com').length, 0);
    });

    test('what is no address fails the step, with what to do', async () => {
      const id = await server.api.workflow(asks('Ann'));
      const run = await server.api.finished(await server.api.start(id, { n: 1 }));
      assert.equal(run.state, 'failed');
      assert.match(run.error.message, /"Ann" is no e-mail address/);
    });

    test('a mail under way when the server is killed comes after all, with the same id', async () => {
      const gate = new Gate();
      smtp.script('dan@example.com', { gate }, {});
      const { runId, path: at } = await asked('dan@example.com');
      const first = await smtp.got('dan@example.com');
      await server.killAndRestart();
      await settled(at, 'sent');
      const again = await smtp.got('dan@example.com', 2);
      assert.equal(again.headers['message-id'], first.headers['message-id']);
      assert.match(first.headers['message-id'], /^<[0-9a-f-]+@house\.example>$/);
      expectStatus(await server.api.post(at, { decision: 'approve' }), 200);
      assert.equal((await server.api.finished(runId)).output, 'yes');
      gate.open();
    });

    test('a mail server that is dead, silent or a stranger holds nothing up', async () => {
      const { port } = smtp;
      await smtp.stop();
      const { runId, path: at } = await asked('eve@example.com');
      const [mail] = await until('it was tried', async () => {
        const mails = await mailsOf(at);
        return mails[0].error ? mails : null;
      });
      assert.equal(mail.state, 'pending');
      assert.match(mail.error, /cannot be handed over/);
      smtp = await new SmtpServer({}).start(port); /* it offers no TLS */
      const other = await asked('fay@example.com');
      const [refused] = await until('it was refused', async () => {
        const mails = await mailsOf(other.path);
        return mails[0].error ? mails : null;
      });
      assert.match(refused.error, /TLS/);
      assert.equal(smtp.mails.length, 0, 'nothing went over the open line');
      await smtp.stop();
      smtp = await new SmtpServer({ tls: makePair(dir, 'other') }).start(
        port,
      ); /* not the certificate it knows */
      const third = await asked('gus@example.com');
      await until('it was not believed', async () => (await mailsOf(third.path))[0].error);
      assert.equal(smtp.mails.length, 0);
      for (const one of [at, other.path, third.path])
        expectStatus(await server.api.post(one, { decision: 'approve' }), 200);
      assert.equal((await server.api.finished(runId)).state, 'succeeded');
    });

    test('it stops at once while a mail server says nothing', async () => {
      await smtp.stop();
      smtp = await new SmtpServer({ user: 'house', password: 'a:b-p@ss%', tls: own }).start(smtp.port);
      await server.restart();
      smtp.script('hal@example.com', { hang: true });
      await asked('hal@example.com');
      await until('it hangs', () => smtp.asked.includes('hal@example.com'));
      const began = Date.now();
      await server.down();
      assert.ok(Date.now() - began < 15_000, `${Date.now() - began} ms`);
    });
  });

  describe(`no mail server [${db}]`, () => {
    let server;
    const test = testWith(() => server);
    before(async () => {
      server = await Server.start({ db });
    });
    after(async () => {
      await server?.drop();
    });

    test('the step says that none is set', async () => {
      const id = await server.api.workflow(asks('ann@example.com'));
      const run = await server.api.finished(await server.api.start(id, { n: 1 }));
      assert.equal(run.state, 'failed');
      assert.match(run.error.message, /smtp\.url/);
    });
  });
}
after(stopShared);
