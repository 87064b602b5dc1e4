import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type StartBatchInferenceInput, StartBatchInferenceDocument } from '../../schema/generated/operations.js';
import { BatchOutcomeDocument } from '../generated/operations.js';
import { differingRows, KEYED_ROWS, keyedRows, NONE_DIFFERS, query } from '../support/batch-keys.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { floats, makeVersion, xToY } from '../support/serving.js';
import { linear } from '../fixtures/models/build.js';
import { registerDataset } from '../support/training.js';

/** What a batch inference gives back: keys and integers as they were, and folders by the values of columns. */

let folder: string;
let service: TestService;
let tess: Caller;
let keyed: Awaited<ReturnType<typeof keyedRows>>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'matih-results-'));
  service = await startTestService();
  tess = await service.as();
  keyed = await keyedRows(service, tess, folder);
});
afterAll(async () => {
  await service?.close();
  await rm(folder, { recursive: true, force: true });
});

async function run(input: StartBatchInferenceInput, status = 'SUCCEEDED') {
  const { id } = (await tess.ok(StartBatchInferenceDocument, { input })).startBatchInference.job;
  const read = async () => (await tess.ok(BatchOutcomeDocument, { id })).batchInferenceJob;
  await expect.poll(async () => (await read()).status, { timeout: 60_000 }).toMatch(/SUCCEEDED|FAILED/);
  const job = await read();
  expect(job.status, job.errorMessage ?? '').toBe(status);
  const outcome = job.outcome && 'partitions' in job.outcome ? job.outcome : null;
  return { ...job, outcome };
}

async function download(url: string, path: string): Promise<string> {
  const response = await fetch(`${service.url}${url}`, { headers: { authorization: `Bearer ${tess.token}` } });
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, Buffer.from(await response.arrayBuffer()));
  return path;
}

const keyColumns = ['id', 'code', 'region', 'shop'];

it('brings keys and 64-bit integers back as they were, in parts that end inside of row groups', async () => {
  const { modelVersionId, datasetId, path } = keyed;
  const { outcome } = await run({ modelVersionId, datasetId, keyColumns });
  expect(outcome!.partitions).toEqual([]);
  expect(await differingRows(await download(outcome!.downloadUrl, join(folder, 'keys.parquet')), path)).toEqual(
    NONE_DIFFERS,
  );
});

it('reads zero-padded and large keys of a CSV as they were written', async () => {
  const csv = 'x,code,id,day\n1,007,9007199254740993,2024-01-31\n2,,,\n3,120,-9007199254740995,2024-02-29\n';
  const { uploadId } = await tess.upload('keys.csv', csv);
  const datasetId = await registerDataset(tess, { name: 'keys', uploadId });
  const signature = { inputs: [{ ...floats('x', 1) }], outputs: [floats('y', 1)] };
  const { versionId: modelVersionId } = await makeVersion(service, { bytes: linear([2], 0), signature });
  const { outcome } = await run({ modelVersionId, datasetId, keyColumns: ['code', 'id', 'day'] });
  const path = await download(outcome!.downloadUrl, join(folder, 'csv.parquet'));
  const shown = ['code', 'id', 'day'].map((name) => `typeof(${name}) || ' ' || ${name}`).join(', ');
  expect(await query([path], `SELECT ${shown} FROM read_parquet('${path}')`)).toEqual([
    ['VARCHAR 007', 'BIGINT 9007199254740993', 'DATE 2024-01-31'],
    [null, null, null],
    ['VARCHAR 120', 'BIGINT -9007199254740995', 'DATE 2024-02-29'],
  ]);
});

it('stores the rows once more in folders by the values of columns', async () => {
  const { modelVersionId, datasetId, path } = keyed;
  const input = { modelVersionId, datasetId, keyColumns: ['id', 'code'], partitionBy: ['region', 'shop'] };
  const { outcome, id } = await run(input);
  const { partitions } = outcome!;
  expect(partitions.map((one) => one.path)).toEqual(
    ['007', '__HIVE_DEFAULT_PARTITION__', 'a%20b%2Fc%3D%C3%BC', 'EU']
      .flatMap((region, i) => {
        // Shops alternate with the rows, and so do regions.
        const shop = i === 0 || i === 3 ? '9007199254740993' : '9007199254740994';
        return [`predictions/region=${region}/shop=${shop}/data_0.parquet`];
      })
      .sort(),
  );
  const root = join(folder, id);
  const local: string[] = [];
  for (const one of partitions) local.push(await download(one.downloadUrl, join(root, one.path)));
  const hive = `read_parquet([${local.map((one) => `'${one}'`).join(', ')}], hive_partitioning = true, hive_types_autocast = false)`;
  const [columns] = await query(
    local,
    `SELECT list(column_name) FROM (DESCRIBE SELECT * FROM read_parquet('${local[0]}', hive_partitioning = false))`,
  );
  expect(columns).toEqual([['row_number', 'id', 'code', 'prediction_label']]);
  const whole = join(folder, 'whole.parquet');
  await query(
    [...local, whole],
    `COPY (SELECT * REPLACE (shop::BIGINT AS shop) FROM ${hive}) TO '${whole}' (FORMAT parquet, USE_TMP_FILE false)`,
  );
  expect(await differingRows(whole, path)).toEqual(NONE_DIFFERS);
  // The one file is the same with and without folders.
  const one = await download(outcome!.downloadUrl, join(folder, 'one.parquet'));
  expect(await differingRows(one, path)).toEqual(NONE_DIFFERS);
  expect(outcome!.rows).toBe(KEYED_ROWS);
});

it('refuses columns that make too many folders, or names that are too long', async () => {
  const { modelVersionId, datasetId } = keyed;
  const cases: [string[], Record<string, unknown>][] = [
    [['nothing'], { field: 'input.partitionBy[0]' }],
    [['region', 'region'], { field: 'input.partitionBy[1]' }],
    [['code'], { field: 'input.partitionBy[0]', expected: 'a column with at most 500 different values' }],
  ];
  for (const [partitionBy, expected] of cases) {
    const error = await tess.fails(StartBatchInferenceDocument, { input: { modelVersionId, datasetId, partitionBy } });
    expect(error.extensions).toMatchObject({ code: 'BAD_USER_INPUT', ...expected });
  }
  const rows = Array.from(
    { length: 600 },
    (_, i) => `${i},${i % 30},${i % 29},${i === 5 ? 'long '.repeat(50) : 'short'}`,
  );
  const { uploadId } = await tess.upload('many.csv', ['x,a,b,text', ...rows].join('\n'));
  const many = await registerDataset(tess, { name: 'many', uploadId });
  const { versionId } = await makeVersion(service, { bytes: linear([2], 0), signature: xToY(1) });
  const version = { modelVersionId: versionId, datasetId: many };
  await run({ ...version, partitionBy: ['a', 'b'] }, 'FAILED').then((job) => {
    expect(job).toMatchObject({ errorCode: 'BAD_USER_INPUT' });
    expect(job.errorMessage).toContain('at most 500 different combinations of values');
  });
  await run({ ...version, partitionBy: ['text'] }, 'FAILED').then((job) => {
    expect(job.errorMessage).toContain('values of at most 200 bytes together in a path');
  });
});
