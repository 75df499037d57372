/* Chat triggers: conversations of runs, streamed or whole, by API and by the page. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { expectProblem, expectStatus } from '../lib/api.mjs';
import { Gate, until } from '../lib/gate.mjs';
import { raw } from '../lib/raw.mjs';
import { sql } from '../lib/sql.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { call, flow, llm, noRetry, output } from '../lib/flow.mjs';

const chat = (settings = {}) => ['trigger', { trigger: 'chat', chat: settings }];

onEachDatabase('chat', (ctx) => {
  const { test } = ctx;
  const anonymous = () => ctx.api.as(null);
  const echo = (settings, out = 'You said {{ input.message }}') =>
    ctx.api.published(flow('Echo', { in: chat(settings), out: output(out) }, ['in -> out']));
  const say = (id, message, conversation_id, headers = {}) =>
    anonymous().post(
      `/chat/${id}`,
      { message, mode: 'wait', ...(conversation_id && { conversation_id }) },
      { headers },
    );
  const runsOf = async (id) => (await ctx.api.get(`/api/runs?workflow_id=${id}`)).json.items;
  const hidden = (text, name) => text.match(new RegExp(`name="${name}" value="([^"]+)"`))[1];
  const sendPage = (id, conversation, message) =>
    anonymous().call('POST', `/chat/${id}`, {
      text: new URLSearchParams({ conversation, key: 'k', message }).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });

  test('each message is a run that is told the conversation so far, as much as is set', async () => {
    const id = await echo({ history: 4 }, { text: '{{ input.transcript }}|{{ input.history.length }}' });
    const first = expectStatus(await say(id, 'one'), 200).json;
    assert.equal(first.answer, '|0');
    assert.equal(first.turn, 1);
    const talk = first.conversation_id;
    assert.equal(expectStatus(await say(id, 'two', talk), 200).json.answer, 'user: one\nassistant: |0|2');
    assert.match(expectStatus(await say(id, 'three', talk), 200).json.answer, /^user: one[^]*\|4$/);
    const fourth = expectStatus(await say(id, 'four', talk), 200).json;
    assert.match(fourth.answer, /^user: two[^]*user: three[^]*\|4$/);
    const [run] = await runsOf(id);
    assert.equal(run.trigger, 'chat');
    const { input } = await ctx.api.runOf(fourth.run_id);
    assert.deepEqual(
      input.history.map((one) => one.role),
      ['user', 'assistant', 'user', 'assistant'],
    );
    const seen = expectStatus(await anonymous().get(`/chat/${id}/${talk}`), 200).json;
    assert.deepEqual(
      seen.turns.map((turn) => [turn.message, turn.state]),
      ['one', 'two', 'three', 'four'].map((message) => [message, 'answered']),
    );
  });

  test('the answer is streamed as it is made', async () => {
    const model = `chat-${ctx.db}`;
    const gate = new Gate();
    ctx.model.script(model, { pieces: ['Good ', 'day'], piece_gate: { after: 1, gate } });
    const id = await ctx.api.published(
      flow('Talk', { in: chat(), m: llm(model, '{{ in.message }}'), out: output('{{ m.text }}') }, [
        'in -> m',
        'm -> out',
      ]),
    );
    const stream = await anonymous().sse('POST', `/chat/${id}`, { body: { message: 'Hello' } });
    const run = await stream.nextWith((event) => event.event === 'run');
    assert.equal(run.json.turn, 1);
    assert.equal((await stream.nextWith((event) => event.event === 'delta')).json.text, 'Good ');
    /* While it speaks nothing else is heard, and the conversation shows that it is at work. */
    expectProblem(await say(id, 'And?', run.json.conversation_id), 409, 'conflict');
    const path = `/chat/${id}/${run.json.conversation_id}`;
    assert.equal((await anonymous().get(path)).json.turns[0].state, 'running');
    gate.open();
    const rest = await stream.all();
    assert.deepEqual(rest.at(-1).json.output, 'Good day');
    assert.equal((await anonymous().get(path)).json.turns[0].answer, 'Good day');
  });

  test('an answer that nobody waited for is there all the same', async () => {
    const gate = new Gate();
    const id = await ctx.api.published(
      flow('Left', { in: chat(), a: call(ctx.web.plan(`left-${ctx.db}`, { gate })), out: output('late') }, [
        'in -> a',
        'a -> out',
      ]),
    );
    const stream = await anonymous().sse('POST', `/chat/${id}`, { body: { message: 'Hello' } });
    const run = await stream.nextWith((event) => event.event === 'run');
    stream.close();
    gate.open();
    await ctx.api.finished(run.json.run_id);
    const next = expectStatus(await say(id, 'there?', run.json.conversation_id), 200).json;
    assert.equal(next.turn, 2);
    const { input } = await ctx.api.runOf(next.run_id);
    assert.equal(input.history[1].content, 'late');
  });

  test('the same message sent twice is one', async () => {
    const id = await echo();
    const { conversation_id: talk } = (await say(id, 'Hello')).json;
    const headers = { 'idempotency-key': 'k1' };
    const answers = [await say(id, 'again', talk, headers), await say(id, 'again', talk, headers)];
    for (const r of answers) assert.equal(expectStatus(r, 200).json.answer, 'You said again');
    assert.equal(answers[0].json.run_id, answers[1].json.run_id);
    assert.equal((await runsOf(id)).length, 2);
    expectProblem(await say(id, 'other', talk, headers), 409);
    expectProblem(await say(id, 'no conversation', undefined, headers), 400);
  });

  test('a run that fails is no answer, and tells nothing', async () => {
    const id = await ctx.api.published(
      flow('Broken', { in: chat(), a: call(`${ctx.web.origin}/status/500`, { retry: noRetry }) }, [
        'in -> a',
      ]),
    );
    const r = expectStatus(await say(id, 'Hello'), 200);
    assert.equal(r.json.state, 'failed');
    assert.equal(r.json.answer, null);
    assert.ok(!r.text.includes(ctx.web.origin));
    assert.equal(expectStatus(await say(id, 'Again', r.json.conversation_id), 200).json.turn, 2);
  });

  test('what is no message, conversation or chat is refused', async () => {
    const id = await echo({ rate_limit: { limit: 3, per: '1h' } });
    for (const message of ['', ' \n', 'a\u0000b', 5]) {
      const r = await anonymous().post(`/chat/${id}`, { message });
      assert.ok([400, 422].includes(r.status), r.text);
    }
    expectProblem(await anonymous().post(`/chat/${id}`, { message: 'x'.repeat(33 << 10) }), 413);
    expectProblem(await say(id, 'Hello', '01890a5d-ac96-774b-bcce-b302099a8057'), 404);
    expectProblem(await say(id, 'Hello', 'x'), 404);
    const other = await echo();
    const { conversation_id: talk } = (await say(other, 'Hello')).json;
    expectProblem(await say(id, 'Hello', talk), 404); /* of another workflow */
    assert.deepEqual(await runsOf(id), []);
    for (let n = 0; n < 3; n++) expectStatus(await say(id, 'Hello'), 200);
    assert.ok(Number((await say(id, 'Hello')).headers['retry-after']) > 600);
    const definition = flow('C', { in: ['trigger', { trigger: 'chat', input: { type: 'object' } }] }, []);
    expectProblem(await ctx.api.post('/api/workflows', definition), 422);
    definition.nodes[0].data = { trigger: 'chat' };
    definition.settings = { flow: { debounce: { delay: '1s' } } };
    expectProblem(await ctx.api.post('/api/workflows', definition), 422);
    assert.equal((await anonymous().get(`/chat/${id}/${talk}`)).status, 404);
    expectStatus(await anonymous().delete(`/chat/${other}/${talk}`), 204);
    expectStatus(await anonymous().get(`/chat/${other}/${talk}`), 404);
  });

  test('a chat may be for those who have its token', async () => {
    const id = await echo({ auth: 'bearer', secret: 'token-of-chat' });
    expectProblem(await say(id, 'Hello'), 401, 'unauthorized');
    expectProblem(await say(id, 'Hello', undefined, { authorization: 'Bearer wrong' }), 401);
    const bearer = { authorization: 'Bearer token-of-chat' };
    const { conversation_id: talk } = expectStatus(await say(id, 'Hello', undefined, bearer), 200).json;
    expectStatus(await anonymous().get(`/chat/${id}/${talk}`), 401);
    expectStatus(await anonymous().get(`/chat/${id}/${talk}`, { headers: bearer }), 200);
  });

  test('conversations are forgotten when their time is over', async () => {
    const id = await echo({ keep: '1m' });
    const { conversation_id: talk } = (await say(id, 'Hello')).json;
    const { keep_until } = (await anonymous().get(`/chat/${id}/${talk}`)).json;
    assert.ok(Math.abs(Date.parse(keep_until) - Date.now() - 60e3) < 30e3);
  });

  test('the page talks without a script, and a message that is sent twice is one', async () => {
    const id = await echo({ title: 'Ask & be told', greeting: 'Good day.' });
    const page = expectStatus(await anonymous().get(`/chat/${id}`), 200);
    assert.match(page.headers['content-security-policy'], /default-src 'none'/);
    assert.ok(page.text.includes('<h1>Ask &amp; be told</h1>'));
    assert.doesNotMatch(page.text, /<script/);
    const send = (from, message, headers = {}) =>
      anonymous().call('POST', `/chat/${id}`, {
        text: new URLSearchParams({
          conversation: hidden(from.text, 'conversation'),
          key: hidden(from.text, 'key'),
          message,
        }).toString(),
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      });
    const answered = expectStatus(await send(page, '<b>Hi</b>'), 200);
    assert.ok(answered.text.includes('<p>You said &lt;b&gt;Hi&lt;/b&gt;</p>'));
    expectStatus(await send(page, '<b>Hi</b>'), 200);
    assert.equal((await runsOf(id)).length, 1);
    const third = expectStatus(await send(answered, 'More'), 200);
    assert.ok(third.text.includes('&lt;b&gt;Hi') && third.text.includes('<p>You said More</p>'));
    expectStatus(await send(third, 'No', { origin: 'https://evil.example' }), 403);
    expectStatus(await send(third, ' '), 400);
    assert.equal((await runsOf(id)).length, 2);
    await until('nothing is open', async () => (await runsOf(id)).every((run) => run.state === 'succeeded'));
    assert.match(expectStatus(await anonymous().get('/chat/none'), 404).text, /There is no chat here/);
  });

  test('the page goes on with no conversation of another workflow, nor with one whose time is over', async () => {
    const [mine, other] = [await echo(), await echo()];
    const { conversation_id: talk } = expectStatus(await say(other, 'A secret'), 200).json;
    const r = expectStatus(await sendPage(mine, talk, 'Hello'), 200);
    assert.ok(r.text.includes('You said Hello') && !r.text.includes('secret'));
    assert.notEqual(hidden(r.text, 'conversation'), talk);
    const { input } = await ctx.api.runOf((await runsOf(mine))[0].id);
    assert.deepEqual(input.history, []);
    const path = `/chat/${other}/${talk}`;
    assert.equal(expectStatus(await anonymous().get(path), 200).json.turns.length, 1);
    await sql(ctx.server, 'UPDATE chat SET keep_until = 1');
    expectStatus(await anonymous().get(path), 404);
    const late = expectStatus(await sendPage(other, talk, 'Again'), 200);
    assert.ok(late.text.includes('You said Again') && !late.text.includes('secret'));
  });

  test('the page shows the newest turns that fit', async () => {
    const id = await echo();
    const long = '&'.repeat(32 << 10);
    let talk;
    for (let n = 1; n <= 4; n++)
      ({ conversation_id: talk } = expectStatus(await say(id, `m${n}-`.padEnd(32 << 10, '&'), talk), 200).json);
    const r = expectStatus(await sendPage(id, talk, 'Last'), 200);
    assert.ok(r.text.includes('You said Last') && r.text.includes('m4-') && !r.text.includes('m1-'));
    assert.ok(r.text.includes('Earlier messages are not shown.'));
    assert.match(expectStatus(await sendPage(id, talk, `${long}&`), 413).text, /<textarea[^]*&amp;/);
    const huge = await echo({}, '"é'.repeat(80 << 10));
    const empty = await anonymous().get(`/chat/${huge}`);
    const cut = expectStatus(await sendPage(huge, hidden(empty.text, 'conversation'), 'Hello'), 200);
    assert.ok(cut.text.includes('The answer is longer than this page shows.'));
    assert.ok(!cut.text.includes('\ufffd'));
  });

  test('whoever leaves before his message is taken does no harm', async () => {
    const id = await echo();
    const { port } = new URL(ctx.api.base);
    const body = JSON.stringify({ message: 'm'.repeat(30_000), mode: 'wait' });
    const head = `POST /chat/${id} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
    for (let n = 0; n < 60; n++)
      await raw(port, [head + body, (socket) => sleep(n % 4).then(() => socket.resetAndDestroy())]);
    expectStatus(await say(id, 'Still there?'), 200);
  });
});
