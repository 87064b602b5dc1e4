import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ObjectStore } from '../../adapters/object-store/port.js';
import { AppError, conflict, ErrorCode } from '../../errors.js';
import type { ScriptBackends } from '../../training/scripts/port.js';
import type { Actor, Session } from '../../db/database.js';
import type { ArtifactService } from '../artifacts/index.js';
import { Role, toHexId } from '../core/index.js';
import type { DatasetService } from '../datasets/index.js';
import {
  type ExperimentService,
  isEnded,
  type RunLifecycleService,
  type RunLogService,
  type RunService,
} from '../experiments/index.js';
import { type Attempt, type AttemptOf, type JobService, StaleAttempt } from '../jobs/index.js';
import { type AccessTokenService, endTokensOfRun } from '../platform/index.js';
import { WorkFiles } from '../training/index.js';
import type { StagedObjects } from '../uploads/index.js';
import { SCRIPT, tokenName } from './script.job-kind.js';

export interface ScriptParts {
  objects: ObjectStore;
  staged: StagedObjects;
  jobs: JobService;
  experiments: ExperimentService;
  runs: RunService;
  runLifecycle: RunLifecycleService;
  runLogs: RunLogService;
  artifacts: ArtifactService;
  datasets: DatasetService;
  accessTokens: AccessTokenService;
  scripts: ScriptBackends;
  /** The parent of the attempts' folders. */
  workRoot: string;
}

type Line = Parameters<RunLogService['append']>[2][number];

/** While the database is away for this time, a script goes on. */
const WRITE_FOR_MS = 60_000;
const WRITE_AGAIN_MS = 1_000;
const MIN_TOKEN_LIFE_SECONDS = 60;
/** For the end of a script whose time is up. */
const TOKEN_GRACE_SECONDS = 60;

/** Tokens of this service are JSON Web Tokens. */
const TOKEN = /\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}/g;

const withoutTokens = (line: Line): Line => ({ ...line, line: line.line.replaceAll(TOKEN, '(hidden)') });

/** The place of a script, with a token that MLflow's client can use. */
class ScriptWork extends WorkFiles {
  private given: Promise<string> | undefined;

  constructor(
    parts: Pick<ScriptParts, 'objects' | 'staged'>,
    attempt: Attempt,
    private readonly issue: () => Promise<string>,
    log: { note(line: string): void },
  ) {
    super(parts, attempt, 'ray', log);
  }

  override token(): Promise<string> {
    this.given ??= this.issue();
    return this.given;
  }
}

/** One attempt of a script. */
export class ScriptAttempt {
  private readonly runId: string;
  private printedLines = 0;

  constructor(
    private readonly parts: ScriptParts,
    private readonly attempt: AttemptOf<typeof SCRIPT>,
  ) {
    // A SCRIPT job is only ever made together with its run.
    this.runId = attempt.job.runId!;
  }

  async execute(): Promise<void> {
    const { attempt, parts, runId } = this;
    const { job, number } = attempt;
    const workDir = join(parts.workRoot, `${job.id}-${number}`);
    await mkdir(workDir, { recursive: true, mode: 0o700 });
    try {
      await attempt.write((session) => this.begin(session));
      await this.run(workDir);
      await attempt.succeed({ printedLines: this.printedLines }, async (session) => {
        await endTokensOfRun(session, runId, tokenName(job.id));
        await this.end(session, 'FINISHED');
      });
    } catch (error) {
      await this.fail(error);
      throw error;
    } finally {
      await rm(workDir, { recursive: true, force: true }).catch((error: unknown) =>
        attempt.logger.warn({ err: error }, 'folder of a script not removed yet'),
      );
    }
  }

  private async begin(session: Session): Promise<void> {
    const { attempt, parts, runId } = this;
    const run = await parts.runs.get(session, runId);
    await parts.runs.setStatus(session, runId, {
      ...{ status: 'RUNNING', endedAt: null },
      ...(run.status === 'QUEUED' && { startedAt: new Date() }),
    });
    session.touch('run', runId);
    await this.note(session, `attempt ${attempt.number}: ${attempt.input.command}`);
  }

  private async run(workDir: string): Promise<void> {
    const { attempt, parts, runId } = this;
    const { job, input, signal, number } = attempt;
    const backend = parts.scripts.backend(input.backend);
    if (!backend)
      throw new AppError(ErrorCode.UNAVAILABLE, 'This worker runs no such scripts: its settings differ from the API.');
    if (input.copiedFrom !== undefined) await this.copyCode(input.copiedFrom);
    using held = new DisposableStack();
    const code = held.use(await parts.objects.localFile(input.codeKey));
    const dataset =
      job.datasetId == null ? null : await attempt.read((session) => parts.datasets.get(session, job.datasetId!));
    const table = dataset && held.use(await parts.datasets.localTable(dataset));
    await backend.run({
      ...{ archivePath: code.path, command: input.command, workDir, runId: toHexId(runId), signal },
      ...{ cores: job.cores, memoryBytes: job.memoryBytes, datasetPath: table?.table.path },
      variables: { ...(input.backend === 'LOCAL' && attempt.environment), MATIH_ATTEMPT: String(number) },
      outside: new ScriptWork(parts, attempt, () => this.issueToken(), {
        note: (line) => void attempt.write((session) => this.note(session, line)).catch(() => undefined),
      }),
      shownLines: job.reportSeq,
      onProgress: (message) => attempt.progress(0, message),
      onLines: (lines, shownLines) => this.show(lines, shownLines),
    });
  }

  /** The code of a job like this one becomes a file of this run. Another attempt may have done so. */
  private async copyCode(from: string): Promise<void> {
    const { attempt, parts, runId } = this;
    const { codeKey, codePath } = attempt.input;
    if (await attempt.read((session) => parts.artifacts.at(session, codeKey))) return;
    await attempt.write((session) => parts.staged.stage(session, codeKey));
    let content: Readable;
    try {
      content = await parts.objects.get(from);
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== ErrorCode.NOT_FOUND) throw error;
      throw conflict('The code of the script is gone, as its run was deleted: start a script anew.');
    }
    const stored = await parts.objects.put(codeKey, content);
    await attempt.write((session) => parts.artifacts.record(session, { runId }, codePath, codeKey, stored));
  }

  /** It may write this run until the attempt ends, and at most as long as the job may run. */
  private async issueToken(): Promise<string> {
    const { attempt, parts, runId } = this;
    const { job } = attempt;
    await attempt.write((session) => endTokensOfRun(session, runId, tokenName(job.id)));
    const longestMs = Math.min(SCRIPT.timeoutMs, job.maxDurationMs ?? Infinity);
    const lifeSeconds = Math.max(MIN_TOKEN_LIFE_SECONDS, Math.ceil(longestMs / 1000) + TOKEN_GRACE_SECONDS);
    const expiresAt = new Date(Date.now() + lifeSeconds * 1000);
    const principal = { subject: job.createdBy, tenant: job.tenant, role: Role.ENGINEER, expiresAt };
    const actor: Actor = { principal, requestId: job.id, isBackground: true };
    const asked = { name: tokenName(job.id), role: Role.ENGINEER, scope: 'WRITE_RUN', runId, lifeSeconds } as const;
    return (await parts.accessTokens.issue(actor, asked)).token;
  }

  /** Nobody may write for an attempt that is over: its last lines are dropped, so that the script can end in peace. */
  private async show(lines: Line[], shownLines: number | undefined): Promise<void> {
    const { attempt } = this;
    for (const deadline = Date.now() + WRITE_FOR_MS; !attempt.signal.aborted; await sleep(WRITE_AGAIN_MS)) {
      try {
        await attempt.write(async (session) => {
          await this.parts.runLogs.append(session, this.runId, lines.map(withoutTokens));
          // So that a later attempt shows no line of work on a cluster twice.
          if (shownLines !== undefined) await this.parts.jobs.acknowledge(session, attempt.job.id, shownLines);
        });
        this.printedLines += lines.length;
        return;
      } catch (error) {
        if (error instanceof StaleAttempt || attempt.signal.aborted) return;
        const isAway = error instanceof AppError && error.code === ErrorCode.UNAVAILABLE;
        if (!isAway || Date.now() > deadline) throw error;
      }
    }
  }

  private async note(session: Session, line: string): Promise<void> {
    const text = line.replaceAll(/[\n\r]+/g, ' ').slice(0, 2_000);
    await this.parts.runLogs.append(session, this.runId, [withoutTokens({ line: text, stream: 'SYSTEM' })]);
  }

  /** What the script itself has said about the end of its run is kept when the script ended well. */
  private async end(session: Session, status: 'FINISHED' | 'FAILED'): Promise<void> {
    const run = await this.parts.runs.get(session, this.runId);
    if (status === 'FAILED' || !isEnded(run.status)) await this.parts.runLifecycle.finish(session, this.runId, status);
  }

  /** An attempt that another one follows leaves the run as it is. */
  private async fail(error: unknown): Promise<void> {
    const { attempt } = this;
    if (attempt.signal.aborted) return;
    const known = error instanceof AppError ? error : null;
    const isFinal = known !== null && ![ErrorCode.UNAVAILABLE, ErrorCode.INTERNAL].includes(known.code);
    try {
      await attempt.write(async (session) => {
        await this.note(session, `attempt ${attempt.number} failed: ${known?.message ?? 'an unexpected error'}`);
        if (isFinal) await this.end(session, 'FAILED');
      });
    } catch (refusal) {
      attempt.logger.debug({ err: refusal }, 'end of a script not shown');
    }
  }
}
