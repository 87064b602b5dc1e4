import { setTimeout as sleep } from 'node:timers/promises';
import { AppError, ErrorCode } from '../../errors.js';
import type { OutsideFiles } from '../port.js';
import { type CodePackage, pythonPackage } from './python-package.js';
import { RayClient, type RayJob } from './ray-client.js';

interface RayOptions {
  dashboardUrl: string;
  token: string | undefined;
  /** Where the cluster reaches this service; undefined when nobody has said it. */
  publicUrl: string | undefined;
  /** Work that has not begun after this time is given up. */
  pendingTimeoutMs: number;
  /** Work of which neither the cluster nor its own calls have told anything for this time is lost. */
  lostAfterMs: number;
  /** The cores that work may use together; null is no limit. */
  maxCores: number | null;
}

/** A program that runs as a Ray job. */
export interface RayProgram {
  entrypoint: string;
  /** That of `python/` when absent. */
  code?: CodePackage;
  /** How it reports; when absent, as the programs of `python/` do. */
  env?: Record<string, string>;
  /** CPUs of its first process. */
  cpus: number;
}

export interface RayWatch<Result> {
  onProgress(message: string): void;
  /** Called about every second while the job runs, and awaited. */
  onPoll?(): Promise<void>;
  /** What the work has stored last; null when it has stored nothing. May throw the failure that it has stored. */
  result(id: string): Promise<Result | null>;
}

/** How the work has ended. */
type RayEnd<Result> = { kind: 'DONE'; result: Result } | { kind: 'LOST'; why: string };

const PROBE_MS = 5_000;
const POLL_MS = 1_000;
/** Checks of the whole cluster are this many times rarer than those of the job. */
const POLLS_PER_LOOK = 10;
const CAPACITY_AGE_MS = 30_000;
const SUBMIT_FOR_MS = 180_000;
const SUBMIT_AGAIN_MS = 2_000;
const SHOWN_LOG_LINES = 20;
const MAX_LINE_CHARACTERS = 2_000;

/** Work of this service on a Ray cluster: submitted once, watched by whichever attempt has the job, stopped. */
export class RayWork {
  readonly name = 'ray';
  readonly client: RayClient;
  readonly maxCores: number | null;
  private known = { cores: 0, memoryBytes: 0, gpus: 0, readMs: 0 };

  constructor(private readonly options: RayOptions) {
    this.client = new RayClient(options);
    this.maxCores = options.maxCores;
  }

  /** What the living nodes have, as it was known last: nothing before the cluster has answered. */
  capacity(): { cores: number; memoryBytes: number; gpus: number } {
    if (Date.now() - this.known.readMs > CAPACITY_AGE_MS) {
      this.known.readMs = Date.now();
      // While the cluster is away, it counts as it was.
      this.readCapacity().catch(() => undefined);
    }
    return this.known;
  }

  /** Why no work can start now, as a sentence that says what to do; null when it can. */
  async problem(): Promise<string | null> {
    if (!this.options.publicUrl)
      return 'Work on Ray reports to PUBLIC_URL: set it to an address at which the cluster reaches this service.';
    try {
      await this.client.version(PROBE_MS);
      return null;
    } catch (error) {
      if (error instanceof AppError) return error.message;
      throw error;
    }
  }

  /**
   * The result of the work that an earlier attempt has started and that can be continued, or else of new work, which
   * `prepare` gives its files. When `signal` aborts, the work is stopped unless another attempt continues it. Errors:
   * UNAVAILABLE when the cluster has lost the work.
   */
  async complete<Result>(
    outside: OutsideFiles,
    runningId: string | null,
    { prepare, watch }: { prepare(): Promise<RayProgram>; watch: RayWatch<Result> },
    signal: AbortSignal,
  ): Promise<{ id: string; result: Result }> {
    let id = runningId;
    try {
      let end = id === null ? null : await this.ended(outside, id, watch, signal);
      if (end?.kind !== 'DONE') {
        if (end) outside.note(`Ray job ${id} cannot be continued: ${end.why}`);
        id = outside.id;
        await this.submit(outside, await prepare(), signal);
        end = await this.ended(outside, id, watch, signal);
      }
      if (end.kind === 'LOST') throw new AppError(ErrorCode.UNAVAILABLE, end.why);
      return { id: id ?? outside.id, result: end.result };
    } catch (error) {
      if (!signal.aborted) throw error;
      if (id !== null && (await outside.mustEnd())) await this.stop(id);
      throw signal.reason;
    }
  }

  /** Whether a submission has worked is never known from its answer: only the list of jobs says it. */
  private async submit(outside: OutsideFiles, program: RayProgram, signal: AbortSignal): Promise<void> {
    const { id, jobId, tenant } = outside;
    const { entrypoint, cpus } = program;
    // Whoever continues after a crash finds the id, and asks the cluster whether it has the job.
    await outside.attach(id, 'SUBMITTING');
    const code = program.code ?? (await pythonPackage());
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
          entrypoint,
          packageName: code.name,
          env: program.env ?? {
            ...{ MATIH_URL: this.options.publicUrl ?? '', MATIH_JOB_ID: jobId, MATIH_JOB_TOKEN: token },
            MATIH_START_TIMEOUT_S: String(this.options.pendingTimeoutMs / 1000),
          },
          cpus,
          metadata: { tenant, job: jobId },
        });
      } catch (error) {
        problem = error;
      }
      if ((await this.client.job(id).catch(() => null)) !== null) return;
      if (Date.now() > deadline)
        throw problem instanceof AppError
          ? new AppError(ErrorCode.UNAVAILABLE, this.redacted(problem.message, token))
          : new AppError(ErrorCode.UNAVAILABLE, 'The Ray cluster has not taken the work.');
    }
  }

  /** Waits for the end of a job. A result that it has stored counts more than what the cluster says. */
  private async ended<Result>(
    outside: OutsideFiles,
    id: string,
    watch: RayWatch<Result>,
    signal: AbortSignal,
  ): Promise<RayEnd<Result>> {
    let state = '';
    let pendingSince = Date.now();
    let heardAt = Date.now();
    let isDoubtful = false;
    let lastCall: number | null = null;
    for (let polls = 0; ; polls++) {
      signal.throwIfAborted();
      if (!isDoubtful && polls % POLLS_PER_LOOK === 0) lastCall = await outside.lastCall();
      let job: RayJob | null;
      try {
        job = await this.client.job(id);
        if (job?.status === 'RUNNING' && (isDoubtful || polls % POLLS_PER_LOOK === 0)) await this.requireAlive(job);
        isDoubtful = false;
        heardAt = Date.now();
      } catch (error) {
        // The cluster may be away while its work goes on, which calls this service itself.
        const call = await outside.lastCall();
        if (call !== lastCall) heardAt = Date.now();
        [isDoubtful, lastCall] = [true, call];
        if (Date.now() - heardAt > this.options.lostAfterMs)
          return lost(watch, id, error instanceof Error ? error.message : 'The Ray cluster does not answer.');
        await sleep(POLL_MS, undefined, { signal });
        continue;
      }
      if (!job) return lost(watch, id, 'The Ray cluster does not know the job: it has been started anew.');
      if (job.status !== state) await outside.attach(id, job.status);
      state = job.status;
      switch (job.status) {
        case 'PENDING':
          watch.onProgress(this.shown(job) || 'Waiting for Ray');
          if (Date.now() - pendingSince > this.options.pendingTimeoutMs) {
            await this.stop(id);
            throw new AppError(
              ErrorCode.RESOURCE_EXHAUSTED,
              `The Ray cluster has not begun the work within ${this.options.pendingTimeoutMs / 1000} s. It says: ` +
                `${this.shown(job)} Ask for fewer workers, or add nodes; \`cluster\` shows what there is.`,
            );
          }
          break;
        case 'RUNNING':
          pendingSince = Date.now();
          await watch.onPoll?.();
          break;
        case 'SUCCEEDED':
        case 'FAILED': {
          const result = await watch.result(id);
          if (result) return { kind: 'DONE', result };
          if (id === outside.id) await this.noteLog(outside);
          return { kind: 'LOST', why: `The Ray job ended without a result (${job.status}): ${this.shown(job)}` };
        }
        case 'STOPPED':
          // Stopped by a person, or by this service after another attempt's end.
          return lost(watch, id, 'The Ray job was stopped.');
      }
      await sleep(POLL_MS, undefined, { signal });
    }
  }

  private async readCapacity(): Promise<void> {
    const alive = (await this.client.nodes()).filter(({ isAlive }) => isAlive);
    const sum = (name: string) => alive.reduce((total, { resources }) => total + (resources[name] ?? 0), 0);
    this.known = { cores: sum('CPU'), memoryBytes: sum('memory'), gpus: sum('GPU'), readMs: Date.now() };
  }

  private async stop(id: string): Promise<void> {
    // If the cluster is away, the work hears from this service that it is over.
    await this.client.stop(id).catch(() => undefined);
  }

  /** What the cluster says about a job, in one line. */
  shown({ message }: RayJob): string {
    return this.redacted((message ?? '').trim().split('\n')[0] ?? '').slice(0, MAX_LINE_CHARACTERS);
  }

  /** Texts of the cluster may hold what its processes know. */
  redacted(text: string, attemptToken?: string): string {
    return [this.options.token, attemptToken]
      .filter((secret) => secret !== undefined && secret !== '')
      .reduce<string>((shown, secret) => shown.replaceAll(secret!, '(hidden)'), text)
      .replaceAll(/matih-job\.[\w-]+\.[\w-]+/g, '(hidden)');
  }

  /** A job of a dead node is RUNNING for ever. Rejects when its node or the store of the cluster's state is dead. */
  private async requireAlive(job: RayJob): Promise<void> {
    if (!(await this.client.isHealthy())) throw new Error('The state of the Ray cluster cannot be read.');
    const nodes = await this.client.nodes();
    const node = nodes.find(({ id }) => id === job.driver_node_id);
    if (node && !node.isAlive) throw new Error(`The node of the Ray job, ${node.address}, is dead.`);
  }

  /** The last lines that a failed job has printed. */
  private async noteLog(outside: OutsideFiles): Promise<void> {
    const log = await this.client.logs(outside.id).catch(() => '');
    const lines = log.trimEnd().split('\n').slice(-SHOWN_LOG_LINES);
    for (const line of lines) outside.note(`Ray: ${this.redacted(line, await outside.token())}`);
  }
}

/** The result of work that the cluster has lost, if it was stored before. */
async function lost<Result>(watch: RayWatch<Result>, id: string, why: string): Promise<RayEnd<Result>> {
  const result = await watch.result(id);
  return result ? { kind: 'DONE', result } : { kind: 'LOST', why };
}
