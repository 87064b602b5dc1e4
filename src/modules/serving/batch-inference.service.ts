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
import { type InputRange, Role } from '../core/index.js';
import { AppError, badInput, ErrorCode, notFound } from '../../errors.js';
import type { DatasetFiles, OutputColumn } from '../../adapters/dataset-files/port.js';
import type { BatchPredictor, PreparedPart } from '../../training/batch/port.js';
import {
  type Attempt,
  type AttemptOf,
  type JobRequest,
  type JobService,
  NO_RESOURCES,
  OUTSIDE_QUEUE,
  requireNoResources,
  type Scheduler,
} from '../jobs/index.js';
import { WorkFiles } from '../training/index.js';
import type { StagedObjects } from '../uploads/index.js';
import type { ArtifactService } from '../artifacts/index.js';
import type { DatasetService } from '../datasets/index.js';
import { type AliasService, checkAlias, requireOnnx, requireReady } from '../registry/index.js';
import { BATCH_INFERENCE, type BatchBackend } from './batch-inference.job-kind.js';
import { addPart, endedWithParts, partsOf, removeParts, type BatchPart } from './stores/batch-parts.js';
import { type LoadedModels, modelFile } from './loaded-models.js';
import { SERVING_EVENTS } from './events.js';

export interface BatchInferenceInput {
  /** Absent when an alias of a model names the version. */
  modelVersionId?: string | null;
  modelId?: string | null;
  alias?: string | null;
  datasetId: string;
  keyColumns?: string[] | null;
  /** Columns of the dataset by whose values the rows are also stored in a folder of files. */
  partitionBy?: string[] | null;
  /** LOCAL when absent. */
  backend?: BatchBackend | null;
  /** For RAY: processes that predict at the same time; 1 when absent. */
  workers?: number | null;
  job?: JobRequest | null;
}

type BatchAttempt = AttemptOf<typeof BATCH_INFERENCE>;

interface Dependencies {
  db: Database;
  live: LiveEvents;
  objects: ObjectStore;
  staged: StagedObjects;
  aliases: AliasService;
  artifacts: ArtifactService;
  datasets: DatasetService;
  jobs: JobService;
  scheduler: Scheduler;
  files: DatasetFiles;
  models: LoadedModels;
  predictors: BatchPredictors;
}

/** For each place other than this machine; null when it is not configured. */
export type BatchPredictors = Record<Exclude<BatchBackend, 'LOCAL'>, BatchPredictor | null>;

/** About how many rows a part has: a crash loses at most one part, and one part is in memory. */
const PART_ROWS = 16_384;
const PART_DEADLINE_MS = 300_000;
export const MAX_KEY_COLUMNS = 100;
export const MAX_PARTITION_COLUMNS = 5;
/** More would be many small files, which every reader of a folder opens one by one. */
export const MAX_PARTITIONS = 500;
const PARTITIONS_FIELD = 'input.partitionBy';
export const BATCH_WORKERS = { min: 1, max: 64, unit: 'processes' } satisfies InputRange;
const RESULT_PATH = 'predictions.parquet';
const PARTITIONS_PATH = 'predictions';
const SWEEP_JOBS = 20;

/** Predicts all rows of a dataset in parts. Stored parts survive a crash. */
export class BatchInferenceService {
  /** The last preparation of this machine that was begun. */
  private preparing: Promise<unknown> = Promise.resolve();

  constructor(private readonly deps: Dependencies) {}

  /**
   * Call before the transaction that starts a batch inference: BAD_USER_INPUT when it cannot run where it shall,
   * UNAVAILABLE when the cluster cannot take it now.
   */
  async requireBackend(input: BatchInferenceInput): Promise<void> {
    const { backend } = placeOf(input);
    if (backend === 'LOCAL') return;
    const predictor = this.deps.predictors[backend];
    const problem = predictor ? await predictor.problem() : ABSENT[backend];
    if (problem) throw new AppError(ErrorCode.UNAVAILABLE, problem, { field: 'input.backend' });
  }

  async start(session: Session, input: BatchInferenceInput): Promise<Job> {
    const { datasetId, keyColumns, job: request } = input;
    const { backend, workers } = placeOf(input);
    const isOutside = backend !== 'LOCAL';
    const { found, follows } = await this.versionOf(session, input);
    const version = requireReady(found);
    const dataset = await this.deps.datasets.get(session, datasetId);
    const keys = checkColumns('input.keyColumns', keyColumns ?? [], dataset);
    const partitionBy = checkPartitions(input.partitionBy ?? [], dataset);
    checkInputs(version, dataset);
    if (isOutside) requireNoResources(request);
    const requested = await this.requested(session, { backend, workers }, request);
    const settings = {
      keyColumns: keys,
      ...(partitionBy.length > 0 && { partitionBy }),
      ...(follows && { follows }),
    };
    const job = this.deps.jobs.create(session, BATCH_INFERENCE, {
      ...requested,
      input: { ...settings, ...(isOutside && { backend, workers }) },
      ...(isOutside && { queue: OUTSIDE_QUEUE }),
      modelVersionId: version.id,
      datasetId,
    });
    await session.em.flush();
    audit(session, 'startBatchInference', { type: 'job', id: job.id }, null, {
      ...{ modelVersionId: version.id, datasetId, ...settings },
      ...(isOutside && { backend }),
    });
    return job;
  }

  /** The version that is named by its id or by an alias. */
  private async versionOf(session: Session, { modelVersionId, modelId, alias }: BatchInferenceInput) {
    if (modelId == null && alias == null) {
      if (modelVersionId == null) throw badInput('input.modelVersionId', 'a version, or `modelId` and `alias`', null);
      const found = await session.em.findOne(ModelVersion, { id: modelVersionId, tenant: session.tenant });
      if (!found) throw notFound('model version', modelVersionId);
      return { found };
    }
    if (modelVersionId != null)
      throw badInput('input.modelVersionId', 'nothing beside `modelId` and `alias`', modelVersionId);
    if (modelId == null) throw badInput('input.modelId', 'the model that has the alias', null);
    if (alias == null) throw badInput('input.alias', 'an alias of the model', null);
    const follows = { modelId, alias: checkAlias('input.alias', alias) };
    return { found: await this.deps.aliases.resolve(session, { modelId }, alias), follows };
  }

  /** The Ray cluster counts for the shares of tenants, one core for each worker; Spark has a scheduler of its own. */
  private requested(session: Session, { backend, workers }: Place, request: JobRequest | null | undefined) {
    const { scheduler } = this.deps;
    if (backend === 'LOCAL') return scheduler.requested(session, BATCH_INFERENCE, request);
    const resources = { ...NO_RESOURCES, cores: backend === 'RAY' ? 1 : 0 };
    const kind = { ...BATCH_INFERENCE, resources };
    return scheduler.requested(session, kind, { ...request, workers }, 'input.workers');
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
      const { backend = 'LOCAL' } = attempt.input;
      const outside = backend === 'LOCAL' ? null : this.outsideOf(attempt, backend);
      if (!outside) await this.predictFrom(attempt, rowsDone, version, dataset, workDir);
      else if (rowsDone < dataset.rowCount)
        await this.predictOutside(attempt, outside, rowsDone, version, dataset, workDir);
      await this.finish(attempt, version, dataset, workDir);
      await outside?.files.tidy();
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
      const unknown = unknownColumns(version.signature, inputs, batch.rowCount);
      const predicted = [...predictionColumns(outputs, batch.rowCount, version.signature), ...unknown];
      await files.writeParquet([rowNumberColumn(rows, batch.rowCount), ...predicted], local);
      rows += batch.rowCount;
      await this.storePart(attempt, rows, local);
      attempt.progress(shareOf(rows, dataset), `${rows} of ${dataset.rowCount} rows`);
    }
  }

  private outsideOf(attempt: BatchAttempt, backend: Exclude<BatchBackend, 'LOCAL'>): Outside {
    const predictor = this.deps.predictors[backend];
    if (!predictor) throw new AppError(ErrorCode.UNAVAILABLE, ABSENT[backend]);
    const note = (line: string) => attempt.logger.info({ jobId: attempt.job.id }, line);
    return { predictor, files: new WorkFiles(this.deps, attempt, predictor.name, { note }) };
  }

  /** The same on a cluster: this service reads and checks the rows, and writes what the outputs mean. */
  private async predictOutside(
    attempt: BatchAttempt,
    { predictor, files: outside }: Outside,
    rowsDone: number,
    version: OnnxVersion,
    dataset: Dataset,
    workDir: string,
  ): Promise<void> {
    const { files, objects } = this.deps;
    const { signature } = version;
    const local = join(workDir, 'part.parquet');
    using model = await modelFile(objects, version);
    let rows = rowsDone;
    await predictor.predict(
      {
        ...{ outside, workDir, signature, modelPath: model.path, workers: attempt.input.workers ?? 1 },
        ...{ firstRow: rowsDone, keptColumns: unknownColumns(signature, [], 0).map(({ name }) => name) },
        prepare: () => this.prepareInTurn(attempt, rowsDone, version, dataset),
        store: async ({ startRow, endRow, outputs, kept }) => {
          const count = endRow - startRow;
          const predicted = [...predictionColumns(outputs, count, signature), ...kept];
          await files.writeParquet([rowNumberColumn(startRow, count), ...predicted], local);
          rows = endRow;
          await this.storePart(attempt, rows, local);
          attempt.progress(shareOf(rows, dataset), `${rows} of ${dataset.rowCount} rows`);
        },
        onWaiting: (message) => attempt.progress(shareOf(rows, dataset), message),
      },
      attempt.signal,
    );
  }

  /** Jobs on a cluster take no resources of this machine, so it prepares them one after the other. */
  private async *prepareInTurn(
    attempt: BatchAttempt,
    startRow: number,
    { signature }: OnnxVersion,
    dataset: Dataset,
  ): AsyncGenerator<PreparedPart> {
    const before = this.preparing;
    const turn = Promise.withResolvers<void>();
    this.preparing = before.then(() => turn.promise);
    try {
      await untilAborted(attempt.signal, before);
      const { files, datasets } = this.deps;
      using data = await datasets.localTable(dataset);
      const options = { columns: inputRequests(signature), chunkRows: PART_ROWS, startRow };
      let rows = startRow;
      for await (const batch of files.readChunks(data.table, options)) {
        const named = new Map(batch.columns.map((column) => [column.name, column]));
        const inputs = toTensors(named, signature, batch.rowNumbers);
        const kept = unknownColumns(signature, inputs, batch.rowCount);
        yield { startRow: rows, endRow: rows + batch.rowCount, inputs, kept };
        rows += batch.rowCount;
        attempt.progress(shareOf(startRow, dataset), `Prepared ${rows} of ${dataset.rowCount} rows`);
      }
    } finally {
      turn.resolve();
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
    const { keyColumns, partitionBy = [] } = attempt.input;
    const rows = await files.concatParquet(local, whole, {
      table,
      names: [...new Set([...keyColumns, ...partitionBy])],
      rowNumberColumn: ROW_NUMBER_COLUMN,
    });
    if (rows !== dataset.rowCount)
      throw new AppError(ErrorCode.INTERNAL, `The result has ${rows} rows where the dataset has ${dataset.rowCount}.`);
    const folder = join(workDir, PARTITIONS_PATH);
    const paths =
      partitionBy.length === 0
        ? []
        : await files.partitionParquet(whole, folder, {
            columns: partitionBy,
            field: PARTITIONS_FIELD,
            most: MAX_PARTITIONS,
          });
    // Keys have no percent signs. No value has an `@` in a path, so that different paths have different keys.
    const keyOf = (path: string) => `${folderOf(job)}/${attempt.number}/${path.replaceAll('%', '@')}`;
    const partitionPaths = paths.map((path) => `${PARTITIONS_PATH}/${path}`);
    await attempt.write((session) => staged.stageAll(session, [RESULT_PATH, ...partitionPaths].map(keyOf)));
    const store = async (path: string): Promise<StoredFile> => {
      const content = await objects.put(keyOf(path), createReadStream(join(workDir, path)));
      const artifactId = uuidv7();
      return { path, artifactId, ...content, downloadUrl: `/artifacts/${artifactId}` };
    };
    const { path: _, ...one } = await store(RESULT_PATH);
    const partitions: StoredFile[] = [];
    for (const path of partitionPaths) partitions.push(await store(path));
    const told = { ...one, objectKey: keyOf(RESULT_PATH), rows, parts: parts.length };
    await attempt.succeed({ ...told, ...(partitions.length > 0 && { partitions }) }, async (session) => {
      for (const { path, artifactId, ...content } of [{ path: RESULT_PATH, ...one }, ...partitions]) {
        const stored = { sizeBytes: content.sizeBytes, sha256: content.sha256 };
        await artifacts.record(session, { jobId: job.id }, path, keyOf(path), stored, artifactId);
      }
      await this.release(session, job.id, parts);
      const payload = { modelVersionId: version.id, datasetId: dataset.id, ...told };
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

interface StoredFile {
  path: string;
  artifactId: string;
  sizeBytes: number;
  sha256: string;
  downloadUrl: string;
}

interface Outside {
  predictor: BatchPredictor;
  files: WorkFiles;
}

const ABSENT: Record<Exclude<BatchBackend, 'LOCAL'>, string> = {
  RAY: 'This service knows no Ray cluster: set RAY_ADDRESS, or leave out `backend`.',
  SPARK: 'This service knows no Spark: set SPARK_SUBMIT, or leave out `backend`.',
};

interface Place {
  backend: BatchBackend;
  workers: number;
}

function placeOf({ backend, workers }: BatchInferenceInput): Place {
  if (workers != null && backend !== 'RAY')
    throw badInput('input.workers', 'nothing, because only the backend RAY has workers', workers);
  return { backend: backend ?? 'LOCAL', workers: workers ?? 1 };
}

const PREDICTED_SHARE = 0.98;

function shareOf(rows: number, { rowCount }: Dataset): number {
  return (rows / rowCount) * PREDICTED_SHARE;
}

function rowNumberColumn(startRow: number, count: number): OutputColumn {
  const values = BigInt64Array.from({ length: count }, (_, row) => BigInt(startRow + row));
  return { name: ROW_NUMBER_COLUMN, type: 'INTEGER', values };
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

function checkColumns(of: string, names: string[], dataset: Dataset): string[] {
  names.forEach((name, i) => {
    const field = `${of}[${i}]`;
    if (!dataset.columns.some((column) => column.name === name))
      throw badInput(field, `one of ${dataset.columns.map((column) => column.name).join(', ')}`, name);
    if (isReservedColumn(name)) throw badInput(field, 'a column that the result does not add itself', name);
    if (names.indexOf(name) < i) throw badInput(field, 'each column once', name);
  });
  return names;
}

function checkPartitions(names: string[], dataset: Dataset): string[] {
  checkColumns(PARTITIONS_FIELD, names, dataset).forEach((name, i) => {
    const { distinctCount } = dataset.columns.find((column) => column.name === name)!;
    if (distinctCount > MAX_PARTITIONS)
      throw badInput(
        `${PARTITIONS_FIELD}[${i}]`,
        `a column with at most ${MAX_PARTITIONS} different values`,
        `${name} with ${distinctCount}`,
      );
  });
  return names;
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
