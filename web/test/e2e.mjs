// The main paths of the console in Chromium, as a person walks them. Against the mock by default; with HEDDLE=path/to/heddle
// against the real program on a free port and a folder of its own. Fails on any error the browser reports, CSP included.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import { makeMock } from './mock-server.mjs';
import { leadFlow, startUpstreams } from './upstreams.mjs';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const folder = mkdtempSync(join(tmpdir(), 'heddle-e2e-'));
const upstreams = await startUpstreams();

async function startServer() {
  const program = process.env.HEDDLE;
  if (!program) {
    const mock = await makeMock({ empty: true, pace: 0.5 });
    await new Promise((done) => mock.server.listen(0, '127.0.0.1', done));
    const url = (mock.base.url = `http://127.0.0.1:${mock.server.address().port}`);
    return {
      url,
      link: () => `${url}/signin?token=letmein123`,
      real: false,
      stop: () => (mock.server.close(), mock.server.closeAllConnections()),
    };
  }
  const child = spawn(program, ['serve', '--listen', '127.0.0.1:0', '--data', folder, '--egress-allow', '127.0.0.1'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const url = await new Promise((done, fail) => {
    child.once('exit', (code) => fail(new Error(`the server ended with ${code}`)));
    child.stdout.on('data', (data) => {
      const ready = /ready (http:\S+)/.exec(String(data));
      if (ready) done(ready[1]);
    });
  });
  const link = () => execFileSync(program, ['signin', '--data', folder, '--base-url', url]).toString().trim();
  return { url, link, real: true, stop: () => child.kill('SIGTERM') };
}

const server = await startServer();
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS });
const context = await browser.newContext({
  viewport: { width: 1440, height: 900 },
  locale: 'en-GB',
  permissions: ['clipboard-read', 'clipboard-write'],
});
const page = await context.newPage();
const complaints = [];
page.on('console', (message) => {
  if (message.type() === 'error' && !/status of (401|404|409|412|422)|ERR_INTERNET_DISCONNECTED/.test(message.text()))
    complaints.push(message.text());
});
page.on('pageerror', (error) => complaints.push(error.message));
page.setDefaultTimeout(15_000);

const button = (name) => page.getByRole('button', { name, exact: true });
const node = (id) => page.locator(`.react-flow__node[data-id="${id}"]`);
const menu = async (item) => {
  await button('More').first().click();
  await page.getByRole('menuitem', { name: item }).click();
};
const saved = () => page.getByText('Saved', { exact: true }).waitFor();
/** Waits until @check does not throw any more: for what is true a little later. */
async function until(check) {
  const end = Date.now() + 15_000;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > end) throw error;
      await page.waitForTimeout(100);
    }
  }
}
const draft = () => page.evaluate(async () => (await (await fetch(`/api${location.pathname}`)).json()).definition);
let passed = 0;
async function path(name, walk) {
  try {
    await walk();
    passed++;
    console.log(`ok   ${name}`);
  } catch (error) {
    await page.screenshot({ path: join(folder, `failed-${name.slice(0, 12).replaceAll(/\W/g, '_')}.png`) });
    console.error(`FAIL ${name}\n${error.stack}\nsee ${folder}`);
    process.exitCode = 1;
  }
}

await path('nobody gets in without the link; a bad token is refused in place', async () => {
  await page.goto(`${server.url}/runs`);
  await page.getByLabel('Sign-in link or token').fill('not-the-token-at-all');
  await button('Sign in').click();
  await page.getByText('This link is not good any more').waitFor();
  await page.getByLabel('Sign-in link or token').fill(server.link());
  await button('Sign in').click();
  await page.getByRole('heading', { name: 'Runs' }).waitFor();
});

await path('a file is imported and drawn, and nothing of it is lost', async () => {
  const file = join(folder, 'lead.json');
  writeFileSync(file, JSON.stringify(leadFlow(upstreams.url)));
  await page.goto(`${server.url}/workflows`);
  await button('Make a workflow').click();
  await page.locator('input[type=file]').setInputFiles(file);
  await node('notify-1').waitFor();
  assert.equal(await page.locator('.react-flow__node').count(), 7);
  assert.equal(await page.locator('.react-flow__edge').count(), 6);
  const stored = await draft();
  for (const key of ['nodes', 'edges', 'variables', 'name'])
    assert.deepEqual(stored[key], leadFlow(upstreams.url)[key]);
});

await path('settings are saved by themselves; undo brings them back', async () => {
  await node('analyze-1').click();
  await page.locator('[data-field="model"]').locator('input, textarea').first().fill('another-model');
  await until(async () => assert.equal((await draft()).nodes[3].data.model, 'another-model'));
  await page.keyboard.press('Escape');
  await page.locator('.react-flow__pane').click({ position: { x: 300, y: 600 } });
  await page.keyboard.press('Control+z');
  await until(async () => assert.equal((await draft()).nodes[3].data.model, 'test-model'));
});

await path('a template offers what can be read', async () => {
  await node('analyze-1').click();
  const prompt = page.locator('[data-field="prompt"] textarea');
  await prompt.fill('About {{ enrich');
  await prompt.press('End');
  await page
    .getByRole('option', { name: /^enrich-1\.body/ })
    .first()
    .click();
  assert.match(await prompt.inputValue(), /\{\{ enrich-1\.body \}\}$/);
  await saved();
});

await path('a mistake is shown at its place and kept until it is mended', async () => {
  await page.locator('[data-field="prompt"] textarea').fill('{{ nowhere.at.all }}');
  await page.getByText('Kept here, not saved yet').waitFor();
  await page.locator('[data-field="prompt"]').getByText('nowhere', { exact: false }).last().waitFor();
  await page.reload();
  await page.getByText('Changes of your last visit that were not saved are back.').waitFor();
  await button('1 problem').first().click();
  await page
    .getByRole('button', { name: /Analyse/ })
    .last()
    .click();
  await page.locator('[data-field="prompt"] textarea').fill('Judge {{ enrich-1.body }}');
  await saved();
});

await path('a run of the draft is followed live on the canvas', async () => {
  await button('Run').click();
  await page.getByLabel('email').fill('flaky@northloom.example');
  await page.locator('dialog').getByRole('button', { name: 'Run', exact: true }).click();
  if (server.real) await node('enrich-1').getByText('Will try again').waitFor();
  await node('analyze-1').getByText('Running').waitFor();
  await node('analyze-1').getByText('Mara', { exact: false }).waitFor();
  await page.getByText('Succeeded').first().waitFor();
  assert.equal(await node('notify-1').getByText('Done').count(), 1);
  if (server.real) {
    assert.equal(await node('small-1').getByText('Skipped').count(), 1);
    const { body, headers } = upstreams.received.at(-1);
    assert.match(body, /Priority: high/);
    assert.ok(headers['webhook-signature']);
  }
  await node('enrich-1').click();
  await page.getByText('Output', { exact: true }).first().waitFor();
});

await path('the whole run: time line, journal, input and output, run again', async () => {
  await page.getByRole('link', { name: 'Open the whole run' }).click();
  await page.getByRole('tab', { name: /Journal/ }).click();
  await page.getByText('run.succeeded').waitFor();
  await page.getByRole('tab', { name: 'Input and output' }).click();
  await page.getByText('flaky@northloom.example').first().waitFor();
  await button('Run again').click();
  assert.equal(await page.getByLabel('email').inputValue(), 'flaky@northloom.example');
  await page.getByLabel('email').fill('nobody@northloom.example');
  const before = page.url();
  await page.locator('dialog').getByRole('button', { name: 'Run', exact: true }).click();
  await page.waitForURL((url) => url.href !== before && url.pathname.startsWith('/runs/'));
  await page.getByText('Succeeded').first().waitFor();
  if (server.real) {
    await page
      .getByRole('button', { name: /Enrich/ })
      .first()
      .click();
    await page.getByText('Error, handled').waitFor();
  }
});

await path('a run can be cancelled', async () => {
  await page.goto(`${server.url}/workflows`);
  await page.getByRole('link', { name: 'Lead Processing' }).click();
  await button('Run').click();
  await page.getByLabel('email').fill('mara@northloom.example');
  await page.locator('dialog').getByRole('button', { name: 'Run', exact: true }).click();
  await node('analyze-1').getByText('Running').waitFor();
  await button('Cancel').click();
  await page.getByText('Cancelled').first().waitFor();
  await button('Back to editing').click();
});

await path('publishing makes versions; an earlier one can be looked at and published', async () => {
  await button('Publish').click();
  await page.getByText('Version 1 is live.').waitFor();
  await page.locator('h1 input').fill('Lead Processing two');
  await until(async () => assert.equal((await draft()).name, 'Lead Processing two'));
  await button('Publish').click();
  await page.getByText('Version 2 is live.').waitFor();
  await menu('Versions');
  await page.getByRole('button', { name: /^Version 1/ }).click();
  await button('Publish this one').click();
  await page.getByText('Version 1 is live.').last().waitFor();
  await page.getByText('Live: version 1').waitFor();
});

await path('two people: the second is told, and may overwrite', async () => {
  const other = await draft();
  const id = new URL(page.url()).pathname.split('/').at(-1);
  const status = await page.evaluate(
    async ([path, body]) =>
      (
        await fetch(path, {
          method: 'PUT',
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify(body),
        })
      ).status,
    [`/api/workflows/${id}`, { ...other, description: 'Theirs' }],
  );
  assert.equal(status, 200);
  await page.locator('h1 input').fill('Mine');
  await page.getByText('Somebody else has changed this workflow.').waitFor();
  await button('Overwrite with mine').click();
  await until(async () => assert.equal((await draft()).name, 'Mine'));
});

await path('nodes are added, connected, copied and removed by keyboard', async () => {
  const before = await page.locator('.react-flow__node').count();
  await node('notify-1').click();
  await page.getByRole('button', { name: /^Output/ }).click();
  await until(async () => assert.equal(await page.locator('.react-flow__node').count(), before + 1));
  assert.equal(await page.locator('.react-flow__edge').count(), 7);
  await page.locator('[data-field="output"] textarea').fill('"{{ notify-1.status }}"');
  await saved();
  await node('output-1').click();
  await node('output-1').focus();
  await page.keyboard.press('Control+c');
  await page.keyboard.press('Control+v');
  await until(async () => assert.equal(await page.locator('.react-flow__node').count(), before + 2));
  await page.keyboard.press('Delete');
  await until(async () => assert.equal(await page.locator('.react-flow__node').count(), before + 1));
  await button('Tidy up').click();
  await saved();
});

await path('by mouse: a node is dragged in, threads are drawn, cut and split', async () => {
  const edges = () => page.locator('.react-flow__edge').count();
  const nodes = () => page.locator('.react-flow__node').count();
  const [hadNodes, hadEdges] = [await nodes(), await edges()];
  await page.keyboard.press('Escape');
  await page
    .getByRole('button', { name: /^Transform data/ })
    .dragTo(page.locator('.react-flow'), { targetPosition: { x: 500, y: 560 } });
  await node('data-transform-1').waitFor();
  await until(async () => assert.equal(await nodes(), hadNodes + 1));
  await page.keyboard.press('Escape');

  // A thread from the new node to a result, and one that is let go over nothing.
  const from = node('data-transform-1').locator('.react-flow__handle.source');
  await from.dragTo(node('small-1').locator('.react-flow__handle.target'));
  await until(async () => assert.equal(await edges(), hadEdges + 1));
  await from.hover();
  await page.mouse.down();
  await page.mouse.move(800, 780, { steps: 8 });
  await page.mouse.up();
  await page
    .locator('[popover]')
    .getByRole('button', { name: /^Output/ })
    .click();
  await until(async () => assert.equal(await nodes(), hadNodes + 2));
  await until(async () => assert.equal(await edges(), hadEdges + 2));

  // No circles.
  await node('size-1')
    .locator('.react-flow__handle.source')
    .last()
    .dragTo(node('enrich-1').locator('.react-flow__handle.target'));
  await until(async () => assert.equal(await edges(), hadEdges + 2));

  await page.keyboard.press('Escape');
  await page.waitForTimeout(500); // the view glides
  await page.locator('.react-flow__edge').first().click({ force: true });
  await button('Insert a node here').click();
  await page
    .locator('[popover]')
    .getByRole('button', { name: /^Transform data/ })
    .click();
  await until(async () => assert.equal(await edges(), hadEdges + 3));
  await page.keyboard.press('Escape');
  await page.waitForTimeout(500);
  await page.locator('.react-flow__edge').last().click({ force: true });
  await button('Remove the connection').click();
  await until(async () => assert.equal(await edges(), hadEdges + 2));
  for (let i = 0; i < 5; i++) await page.keyboard.press('Control+z');
  await until(async () => assert.deepEqual([await nodes(), await edges()], [hadNodes, hadEdges]));
  await saved();
});

await path('by keyboard: a node is opened, connected and disconnected', async () => {
  const edges = await page.locator('.react-flow__edge').count();
  await node('small-1').focus();
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.activeElement?.closest('[data-field="title"]'));
  await node('analyze-1').focus();
  await page.keyboard.press('Enter');
  await page.getByText('Leads to', { exact: true }).click();
  await page.getByLabel('Connect “Then” to').selectOption({ label: 'Too small' });
  await until(async () => assert.equal(await page.locator('.react-flow__edge').count(), edges + 1));
  await button('Remove the connection').last().click();
  await until(async () => assert.equal(await page.locator('.react-flow__edge').count(), edges));
  await saved();
});

await path('the JSON view edits the same draft', async () => {
  await button('JSON').click();
  const text = await page.getByRole('textbox', { name: 'JSON', exact: true }).inputValue();
  await page.getByRole('textbox', { name: 'JSON', exact: true }).fill(text.replace('"Mine"', '"By hand"'));
  await until(async () => assert.equal((await draft()).name, 'By hand'));
  await page.getByRole('textbox', { name: 'JSON', exact: true }).fill('{ "heddle": 1, ');
  await page.getByText('Not valid JSON', { exact: false }).waitFor();
});

await path('the list finds, copies and deletes', async () => {
  await page.goto(`${server.url}/workflows`);
  await page.getByLabel('Search workflows').fill('by hand');
  await page.getByRole('link', { name: 'By hand' }).waitFor();
  await button('Actions for By hand').click();
  await page.getByRole('menuitem', { name: 'Duplicate' }).click();
  await page.waitForURL(/workflows\/.+/);
  await page.goto(`${server.url}/workflows`);
  await button('Actions for By hand (copy)').click();
  await page.getByRole('menuitem', { name: 'Delete' }).click();
  await page.locator('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByText('is deleted', { exact: false }).waitFor();
});

await path('the palette goes places, the language and the theme change', async () => {
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox').fill('deutsch');
  await page.keyboard.press('Enter');
  await page.getByRole('link', { name: 'Läufe' }).waitFor();
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox').fill('dunkel');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
  await page.reload();
  assert.equal(
    await page.evaluate(() => `${document.documentElement.lang} ${document.documentElement.dataset.theme}`),
    'de dark',
  );
});

await path('on a phone: look at a graph, change a setting, run it', async () => {
  await page.setViewportSize({ width: 390, height: 844 });
  await page.goto(`${server.url}/workflows`);
  await page.getByRole('link', { name: 'By hand' }).click();
  await node('trigger-1').click();
  await page.getByLabel('Titel').fill('Vom Telefon');
  await page.getByRole('dialog').getByRole('button', { name: 'Schließen' }).click();
  await node('trigger-1').getByText('Vom Telefon').waitFor();
  await page.getByRole('button', { name: 'Ausführen' }).click();
  await page.getByLabel('email').fill('mara@northloom.example');
  await page.locator('dialog').getByRole('button', { name: 'Ausführen' }).click();
  await page.getByText('Gelungen').first().waitFor();
  await page.setViewportSize({ width: 1440, height: 900 });
});

await path('a server that is away is announced, and all goes on when it is back', async () => {
  await page.goto(`${server.url}/runs`);
  await page.getByRole('heading', { name: 'Läufe' }).waitFor();
  await context.setOffline(true);
  await page.getByText('Der Server ist nicht erreichbar', { exact: false }).waitFor({ timeout: 30_000 });
  await context.setOffline(false);
  await page.getByText('Der Server ist nicht erreichbar', { exact: false }).waitFor({ state: 'detached' });
});

await path('a session that ends leads to the door and back', async () => {
  await page.goto(`${server.url}/runs?state=succeeded`);
  await page.getByRole('heading', { name: 'Läufe' }).waitFor();
  await context.clearCookies();
  await page.getByText('Die Sitzung ist zu Ende', { exact: false }).waitFor({ timeout: 20_000 });
  await page.getByLabel('Anmelde-Link oder Token').fill(server.link());
  await page.getByRole('button', { name: 'Anmelden' }).click();
  await page.getByRole('heading', { name: 'Läufe' }).waitFor();
  assert.match(page.url(), /runs\?state=succeeded/);
});

await path('the browser has nothing to complain about', () => assert.deepEqual(complaints, []));

await browser.close();
await server.stop();
upstreams.close();
console.log(`${passed} passed, ${20 - passed} failed`);
if (!process.exitCode) rmSync(folder, { recursive: true, force: true });
