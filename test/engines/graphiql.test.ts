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
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  page = await context.newPage();
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

/** Replaces the query in the editor and waits until GraphiQL has read it: its tab then has the operation's name. */
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

it('shows whose token it is and removes it from the URL', async () => {
  await expect
    .poll(() => page.locator('.token-bar').innerText())
    .toMatch(/tess · ENGINEER · tenant acme · 59 min left/);
  expect(page.url()).not.toContain('token');
  await screenshot('graphiql-welcome');
});

it('runs a query', async () => {
  await engineer.ok(
    'mutation ($input: CreateExperimentInput!) { createExperiment(input: $input) { experiment { id } } }',
    {
      input: { name: 'from-graphiql' },
    },
  );
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
  // GraphiQL shows only the last message; all messages and their curve are below it.
  const messages = page.getByRole('region', { name: 'Messages of the subscription' });
  await expect.poll(() => messages.innerText()).toContain('2 messages');
  expect(await messages.getByRole('row').count()).toBe(3);
  expect(await messages.getByRole('img').getAttribute('aria-label')).toBe('Curves of loss');
  await expect.poll(() => messages.innerText()).toContain('loss 0.125000 → 0.250000');
  await screenshot('graphiql-subscription');
  await page.getByRole('button', { name: /stop query/i }).click();
  await expect.poll(() => messages.innerText()).toContain('ended');
});

it('opens an example of the guide with its variables, ready to run', async () => {
  await page.getByRole('button', { name: 'Start an experiment' }).click();
  await expect.poll(() => page.getByRole('tab', { name: 'StartExperiment' }).count()).toBe(2);
  await page.locator('.graphiql-query-editor .monaco-editor').first().click();
  await page.keyboard.press('Control+Enter');
  await expect.poll(answer).toContain('my-first-experiment');
  await screenshot('graphiql-example');
});

it('finds an operation of the documents', async () => {
  const search = page.getByRole('searchbox', { name: 'Search the operations' });
  await search.fill('batch inference');
  await page.getByRole('button', { name: /StartBatchInference/ }).click();
  await page.getByRole('tab', { name: 'StartBatchInference' }).waitFor();
  await search.fill('no such thing');
  expect(await page.locator('.guide').innerText()).toContain('No operation has “no such thing”');
  await search.fill('');
});

it('leads through the quickstart with the ids of earlier answers', async () => {
  const upload = page.waitForResponse((response) => response.url().includes('/uploads'));
  await page.locator('.guide input[type=file]').setInputFiles('test/fixtures/training/penguins.csv');
  await upload;
  await expect.poll(() => page.locator('.guide').innerText()).toContain('penguins.csv is there');
  await page.getByRole('button', { name: /Register dataset/ }).click();
  await page.getByRole('tab', { name: 'RegisterDataset' }).waitFor();
  await expect
    .poll(async () => (await page.locator('.graphiql-editor-tool').innerText()).replaceAll('\u00a0', ' '))
    .toMatch(/"uploadId": "[0-9a-f-]{36}"/);
  await page.locator('.graphiql-query-editor .monaco-editor').first().click();
  await page.keyboard.press('Control+Enter');
  await expect.poll(answer, { timeout: 10_000 }).toContain('"rowCount": 344');
  await expect.poll(() => page.locator('.messages').innerText()).toContain('Learning');
  await screenshot('graphiql-quickstart');
});

it('shows the run of an MLflow link, with the token of another tab', async () => {
  const { createExperiment } = await engineer.ok<{ createExperiment: { experiment: { id: string } } }>(
    'mutation ($input: CreateExperimentInput!) { createExperiment(input: $input) { experiment { id } } }',
    { input: { name: 'linked' } },
  );
  const experimentId = createExperiment.experiment.id;
  const { createRun } = await engineer.ok<{ createRun: { run: { id: string } } }>(
    'mutation ($input: CreateRunInput!) { createRun(input: $input) { run { id } } }',
    { input: { experimentId, name: 'run-of-mlflow' } },
  );
  const hex = (id: string) => id.replaceAll('-', '');
  const first = page;
  page = await first.context().newPage();
  page.on('pageerror', (error) => faults.push(error.message));
  try {
    await page.goto(`${service.url}/#/experiments/${hex(experimentId)}/runs/${hex(createRun.run.id)}`);
    await expect.poll(() => page.locator('.token-bar').innerText()).toMatch(/tess · ENGINEER/);
    await expect.poll(answer, { timeout: 15_000 }).toContain('run-of-mlflow');
    await screenshot('graphiql-mlflow-run');
    await page.goto(`${service.url}/#/experiments/${hex(experimentId)}`);
    await expect.poll(() => page.getByRole('tab', { name: 'LinkedExperiment' }).count()).toBe(1);
    await expect.poll(answer, { timeout: 15_000 }).toContain('run-of-mlflow');
  } finally {
    await page.close();
    page = first;
  }
});

it('sends requests to no other host, and logs no error', () => {
  expect(requests.filter((url) => !url.startsWith(service.url) && !/^(data|blob):/.test(url))).toEqual([]);
  expect(faults).toEqual([]);
});
