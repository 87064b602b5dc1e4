import { randomUUID } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { readColumns } from '../../../src/adapters/dataset-files/dataset-reader.js';
import type { Column } from '../../../src/modules/model-contract/rules/dataset-column.js';
import type { Signature } from '../../../src/modules/model-contract/rules/tensor.js';
import {
  StartBatchInferenceDocument,
  type StartBatchInferenceInput,
  type BatchBackend,
} from '../../../schema/generated/operations.js';
import { BatchInferenceJobDetailsDocument, ExternalOfJobDocument } from '../../generated/operations.js';
import { multilayer } from '../../fixtures/models/build.js';
import { ServiceGroup, type ServiceProcess } from '../../support/processes.js';
import { createModel, register, trainOn } from '../../support/registry.js';
import { type Caller, startTestService, type TestService } from '../../support/service.js';
import { differingRows, keyedRows } from '../../support/batch-keys.js';
import { floats, makeVersion } from '../../support/serving.js';
import { parquetTable } from '../../support/tables.js';
import { registerDataset, vegaPath } from '../../support/training.js';

interface BatchResult {
  rows: number;
  parts: number;
  downloadUrl: string;
}

/** An API, a worker that may be killed, models and rows: the same for every backend. */
export class BatchWorld {
  private constructor(
    private readonly group: ServiceGroup,
    private readonly settings: Record<string, string>,
    readonly backend: BatchBackend,
    readonly service: TestService,
    readonly tess: Caller,
    private worker: ServiceProcess,
    /** 200,000 rows: 13 parts. */
    readonly flights: string,
    /** Takes about a second per part. */
    readonly slowVersion: string,
  ) {}

  static async create(backend: BatchBackend, settings: Record<string, string>): Promise<BatchWorld> {
    const group = await ServiceGroup.create();
    const service = await startTestService({ ...settings, ROLE: 'api', DATA_DIR: group.dataDir }, group.database);
    const tess = await service.as();
    const column = (name: string) => ({ name, type: 'NUMBER' as const });
    const signature: Signature = {
      inputs: [{ ...floats('x', 2), columns: [column('delay'), column('distance')] }],
      outputs: [floats('y', 1)],
    };
    const { versionId } = await makeVersion(service, { bytes: multilayer([2, 640, 640, 640, 1]), signature });
    const flights = await registerDataset(tess, { name: 'flights', path: vegaPath('flights-200k.json') });
    const worker = await group.start('worker', settings);
    return new BatchWorld(group, settings, backend, service, tess, worker, flights, versionId);
  }

  async close(): Promise<void> {
    await this.service.close();
    await this.group.close();
  }

  /** Kills the worker; the next one has these settings too. */
  async replaceWorker(settings: Record<string, string> = {}): Promise<void> {
    await this.worker.end('SIGKILL');
    this.worker = await this.group.start('worker', { ...this.settings, ...settings });
  }

  async start(input: StartBatchInferenceInput): Promise<string> {
    return (await this.tess.ok(StartBatchInferenceDocument, { input })).startBatchInference.job.id;
  }

  /** A slow batch inference, after its first parts are stored. */
  async begun(): Promise<string> {
    const { flights: datasetId, slowVersion: modelVersionId, backend } = this;
    const id = await this.start({ modelVersionId, datasetId, backend });
    await expect
      .poll(async () => (await this.parts(id)).length, { timeout: 240_000, interval: 100 })
      .toBeGreaterThanOrEqual(2);
    return id;
  }

  parts(id: string): Promise<{ end_row: number; attempt: number }[]> {
    return this.service.app.context.db.asSystem((em) =>
      em.execute(`select end_row, attempt from batch_inference_part where job_id = '${id}' order by end_row`),
    );
  }

  async job(id: string) {
    const { batchInferenceJob: job } = await this.tess.ok(BatchInferenceJobDetailsDocument, { id });
    const { external } = (await this.tess.ok(ExternalOfJobDocument, { id })).job;
    return { ...job, result: job.result as BatchResult | null, external };
  }

  async ended(id: string, status = 'SUCCEEDED', timeoutMs = 400_000) {
    await expect
      .poll(async () => (await this.job(id)).status, { timeout: timeoutMs, interval: 200 })
      .toMatch(/SUCCEEDED|FAILED|CANCELLED/);
    const job = await this.job(id);
    expect(job.status, `${job.errorCode}: ${job.errorMessage}`).toBe(status);
    return job;
  }

  /** Keys and 64-bit integers that this backend changes; the number of rows and the types first. */
  async differingRows(): Promise<unknown[]> {
    const { path, datasetId, modelVersionId } = await keyedRows(this.service, this.tess, this.group.dataDir);
    const keyColumns = ['id', 'code', 'region', 'shop'];
    const job = await this.ended(await this.start({ modelVersionId, datasetId, keyColumns, backend: this.backend }));
    return differingRows(await this.download(job), path);
  }

  private async download({ result }: { result: BatchResult | null }): Promise<string> {
    const response = await fetch(`${this.service.url}${result!.downloadUrl}`, {
      headers: { authorization: `Bearer ${this.tess.token}` },
    });
    const path = join(this.group.dataDir, `${randomUUID()}.parquet`);
    await writeFile(path, Buffer.from(await response.arrayBuffer()));
    return path;
  }

  /** All columns of the result, in their order. */
  async columnsOf(job: { result: BatchResult | null }): Promise<Column[]> {
    const path = await this.download(job);
    try {
      const table = await parquetTable(path);
      return (await readColumns(table, { columns: table.columns.map(({ name }) => name) })).columns;
    } finally {
      await rm(path);
    }
  }

  /** A version whose model knows the airports of 5,000 flights only, and 20,000 flights. */
  async airports(): Promise<{ modelVersionId: string; datasetId: string }> {
    const few = await registerDataset(this.tess, { name: 'few', path: vegaPath('flights-5k.json') });
    const { runId } = await trainOn(this.tess, few, {
      algorithm: 'LOGISTIC_REGRESSION',
      target: { column: 'delay', greaterThan: 15 },
      features: [
        { column: 'distance', kind: 'NUMERIC' },
        { column: 'origin', kind: 'CATEGORICAL' },
        { column: 'destination', kind: 'CATEGORICAL' },
        { column: 'date', kind: 'TIMESTAMP' },
      ],
      split: { by: 'RATIO', validation: 0.2, holdout: 0.2 },
      seed: 3,
    });
    const version = await register(this.tess, { modelId: await createModel(this.tess), runId });
    const datasetId = await registerDataset(this.tess, { name: 'many', path: vegaPath('flights-20k.json') });
    return { modelVersionId: version.id, datasetId };
  }

  /** The largest difference of a number between the results of the backend and of this service; texts are equal. */
  async difference(input: StartBatchInferenceInput): Promise<{ difference: number; unknown: number; names: string[] }> {
    const here = await this.columnsOf(await this.ended(await this.start(input)));
    const there = await this.columnsOf(await this.ended(await this.start({ ...input, backend: this.backend })));
    expect(there.map(({ name, type }) => [name, type])).toEqual(here.map(({ name, type }) => [name, type]));
    let difference = 0;
    here.forEach((column, i) => {
      const other = there[i]!;
      if (column.type === 'STRING' || other.type === 'STRING') return expect(other.values).toEqual(column.values);
      expect(other.values.length).toBe(column.values.length);
      column.values.forEach((value, row) => {
        if (Object.is(value, other.values[row])) return;
        difference = Math.max(difference, Math.abs(value - other.values[row]!));
      });
      expect(difference).not.toBeNaN();
    });
    const unknown = here.find(({ name }) => name === 'prediction_unknown_columns')?.values as (string | null)[];
    return {
      difference,
      unknown: unknown?.filter((value) => value !== null).length ?? 0,
      names: here.map(({ name }) => name),
    };
  }
}
