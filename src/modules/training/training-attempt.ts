import { createReadStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ObjectStore, StoredObject } from '../../adapters/object-store/port.js';
import type { Table } from '../../adapters/dataset-files/port.js';
import type { LiveEvents } from '../../adapters/live-events/port.js';
import type { Session } from '../../db/database.js';
import { emitEvent } from '../platform/index.js';
import { foldMetrics, type FoldResult, type TrainingWarning } from '../algorithms/index.js';
import { AppError, ErrorCode } from '../../errors.js';
import type {
  ClusterBackend,
  EpochReport,
  RunningTraining,
  Team,
  TrainingBackend,
  TrainingOutcome,
} from '../../training/port.js';
import { type AttemptOf, StoppedAttempt } from '../jobs/index.js';
import type { StagedObjects } from '../uploads/index.js';
import type { ArtifactService } from '../artifacts/index.js';
import type { DatasetService } from '../datasets/index.js';
import { lastStepOf, type RunLogService, type RunService } from '../experiments/index.js';
import type { CheckpointService } from './checkpoint.service.js';
import { OutsideAttempt } from './outside-attempt.js';
import { epochLine, lineOf } from './rules/log-lines.js';
import { addTrainedModel } from './stores/trained-models.js';
import type { RunRegistrar } from './run-registrar.js';
import type { TRAINING } from './training.job-kind.js';
import { TRAINING_EVENTS } from './events.js';

export interface TrainingParts {
  live: LiveEvents;
  objects: ObjectStore;
  staged: StagedObjects;
  backend: TrainingBackend;
  /** Null when no cluster is configured. */
  cluster: ClusterBackend | null;
  runs: RunService;
  runLogs: RunLogService;
  datasets: DatasetService;
  artifacts: ArtifactService;
  checkpoints: CheckpointService;
  registrar: RunRegistrar;
}

/** A file of the run: its path, its key, and, when it is stored, its size and hash. */
interface RunFile {
  path: string;
  key: string;
  stored: StoredObject;
}

/** The maximum of one append. */
const LINES_AT_ONCE = 1_000;

/** One attempt of a training, from its last intact checkpoint to the stored model. */
export class TrainingAttempt {
  private readonly log: { line: string; loggedAt: Date }[] = [];
  /** How many lines the followers of the run can see already. */
  private shownCount = 0;
  /** For a training on a cluster. */
  private outside: OutsideAttempt | undefined;
  private readonly runId: string;
  private readonly config: AttemptOf<typeof TRAINING>['input'];
  /** The measured folds of a cross-validation, those of earlier attempts included. */
  private readonly folds: FoldResult[];

  constructor(
    private readonly parts: TrainingParts,
    private readonly attempt: AttemptOf<typeof TRAINING>,
    private readonly workDir: string,
  ) {
    // A TRAINING job is only ever made together with its run and dataset.
    this.runId = attempt.job.runId!;
    this.config = attempt.input;
    this.folds = [...(attempt.soFar?.folds ?? [])];
  }

  async execute(): Promise<void> {
    await mkdir(this.workDir, { recursive: true });
    try {
      await this.attempt.write((session) => this.begin(session));
      const outcome = await this.train();
      await this.finish(outcome);
      await this.outside?.tidy();
    } catch (error) {
      await this.logFailure(error);
      throw error;
    } finally {
      await rm(this.workDir, { recursive: true, force: true });
    }
  }

  private async begin(session: Session): Promise<void> {
    const run = await this.parts.runs.get(session, this.runId);
    await this.parts.runs.setStatus(session, run.id, {
      ...{ status: 'RUNNING', endedAt: null, warnings: this.config.warnings ?? [] },
      ...(run.status === 'QUEUED' && { startedAt: new Date() }),
    });
    session.touch('run', run.id);
  }

  private async train(): Promise<TrainingOutcome> {
    const { attempt, parts } = this;
    const dataset = await attempt.read((session) => parts.datasets.get(session, attempt.job.datasetId!));
    using data = await parts.datasets.localTable(dataset);
    this.note(`attempt ${attempt.number} on ${dataset.name}, version ${dataset.version}, SHA-256 ${dataset.sha256}`);
    if (this.config.backend === 'RAY') return this.outcomeOf(this.startOnCluster(data.table));
    const checkpointPath = await this.restoreCheckpoint();
    try {
      return await this.outcomeOf(this.startHere(data.table, checkpointPath));
    } catch (error) {
      if (!isOfOtherVersion(error)) throw error;
      this.note('the checkpoint is of another version of the service: the training begins anew');
      return await this.outcomeOf(this.startHere(data.table, null));
    }
  }

  private async outcomeOf(training: RunningTraining): Promise<TrainingOutcome> {
    const { attempt } = this;
    const cancel = () => training.cancel();
    attempt.signal.addEventListener('abort', cancel, { once: true });
    // It may have been aborted while the training was prepared.
    if (attempt.signal.aborted) cancel();
    try {
      return await training.outcome;
    } finally {
      attempt.signal.removeEventListener('abort', cancel);
    }
  }

  /** A copy of the newest intact checkpoint; null when there is none. */
  private async restoreCheckpoint(): Promise<string | null> {
    const path = join(this.workDir, 'resume.ckpt');
    const checkpoint = await this.parts.checkpoints.restore(this.attempt, path);
    if (!checkpoint) return null;
    this.note(`continued from the checkpoint of epoch ${checkpoint.epoch}, SHA-256 ${checkpoint.sha256}`);
    return path;
  }

  private startHere(data: Table, checkpointPath: string | null): RunningTraining {
    const { attempt, parts } = this;
    attempt.signal.throwIfAborted();
    return parts.backend.start(
      {
        config: this.config.training,
        data,
        workDir: this.workDir,
        environment: attempt.environment,
        threads: Math.max(1, Math.floor(attempt.job.cores)),
        team: this.team,
        ...(checkpointPath !== null && { resumeFromPath: checkpointPath }),
        ...(this.folds.length > 0 && { finishedFolds: [...this.folds] }),
      },
      {
        onProgress: (fraction, message) => attempt.progress(fraction, message),
        onEpoch: (report) => this.logEpoch(report),
        onCheckpoint: (report) => parts.checkpoints.save(attempt, this.runId, report),
        onFold: (result) => this.keepFold(result),
        onWarning: (warning) => this.keepWarning(warning),
        onUsage: (usage) => void this.logUsage(usage),
        onLine: (line) => this.note(line),
      },
    );
  }

  private get team(): Team {
    const { workers = 1, strategy } = this.config;
    return { workers, strategy };
  }

  /** The work reports its epochs and checkpoints by itself. */
  private startOnCluster(data: Table): RunningTraining {
    const { attempt, config } = this;
    const { cluster } = this.parts;
    if (!cluster)
      throw new AppError(ErrorCode.UNAVAILABLE, 'This worker has no RAY_ADDRESS: set it to that of your Ray cluster.');
    this.outside = new OutsideAttempt(this.parts, attempt, cluster.name, {
      note: (line) => this.note(line),
      // Before the lines that the work reports.
      attached: (session) => this.showLog(session),
    });
    attempt.signal.throwIfAborted();
    return cluster.start(
      {
        ...{ config: config.training, data, workDir: this.workDir, team: this.team, outside: this.outside },
        finishedFolds: [...this.folds],
      },
      {
        onProgress: (fraction, message) => attempt.progress(fraction, message),
        onFold: (result) => this.keepFold(result),
        onWarning: (warning) => this.keepWarning(warning),
      },
    );
  }

  private async logEpoch(report: EpochReport): Promise<void> {
    const { epoch, metrics } = report;
    this.note(epochLine(report));
    await this.attempt.write(async (session) => {
      await this.parts.runs.logStep(session, this.runId, epoch, metrics);
      await this.showLog(session);
    });
  }

  /** Stores a fold for later attempts, and logs its metrics at the step of its number. */
  private async keepFold(result: FoldResult): Promise<void> {
    this.folds.push(result);
    const metrics = foldMetrics(this.folds);
    this.note(
      `fold ${result.fold}: ${Object.entries(metrics)
        .map(([key, value]) => `${key}=${value}`)
        .join(' ')}`,
    );
    await this.attempt.write(async (session) => {
      await this.attempt.keep(session, { folds: this.folds });
      await this.parts.runs.logStep(session, this.runId, result.fold, metrics);
      await this.showLog(session);
    });
  }

  private async keepWarning(warning: TrainingWarning): Promise<void> {
    await this.attempt.write(async (session) => {
      const run = await this.parts.runs.get(session, this.runId);
      run.warnings = [...run.warnings, warning];
    });
  }

  /** A measurement that comes after the end of the attempt, or while the database is away, is dropped. */
  private async logUsage(usage: Record<string, number>): Promise<void> {
    const { attempt, parts, runId } = this;
    try {
      await attempt.write(async (session) => {
        const step = (await lastStepOf(session, runId, Object.keys(usage))) + 1;
        await parts.runs.logMetrics(
          session,
          runId,
          Object.entries(usage).map(([key, value]) => ({ key, value, step })),
        );
      });
    } catch (error) {
      attempt.logger.debug({ err: error }, 'system metrics not logged');
    }
  }

  private async finish(outcome: TrainingOutcome): Promise<void> {
    const { attempt, parts } = this;
    const history = await attempt.read((session) => parts.runs.stepHistory(session, this.runId));
    this.note(
      `trained ${outcome.epochsRun} epochs, the best was ` +
        `${outcome.bestEpoch}${outcome.stoppedEarly ? '; stopped early' : ''}`,
    );
    const warnings = [...(this.config.warnings ?? []), ...outcome.warnings];
    for (const { code, message } of warnings) this.note(`warning ${code}: ${message}`);
    const model = await this.store('model/model.onnx', () => createReadStream(outcome.modelPath));
    const { judged: before, crossValidation } = outcome;
    const judged = before && (await this.store('model/judged.onnx', () => createReadStream(before.modelPath)));
    const files = [
      model,
      ...(judged ? [judged] : []),
      await this.store('metrics/history.json', () =>
        Buffer.from(JSON.stringify({ epochs: history, final: outcome.metrics, crossValidation }, null, 2)),
      ),
      await this.store(`logs/attempt-${attempt.number}.log`, () =>
        Buffer.from(this.log.map(({ line, loggedAt }) => `${loggedAt.toISOString()} ${line}\n`).join('')),
      ),
    ];
    const { signature, metrics, reference, agreementMaxAbsDiff, rows, epochsRun, bestEpoch, stoppedEarly } = outcome;
    const judgedModel =
      before && judged ? { key: judged.key, sha256: judged.stored.sha256, signature: before.signature } : undefined;
    const result = {
      modelKey: model.key,
      ...model.stored,
      ...(judgedModel && { judgedModel }),
      ...(crossValidation && { crossValidation }),
      ...{ signature, metrics, agreementMaxAbsDiff, rows, epochsRun, bestEpoch, stoppedEarly, warnings },
      config: this.config.training,
    };
    await attempt.succeed(result, async (session) => {
      for (const { path, key, stored } of files)
        await parts.artifacts.record(session, { runId: this.runId }, path, key, stored);
      await addTrainedModel(session, this.runId, {
        // A TRAINING job always has its dataset.
        ...{ datasetId: attempt.job.datasetId!, format: 'ONNX', config: this.config.training, rowCounts: rows },
        files: { model: { key: model.key, ...model.stored }, ...(judgedModel && { judged: judgedModel }) },
        ...{ signature, metrics, reference, agreementMaxAbsDiff },
      });
      await parts.runs.logStep(session, this.runId, epochsRun, metrics);
      await parts.runs.setStatus(session, this.runId, { status: 'FINISHED', endedAt: new Date(), warnings });
      session.touch('run', this.runId);
      const modelId = this.config.registerModelId;
      const subject = { type: 'job', id: attempt.job.id };
      const payload = {
        runId: this.runId,
        datasetId: attempt.job.datasetId,
        sha256: model.stored.sha256,
        metrics,
        epochsRun,
        stoppedEarly,
      };
      emitEvent(session, parts.live, TRAINING_EVENTS.MODEL_TRAINING_COMPLETED, subject, payload, { modelId });
      await this.showLog(session);
      await session.em.flush();
      if (modelId) await this.register(session, modelId);
    });
  }

  /** If the model was deleted or changed, no version is made; the training still succeeds. */
  private async register(session: Session, modelId: string): Promise<void> {
    try {
      await this.parts.registrar.registerFromRun(session, { modelId, runId: this.runId });
    } catch (error) {
      if (!(error instanceof AppError) || (error.code !== ErrorCode.NOT_FOUND && error.code !== ErrorCode.CONFLICT))
        throw error;
      this.attempt.logger.warn({ err: error, modelId }, 'trained, but not registered');
    }
  }

  private async store(path: string, content: () => Parameters<ObjectStore['put']>[1]): Promise<RunFile> {
    const key = `${this.attempt.job.tenant}/runs/${this.runId}/${path}`;
    await this.attempt.write((session) => this.parts.staged.stage(session, key));
    return { path, key, stored: await this.parts.objects.put(key, content()) };
  }

  private note(line: string): void {
    this.log.push({ line, loggedAt: new Date() });
  }

  /** Stores the lines of the log that the run does not show yet. */
  private async showLog(session: Session): Promise<void> {
    const fresh = this.log.slice(this.shownCount, this.shownCount + LINES_AT_ONCE);
    if (fresh.length === 0) return;
    await this.parts.runLogs.append(
      session,
      this.runId,
      fresh.map(({ line, loggedAt }) => ({ line: lineOf(line), loggedAt, stream: 'SYSTEM' })),
    );
    session.afterCommit(() => {
      this.shownCount += fresh.length;
    });
  }

  /** Writes the last line of an attempt that ended early. An attempt that was replaced writes nothing more. */
  private async logFailure(error: unknown): Promise<void> {
    this.note(`attempt ${this.attempt.number} ${lastLine(error, this.attempt.signal)}`);
    try {
      await this.attempt.write((session) => this.showLog(session));
    } catch (refusal) {
      this.attempt.logger.debug({ err: refusal }, 'last log line not shown');
    }
  }
}

/** How an attempt ended early: it failed, or was stopped and another one continues it. */
function lastLine(error: unknown, { aborted, reason }: AbortSignal): string {
  if (reason instanceof StoppedAttempt)
    return reason.why === 'PAUSE'
      ? 'stopped: its job is paused. The run stays RUNNING; resumeJob continues it from its last checkpoint'
      : 'stopped: it makes room for another job, and continues from its last checkpoint when there is room again';
  if (aborted && reason instanceof DOMException)
    return reason.name === 'TimeoutError'
      ? 'failed: it ran for as long as it may'
      : 'stopped: its worker process ends, and another one continues from its last checkpoint';
  return `failed: ${error instanceof AppError ? error.message : 'an unexpected error'}`;
}

/** An intact checkpoint that does not fit was written before an upgrade: datasets and configurations do not change. */
function isOfOtherVersion(error: unknown): boolean {
  return error instanceof AppError && error.details.field === 'checkpoint';
}
