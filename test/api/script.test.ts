import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { ExperimentsForScriptDocument, JobsDetailsDocument } from '../generated/operations.js';

let service: TestService;
let tess: Caller;

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
});
afterAll(() => service?.close());

interface Said {
  modelVersion: string;
  stage: string;
  labels: string[];
}

/** As somebody with a token of an ENGINEER would run it. */
async function runScript(): Promise<Said> {
  const { stdout } = await promisify(execFile)(process.execPath, ['docs/examples/penguins.mjs'], {
    env: { SERVICE_URL: service.url, TOKEN: tess.token },
  });
  return JSON.parse(stdout) as Said;
}

it('the script of the documents ends with a prediction, and with the same one when it runs again', async () => {
  const first = await runScript();
  expect(first).toMatchObject({ stage: 'PRODUCTION', labels: ['Adelie', 'Gentoo'] });
  const startedMs = performance.now();
  const second = await runScript();
  console.log(`the script of the documents, run again: ${(performance.now() - startedMs).toFixed(0)} ms`);
  expect(second).toEqual(first);
  const { jobs } = await tess.ok(JobsDetailsDocument, { first: 100 });
  expect(jobs.nodes.map(({ kind }) => kind).toSorted()).toEqual([
    'EVALUATION',
    'RELEASE',
    'RELEASE',
    'TRAINING',
    'VALIDATION',
  ]);
  expect(await tess.ok(ExperimentsForScriptDocument)).toEqual({
    experiments: { totalCount: 1 },
    models: { totalCount: 1 },
    datasets: { totalCount: 1 },
    endpoints: { totalCount: 1 },
  });
}, 120_000);
