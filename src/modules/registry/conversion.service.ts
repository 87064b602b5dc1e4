import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { LiveEvents } from '../../adapters/live-events/port.js';
import type { ModelConverter } from '../../adapters/model-converter/port.js';
import type { ObjectStore } from '../../adapters/object-store/port.js';
import { Job } from '../../db/entities/jobs/job.entity.js';
import { Model } from '../../db/entities/registry/model.entity.js';
import { ModelVersion, type OnnxVersion } from '../../db/entities/registry/model-version.entity.js';
import type { Session } from '../../db/database.js';
import { audit, emitEvent } from '../platform/index.js';
import {
  type Conversion,
  CONVERSION_TOLERANCE,
  type ConversionOutcome,
  conversionProblem,
  type SampleRows,
  withKnownColumns,
  type Signature,
} from '../model-contract/index.js';
import { type LoggedFiles, readMlmodel } from './rules/mlmodel.js';
import { AppError, conflict, ErrorCode } from '../../errors.js';
import type { DatasetFiles } from '../../adapters/dataset-files/port.js';
import type { ModelChecker } from '../../inference/port.js';
import type { Attempt, AttemptOf, JobService } from '../jobs/index.js';
import type { StagedObjects } from '../uploads/index.js';
import type { ArtifactService } from '../artifacts/index.js';
import type { DatasetService } from '../datasets/index.js';
import { CONVERSION } from './conversion.job-kind.js';
import type { ModelVersionService } from './model-version.service.js';
import type { ModelService } from './model.service.js';
import { cardFactsOf, storeVersionFiles, versionKeys } from './version-files.js';
import type { VersionFollower } from './version-follower.js';
import { type SourceFile, sourceFiles } from './version-source.js';
import { parseYaml } from './yaml-text.js';
import { REGISTRY_EVENTS } from './events.js';

interface Dependencies {
  live: LiveEvents;
  jobs: JobService;
  objects: ObjectStore;
  staged: StagedObjects;
  artifacts: ArtifactService;
  datasets: DatasetService;
  files: DatasetFiles;
  models: ModelService;
  versions: ModelVersionService;
  converter: ModelConverter;
  checkModel: ModelChecker;
  follower: VersionFollower;
  /** Whether versions are converted when they are registered. */
  automatic: boolean;
}

const MAX_SAMPLE_ROWS = 1_000;
/** Frameworks that the Python package can convert, by the names of MLflow's flavors. */
const CONVERTIBLE = ['sklearn', 'xgboost', 'lightgbm', 'pytorch', 'tensorflow', 'keras'];

/** Makes the model.onnx of a version that was registered with files of another framework, and compares both models. */
export class ConversionService {
  constructor(private readonly deps: Dependencies) {}

  /** CONFLICT for a version that has a model.onnx, or has no files here to make it from. */
  async start(session: Session, input: { modelVersionId: string; sampleDatasetId?: string | null }): Promise<Job> {
    const version = await this.deps.versions.lock(session, input.modelVersionId);
    if (version.objectKey != null) throw hasOnnx(version);
    await this.refuseSecond(session, version);
    if ((await sourceFiles(session, version)).length === 0) {
      throw conflict(`Version ${version.version} has no files in this service to convert.`, {
        expected: 'a version whose source is a run or a logged model of this service',
        got: version.sourceUri ?? 'no source',
      });
    }
    if (input.sampleDatasetId != null) await this.deps.datasets.get(session, input.sampleDatasetId);
    const job = this.begin(session, version, input.sampleDatasetId ?? null);
    await session.em.flush();
    audit(session, 'convertModelVersion', { type: 'job', id: job.id }, null, { modelVersionId: version.id });
    return job;
  }

  /** Starts a conversion automatically when Python is configured, so that the version can be deployed soon. */
  async offer(session: Session, version: ModelVersion, framework: string | null): Promise<void> {
    if (!this.deps.automatic || framework === null || !CONVERTIBLE.includes(framework)) return;
    // The job's row refers to the version's row.
    await session.em.flush();
    this.begin(session, version, null);
  }

  async execute(attempt: AttemptOf<typeof CONVERSION>): Promise<void> {
    const { objects, converter, checkModel, versions } = this.deps;
    const { version, files } = await attempt.read(async (session) => {
      const found = await versions.get(session, attempt.job.modelVersionId ?? '');
      return { version: found, files: await sourceFiles(session, found) };
    });
    const folder = await mkdtemp(join(tmpdir(), 'matih-source-'));
    try {
      attempt.progress(0.1, `Fetching ${files.length} files`);
      const modelDir = join(folder, 'model');
      for (const file of files) await this.fetch(file, modelDir, attempt.signal);
      attempt.progress(0.3, 'Converting');
      const outputPath = join(folder, 'model.onnx');
      const problem = await converter.problem();
      const sample = await this.sampleRows(attempt);
      const outcome: ConversionOutcome | { state: 'NOT_CONFIGURED'; reason: string } = problem
        ? { state: 'NOT_CONFIGURED', reason: problem }
        : await converter.convert({ modelDir, outputPath, sample, tolerance: CONVERSION_TOLERANCE }, attempt.signal);
      if (outcome.state !== 'CONVERTED')
        return await this.giveUp(attempt, version, { ...outcome, jobId: attempt.job.id });
      attempt.progress(0.8, 'Checking model.onnx');
      const found = await checkModel(outputPath).catch((error: unknown) => {
        if (!(error instanceof AppError) || error.code !== ErrorCode.INVALID_MODEL) throw error;
        const reason =
          `It was converted, but its model.onnx cannot be served: ${error.message} An encoder that refuses ` +
          'categories it does not know must ignore them (handle_unknown="ignore").';
        return this.giveUp(attempt, version, { state: 'FAILED', reason, jobId: attempt.job.id });
      });
      const logged = await this.logged(modelDir);
      const signature = knownSignature(found.signature, outcome, logged);
      const content = await readFile(outputPath);
      const sourceKey = `${attempt.job.tenant}/conversions/${attemptOf(attempt)}/model.onnx`;
      await attempt.write((session) => this.deps.staged.stage(session, sourceKey));
      try {
        const { sizeBytes, sha256 } = await objects.put(sourceKey, content);
        await this.finish(
          attempt,
          version.id,
          { sourceKey, sizeBytes, sha256, signature },
          { ...outcome, jobId: attempt.job.id },
          logged,
        );
      } finally {
        await this.deps.staged.discard(sourceKey);
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** The content of the MLmodel file among the fetched files. */
  private async logged(modelDir: string): Promise<LoggedFiles | null> {
    return readFile(join(modelDir, 'MLmodel'), 'utf8').then(
      (content) => readMlmodel(parseYaml(content)),
      () => null,
    );
  }

  /** Two conversions at the same time would store different files under the same keys. */
  private async refuseSecond(session: Session, { id, version }: ModelVersion): Promise<void> {
    const underWay = { kind: CONVERSION.kind, status: { $in: ['QUEUED', 'RUNNING'] } } as const;
    const job = await session.em.findOne(
      Job,
      { tenant: session.tenant, modelVersionId: id, ...underWay },
      { fields: ['id'] },
    );
    if (!job) return;
    throw conflict(`Version ${version} is being converted by job ${job.id}: wait for it, or cancel it first.`, {
      expected: 'a version without a conversion under way',
      got: job.id,
    });
  }

  private begin(session: Session, version: ModelVersion, datasetId: string | null): Job {
    const { id: modelVersionId, runId } = version;
    return this.deps.jobs.create(session, CONVERSION, { input: {}, modelVersionId, datasetId, runId });
  }

  private async fetch({ path, objectKey }: SourceFile, modelDir: string, signal: AbortSignal): Promise<void> {
    const target = join(modelDir, path);
    await mkdir(dirname(target), { recursive: true });
    await pipeline(await this.deps.objects.get(objectKey), createWriteStream(target), { signal });
  }

  private async sampleRows(attempt: Attempt): Promise<SampleRows | null> {
    const { datasetId } = attempt.job;
    if (datasetId == null) return null;
    const { datasets, files } = this.deps;
    const dataset = await attempt.read((session) => datasets.get(session, datasetId));
    using file = await datasets.localTable(dataset);
    const rows = await files.firstRows(file.table, MAX_SAMPLE_ROWS);
    const columns = dataset.columns.map(({ name }) => name);
    return { columns, rows: rows.map((row) => columns.map((name) => row[name] ?? null)) };
  }

  /** The job has failed; the version's state says what to do. */
  private async giveUp(attempt: Attempt, version: ModelVersion, conversion: Conversion): Promise<never> {
    await attempt.write(async (session) => {
      await session.em.nativeUpdate(ModelVersion, { id: version.id, tenant: session.tenant }, { conversion });
    });
    const reason = conversionProblem(conversion) ?? '';
    throw new AppError(conversion.state === 'DISAGREES' ? ErrorCode.INVALID_MODEL : ErrorCode.CONFLICT, reason);
  }

  private async finish(
    attempt: AttemptOf<typeof CONVERSION>,
    id: string,
    source: Pick<OnnxVersion, 'sourceKey' | 'sizeBytes' | 'sha256' | 'signature'>,
    conversion: Conversion & { state: 'CONVERTED' },
    logged: LoggedFiles | null,
  ): Promise<void> {
    const { objects, staged, artifacts, live, follower } = this.deps;
    const { converted, keys, facts } = await attempt.write(async (session) => {
      const version = await session.em.findOneOrFail(
        ModelVersion,
        { id, tenant: session.tenant },
        { disableIdentityMap: true },
      );
      // The files of the version are in use. If they were staged again, the sweeper would delete them.
      if (version.objectKey != null) throw hasOnnx(version);
      const model = await session.em.findOneOrFail(Model, { id: version.modelId, tenant: session.tenant });
      const folder = `${session.tenant}/models/${model.folder}/${version.version}`;
      const plainKey = `${folder}/model.onnx`;
      // An earlier attempt that began to write to this key may still write, because its process was frozen. The sweeper
      // removes such files.
      const objectKey = (await staged.stage(session, plainKey))
        ? plainKey
        : `${folder}/${attemptOf(attempt)}/model.onnx`;
      const onnx: OnnxVersion = Object.assign(version, { ...source, objectKey });
      const files = versionKeys(onnx);
      for (const key of Object.values(files)) await staged.stage(session, key);
      return { converted: onnx, keys: files, facts: await cardFactsOf(session, onnx) };
    });
    const stored = await storeVersionFiles(objects, converted, facts);
    const { maxAbsDiff, maxScaledDiff, framework } = conversion;
    await attempt.succeed({ framework, maxAbsDiff, maxScaledDiff, sha256: source.sha256 }, async (session) => {
      await follower.lock(session, converted.modelId);
      const { objectKey } = converted;
      const change = { ...source, sourceKey: objectKey, objectKey, framework, conversion, updatedAt: new Date() };
      await session.em.nativeUpdate(ModelVersion, { id, tenant: session.tenant }, change);
      const hints = { signature: source.signature ?? null, logged: logged?.signature ?? null, framework };
      await this.deps.models.guessTask(session, converted.modelId, hints);
      for (const [path, file] of Object.entries(stored))
        await artifacts.record(session, { modelVersionId: id }, path, keys[path]!, file);
      const { modelId, version } = converted;
      emitEvent(
        session,
        live,
        REGISTRY_EVENTS.MODEL_CONVERTED,
        { type: 'modelVersion', id },
        { version, framework, maxScaledDiff },
        { modelId },
      );
      await follower.versionStored(session, { id, modelId });
    });
  }
}

/** A conversion keeps the names of columns and classes, which the converted model's matrix does not have. */
function knownSignature(
  signature: Signature,
  { columns, classes }: ConversionOutcome & { state: 'CONVERTED' },
  logged: LoggedFiles | null,
): Signature {
  const named = withKnownColumns(signature, columns ?? logged?.columns ?? []);
  return classes && (named.classes === undefined || named.classes.length === classes.length)
    ? { ...named, classes }
    : named;
}

const attemptOf = ({ job, number }: Attempt) => `${job.id}-${number}`;

function hasOnnx({ id, version }: ModelVersion): AppError {
  return conflict(`Version ${version} has its model.onnx already.`, {
    expected: 'a version without a model.onnx',
    got: id,
  });
}
