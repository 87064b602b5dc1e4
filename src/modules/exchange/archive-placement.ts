import { v5 as uuidv5, v7 as uuidv7 } from 'uuid';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { ObjectStore } from '../../adapters/object-store/port.js';
import { Artifact } from '../../db/entities/artifacts/artifact.entity.js';
import type { Session } from '../../db/database.js';
import { sql } from '../../db/sql.js';
import type { Line, LineKind } from './archive-format.js';
import { fromHexId, toHexId } from '../core/index.js';
import { RUN_TAGS } from '../experiments/index.js';
import type { Attempt, JobService } from '../jobs/index.js';
import type { StagedObjects } from '../uploads/index.js';
import type { ArtifactService } from '../artifacts/index.js';
import type { ArchiveVisitor } from './archive-reader.js';

interface Parts {
  attempt: Attempt;
  jobs: JobService;
  objects: ObjectStore;
  staged: StagedObjects;
  artifacts: ArtifactService;
}

const ROWS_PER_WRITE = 500;

/**
 * The second pass. Writes the checked data into an experiment that is marked as deleted until the end. A repetition
 * adds only what is missing.
 */
export class ArchivePlacement implements ArchiveVisitor {
  readonly deletedRuns: string[] = [];
  readonly deletedModels: string[] = [];
  readonly parents: { id: string; parent: string }[] = [];
  private awaited: Line<'files'> | null = null;
  /** Number of new rows in the current transaction. */
  private added = 0;

  constructor(
    private readonly parts: Parts,
    private readonly experimentId: string,
    /** True when all objects keep their ids. */
    private readonly keepIds: boolean,
    private readonly hiddenAt: Date,
    private readonly known: ReadonlySet<string>,
  ) {}

  manifest(): Promise<void> {
    return Promise.resolve();
  }

  async lines<K extends LineKind>(kind: K, lines: Line<K>[]): Promise<void> {
    for (let from = 0; from < lines.length; from += ROWS_PER_WRITE) {
      const group = lines.slice(from, from + ROWS_PER_WRITE);
      await this.parts.attempt.write(async (session) => {
        this.added = 0;
        await this.place(session, kind, group);
        // After new rows were written, the loss of a worker does not count as a failure; rows that existed before prove
        // no progress.
        if (this.added > 0) await this.parts.jobs.forgiveFailures(session, this.parts.attempt.job.id);
      });
    }
  }

  async content(_content: number, bytes: AsyncIterable<Buffer>): Promise<void> {
    const { attempt, objects, staged, artifacts } = this.parts;
    const { path, run: runId, model } = this.awaited!;
    const owner = runId === null ? { loggedModelId: this.idOf(model!) } : { runId: this.idOf(runId) };
    const present = await attempt.read((session) =>
      session.em.count(Artifact, { tenant: session.tenant, ...owner, path }),
    );
    if (present > 0) {
      await finished(Readable.from(bytes).resume());
      return;
    }
    const folder = 'runId' in owner ? `runs/${owner.runId}` : `logged-models/${owner.loggedModelId}`;
    const objectKey = `${attempt.job.tenant}/${folder}/artifacts/${uuidv7()}/file`;
    await attempt.write((session) => staged.stage(session, objectKey));
    try {
      const stored = await objects.put(objectKey, Readable.from(bytes, { objectMode: false }));
      await attempt.write((session) => artifacts.record(session, owner, path, objectKey, stored));
    } catch (error) {
      await staged.discard(objectKey);
      throw error;
    }
  }

  /** Gives the same new id for the same id, however often it is called. */
  idOf(id: string): string {
    return this.keepIds ? id : uuidv5(id, this.experimentId);
  }

  private async place(session: Session, kind: LineKind, lines: Line<LineKind>[]): Promise<void> {
    switch (kind) {
      case 'runs':
        return this.placeRuns(session, lines as Line<'runs'>[]);
      case 'datasets':
        return this.insert(session, 'logged_dataset', lines as Line<'datasets'>[], (line) => ({
          ...{
            id: uuidv7(),
            run_id: this.idOf(line.run),
            direction: line.direction,
            name: line.name,
            digest: line.digest,
          },
          ...{
            source_type: line.sourceType,
            source: line.source,
            schema: line.schema,
            profile: line.profile,
            tags: line.tags,
          },
        }));
      case 'points':
        for (const line of lines as Line<'points'>[]) await this.placePoints(session, line);
        return;
      case 'logs':
        for (const line of lines as Line<'logs'>[]) await this.placeLogs(session, line);
        return;
      case 'models':
        return this.placeModels(session, lines as Line<'models'>[]);
      case 'model-metrics':
        return this.insert(session, 'logged_model_metric', lines as Line<'model-metrics'>[], (line) => ({
          ...{ logged_model_id: this.idOf(line.model), run_id: this.idOf(line.run), key: line.key, step: line.step },
          ...{
            logged_at: atMs(line.ms),
            value: line.value,
            dataset_name: line.datasetName,
            dataset_digest: line.datasetDigest,
          },
        }));
      case 'links':
        return this.insert(session, 'run_model', lines as Line<'links'>[], (line) => ({
          ...{ id: uuidv7(), run_id: this.idOf(line.run), logged_model_id: this.idOf(line.model) },
          ...{ direction: line.direction, step: line.step },
        }));
      case 'files':
        this.awaited = (lines as Line<'files'>[]).at(-1) ?? null;
    }
  }

  private async placeRuns(session: Session, lines: Line<'runs'>[]): Promise<void> {
    for (const { id, state, parentRunId } of lines) {
      if (state === 'DELETED') this.deletedRuns.push(this.idOf(id));
      if (parentRunId !== null && this.known.has(parentRunId))
        this.parents.push({ id: this.idOf(id), parent: this.idOf(parentRunId) });
    }
    await this.insert(session, 'run', lines, (line) => ({
      ...{ id: this.idOf(line.id), experiment_id: this.experimentId, name: line.name, created_at: line.createdAt },
      ...{ status: line.status, started_at: line.startedAt, ended_at: line.endedAt, created_by: line.createdBy },
      ...{ state: 'DELETED', deleted_at: this.hiddenAt.toISOString() },
    }));
    await this.insert(session, 'run_counter', lines, ({ id }) => ({ run_id: this.idOf(id), last_seq: 0 }));
    const pairs = (of: (line: Line<'runs'>) => Record<string, string>) =>
      lines.flatMap((line) =>
        Object.entries(of(line)).map(([key, value]) => ({ run_id: this.idOf(line.id), key, value })),
      );
    await this.insert(
      session,
      'run_param',
      pairs(({ params }) => params),
      (pair) => pair,
    );
    const tags = pairs((line) => ({ ...line.tags, ...this.parentTag(line.tags) }));
    await this.insert(session, 'run_tag', tags, (pair) => pair);
  }

  private parentTag(tags: Record<string, string>): Record<string, string> {
    const parent = tags[RUN_TAGS.parent];
    const id = parent === undefined ? null : fromHexId(parent);
    return id !== null && this.known.has(id) ? { [RUN_TAGS.parent]: toHexId(this.idOf(id)) } : {};
  }

  private placeModels(session: Session, lines: Line<'models'>[]): Promise<void> {
    for (const { id, state } of lines) if (state === 'DELETED') this.deletedModels.push(this.idOf(id));
    return this.insert(session, 'logged_model', lines, (line) => ({
      ...{
        id: this.idOf(line.id),
        experiment_id: this.experimentId,
        run_id: line.runId && this.idOf(line.runId),
        name: line.name,
      },
      ...{
        status: line.status,
        status_message: line.statusMessage,
        model_type: line.modelType,
        params: line.params,
        tags: line.tags,
      },
      ...{ created_by: line.createdBy, created_at: line.createdAt, updated_at: line.createdAt },
      ...{ state: 'DELETED', deleted_at: this.hiddenAt.toISOString() },
    }));
  }

  private async placePoints(session: Session, { run, points }: Line<'points'>): Promise<void> {
    const runId = this.idOf(run);
    const [counter] = await sql<{ base: number }>(
      session.em,
      'update run_counter set last_seq = last_seq + ?::bigint where tenant = ? and run_id = ? returning ' +
        '(last_seq - ?::bigint)::float8 as base',
      [points.length, session.tenant, runId, points.length],
    );
    const base = counter?.base ?? 0;
    await this.insert(
      session,
      'metric_point',
      points.map((point, i) => ({ point, seq: base + i + 1 })),
      ({ point, seq }) => {
        const [key, step, ms, value] = point;
        return { run_id: runId, key, step, logged_at: atMs(ms), value, seq };
      },
    );
  }

  private async placeLogs(session: Session, { run, lines }: Line<'logs'>): Promise<void> {
    const runId = this.idOf(run);
    await this.insert(session, 'run_log', lines, ([seq, ms, stream, line]) => ({
      run_id: runId,
      seq,
      logged_at: atMs(ms),
      stream,
      line,
    }));
    await sql(session.em, 'update run set last_log_seq = greatest(last_log_seq, ?) where tenant = ? and id = ?', [
      ...[lines.at(-1)?.[0] ?? 0, session.tenant, runId],
    ]);
  }

  /** All rows are one JSON parameter; the columns get their types from the table. */
  private async insert<T>(
    session: Session,
    table: string,
    items: readonly T[],
    toRow: (item: T) => Record<string, unknown>,
  ): Promise<void> {
    if (items.length === 0) return;
    const rows = items.map((item) => ({ tenant: session.tenant, ...toRow(item) }));
    const columns = Object.keys(rows[0]!).join(', ');
    const [done] = await sql<{ added: number }>(
      session.em,
      `with added as (
         insert into ${table} (${columns}) select ${columns} from jsonb_populate_recordset(null::${table}, ?::jsonb)
           on conflict do nothing returning 1)
       select count(*)::int as added from added`,
      [JSON.stringify(rows)],
    );
    this.added += done?.added ?? 0;
  }
}

/** The time with its microseconds. */
function atMs(ms: number): string {
  const whole = Math.floor(ms);
  const micros = Math.round((ms - whole) * 1_000);
  return new Date(whole).toISOString().replace('Z', `${String(micros).padStart(3, '0')}Z`);
}
