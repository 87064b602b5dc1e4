import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Database, Session } from '../../db/database.js';
import { Job } from '../../db/entities/jobs/job.entity.js';
import { Model } from '../../db/entities/registry/model.entity.js';
import { audit, emitEvent } from '../platform/index.js';
import type { InputRange } from '../core/index.js';
import type { DatasetProfile } from '../model-contract/index.js';
import {
  algorithmOf,
  type Backend,
  type Strategy,
  defaultFeatures,
  checkConfigAgainstSchema,
  taskOf,
  type TrainingConfig,
  configParams,
  parseTrainingConfig,
  readingOf,
  type TrainingConfigInput,
} from '../algorithms/index.js';
import { AppError, badInput, ErrorCode, notFound } from '../../errors.js';
import {
  NO_RESOURCES,
  OUTSIDE_QUEUE,
  requireNoResources,
  type AttemptOf,
  type JobRequest,
  type JobService,
  type Scheduler,
} from '../jobs/index.js';
import { addUsedDataset, requireWritable, type TagEntry } from '../experiments/index.js';
import { TrainingAttempt, type TrainingParts } from './training-attempt.js';
import { TRAINING } from './training.job-kind.js';
import { TRAINING_EVENTS } from './events.js';
import { clusterView } from './rules/cluster-view.js';

export interface StartTrainingInput {
  experimentId: string;
  datasetId: string;
  config: TrainingConfigInput;
  runName?: string | null;
  /** Registers a version of this model when the training succeeds. */
  registerModelId?: string | null;
  /** The alert that requested it. */
  alertId?: string | null;
  /** Where it runs; LOCAL when absent. */
  backend?: Backend | null;
  /** Processes that train one model together; 1 when absent, or 2 with a strategy. */
  workers?: number | null;
  /** How they share the work. */
  strategy?: Strategy | null;
  job?: JobRequest | null;
  /** The job, e.g. a tuning, that requested it. */
  parentJobId?: string | null;
  /** The run of which its run is a part. */
  parentRunId?: string | null;
  /** Tags of its run. */
  tags?: TagEntry[];
}

/** Processes that divide the layers of a network. */
const PAIR = 2;

export const WORKERS = { min: 1, max: 64, unit: 'processes' } satisfies InputRange;

/** Names of attempts' folders: job id and attempt number. */
const ATTEMPT_FOLDER = /^[0-9a-f-]{36}-\d+$/;

/** Trainings. Each has a run with the results and a job that does the work. */
export class TrainingService {
  constructor(
    private readonly db: Database,
    private readonly jobs: JobService,
    private readonly scheduler: Scheduler,
    private readonly parts: TrainingParts,
    /** The parent of the attempts' folders. */
    private readonly workRoot: string,
  ) {}

  /**
   * Checks the configuration against the dataset and queues the training. BAD_USER_INPUT names the field, NOT_FOUND the
   * id.
   */
  async start(session: Session, input: StartTrainingInput): Promise<Job> {
    const asked = parseTrainingConfig('input.config', input.config);
    const place = placeOf(asked, input);
    const dataset = await this.parts.datasets.get(session, input.datasetId);
    const { training, warnings } = belowInput(() => completed(asked, dataset, place.backend));
    const modelId = input.registerModelId ?? null;
    if (modelId !== null) await this.checkModel(session, modelId, taskOf(training.algorithm));
    if (place.backend !== 'LOCAL') requireNoResources(input.job);
    const requested = await this.requested(session, place, input.job);
    const { experimentId, runName: name, parentRunId, tags } = input;
    const run = await this.parts.runs.create(session, {
      ...{ experimentId, name, parentRunId, tags },
      status: 'QUEUED',
      params: configParams(training),
    });
    run.warnings = warnings;
    addUsedDataset(session, run.id, dataset.id, 'TRAINING');
    const job = this.jobs.create(session, TRAINING, {
      ...requested,
      input: { training, registerModelId: modelId, warnings, ...place },
      ...(place.backend !== 'LOCAL' && { queue: OUTSIDE_QUEUE }),
      runId: run.id,
      datasetId: dataset.id,
      alertId: input.alertId,
      parentId: input.parentJobId,
    });
    await session.em.flush();
    audit(session, 'startTraining', { type: 'job', id: job.id }, null, {
      runId: run.id,
      datasetId: dataset.id,
      algorithm: training.algorithm,
    });
    this.announce(session, job);
    return job;
  }

  /**
   * Each worker has what was requested; on a cluster, it has one core, which counts for the share of the tenant.
   */
  private requested(session: Session, { backend, workers }: Place, request: JobRequest | null | undefined) {
    if (backend === 'LOCAL')
      return this.scheduler.requested(session, TRAINING, workers === undefined ? request : { ...request, workers });
    const kind = { ...TRAINING, resources: { ...NO_RESOURCES, cores: 1 } };
    return this.scheduler.requested(session, kind, { ...request, workers }, 'input.workers');
  }

  /** The cluster as it is now; null when none is configured, and nothing but a problem when it cannot be read. */
  async cluster(tenant: string) {
    const { cluster } = this.parts;
    if (!cluster) return null;
    const empty = { backend: cluster.name, problem: null, version: null };
    try {
      return { ...empty, ...clusterView(await cluster.look(), tenant) };
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      return { ...empty, problem: error.message, nodes: [], resources: [], waiting: [], missing: [], jobs: [] };
    }
  }

  /**
   * Call before the transaction that starts a training: BAD_USER_INPUT when it cannot run where it shall, UNAVAILABLE
   * when the cluster cannot take it now.
   */
  async requireBackend(input: StartTrainingInput): Promise<void> {
    const { backend, workers = 1 } = placeOf(parseTrainingConfig('input.config', input.config), input);
    if (backend === 'LOCAL') {
      const missing = await this.parts.backend.problem(input.config.algorithm);
      if (missing) throw new AppError(ErrorCode.UNAVAILABLE, missing, { field: 'input.config.algorithm' });
      return;
    }
    const { cluster } = this.parts;
    const most = cluster?.maxCores ?? null;
    if (most !== null && workers > most)
      throw badInput('input.workers', `at most ${most}, the cores of the cluster for trainings`, workers);
    const problem = cluster
      ? await cluster.problem()
      : 'This service knows no Ray cluster: set RAY_ADDRESS, or leave out `backend`.';
    if (problem) throw new AppError(ErrorCode.UNAVAILABLE, problem, { field: 'input.backend' });
  }

  /** A check with the errors that `start` would give for a configuration; the dataset is read once for many. */
  async checkerFor(session: Session, datasetId: string): Promise<(config: TrainingConfigInput) => void> {
    const dataset = await this.parts.datasets.get(session, datasetId);
    return (config) => {
      const asked = parseTrainingConfig('input.config', config);
      belowInput(() => completed(asked, dataset, 'LOCAL'));
    };
  }

  /**
   * Starts another attempt of a failed or cancelled training, from its last intact checkpoint. CONFLICT in any other
   * state.
   */
  async resume(session: Session, jobId: string): Promise<Job> {
    const job = await this.jobs.resume(session, 'resumeTraining', jobId, TRAINING);
    await requireWritable(session, job.runId!);
    await this.parts.runs.setStatus(session, job.runId!, { status: 'QUEUED', endedAt: null });
    session.touch('run', job.runId!);
    this.announce(session, job);
    return job;
  }

  /** Runs one attempt. Returns when the model is stored, the training has failed, or `run.signal` was aborted. */
  execute(attempt: AttemptOf<typeof TRAINING>): Promise<void> {
    return new TrainingAttempt(
      this.parts,
      attempt,
      join(this.workRoot, `${attempt.job.id}-${attempt.number}`),
    ).execute();
  }

  /** Removes the folders of attempts whose process was killed. */
  async sweep(): Promise<void> {
    const folders = (await readdir(this.workRoot).catch(() => [])).filter((name) => ATTEMPT_FOLDER.test(name));
    if (folders.length === 0) return;
    const running = await this.db.asSystem((em) => em.find(Job, { status: 'RUNNING' }, { fields: ['id', 'attempt'] }));
    const live = new Set(running.map(({ id, attempt }) => `${id}-${attempt}`));
    for (const folder of folders)
      if (!live.has(folder)) await rm(join(this.workRoot, folder), { recursive: true, force: true });
  }

  private async checkModel(session: Session, modelId: string, task: Model['task']): Promise<void> {
    const model = await session.em.findOne(Model, { id: modelId, tenant: session.tenant });
    if (!model) throw notFound('model', modelId);
    if (model.task !== task && model.task !== 'OTHER')
      throw badInput('input.registerModelId', `a model for ${task}`, `${model.name} (${model.task})`);
  }

  private announce(session: Session, job: Job): void {
    const { training, registerModelId } = this.jobs.inputOf(TRAINING, job);
    const payload = { runId: job.runId, datasetId: job.datasetId, algorithm: training.algorithm, attempt: job.attempt };
    emitEvent(session, this.parts.live, TRAINING_EVENTS.MODEL_TRAINING_STARTED, { type: 'job', id: job.id }, payload, {
      modelId: registerModelId,
    });
  }
}

/** Where a training runs, as its job remembers it. */
interface Place {
  backend: Backend;
  workers?: number;
  strategy?: Strategy;
}

/** Checks where a training shall run, and by how many processes. BAD_USER_INPUT names the field. */
function placeOf(asked: ReturnType<typeof parseTrainingConfig>, input: StartTrainingInput): Place {
  const { name, backends } = algorithmOf(asked.algorithm);
  const backend = input.backend ?? 'LOCAL';
  if (!backends.includes(backend))
    throw badInput(
      'input.backend',
      `${backends.join(' or ')}, where ${name} can run`,
      input.backend ?? 'nothing, which is LOCAL',
    );
  return { backend, ...teamOf(asked, backend, input) };
}

function teamOf(
  { algorithm, hyperparameters }: ReturnType<typeof parseTrainingConfig>,
  backend: Backend,
  { workers: given, strategy: wanted, job }: StartTrainingInput,
): Omit<Place, 'backend'> {
  const { name, teamsOn, strategies } = algorithmOf(algorithm);
  if (!teamsOn.includes(backend)) {
    const none = `nothing: with the backend ${backend}, one process trains ${name}`;
    if (given != null) throw badInput('input.workers', none, given);
    if (wanted != null) throw badInput('input.strategy', none, wanted);
    return {};
  }
  if (wanted != null && !strategies.includes(wanted))
    throw badInput('input.strategy', strategies.join(' or ') || `nothing with ${name}`, wanted);
  const workers = given ?? (wanted == null ? 1 : PAIR);
  const strategy = wanted ?? strategies[0];
  if (strategy === 'MODEL_PARALLEL' || strategy === 'PIPELINE_PARALLEL') {
    if (workers !== PAIR) throw badInput('input.workers', `${PAIR} with the strategy ${strategy}`, workers);
    if ('hiddenLayers' in hyperparameters && hyperparameters.hiddenLayers.length === 0)
      throw badInput(
        'input.config.hyperparameters.hiddenLayers',
        `at least one layer with the strategy ${strategy}, which divides the layers`,
        'none',
      );
  }
  if (backend === 'LOCAL' && workers === 1) return {};
  if (job?.workers != null)
    throw badInput('input.job.workers', 'nothing where several processes train one model', job.workers);
  return { workers, ...(workers > 1 && strategy && { strategy }) };
}

/** Completes the configuration with its features, checks it against the dataset, and adds the warnings. */
function completed(asked: ReturnType<typeof parseTrainingConfig>, dataset: DatasetProfile, backend: Backend) {
  const { features, warnings } = asked.features
    ? { features: asked.features, warnings: [] }
    : defaultFeatures(asked, dataset);
  const training: TrainingConfig = { ...asked, features };
  checkConfigAgainstSchema(training, dataset);
  const reading = readingOf(training, dataset.rowCount, backend === 'LOCAL');
  return { training: reading === 'BLOCKS' ? { ...training, reading } : training, warnings };
}

/** Names the fields of errors as the client wrote them: below `input`. */
function belowInput<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof AppError) || error.details.field === undefined) throw error;
    const { field, expected = '', got = '' } = error.details;
    throw new AppError(error.code, `input.${field}: expected ${expected}, got ${got}.`, {
      ...error.details,
      field: `input.${field}`,
    });
  }
}
