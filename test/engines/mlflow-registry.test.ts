import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestService, type TestService } from '../support/service.js';
import { runPython } from './mlflow/python.js';
import { FOUND, MODEL_NAME } from './mlflow/registry-found.js';
import { ModelsNameFrameworkDocument } from '../generated/operations.js';

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service?.close());

it('the MLflow client stores artifacts and models here, registers, finds and loads them, and needs the gates', async () => {
  const tess = await service.as();
  const found = await runPython<Record<string, unknown>>('registry_script.py', {
    MLFLOW_TRACKING_URI: service.url,
    MLFLOW_TRACKING_TOKEN: tess.token,
  });
  const refused = (gate: string) => [
    'INVALID_PARAMETER_VALUE',
    expect.stringContaining(`gate ${gate} has no result yet`),
  ];
  expect(found).toMatchObject({
    ...FOUND,
    staging: refused('VALIDATION'),
    production: ['INVALID_PARAMETER_VALUE', expect.any(String)],
  });
  const { models } = await tess.ok(ModelsNameFrameworkDocument, { orderBy: { field: 'NAME', direction: 'ASC' } });
  expect(models.nodes).toEqual([
    { name: MODEL_NAME, framework: 'sklearn' },
    { name: 'copy', framework: 'sklearn' },
  ]);
});
