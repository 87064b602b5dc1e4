import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ChildTask, explainLoss } from '../../child-task/child-task.js';
import type { ProcessLimits } from '../../child-task/limited-process.js';
import { AppError, conflict, ErrorCode } from '../../errors.js';
import type { LocalTrainingBackend } from '../local-backend.js';
import type { PreparedTraining, PrepareRequest } from '../outside/prepare.js';
import { PREPARATION_PROGRAM } from '../outside/programs.js';
import { outsideResultSchema, type TrainedOutside } from '../outside/result.js';
import type {
  ClusterBackend,
  ClusterState,
  OutsideTrainingRequest,
  RunningTraining,
  TrainingHooks,
  TrainingOutcome,
} from '../port.js';
import { pythonPackage } from './python-package.js';
import { RayClient, type RayJob } from './ray-client.js';

export interface RayBackendOptions {
  dashboardUrl: string;
  token: string | undefined;
  /** Where the cluster reaches this service; undefined when nobody has said it. */
  publicUrl: string | undefined;
  /** Work that has not begun after this time is given up. */
  pendingTimeoutMs: number;
  /** Work of which nothing was heard for this time is lost. */
  lostAfterMs: number;
  limits: ProcessLimits;
}

type Hooks = Pick<TrainingHooks, 'onProgress' | 'onWarning'>;

const PROBE_MS = 5_000;
const POLL_MS = 1_000;
/** Checks of the whole cluster are this many times rarer than those of the job. */
const POLLS_PER_LOOK = 10;
const SUBMIT_FOR_MS = 180_000;
const SUBMIT_AGAIN_MS = 2_000;
/** Shares of the whole progress. */
const TRAINED_SHARE = 0.95;
const SHOWN_LOG_LINES = 20;
const MAX_LINE_CHARACTERS = 2_000;

/** How the work has ended. */
type End = { kind: 'TRAINED'; result: TrainedOutside } | { kind: 'LOST'; why: string };

/** Trains on a Ray cluster: this service prepares the rows and checks the model, the cluster trains. */
export class RayTrainingBackend implements ClusterBackend {
  readonly name = 'ray';
  private readonly client: RayClient;
  /** The last work of this machine that was begun. */
  private atWork: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly options: RayBackendOptions,
    private readonly local: LocalTrainingBackend,
  ) {
    this.client = new RayClient(options);
  }

  async problem(): Promise<string | null> {
    if (!this.options.publicUrl)
      return 'Trainings on Ray report to PUBLIC_URL: set it to an address at which the cluster reaches this service.';
    try {
      await this.client.version(PROBE_MS);
      return null;
    } catch (error) {
      if (error instanceof AppError) return error.message;
      throw error;
    }
  }

  start(request: OutsideTrainingRequest, hooks: Hooks): RunningTraining {
    const cancelling = new AbortController();
    return {
      outcome: this.outcomeOf(request, hooks, cancelling.signal),
      cancel: () => cancelling.abort(conflict('The training was cancelled.', { cancelled: true })),
    };
  }

  async look(): Promise<ClusterState> {
    const [version, nodes, load, jobs] = await Promise.all([
      this.client.version(),
      this.client.nodes(),
      this.client.load(),
      this.client.jobs(),
    ]);
    return {
      version,
      nodes,
      load: load && {
        used: Object.fromEntries(Object.entries(load.usage).map(([name, [used]]) => [name, used])),
        waiting: load.resourceDemand.map(([resources, count]) => ({ resources, count })),
      },
      jobs: jobs.flatMap((job) => {
        if (job.submission_id === null) return [];
        const { tenant, job: jobId } = job.metadata ?? {};
        return [
          {
            id: job.submission_id,
            status: job.status,
            message: this.shown(job),
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
    let id = outside.runningId;
    try {
      let end = id === null ? null : await this.ended(request, id, hooks, signal);
      if (end?.kind !== 'TRAINED') {
        if (end) outside.note(`Ray job ${id} cannot be continued: ${end.why}`);
        id = outside.id;
        await this.submit(request, hooks, signal);
        end = await this.ended(request, id, hooks, signal);
      }
      if (end.kind === 'LOST') throw new AppError(ErrorCode.UNAVAILABLE, end.why);
      const { result } = end;
      return await this.inTurn(() => this.finish(request, id ?? outside.id, result, hooks, signal));
    } catch (error) {
      if (!signal.aborted) throw error;
      if (id !== null && (await outside.mustEnd())) await this.stop(id);
      throw signal.reason;
    }
  }

  /** Prepares the rows, and hands everything over. */
  private async submit(request: OutsideTrainingRequest, hooks: Hooks, signal: AbortSignal): Promise<void> {
    const { outside, config, data, workDir, workers } = request;
    const { id } = outside;
    hooks.onProgress(0, 'Reading the dataset');
    const prepared = await this.inTurn(() => this.prepare({ config, data, workDir }, signal));
    const checkpoint = join(workDir, 'resume');
    const resumes = await outside.restore(checkpoint);
    const { rowsPath, ...shape } = prepared;
    const { algorithm, hyperparameters, earlyStopping, checkpointEveryEpochs, seed } = config;
    const spec = {
      ...{ ...shape, algorithm, hyperparameters, epochs: hyperparameters.epochs, checkpointEveryEpochs, seed },
      ...{ workers, resumes, earlyStopping: earlyStopping ?? null },
    };
    const specPath = join(workDir, 'spec.json');
    await writeFile(specPath, JSON.stringify(spec));
    await outside.give('rows.safetensors', rowsPath);
    if (resumes) await outside.give('resume', checkpoint);
    await outside.give('spec.json', specPath);
    hooks.onProgress(0, 'Handing the training over to Ray');
    // Whoever continues after a crash finds the id, and asks the cluster whether it has the job.
    await outside.attach(id, 'SUBMITTING');
    await this.submitOnce(request, signal);
    outside.note(`training on Ray as job ${id}`);
  }

  private async prepare(request: PrepareRequest, signal: AbortSignal): Promise<PreparedTraining> {
    signal.throwIfAborted();
    const task = new ChildTask(PREPARATION_PROGRAM, { limits: this.options.limits, cwd: request.workDir });
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

  /** Whether a submission has worked is never known from its answer: only the list of jobs says it. */
  private async submitOnce({ outside, workers }: OutsideTrainingRequest, signal: AbortSignal): Promise<void> {
    const { id, jobId, tenant } = outside;
    const code = await pythonPackage();
    const token = await outside.token();
    for (const deadline = Date.now() + SUBMIT_FOR_MS; ; await sleep(SUBMIT_AGAIN_MS, undefined, { signal })) {
      signal.throwIfAborted();
      let problem: unknown;
      try {
        if (await this.client.job(id)) return;
        // A cluster keeps packages in memory only.
        if (!(await this.client.hasPackage(code.name))) await this.client.putPackage(code.name, code.zip);
        await this.client.submit({
          id,
          entrypoint: 'python -m matih_ml.train',
          packageName: code.name,
          env: {
            ...{ MATIH_URL: this.options.publicUrl ?? '', MATIH_JOB_ID: jobId, MATIH_JOB_TOKEN: token },
            MATIH_START_TIMEOUT_S: String(this.options.pendingTimeoutMs / 1000),
          },
          // With several workers the first process only waits for them.
          cpus: workers === 1 ? 1 : 0,
          metadata: { tenant, job: jobId },
        });
      } catch (error) {
        problem = error;
      }
      if ((await this.client.job(id).catch(() => null)) !== null) return;
      if (Date.now() > deadline)
        throw problem instanceof AppError
          ? new AppError(ErrorCode.UNAVAILABLE, this.redacted(problem.message, token))
          : new AppError(ErrorCode.UNAVAILABLE, 'The Ray cluster has not taken the training.');
    }
  }

  /** Waits for the end of a job. A result that it has stored counts more than what the cluster says. */
  private async ended(request: OutsideTrainingRequest, id: string, hooks: Hooks, signal: AbortSignal): Promise<End> {
    const { outside } = request;
    let state = '';
    let pendingSince = Date.now();
    let heardAt = Date.now();
    let isDoubtful = false;
    for (let polls = 0; ; polls++) {
      signal.throwIfAborted();
      let job: RayJob | null;
      try {
        job = await this.client.job(id);
        if (job?.status === 'RUNNING' && (isDoubtful || polls % POLLS_PER_LOOK === 0)) await this.requireAlive(job);
        isDoubtful = false;
        heardAt = Date.now();
      } catch (error) {
        isDoubtful = true;
        if (Date.now() - heardAt > this.options.lostAfterMs)
          return this.lost(request, id, error instanceof Error ? error.message : 'The Ray cluster does not answer.');
        await sleep(POLL_MS, undefined, { signal });
        continue;
      }
      if (!job) return this.lost(request, id, 'The Ray cluster does not know the job: it has been started anew.');
      if (job.status !== state) await outside.attach(id, job.status);
      state = job.status;
      switch (job.status) {
        case 'PENDING':
          hooks.onProgress(0, this.shown(job) || 'Waiting for Ray');
          if (Date.now() - pendingSince > this.options.pendingTimeoutMs) {
            await this.stop(id);
            throw new AppError(
              ErrorCode.RESOURCE_EXHAUSTED,
              `The Ray cluster has not begun the training within ${this.options.pendingTimeoutMs / 1000} s. It says: ` +
                `${this.shown(job)} Ask for fewer workers, or add nodes; \`cluster\` shows what there is.`,
            );
          }
          break;
        case 'RUNNING':
          pendingSince = Date.now();
          break;
        case 'SUCCEEDED':
        case 'FAILED': {
          const result = await this.resultOf(request, id);
          if (result) return { kind: 'TRAINED', result };
          if (id === outside.id) await this.noteLog(outside);
          return { kind: 'LOST', why: `The Ray job ended without a result (${job.status}): ${this.shown(job)}` };
        }
        case 'STOPPED':
          // Stopped by a person, or by this service after another attempt's end.
          return this.lost(request, id, 'The Ray job was stopped.');
      }
      await sleep(POLL_MS, undefined, { signal });
    }
  }

  /** The result of work that the cluster has lost, if it was stored before. */
  private async lost(request: OutsideTrainingRequest, id: string, why: string): Promise<End> {
    const result = await this.resultOf(request, id);
    return result ? { kind: 'TRAINED', result } : { kind: 'LOST', why };
  }

  /** A job of a dead node is RUNNING for ever. Rejects when its node or the store of the cluster's state is dead. */
  private async requireAlive(job: RayJob): Promise<void> {
    if (!(await this.client.isHealthy())) throw new Error('The state of the Ray cluster cannot be read.');
    const nodes = await this.client.nodes();
    const node = nodes.find(({ id }) => id === job.driver_node_id);
    if (node && !node.isAlive) throw new Error(`The node of the Ray job, ${node.address}, is dead.`);
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
      throw new AppError(ErrorCode.CONFLICT, `The training on Ray failed: ${this.redacted(data.message)}`);
    return data;
  }

  private async finish(
    { outside, config, data, workDir }: OutsideTrainingRequest,
    id: string,
    result: TrainedOutside,
    hooks: Hooks,
    signal: AbortSignal,
  ): Promise<TrainingOutcome> {
    signal.throwIfAborted();
    const arraysPath = join(workDir, 'trained.safetensors');
    if (!(await outside.take(id, 'trained.safetensors', arraysPath)))
      throw new AppError(ErrorCode.UNAVAILABLE, 'The model that the training on Ray has stored is gone.');
    const checking = this.local.start(
      { config, data, workDir, finished: { arraysPath, result } },
      {
        onProgress: (fraction, message) => hooks.onProgress(TRAINED_SHARE + (1 - TRAINED_SHARE) * fraction, message),
        onWarning: hooks.onWarning,
        onEpoch: async () => undefined,
        onCheckpoint: async () => undefined,
        onFold: async () => undefined,
      },
    );
    signal.addEventListener('abort', checking.cancel, { once: true });
    try {
      return await checking.outcome;
    } finally {
      signal.removeEventListener('abort', checking.cancel);
    }
  }

  /** The last lines that a failed job has printed. */
  private async noteLog(outside: OutsideTrainingRequest['outside']): Promise<void> {
    const log = await this.client.logs(outside.id).catch(() => '');
    const lines = log.trimEnd().split('\n').slice(-SHOWN_LOG_LINES);
    for (const line of lines) outside.note(`Ray: ${this.redacted(line, await outside.token())}`);
  }

  private async stop(id: string): Promise<void> {
    // If the cluster is away, the work hears from this service that it is over.
    await this.client.stop(id).catch(() => undefined);
  }

  private shown({ message }: RayJob): string {
    return this.redacted((message ?? '').trim().split('\n')[0] ?? '').slice(0, MAX_LINE_CHARACTERS);
  }

  /** Texts of the cluster may hold what its processes know. */
  private redacted(text: string, attemptToken?: string): string {
    return [this.options.token, attemptToken]
      .filter((secret) => secret !== undefined && secret !== '')
      .reduce<string>((shown, secret) => shown.replaceAll(secret!, '(hidden)'), text)
      .replaceAll(/matih-job\.[\w-]+\.[\w-]+/g, '(hidden)');
  }
}
