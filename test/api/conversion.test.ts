import { afterAll, beforeAll, expect, it } from 'vitest';
import { MlflowCaller } from '../support/mlflow.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';

const CONVERT = 'mutation ($id: ID!) { convertModelVersion(input: { modelVersionId: $id }) { job { id } } }';

let service: TestService;
let tess: Caller;

beforeAll(async () => {
  // No worker takes the jobs: they stay as they are.
  service = await startTestService({ ROLE: 'api' });
  tess = await service.as();
});

afterAll(async () => {
  await service.close();
});

it('a version is converted by one job at a time', async () => {
  const mlflow = new MlflowCaller(service.url, tess.token);
  const { run } = (await mlflow.post('runs/create', {})) as { run: { info: { run_id: string } } };
  const { run_id: runId } = run.info;
  await fetch(`${service.url}/api/2.0/mlflow-artifacts/artifacts/0/${runId}/artifacts/model/MLmodel`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${tess.token}` },
    body: 'flavors: { sklearn: { pickled_model: model.pkl } }',
  });
  await mlflow.post('registered-models/create', { name: 'twice' });
  await mlflow.post('model-versions/create', { name: 'twice', source: `runs:/${runId}/model`, run_id: runId });
  const { modelVersions } = await tess.ok<{ modelVersions: { nodes: { id: string }[] } }>('{ modelVersions { nodes { id } } }');
  const { id } = modelVersions.nodes[0]!;
  const answers = await Promise.all([1, 2, 3].map(() => tess.send<{ convertModelVersion: { job: { id: string } } }>(CONVERT, { id })));
  const begun = answers.flatMap(({ data }) => data?.convertModelVersion.job.id ?? []);
  expect(begun).toHaveLength(1);
  const [jobId] = begun;
  expect(await tess.fails(CONVERT, { id })).toMatchObject({ extensions: { code: 'CONFLICT', got: jobId } });
  await tess.ok('mutation ($jobId: ID!) { cancelJob(input: { jobId: $jobId }) { job { status } } }', { jobId });
  expect(await tess.ok(CONVERT, { id })).toBeDefined();
});
