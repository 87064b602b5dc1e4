import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestService, tokenFor, type Caller, type TestService } from '../support/service.js';
import { runPython } from './mlflow/python.js';
import { RunDetailsDocument, RunForMlflowClientDocument } from '../generated/operations.js';

let service: TestService;

beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service?.close());

interface Done {
  experiment_id: string;
  run_id: string;
  children: string[];
}

/** The UUID of MLflow's 32 digits. */
const toId = (hex: string) => hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

async function check(tess: Caller, { run_id: runId, children }: Done): Promise<void> {
  const { run } = await tess.ok(RunForMlflowClientDocument, {
    id: toId(runId),
  });
  expect(run).toMatchObject({ name: 'parent', status: 'FINISHED' });
  expect(run.params).toContainEqual({ key: 'depth', value: '3' });
  // A value that MLflow shows as its largest number is stored as it was logged.
  expect(run.metrics).toContainEqual({ key: 'best', value: 'Infinity' });
  expect(run.metrics).toContainEqual({ key: 'auc', value: 'NaN' });
  const { run: child } = await tess.ok(RunDetailsDocument, {
    id: toId(children[0]!),
  });
  expect(child.name).toBe('depth-1');
}

it('the MLflow client tracks here with a bearer token, and GraphQL shows the same', async () => {
  const tess = await service.as({ tenant: 'bearers' });
  const done = await runPython<Done>('tracking_script.py', {
    MLFLOW_TRACKING_URI: service.url,
    MLFLOW_TRACKING_TOKEN: tess.token,
  });
  await check(tess, done);
});

it('the MLflow client tracks here with a user name and the token as its password', async () => {
  const done = await runPython<Done>('tracking_script.py', {
    MLFLOW_TRACKING_URI: service.url,
    MLFLOW_TRACKING_USERNAME: 'whoever',
    MLFLOW_TRACKING_PASSWORD: await tokenFor({ tenant: 'basics' }),
  });
  await check(await service.as({ tenant: 'basics' }), done);
});
