// Batch inference here: rows per second and peak memory (resident, of the service's process) on half a million and on
// five million rows of Parquet with row groups of 50,000, with keys of 64 bits and of text. Memory must be flat: ratio
// is the peak on all rows over that on a tenth of them. `-- --rows 2` measures 2 million rows in place of 5.
import { openAsBlob, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type * as duckDbModule from '../src/adapters/dataset-files/duckdb.ts';
import {
  BenchCreateModelDocument,
  BenchJobStatusDocument,
  BenchRegisterDatasetDocument,
  BenchRegisterModelVersionDocument,
  BenchStartBatchInferenceDocument,
} from './generated/operations.ts';
import { fromDist } from './support/dist.ts';
import { multilayer } from './support/network.ts';
import { report } from './support/report.ts';
import { startService, withDataDir, type Service } from './support/service.ts';

const GOAL = 1.25;
const given = process.argv.indexOf('--rows');
const MOST_ROWS = (given > 0 ? Number(process.argv[given + 1]) : 5) * 1_000_000;
const SIZES = [MOST_ROWS / 10, MOST_ROWS];
const KEYS = ['id', 'code'];
const LOOK_MS = 250;

const { literal, withDuckDb } = await fromDist<typeof duckDbModule>('adapters/dataset-files/duckdb.js');

async function upload({ url, token }: Service, path: string): Promise<string> {
  const response = await fetch(`${url}/uploads?fileName=${path.split('/').at(-1)}`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream', authorization: `Bearer ${token}` },
    body: await openAsBlob(path),
  });
  return ((await response.json()) as { uploadId: string }).uploadId;
}

const writeRows = (path: string, rows: number) =>
  withDuckDb({ paths: [path], memoryLimit: '1GB' }, (connection) =>
    connection.run(
      `COPY (SELECT 9007199254740993 + i AS id, printf('%09d', i) AS code, hash(i, 1) % 1000003 / 1000003.0 AS x ` +
        `FROM range(${rows}) AS t(i)) TO ${literal(path)} (FORMAT parquet, ROW_GROUP_SIZE 50000)`,
    ),
  );

async function measure(service: Service, modelVersionId: string, path: string) {
  const source = { uploadId: await upload(service, path) };
  const { registerDataset } = await service.send(BenchRegisterDatasetDocument, { input: { name: 'rows', source } });
  const datasetId = registerDataset.dataset.id;
  const status = `/proc/${service.pid}/status`;
  // The peak counts from here on.
  await writeFile(`/proc/${service.pid}/clear_refs`, '5');
  const startedMs = performance.now();
  const { startBatchInference } = await service.send(BenchStartBatchInferenceDocument, {
    input: { modelVersionId, datasetId, keyColumns: KEYS },
  });
  for (;;) {
    const { job } = await service.send(BenchJobStatusDocument, { id: startBatchInference.job.id });
    if (job.status === 'FAILED') throw new Error(job.errorMessage ?? 'the job failed');
    if (job.status === 'SUCCEEDED') break;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return {
    seconds: (performance.now() - startedMs) / 1_000,
    peakMiB: Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(status, 'utf8'))?.[1]) / 1024,
  };
}

await withDataDir(async (dataDir) => {
  const service = await startService(dataDir);
  try {
    const model = join(dataDir, 'model.onnx');
    await writeFile(model, await multilayer([1, 16, 1]));
    const { createModel } = await service.send(BenchCreateModelDocument, {
      input: { name: 'bench', modelType: 'MLP', task: 'REGRESSION' },
    });
    const { registerModelVersion } = await service.send(BenchRegisterModelVersionDocument, {
      input: { modelId: createModel.model.id, uploadId: await upload(service, model) },
    });
    const measured = [];
    for (const rows of SIZES) {
      const path = join(dataDir, `${rows}.parquet`);
      await writeRows(path, rows);
      const result = await measure(service, registerModelVersion.modelVersion.id, path);
      process.stderr.write(`${rows} rows: ${JSON.stringify(result)}\n`);
      measured.push(result);
    }
    const [few, many] = measured;
    report('batch', many!.peakMiB / few!.peakMiB, GOAL, 'lower', {
      rows: MOST_ROWS,
      rowsPerSecond: MOST_ROWS / many!.seconds,
      ...{ seconds: many!.seconds, peakMiB: many!.peakMiB, peakMiBOfTenth: few!.peakMiB },
    });
  } finally {
    await service.stop();
  }
});
