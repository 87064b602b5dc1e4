import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestService, type Caller, type TestService } from '../support/service.js';

let service: TestService;
let engineer: Caller;
let browser: Browser;
let page: Page;
const requests: string[] = [];
const faults: string[] = [];

beforeAll(async () => {
  const executablePath = process.env.MATIH_CHROMIUM;
  if (!executablePath) throw new Error('MATIH_CHROMIUM is not set: run npm run test:engines.');
  service = await startTestService();
  engineer = await service.as();
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
  page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  page.on('request', (request) => requests.push(request.url()));
  page.on('console', (message) => message.type() === 'error' && faults.push(message.text()));
  page.on('pageerror', (error) => faults.push(error.message));
  await page.goto(`${service.url}/graphiql#token=${engineer.token}`);
  await page.getByRole('button', { name: /execute query/i }).waitFor();
});

afterAll(async () => {
  await browser?.close();
  await service?.close();
});

/** Replaces the query in the editor and waits until GraphiQL has read it: its tab then bears the operation's name. */
async function write(operationName: string, query: string): Promise<void> {
  await page.locator('.graphiql-query-editor .monaco-editor').first().click();
  await page.keyboard.press('Control+A');
  await page.keyboard.press('Delete');
  await page.keyboard.insertText(query);
  await page.getByRole('tab', { name: operationName }).waitFor();
}

// Monaco draws spaces as non-breaking ones.
const answer = async () => (await page.locator('.graphiql-response .view-lines').innerText()).replaceAll('\u00a0', ' ');

async function screenshot(name: string): Promise<void> {
  const folder = process.env.MATIH_SCREENSHOTS;
  if (folder) await page.screenshot({ path: `${folder}/${name}.png` });
}

it('shows whose token it is and takes it out of the address', async () => {
  await expect.poll(() => page.locator('.token-bar').innerText()).toMatch(/tess · ENGINEER · tenant acme · 59 min left/);
  expect(page.url()).not.toContain('token');
  await screenshot('graphiql-welcome');
});

it('runs a query', async () => {
  await engineer.ok('mutation ($input: CreateExperimentInput!) { createExperiment(input: $input) { experiment { id } } }', {
    input: { name: 'from-graphiql' },
  });
  await write('Made', 'query Made { experiments(first: 5) { nodes { name } } }');
  await page.keyboard.press('Control+Enter');
  await expect.poll(answer).toContain('from-graphiql');
});

it('follows a subscription', async () => {
  const { createExperiment } = await engineer.ok<{ createExperiment: { experiment: { id: string } } }>(
    'mutation ($input: CreateExperimentInput!) { createExperiment(input: $input) { experiment { id } } }',
    { input: { name: 'streamed' } },
  );
  const { createRun } = await engineer.ok<{ createRun: { run: { id: string } } }>(
    'mutation ($input: CreateRunInput!) { createRun(input: $input) { run { id } } }',
    { input: { experimentId: createExperiment.experiment.id, name: 'run' } },
  );
  const runId = createRun.run.id;
  await write('Learning', `subscription Learning { runMetrics(runId: "${runId}", after: 0) { key step value } }`);
  await page.keyboard.press('Control+Enter');
  await page.getByRole('button', { name: /stop query/i }).waitFor();
  for (const step of [1, 2]) {
    await engineer.ok('mutation ($input: LogMetricsInput!) { logMetrics(input: $input) { __typename } }', {
      input: { runId, metrics: [{ key: 'loss', value: step / 8, step }] },
    });
    await expect.poll(answer).toContain(String(step / 8));
  }
  await screenshot('graphiql-subscription');
  await page.getByRole('button', { name: /stop query/i }).click();
});

it('opens an example of the guide with its variables, ready to run', async () => {
  await page.getByRole('button', { name: 'Start an experiment' }).click();
  await expect.poll(() => page.getByRole('tab', { name: 'StartExperiment' }).count()).toBe(2);
  await page.locator('.graphiql-query-editor .monaco-editor').first().click();
  await page.keyboard.press('Control+Enter');
  await expect.poll(answer).toContain('my-first-experiment');
  await screenshot('graphiql-example');
});

it('asks no other host for anything, and logs no error', () => {
  expect(requests.filter((url) => !url.startsWith(service.url) && !/^(data|blob):/.test(url))).toEqual([]);
  expect(faults).toEqual([]);
});
