import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { LineReader } from '../../child-task/printing-program.js';
import { AppError, ErrorCode } from '../../errors.js';
import type { ScriptBackend, ScriptRequest } from '../scripts/port.js';
import type { RayJob } from './ray-client.js';
import type { RayWork } from './ray-work.js';

export interface RayScriptOptions {
  /** Where the cluster reaches this service. */
  publicUrl: string | undefined;
  maxLogBytes: number;
}

/** The log is read whole each time, so not at every look. */
const POLLS_PER_READING = 2;
/** A script that is killed has met the end of its node or the memory limit of Ray: another attempt may succeed. */
const KILLED = [-9, -15];

/** Runs scripts as Ray jobs: their zip is the working directory of the job. */
export class RayScripts implements ScriptBackend {
  constructor(
    private readonly ray: RayWork,
    private readonly options: RayScriptOptions,
  ) {}

  problem(): Promise<string | null> {
    return this.ray.problem();
  }

  async run(request: ScriptRequest): Promise<void> {
    const { outside, signal } = request;
    const log = new ShownLog(request);
    let polls = 0;
    const read = async (id: string, isWhole: boolean) => {
      // JSON needs more bytes for the same text. A cluster that does not answer is noticed by its job.
      const text = await this.ray.client.logs(id, 2 * this.options.maxLogBytes).catch(() => '');
      if (text.length > this.options.maxLogBytes) {
        await this.ray.client.stop(id).catch(() => undefined);
        throw new AppError(
          ErrorCode.RESOURCE_EXHAUSTED,
          `The script was ended: it printed more than ${this.options.maxLogBytes} bytes (SCRIPT_MAX_LOG_BYTES); log ` +
            'files as artifacts instead.',
        );
      }
      await log.show(this.ray.redacted(text), isWhole);
    };
    let id = outside.runningId;
    await this.ray.complete(
      outside,
      id,
      {
        prepare: async () => {
          id = outside.id;
          log.startAnew();
          const zip = await readFile(request.archivePath);
          const name = `_ray_pkg_${createHash('sha1').update(zip).digest('hex')}.zip`;
          return { entrypoint: request.command, cpus: 1, code: { name, zip }, env: await this.environment(request) };
        },
        watch: {
          onProgress: request.onProgress,
          onPoll: async () => {
            if (id !== null && polls++ % POLLS_PER_READING === 0) await read(id, false);
          },
          result: async (of) => {
            const job = await this.ray.client.job(of).catch(() => null);
            if (job?.status !== 'SUCCEEDED' && job?.status !== 'FAILED') return null;
            await read(of, true);
            if (job.status === 'SUCCEEDED') return {};
            throw this.failureOf(job, log.last);
          },
        },
      },
      signal,
    );
  }

  private async environment({ outside, runId, variables }: ScriptRequest): Promise<Record<string, string>> {
    return {
      ...variables,
      PYTHONUNBUFFERED: '1',
      MLFLOW_TRACKING_URI: this.options.publicUrl ?? '',
      MLFLOW_TRACKING_TOKEN: await outside.token(),
      MLFLOW_RUN_ID: runId,
    };
  }

  /** Without an exit code of the script, the cluster has failed and not the script. */
  private failureOf(job: RayJob, last: string): AppError {
    const code = job.driver_exit_code;
    if (code == null || KILLED.includes(code))
      return new AppError(ErrorCode.UNAVAILABLE, `The Ray job of the script was lost: ${this.ray.shown(job)}`);
    return new AppError(ErrorCode.CONFLICT, `The script ended with exit code ${code}${last ? `: ${last}` : '.'}`);
  }
}

/** The part of a log that the run has. */
class ShownLog {
  /** The last line that was shown. */
  last = '';
  private count: number;

  constructor(private readonly request: ScriptRequest) {
    this.count = request.shownLines;
  }

  startAnew(): void {
    this.count = 0;
  }

  async show(text: string, isWhole: boolean): Promise<void> {
    const reader = new LineReader();
    const lines = reader.read(text);
    if (isWhole) lines.push(...reader.rest());
    const loggedAt = new Date();
    for (let fresh = lines.slice(this.count, this.count + LINES_AT_ONCE); fresh.length > 0;) {
      this.count += fresh.length;
      await this.request.onLines(
        fresh.map((line) => ({ line, stream: 'STDOUT' as const, loggedAt })),
        this.count,
      );
      fresh = lines.slice(this.count, this.count + LINES_AT_ONCE);
    }
    this.last = lines.findLast((line) => line.trim() !== '') ?? this.last;
  }
}

const LINES_AT_ONCE = 1_000;
