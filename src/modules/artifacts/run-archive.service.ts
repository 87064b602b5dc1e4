import { Readable } from 'node:stream';
import type { ObjectStore, StoredObject } from '../../adapters/object-store/port.js';
import { Job } from '../../db/entities/jobs/job.entity.js';
import { Artifact } from '../../db/entities/artifacts/artifact.entity.js';
import { Run } from '../../db/entities/experiments/run.entity.js';
import type { Session } from '../../db/database.js';
import {
  isEnded,
  linesAfter,
  lockRun,
  pointsInOrder,
  prepareHistories,
  type PointPosition,
} from '../experiments/index.js';
import type { Attempt, AttemptOf, JobService } from '../jobs/index.js';
import type { StagedObjects } from '../uploads/index.js';
import type { ArtifactService } from './artifact.service.js';
import { RUN_ARCHIVE } from './run-archive.job-kind.js';
import { needsArchive } from './store.js';

/** Rows in memory at the same time. */
const CHUNK_ROWS = 5_000;

const LOG_PATH = 'logs/run.log';
const HISTORY_PATH = 'metrics/history.json';

interface Archived {
  path: string;
  objectKey: string;
  rows: number;
  stored: StoredObject;
}

interface Dependencies {
  objects: ObjectStore;
  staged: StagedObjects;
  artifacts: ArtifactService;
  jobs: JobService;
}

/**
 * When a run of external code ends, its log and its metric histories are stored as files of the run. Trainings store
 * these files themselves.
 */
export class RunArchiveService {
  constructor(private readonly deps: Dependencies) {}

  /** Call in the transaction that ends the run. Adds a job if there is anything to store. */
  async request(session: Session, runId: string): Promise<void> {
    if (await needsArchive(session, runId)) this.deps.jobs.create(session, RUN_ARCHIVE, { input: {}, runId });
  }

  async execute(attempt: AttemptOf<typeof RUN_ARCHIVE>): Promise<void> {
    const runId = attempt.job.runId!;
    const start = await attempt.read((session) => session.em.findOneOrFail(Run, { id: runId, tenant: session.tenant }));
    // The run was resumed or deleted meanwhile. Its next end requests another archive; a restored run has not changed.
    if (!isEnded(start.status) || start.state === 'DELETED')
      return attempt.succeed({ skipped: start.state === 'DELETED' ? 'DELETED' : start.status });
    await attempt.write((session) => prepareHistories(session, runId));
    const keys = [LOG_PATH, HISTORY_PATH].map((path) => keyOf(attempt, runId, path));
    try {
      const files = [
        await this.store(attempt, runId, LOG_PATH, (count) => this.logText(attempt, runId, count)),
        await this.store(attempt, runId, HISTORY_PATH, (count) => this.historyJson(attempt, runId, count)),
      ].filter((file) => file !== null);
      const result = { files: files.map(({ path, rows, stored }) => ({ path, rows, ...stored })) };
      await attempt.succeed(result, (session) => this.record(session, attempt, files));
    } finally {
      // Files that no row names: this attempt failed or was replaced by another, or a later archive of the run was
      // faster.
      await this.deps.staged.discardAll(keys);
    }
  }

  /** Replaces the files that an earlier end of the run has stored. */
  private async record(session: Session, attempt: Attempt, files: Archived[]): Promise<void> {
    const { artifacts, staged } = this.deps;
    const runId = attempt.job.runId!;
    // Two workers that archive the same run take turns.
    await lockRun(session, runId);
    const later = { kind: 'RUN_ARCHIVE', status: 'SUCCEEDED', id: { $gt: attempt.job.id } } as const;
    if ((await session.em.count(Job, { tenant: session.tenant, runId, ...later })) > 0) return;
    for (const { path, objectKey, stored } of files) {
      const earlier = await session.em.findOne(Artifact, { tenant: session.tenant, runId, path });
      if (earlier && !isArchived(earlier)) continue;
      if (earlier) {
        await session.em.nativeDelete(Artifact, { tenant: session.tenant, id: earlier.id });
        await staged.release(session, [earlier.objectKey]);
      }
      await artifacts.record(session, { runId }, path, objectKey, stored);
    }
  }

  /** Null when there is nothing to store, or when the run's own code has stored a file at this path. */
  private async store(
    attempt: Attempt,
    runId: string,
    path: string,
    content: (count: (rows: number) => void) => AsyncGenerator<string>,
  ): Promise<Archived | null> {
    const objectKey = keyOf(attempt, runId, path);
    let rows = 0;
    const text = content((more) => {
      rows += more;
    });
    const first = await text.next();
    if (first.done) return null;
    const isFree = await attempt.write(async (session) => {
      const present = await session.em.findOne(Artifact, { tenant: session.tenant, runId, path });
      if (present && !isArchived(present)) return false;
      await this.deps.staged.stage(session, objectKey);
      return true;
    });
    if (!isFree) return null;
    const stored = await this.deps.objects.put(
      objectKey,
      Readable.from(withFirst(first.value, text), { objectMode: false }),
    );
    return { path, objectKey, rows, stored };
  }

  private async *logText(attempt: Attempt, runId: string, count: (rows: number) => void): AsyncGenerator<string> {
    for (let seq = 0; ;) {
      attempt.signal.throwIfAborted();
      const lines = await attempt.read((session) => linesAfter(session, runId, seq, CHUNK_ROWS, 'asc'));
      const last = lines.at(-1);
      if (!last) return;
      count(lines.length);
      yield lines.map(({ loggedAt, stream, line }) => `${loggedAt.toISOString()} ${stream} ${line}\n`).join('');
      seq = last.seq;
    }
  }

  /**
   * `{"runId", "metrics": {"loss": [{"step", "loggedAt", "value"}, …]}}`; NaN and the infinities are strings, because
   * JSON has no numbers for them.
   */
  private async *historyJson(attempt: Attempt, runId: string, count: (rows: number) => void): AsyncGenerator<string> {
    let last: PointPosition | null = null;
    for (;;) {
      attempt.signal.throwIfAborted();
      const points: PointPosition[] = await attempt.read((session) => pointsInOrder(session, runId, last, CHUNK_ROWS));
      if (points.length === 0) break;
      count(points.length);
      const parts: string[] = [];
      for (const point of points) {
        if (last === null) parts.push(`{"runId":${JSON.stringify(runId)},"metrics":{${JSON.stringify(point.key)}:[\n`);
        else parts.push(last.key === point.key ? ',\n' : `\n],${JSON.stringify(point.key)}:[\n`);
        const value = Number.isFinite(point.value) ? point.value : String(point.value);
        parts.push(JSON.stringify({ step: point.step, loggedAt: point.loggedAt.toISOString(), value }));
        last = point;
      }
      yield parts.join('');
    }
    if (last !== null) yield '\n]}}\n';
  }
}

/** Each attempt has its own key, so that a worker that was frozen and writes late replaces nothing. */
function keyOf({ job, number }: Attempt, runId: string, path: string): string {
  const [folder, name] = path.split('/');
  return `${job.tenant}/runs/${runId}/${folder}/${job.id}-${number}/${name}`;
}

/** The keys of files that others store at such a path begin with another folder. */
const isArchived = ({ tenant, runId, path, objectKey }: Artifact) =>
  objectKey.startsWith(`${tenant}/runs/${runId}/${path.split('/')[0]}/`);

async function* withFirst(first: string, rest: AsyncGenerator<string>): AsyncGenerator<string> {
  yield first;
  yield* rest;
}
