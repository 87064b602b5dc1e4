import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestService, type TestService } from '../support/service.js';
import { runPython } from './mlflow/python.js';

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service?.close());

const NAME = 'churn model (größe)';

it('the MLflow client keeps artifacts and models here, registers, finds and loads them, and meets the gates', async () => {
  const tess = await service.as();
  const found = await runPython<Record<string, unknown>>('registry_script.py', {
    MLFLOW_TRACKING_URI: service.url,
    MLFLOW_TRACKING_TOKEN: tess.token,
  });
  expect(found).toMatchObject({
    root: [
      ['all', true],
      ['config', true],
      ['empty', false],
      ['note.txt', false],
      ['plots', true],
      ['table.json', false],
    ],
    deep: [
      ['all/deep/big.bin', false, 20 * 1024 ** 2],
      ['all/deep/größe', true, null],
    ],
    same_bytes: true,
    unicode: 'unicode',
    dot_file: '*.bin filter=lfs',
    replaced: 'second',
    settings: { a: [1, 2] },
    versions: ['1', '2', 'READY', 'None'],
    alias: '2',
    aliases: { champion: '2', old: '1' },
    version: ['linear', { quality: 'good' }, true, true],
    same_predictions: true,
    same_boosted: true,
    native: 'LogisticRegression',
    gate: ['INVALID_PARAMETER_VALUE', expect.stringContaining('gate VALIDATION has no result yet')],
    production_gate: 'INVALID_PARAMETER_VALUE',
    none: 'None',
    archived: 'Archived',
    back: 'None',
    latest: ['2'],
    models: [NAME, 'another'],
    by_name: [NAME],
    by_tag: ['another'],
    pages: [1, 1],
    version_search: [['1', '2'], ['2'], ['1']],
    logged_models: ['boosted', 'classifier'],
    renamed: 'renamed',
    copied: ['1', true],
    bad: [
      'INVALID_PARAMETER_VALUE',
      'RESOURCE_ALREADY_EXISTS',
      'RESOURCE_DOES_NOT_EXIST',
      'INVALID_PARAMETER_VALUE',
      'INVALID_PARAMETER_VALUE',
      'INVALID_PARAMETER_VALUE',
    ],
    left: [['1'], [NAME, 'copy']],
    autolog: ['50', true, '2', ['feature_importance_weight.json', 'feature_importance_weight.png'], 4],
    deleted: ['config', 'empty', 'note.txt', 'plots', 'table.json'],
  });
  const { models } = await tess.ok<{ models: { nodes: object[] } }>(
    `{ models(orderBy: { field: NAME, direction: ASC }) { nodes { name framework } } }`,
  );
  expect(models.nodes).toEqual([
    { name: NAME, framework: 'sklearn' },
    { name: 'copy', framework: 'sklearn' },
  ]);
});
