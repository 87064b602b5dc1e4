import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { v7 as uuidv7 } from 'uuid';
import type { LiveEvents } from '../../adapters/live-events/port.js';
import type { ObjectStore } from '../../adapters/object-store/port.js';
import { Job } from '../../db/entities/jobs/job.entity.js';
import { ModelVersion, type OnnxVersion } from '../../db/entities/registry/model-version.entity.js';
import { Dataset } from '../../db/entities/datasets/dataset.entity.js';
import type { Database, Session } from '../../db/database.js';
import {
  columnNames,
  neededColumns,
  requireMapped,
  toTensors,
  inputRequests,
  isRecorded,
} from '../model-contract/index.js';
import { isReservedColumn, predictionColumns, ROW_NUMBER_COLUMN, unknownColumns } from './rules/batch-output.js';
import { audit, emitEvent } from '../platform/index.js';
import { Role } from '../core/index.js';
import { AppError, badInput, ErrorCode, notFound } from '../../errors.js';
import type { DatasetFiles, OutputColumn } from '../../adapters/dataset-files/port.js';
import type { Attempt, AttemptOf, JobRequest, JobService, Scheduler } from '../jobs/index.js';
import type { StagedObjects } from '../uploads/index.js';
import type { ArtifactService } from '../artifacts/index.js';
import type { DatasetService } from '../datasets/index.js';
import { requireOnnx, requireReady } from '../registry/index.js';
import { BATCH_INFERENCE } from './batch-inference.job-kind.js';
import { addPart, endedWithParts, partsOf, removeParts, type BatchPart } from './stores/batch-parts.js';
import type { LoadedModels } from './loaded-models.js';
import { SERVING_EVENTS } from './events.js';

export interface BatchInferenceInput {
  modelVersionId: string;
  datasetId: string;
  keyColumns?: string[] | null;
  job?: JobRequest | null;
}

type BatchAttempt = AttemptOf<typeof BATCH_INFERENCE>;

interface Dependencies {
  db: Database;
  live: LiveEvents;
  objects: ObjectStore;
  staged: StagedObjects;
  artifacts: ArtifactService;
  datasets: DatasetService;
  jobs: JobService;
  scheduler: Scheduler;
  files: DatasetFiles;
  models: LoadedModels;
}

/** About how many rows a part has: a crash loses at most one part, and one part is in memory. */
const PART_ROWS = 16_384;
const PART_DEADLINE_MS = 300_000;
export const MAX_KEY_COLUMNS = 100;
const RESULT_PATH = 'predictions.parquet';
const SWEEP_JOBS = 20;

/** Predicts all rows of a dataset in parts. Stored parts survive a crash. */
export class BatchInferenceService {
  constructor(private readonly deps: Dependencies) {}

  async start(
    session: Session,
    { modelVersionId, datasetId, keyColumns, job: request }: BatchInferenceInput,
  ): Promise<Job> {
    const found = await session.em.findOne(ModelVersion, { id: modelVersionId, tenant: session.tenant });
    if (!found) throw notFound('model version', modelVersionId);
    const version = requireReady(found);
    const dataset = await this.deps.datasets.get(session, datasetId);
    const keys = checkKeys(keyColumns ?? [], dataset);
    checkInputs(version, dataset);
    const requested = await this.deps.scheduler.requested(session, BATCH_INFERENCE, request);
    const job = this.deps.jobs.create(session, BATCH_INFERENCE, {
      ...requested,
      input: { keyColumns: keys },
      modelVersionId,
      datasetId,
    });
    await session.em.flush();
    audit(session, 'startBatchInference', { type: 'job', id: job.id }, null, {
      modelVersionId,
      datasetId,
      keyColumns: keys,
    });
    return job;
  }

  async execute(attempt: BatchAttempt): Promise<void> {
    const { job } = attempt;
    const { version, dataset } = await attempt.read(async (session) => ({
      version: requireOnnx(
        await session.em.findOneOrFail(ModelVersion, { id: job.modelVersionId!, tenant: job.tenant }),
      ),
      dataset: await session.em.findOneOrFail(Dataset, { id: job.datasetId!, tenant: job.tenant }),
    }));
    const rowsDone = await this.keepSoundParts(attempt);
    const workDir = await mkdtemp(join(tmpdir(), 'matih-batch-'));
    try {
      await this.predictFrom(attempt, rowsDone, version, dataset, workDir);
      await this.finish(attempt, version, dataset, workDir);
    } finally {
      await rm(workDir, { recursive: true, force: true });
    }
  }

  /** Removes parts of jobs that ended without a result. */
  async sweep(): Promise<number> {
    const ended = await this.deps.db.asSystem((em) => endedWithParts(em, SWEEP_JOBS));
    for (const { id, tenant, createdBy } of ended) {
      const actor = {
        principal: { subject: createdBy, tenant, role: Role.ENGINEER, expiresAt: new Date() },
        requestId: id,
      };
      await this.deps.db.transact(actor, async (session) => this.release(session, id, await partsOf(session, id)));
    }
    return ended.length;
  }

  /** Counts the rows that earlier attempts have stored. Removes a damaged part and all parts after it. */
  private async keepSoundParts(attempt: Attempt): Promise<number> {
    const parts = await attempt.read((session) => partsOf(session, attempt.job.id));
    let sound = 0;
    for (const { objectKey, sizeBytes } of parts) {
      if ((await this.deps.objects.sizeBytes(objectKey).catch(() => -1)) !== sizeBytes) break;
      sound++;
    }
    const damaged = parts.slice(sound);
    if (damaged.length > 0) await attempt.write((session) => this.release(session, attempt.job.id, damaged));
    if (parts.length > 0) attempt.logger.info({ sound, damaged: damaged.length }, 'batch inference resumed');
    return parts[sound - 1]?.endRow ?? 0;
  }

  private async predictFrom(
    attempt: Attempt,
    rowsDone: number,
    version: OnnxVersion,
    dataset: Dataset,
    workDir: string,
  ): Promise<void> {
    const { files, datasets, models } = this.deps;
    const columns = inputRequests(version.signature);
    using data = await datasets.localTable(dataset);
    const local = join(workDir, 'part.parquet');
    let rows = rowsDone;
    for await (const batch of files.readChunks(data.table, { columns, chunkRows: PART_ROWS, startRow: rows })) {
      const named = new Map(batch.columns.map((column) => [column.name, column]));
      const inputs = toTensors(named, version.signature, batch.rowNumbers);
      const { outputs } = await untilAborted(
        attempt.signal,
        models.infer(version, inputs, { deadlineMs: PART_DEADLINE_MS }),
      );
      const predicted = [
        ...predictionColumns(outputs, batch.rowCount, version.signature),
        ...unknownColumns(version.signature, inputs, batch.rowCount),
      ];
      const rowNumbers: OutputColumn = {
        name: ROW_NUMBER_COLUMN,
        type: 'INTEGER',
        values: BigInt64Array.from(batch.rowNumbers, BigInt),
      };
      await files.writeParquet([rowNumbers, ...predicted], local);
      rows += batch.rowCount;
      await this.storePart(attempt, rows, local);
      attempt.progress((rows / dataset.rowCount) * 0.98, `${rows} of ${dataset.rowCount} rows`);
    }
  }

  /**
   * Stores a part. It is named by the row after its last one. Its key contains the attempt, so that a worker that was
   * considered dead replaces nothing.
   */
  private async storePart(attempt: Attempt, endRow: number, local: string): Promise<void> {
    const { staged, objects } = this.deps;
    const { job, number } = attempt;
    const objectKey = `${folderOf(job)}/parts/${endRow}-attempt-${number}.parquet`;
    await attempt.write((session) => staged.stage(session, objectKey));
    const stored = await objects.put(objectKey, createReadStream(local));
    await attempt.write(async (session) => {
      await staged.settle(session, [objectKey]);
      await addPart(session, { id: job.id, attempt: number }, { endRow, objectKey, ...stored });
      await attempt.forgiveFailures(session);
    });
  }

  private async finish(attempt: BatchAttempt, version: OnnxVersion, dataset: Dataset, workDir: string): Promise<void> {
    const { files, objects, staged, artifacts, live, datasets } = this.deps;
    const { job } = attempt;
    const parts = await attempt.read((session) => partsOf(session, job.id));
    const whole = join(workDir, RESULT_PATH);
    using held = new DisposableStack();
    const local: string[] = [];
    for (const { objectKey } of parts) local.push(held.use(await objects.localFile(objectKey)).path);
    const { table } = held.use(await datasets.localTable(dataset));
    const rows = await files.concatParquet(local, whole, {
      table,
      names: attempt.input.keyColumns,
      rowNumberColumn: ROW_NUMBER_COLUMN,
    });
    if (rows !== dataset.rowCount)
      throw new AppError(ErrorCode.INTERNAL, `The result has ${rows} rows where the dataset has ${dataset.rowCount}.`);
    const objectKey = `${folderOf(job)}/${attempt.number}/${RESULT_PATH}`;
    await attempt.write((session) => staged.stage(session, objectKey));
    const stored = await objects.put(objectKey, createReadStream(whole));
    const artifactId = uuidv7();
    const result = {
      artifactId,
      objectKey,
      rows,
      ...stored,
      parts: parts.length,
      downloadUrl: `/artifacts/${artifactId}`,
    };
    await attempt.succeed(result, async (session) => {
      await artifacts.record(session, { jobId: job.id }, RESULT_PATH, objectKey, stored, artifactId);
      await this.release(session, job.id, parts);
      const payload = { modelVersionId: version.id, datasetId: dataset.id, ...result };
      emitEvent(session, live, SERVING_EVENTS.BATCH_INFERENCE_COMPLETED, { type: 'job', id: job.id }, payload, {
        modelId: version.modelId,
      });
    });
  }

  private async release(session: Session, jobId: string, parts: readonly BatchPart[]): Promise<void> {
    await removeParts(session, jobId, parts);
    await this.deps.staged.release(
      session,
      parts.map(({ objectKey }) => objectKey),
    );
  }
}

/** A cancelled job ends at once, even while the runtime computes. */
async function untilAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason as Error);
  signal.addEventListener('abort', abort);
  if (signal.aborted) abort();
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function folderOf({ tenant, id }: Job): string {
  return `${tenant}/batch-inference/${id}`;
}

function checkKeys(keyColumns: string[], dataset: Dataset): string[] {
  keyColumns.forEach((name, i) => {
    const field = `input.keyColumns[${i}]`;
    if (!dataset.columns.some((column) => column.name === name))
      throw badInput(field, `one of ${dataset.columns.map((column) => column.name).join(', ')}`, name);
    if (isReservedColumn(name)) throw badInput(field, 'a column that the result does not add itself', name);
    if (keyColumns.indexOf(name) < i) throw badInput(field, 'each column once', name);
  });
  return keyColumns;
}

/** Each input needs its columns; where the model takes numbers, these must be numbers. */
function checkInputs({ id, signature }: OnnxVersion, dataset: Dataset): void {
  requireMapped(signature, { versionId: id, candidates: dataset.columns.map(({ name }) => name) });
  const refuse = (expected: string, got: string) => badInput('input.datasetId', expected, got);
  for (const spec of signature.inputs) {
    for (const name of columnNames(spec) ?? []) {
      const column = dataset.columns.find((candidate) => candidate.name === name);
      if (!column)
        throw refuse(`a dataset with the columns ${neededColumns(signature).join(', ')}`, `none named ${name}`);
      const isReadAnew = spec.columns?.some((of) => of.name === name && isRecorded(spec, of)) ?? false;
      if (spec.datatype !== 'BYTES' && column.type === 'STRING' && !isReadAnew)
        throw refuse(`numbers (${spec.datatype}) in column ${name}`, 'text');
    }
  }
}
