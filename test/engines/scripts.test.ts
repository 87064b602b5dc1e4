import { afterAll, beforeAll, expect, it } from 'vitest';
import { FollowRunMetricsDocument } from '../../schema/generated/operations.js';
import { linesOf, scriptEnd, startScript } from '../support/scripts.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { createExperiment } from '../support/training.js';
import { engine } from './engines.js';
import { freePort } from './ray/head.js';

/** A user's script with MLflow's own client, in the sandbox of a worker. */

let service: TestService;
let tess: Caller;
let experimentId: string;
beforeAll(async () => {
  service = await startTestService({
    PORT: String(await freePort()),
    ALLOW_LOCAL_SCRIPTS: 'true',
    PYTHON_PATH: engine('MATIH_PYTHON'),
  });
  tess = await service.as();
  experimentId = await createExperiment(tess);
});
afterAll(() => service?.close());

const TRAIN = `
import os, sys, time
import mlflow

mlflow.log_param("depth", sys.argv[1])
for step in range(10):
    mlflow.log_metric("loss", 1 / (step + 1), step=step)
    print("step", step)
    time.sleep(0.2)
with open("weights.txt", "w") as file:
    file.write("3.14")
mlflow.log_artifact("weights.txt")
print(sorted(name for name in os.environ if "SECRET" in name or "DATABASE" in name))
`;

it('logs with plain mlflow calls, live, and stores a file', async () => {
  const { jobId, runId } = await startScript(tess, {
    experimentId,
    command: 'python train.py 3',
    files: { 'train.py': TRAIN },
    job: { memoryBytes: 4 * 1024 ** 3 },
  });
  const live = tess.collect(FollowRunMetricsDocument, { runId, after: 0 }, (points) => points.length >= 2, 90_000);
  expect((await live)[1]).toMatchObject({ key: 'loss', step: 1, value: 0.5 });
  const job = await scriptEnd(tess, jobId, 'SUCCEEDED');
  expect(job.run).toMatchObject({ status: 'FINISHED', metrics: [{ key: 'loss', value: 0.1 }] });
  expect(job.run!.artifacts.map(({ path }) => path)).toEqual(
    expect.arrayContaining(['code/script.zip', 'weights.txt']),
  );
  expect(await linesOf(tess, runId)).toEqual(expect.arrayContaining(['step 0', 'step 9', '[]']));
});

it('shows the last line of the traceback of a script that fails', async () => {
  const { jobId } = await startScript(tess, {
    experimentId,
    command: 'python train.py',
    files: { 'train.py': 'import mlflow\nwith mlflow.start_run():\n    raise ValueError("no rows")\n' },
    job: { memoryBytes: 4 * 1024 ** 3 },
  });
  const job = await scriptEnd(tess, jobId, 'FAILED');
  expect(job).toMatchObject({ errorCode: 'CONFLICT', attempt: 1, run: { status: 'FAILED' } });
  expect(job.errorMessage).toBe('The script ended with exit code 1: ValueError: no rows');
});
