import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Caller, TestService } from '../support/service.js';
import { startTestService } from '../support/service.js';
import { createRun, mutate, refused } from '../support/tracking.js';
import { registerDataset, vegaPath } from '../support/training.js';
import { LogRunDatasetsDocument } from '../../schema/generated/operations.js';
import {
  DatasetDetailsDocument,
  LogRunDatasetsDetailsDocument,
  type LoggedDatasetInput,
  RunLoggedDatasetsDocument,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
});
afterAll(() => service?.close());

const read = async (id: string) => (await tess.ok(RunLoggedDatasetsDocument, { id })).run;

describe('datasets of a run', () => {
  it('are logged once, with their context, and linked by their digest', async () => {
    const runId = await createRun(tess);
    const datasetId = await registerDataset(tess, { name: 'linked', path: vegaPath('cars.json') });
    const { dataset } = await tess.ok(DatasetDetailsDocument, {
      id: datasetId,
    });
    const reference = {
      name: 'other',
      digest: 'ab12cd34',
      sourceType: 's3',
      source: '{"uri":"s3://b/k"}',
      schema: '{}',
      profile: '{}',
    };
    const datasets: LoggedDatasetInput[] = [
      { ...reference, context: 'eval' },
      { ...reference, name: 'same', digest: dataset.sha256.slice(0, 36) },
      { datasetId, direction: 'OUTPUT', tags: [{ key: 'k', value: 'v' }] },
    ];
    await mutate(tess, LogRunDatasetsDetailsDocument, { runId, datasets });
    await mutate(tess, LogRunDatasetsDetailsDocument, {
      runId,
      datasets: [{ ...reference, tags: [{ key: 'more', value: '1' }] }],
    });
    const { loggedDatasets } = await read(runId);
    const linked = { dataset: { id: datasetId } };
    expect(loggedDatasets).toHaveLength(3);
    expect(loggedDatasets).toMatchObject([
      {
        name: 'other',
        digest: 'ab12cd34',
        direction: 'INPUT',
        context: 'eval',
        tags: [{ key: 'more', value: '1' }],
        dataset: null,
      },
      { name: 'same', ...linked },
      {
        name: 'linked',
        digest: dataset.sha256.slice(0, 36),
        direction: 'OUTPUT',
        tags: [{ key: 'k', value: 'v' }],
        ...linked,
      },
    ]);
  });

  it('are refused with the field that is wrong', async () => {
    const runId = await createRun(tess);
    const good = { name: 'd', digest: '1', sourceType: 'local', source: '' };
    for (const [dataset, field] of [
      [{ ...good, name: undefined }, 'name'],
      [{ ...good, name: '' }, 'name'],
      [{ ...good, digest: 'x'.repeat(37) }, 'digest'],
      [{ ...good, source: undefined }, 'source'],
      [{ ...good, tags: [{ key: '', value: 'v' }] }, 'tags[0].key'],
    ] as const) {
      const { extensions } = await refused(tess, LogRunDatasetsDocument, { runId, datasets: [good, dataset] });
      expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: `input.datasets[1].${field}` });
    }
    expect((await refused(tess, LogRunDatasetsDocument, { runId, datasets: [] })).extensions).toMatchObject({
      field: 'input.datasets',
    });
    expect(await read(runId)).toEqual({ loggedDatasets: [] });
  });
});
