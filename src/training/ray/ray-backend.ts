import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ChildTask, explainLoss } from '../../child-task/child-task.js';
import type { ProcessLimits } from '../../child-task/limited-process.js';
import { AppError, conflict, ErrorCode } from '../../errors.js';
import type { LocalTrainingBackend } from '../local-backend.js';
import { finishOutside } from '../outside/finish.js';
import { type PreparedTraining, type PrepareRequest, rowsFile } from '../outside/prepare.js';
import { PREPARATION_PROGRAM } from '../outside/programs.js';
import { outsideResultSchema, type TrainedOutside } from '../outside/result.js';
import { writeSpec } from '../outside/spec.js';
import type {
  ClusterBackend,
  ClusterState,
  OutsideTrainingRequest,
  RunningTraining,
  TrainingHooks,
  TrainingOutcome,
} from '../port.js';
import type { RayProgram, RayWork } from './ray-work.js';

type Hooks = Pick<TrainingHooks, 'onProgress' | 'onWarning' | 'onFold'>;

/** Trains on a Ray cluster: this service prepares the rows and checks the model, the cluster trains. */
export class RayTrainingBackend implements ClusterBackend {
  readonly name: string;
  readonly maxCores: number | null;
  /** The last work of this machine that was begun. */
  private atWork: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly work: RayWork,
    private readonly local: LocalTrainingBackend,
    private readonly limits: ProcessLimits,
  ) {
    this.name = work.name;
    this.maxCores = work.maxCores;
  }

  problem(): Promise<string | null> {
    return this.work.problem();
  }

  capacity(): { cores: number; memoryBytes: number; gpus: number } {
    return this.work.capacity();
  }

  start(request: OutsideTrainingRequest, hooks: Hooks): RunningTraining {
    const cancelling = new AbortController();
    return {
      outcome: this.outcomeOf(request, hooks, cancelling.signal),
      cancel: () => cancelling.abort(conflict('The training was cancelled.', { cancelled: true })),
    };
  }

  async look(): Promise<ClusterState> {
    const { client } = this.work;
    const [version, nodes, load, jobs] = await Promise.all([
      client.version(),
      client.nodes(),
      client.load(),
      client.jobs(),
    ]);
    return {
      version,
      nodes,
      load: load && {
        used: Object.fromEntries(Object.entries(load.usage).map(([name, [used]]) => [name, used])),
        waiting: [
          ...load.resourceDemand,
          ...load.pgDemand.flatMap(([{ bundles }, times]) =>
            bundles.map(([resources, count]) => [resources, count * times] as const),
          ),
        ].map(([resources, count]) => ({ resources, count })),
      },
      jobs: jobs.flatMap((job) => {
        if (job.submission_id === null) return [];
        const { tenant, job: jobId } = job.metadata ?? {};
        return [
          {
            id: job.submission_id,
            status: job.status,
            message: this.work.shown(job),
            startedAt: job.start_time ? new Date(job.start_time) : null,
            endedAt: job.end_time ? new Date(job.end_time) : null,
            of: tenant && jobId ? { tenant, jobId } : null,
          },
        ];
      }),
    };
  }

  private async outcomeOf(
    request: OutsideTrainingRequest,
    hooks: Hooks,
    signal: AbortSignal,
  ): Promise<TrainingOutcome> {
    const { outside } = request;
    const watch = {
      onProgress: (message: string) => hooks.onProgress(0, message),
      result: (id: string) => this.resultOf(request, id),
    };
    const prepare = () => this.giveAll(request, hooks, signal);
    const { id, result } = await this.work.complete(outside, outside.runningId, { prepare, watch }, signal);
    return this.inTurn(() => this.finish(request, id, result, hooks, signal));
  }

  /** Prepares the rows, and stores everything that the training reads. */
  private async giveAll(request: OutsideTrainingRequest, hooks: Hooks, signal: AbortSignal): Promise<RayProgram> {
    const { outside, config, data, workDir, team } = request;
    hooks.onProgress(0, 'Reading the dataset');
    const prepared = await this.inTurn(() => this.prepare({ config, data, workDir }, signal));
    const checkpoint = join(workDir, 'resume');
    const resumes = await outside.restore(checkpoint);
    // Each process has one CPU of the cluster.
    const specPath = await writeSpec(workDir, { config, prepared, team, threads: 1, resumes });
    for (const part of prepared.parts) await outside.give(rowsFile(part), join(workDir, rowsFile(part)));
    if (resumes) await outside.give('resume', checkpoint);
    await outside.give('spec.json', specPath);
    hooks.onProgress(0, 'Handing the training over to Ray');
    outside.note(`training on Ray as job ${outside.id}`);
    // With several workers the first process only waits for them.
    return { entrypoint: 'python -m matih_ml.train', cpus: team.workers === 1 ? 1 : 0 };
  }

  private async prepare(request: PrepareRequest, signal: AbortSignal): Promise<PreparedTraining> {
    signal.throwIfAborted();
    const task = new ChildTask(PREPARATION_PROGRAM, { limits: this.limits, cwd: request.workDir });
    try {
      return await task.ask(request, { signal });
    } catch (error) {
      throw explainLoss(error, PREPARATION_PROGRAM.name);
    } finally {
      task.kill();
      await task.closed;
    }
  }

  /** Trainings on a cluster take no resources of this machine, so it prepares and checks one after the other. */
  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.atWork.then(work);
    this.atWork = mine.catch(() => undefined);
    return mine;
  }

  /** Null when the work has stored none. Throws the failure that the work has stored. */
  private async resultOf({ outside, workDir }: OutsideTrainingRequest, id: string): Promise<TrainedOutside | null> {
    const path = join(workDir, 'result.json');
    if (!(await outside.take(id, 'result.json', path))) return null;
    let stored: unknown;
    try {
      stored = JSON.parse(await readFile(path, 'utf8'));
    } catch {
      stored = null;
    }
    const { data } = outsideResultSchema.safeParse(stored);
    if (!data) throw new AppError(ErrorCode.INVALID_MODEL, 'The training on Ray has stored a result that is none.');
    if (data.state === 'FAILED')
      throw new AppError(ErrorCode.CONFLICT, `The training on Ray failed: ${this.work.redacted(data.message)}`);
    return data;
  }

  private async finish(
    request: OutsideTrainingRequest,
    id: string,
    result: TrainedOutside,
    hooks: Hooks,
    signal: AbortSignal,
  ): Promise<TrainingOutcome> {
    const { outside, workDir } = request;
    const arraysPath = join(workDir, 'trained.safetensors');
    if (!(await outside.take(id, 'trained.safetensors', arraysPath)))
      throw new AppError(ErrorCode.UNAVAILABLE, 'The model that the training on Ray has stored is gone.');
    return finishOutside(this.local, request, { arraysPath, result }, hooks, signal);
  }
}
