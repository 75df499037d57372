// Takes pictures of every screen at two sizes and in both themes, against the mock server and its strict CSP, and fails
// when the browser reports an error or a violation, or axe finds something that WCAG 2.2 AA does not allow. `node test/screens.mjs [folder] [name part]`
import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';
import { makeMock } from './mock-server.mjs';

const FOLDER = process.argv[2] ?? 'test/screens';
const ONLY = process.argv[3] ?? '';
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const SIZES = { wide: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };

await mkdir(FOLDER, { recursive: true });
const listen = async (options) => {
  const mock = await makeMock(options);
  await new Promise((done) => mock.server.listen(0, '127.0.0.1', done));
  mock.base.url = `http://127.0.0.1:${mock.server.address().port}`;
  return mock;
};
const full = await listen();
const bare = await listen({ empty: true });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS });
const complaints = [];
const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const lead = [...full.workflows.values()].at(-1).id;
const past = [...full.runs.values()];
const retried = past.find((run) => run.doc.state === 'succeeded' && run.doc.steps.some((step) => step.attempts > 1)).doc
  .id;
const failed = past.find((run) => run.doc.state === 'failed').doc.id;

const click = (page, name, role = 'button') => page.getByRole(role, { name, exact: true }).first().click();
const openRunDialog = async (page) => {
  await page.goto(`${page.base}/workflows/${lead}`);
  await page.waitForSelector('.react-flow__node');
  await page.getByRole('button', { name: page.words.run, exact: true }).click();
  await page.waitForSelector('dialog[open]');
};
const openMore = async (page, item) => {
  await click(page, page.words.more);
  await page.getByRole('menuitem', { name: item }).click();
};

const SCREENS = {
  signin: { signedOut: true, go: (page) => page.goto(`${page.base}/signin`) },
  'signin-refused': { signedOut: true, go: (page) => page.goto(`${page.base}/signin?expired=1`) },
  workflows: { go: (page) => page.goto(`${page.base}/workflows`) },
  'workflows-empty': { bare: true, go: (page) => page.goto(`${page.base}/workflows`) },
  'workflows-new': { go: (page) => page.goto(`${page.base}/workflows?new=1`) },
  editor: { go: (page) => page.goto(`${page.base}/workflows/${lead}`) },
  'editor-node': {
    go: async (page) => {
      await page.goto(`${page.base}/workflows/${lead}`);
      await page.locator('.react-flow__node[data-id="enrich-1"]').click();
    },
  },
  'editor-condition': {
    go: async (page) => {
      await page.goto(`${page.base}/workflows/${lead}`);
      await page.locator('.react-flow__node[data-id="size-1"]').click();
    },
  },
  'editor-trigger': {
    go: async (page) => {
      await page.goto(`${page.base}/workflows/${lead}`);
      await page.locator('.react-flow__node[data-id="trigger-1"]').click();
    },
  },
  'editor-variables': {
    go: async (page) => {
      await page.goto(`${page.base}/workflows/${lead}`);
      await page.locator('.react-flow__node[data-id="analyze-1"]').click();
      await page.getByRole('button', { name: page.words.insert }).first().click();
    },
  },
  'editor-json': {
    wideOnly: true,
    go: async (page) => {
      await page.goto(`${page.base}/workflows/${lead}`);
      await click(page, 'JSON');
    },
  },
  'editor-workflow': {
    go: async (page) => {
      await page.goto(`${page.base}/workflows/${lead}`);
      await openMore(page, page.words.workflow);
    },
  },
  'editor-versions': {
    go: async (page) => {
      await page.goto(`${page.base}/workflows/${lead}`);
      await openMore(page, page.words.versions);
    },
  },
  'editor-api': {
    go: async (page) => {
      await page.goto(`${page.base}/workflows/${lead}`);
      await openMore(page, page.words.api);
      await page.waitForTimeout(300);
    },
  },
  'editor-problems': {
    go: async (page) => {
      await page.goto(`${page.base}/workflows/${lead}`);
      await page.locator('.react-flow__node[data-id="enrich-1"]').click();
      await page.locator('[data-field="url"] textarea').fill('https://x.example/{{ nowhere.id }}');
      if (page.size === 'phone') await page.keyboard.press('Escape');
      await page.waitForTimeout(1500);
      await page.getByRole('button', { name: page.words.problems }).first().click();
    },
  },
  'editor-run-dialog': { go: openRunDialog },
  'editor-run-live': {
    settle: 2600,
    go: async (page) => {
      await openRunDialog(page);
      await page.locator('dialog input[type=text]').first().fill('mara@northloom.example');
      await page.locator('dialog').getByRole('button', { name: page.words.run, exact: true }).click();
    },
  },
  'editor-run-step': {
    settle: 2900,
    go: async (page) => {
      await openRunDialog(page);
      await page.locator('dialog input[type=text]').first().fill('mara@northloom.example');
      await page.locator('dialog').getByRole('button', { name: page.words.run, exact: true }).click();
      await page.waitForTimeout(500);
      await page.locator('.react-flow__node[data-id="enrich-1"]').click({ force: true });
    },
  },
  'editor-conflict': {
    go: async (page) => {
      await page.goto(`${page.base}/workflows/${lead}`);
      await page.waitForSelector('.react-flow__node');
      full.workflows.get(lead).revision++;
      await page.locator('h1 input').fill('Lead Processing ');
      await page.locator('h1 input').fill('Lead Processing 2');
      await page.waitForTimeout(1500);
    },
  },
  'editor-edge': {
    go: async (page) => {
      await page.goto(`${page.base}/workflows/${lead}`);
      await page.waitForTimeout(700);
      await page.locator('.react-flow__edge').first().click({ force: true });
      await page.getByRole('button', { name: page.words.insertHere }).click();
    },
  },
  'editor-published': {
    go: async (page) => {
      await page.goto(`${page.base}/workflows/${lead}`);
      await page.waitForSelector('.react-flow__node');
      if (page.size === 'phone') await openMore(page, page.words.publish);
      else await click(page, page.words.publish);
    },
  },
  'editor-behaviour': {
    go: async (page) => {
      await page.goto(`${page.base}/workflows/${lead}`);
      await page.locator('.react-flow__node[data-id="enrich-1"]').click();
      await page.locator('summary').last().click();
      await page.locator('[data-field="retry"]').scrollIntoViewIfNeeded();
    },
  },
  runs: { go: (page) => page.goto(`${page.base}/runs`) },
  run: { go: (page) => page.goto(`${page.base}/runs/${retried}`) },
  'run-step': {
    go: async (page) => {
      await page.goto(`${page.base}/runs/${retried}`);
      await page.locator('.react-flow__node[data-id="analyze-1"]').click();
    },
  },
  'run-journal': {
    go: async (page) => {
      await page.goto(`${page.base}/runs/${retried}`);
      await page.getByRole('tab').nth(1).click();
    },
  },
  'run-failed': { go: (page) => page.goto(`${page.base}/runs/${failed}`) },
  about: { go: (page) => page.goto(`${page.base}/about`) },
  palette: {
    go: async (page) => {
      await page.goto(`${page.base}/workflows`);
      await page.waitForTimeout(400);
      await page.keyboard.press('Control+k');
      await page.waitForTimeout(300);
    },
  },
  'not-found': { go: (page) => page.goto(`${page.base}/nowhere`) },
  problem: { down: true, go: (page) => page.goto(`${page.base}/runs`) },
};
const WORDS = {
  en: {
    run: 'Run',
    more: 'More',
    workflow: 'Workflow',
    versions: 'Versions',
    api: 'Call by API',
    insert: 'Insert a value',
    insertHere: 'Insert a node here',
    publish: 'Publish',
    problems: /problem/,
  },
  de: {
    run: 'Ausführen',
    more: 'Mehr',
    workflow: 'Workflow',
    versions: 'Versionen',
    api: 'Per API aufrufen',
    insert: 'Wert einsetzen',
    insertHere: 'Hier einen Knoten einfügen',
    publish: 'Veröffentlichen',
    problems: /Problem/,
  },
};

for (const [size, viewport] of Object.entries(SIZES))
  for (const theme of ['light', 'dark'])
    for (const [name, screen] of Object.entries(SCREENS)) {
      const lang = process.env.LANG_OF ?? 'en';
      const file = `${name}.${size}.${theme}.png`;
      if (!file.includes(ONLY) || (screen.wideOnly && size !== 'wide')) continue;
      const mock = screen.bare ? bare : full;
      const context = await browser.newContext({
        viewport,
        colorScheme: theme,
        locale: lang === 'de' ? 'de-DE' : 'en-GB',
        timezoneId: 'Europe/Berlin',
        deviceScaleFactor: 1,
        hasTouch: size === 'phone',
        reducedMotion: 'no-preference',
      });
      const page = await context.newPage();
      Object.assign(page, { base: mock.base.url, words: WORDS[lang], size });
      page.on('console', (message) => {
        if (message.type() === 'error' && !/status of (401|412|422|503)/.test(message.text()))
          complaints.push(`${file}: ${message.text()}`);
      });
      page.on('pageerror', (error) => complaints.push(`${file}: ${error.message}`));
      if (!screen.signedOut) await page.goto(`${mock.base.url}/signin?token=letmein123`);
      mock.state.down = false;
      try {
        if (screen.down) {
          await page.waitForTimeout(300);
          mock.state.down = true;
        }
        await screen.go(page);
        await page.waitForTimeout(screen.settle ?? (screen.down ? 4500 : 700));
      } catch (error) {
        complaints.push(`${file}: ${String(error).split('\n')[0]}`);
      }
      await page.screenshot({ path: `${FOLDER}/${file}` });
      const wider = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      if (wider > 0) complaints.push(`${file}: the page is ${wider}px wider than the window`);
      await page.evaluate(axe);
      const found = await page.evaluate(() =>
        globalThis.axe.run(document, {
          runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice'],
          resultTypes: ['violations'],
        }),
      );
      for (const { id, nodes } of found.violations)
        complaints.push(
          `${file}: ${id} (${nodes.length}): ${nodes
            .slice(0, 3)
            .map((one) => `${one.target} ${one.any[0]?.message ?? ''}`)
            .join(' | ')}`,
        );
      mock.state.down = false;
      await context.close();
    }

await browser.close();
full.server.close();
bare.server.close();
full.server.closeAllConnections();
bare.server.closeAllConnections();
for (const line of complaints) console.error(line);
console.log(complaints.length ? `${complaints.length} complaints` : 'no complaints');
process.exitCode = complaints.length ? 1 : 0;
