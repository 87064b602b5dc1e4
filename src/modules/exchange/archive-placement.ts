import { v5 as uuidv5, v7 as uuidv7 } from 'uuid';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { ObjectStore } from '../../adapters/object-store/port.js';
import type { Session } from '../../db/database.js';
import type { Line, LineKind } from './archive-format.js';
import { fromHexId, toHexId } from '../core/index.js';
import {
  addImportedDatasets,
  addImportedLines,
  addImportedPairs,
  addImportedPoints,
  addImportedRuns,
  RUN_TAGS,
} from '../experiments/index.js';
import type { Attempt, JobService } from '../jobs/index.js';
import type { StagedObjects } from '../uploads/index.js';
import { type ArtifactService, isStored } from '../artifacts/index.js';
import { addImportedLinks, addImportedModelMetrics, addImportedModels } from '../logged-models/index.js';
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
  readonly parents: { id: string; parentId: string }[] = [];
  private awaited: Line<'files'> | null = null;

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
        const added = await this.place(session, kind, group);
        // After new rows were written, the loss of a worker does not count as a failure; rows that existed before prove
        // no progress.
        if (added > 0) await this.parts.jobs.forgiveFailures(session, this.parts.attempt.job.id);
      });
    }
  }

  async content(_content: number, bytes: AsyncIterable<Buffer>): Promise<void> {
    const { attempt, objects, staged, artifacts } = this.parts;
    const { path, run: runId, model } = this.awaited!;
    const owner = runId === null ? { loggedModelId: this.idOf(model!) } : { runId: this.idOf(runId) };
    if (await attempt.read((session) => isStored(session, owner, path))) {
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

  /** Returns how many rows were new. */
  private async place(session: Session, kind: LineKind, lines: Line<LineKind>[]): Promise<number> {
    switch (kind) {
      case 'runs':
        return this.placeRuns(session, lines as Line<'runs'>[]);
      case 'datasets':
        return addImportedDatasets(
          session,
          (lines as Line<'datasets'>[]).map(({ run, sourceType, ...rest }) => ({
            ...{ id: uuidv7(), run_id: this.idOf(run), source_type: sourceType },
            ...rest,
          })),
        );
      case 'points':
        return sumOf(lines as Line<'points'>[], ({ run, points }) =>
          addImportedPoints(
            session,
            this.idOf(run),
            points.map(([key, step, ms, value]) => ({ key, step, logged_at: atMs(ms), value })),
          ),
        );
      case 'logs':
        return sumOf(lines as Line<'logs'>[], ({ run, lines: all }) =>
          addImportedLines(
            session,
            this.idOf(run),
            all.map(([seq, ms, stream, line]) => ({ seq, logged_at: atMs(ms), stream, line })),
          ),
        );
      case 'models':
        return this.placeModels(session, lines as Line<'models'>[]);
      case 'model-metrics':
        return addImportedModelMetrics(
          session,
          (lines as Line<'model-metrics'>[]).map(({ model, run, key, step, ms, value, ...dataset }) => ({
            ...{ logged_model_id: this.idOf(model), run_id: this.idOf(run), key, step, logged_at: atMs(ms), value },
            ...{ dataset_name: dataset.datasetName, dataset_digest: dataset.datasetDigest },
          })),
        );
      case 'links':
        return addImportedLinks(
          session,
          (lines as Line<'links'>[]).map(({ run, model, direction, step }) => ({
            ...{ id: uuidv7(), run_id: this.idOf(run), logged_model_id: this.idOf(model), direction, step },
          })),
        );
      case 'files':
        this.awaited = (lines as Line<'files'>[]).at(-1) ?? null;
        return 0;
    }
  }

  private async placeRuns(session: Session, lines: Line<'runs'>[]): Promise<number> {
    for (const { id, state, parentRunId } of lines) {
      if (state === 'DELETED') this.deletedRuns.push(this.idOf(id));
      if (parentRunId !== null && this.known.has(parentRunId))
        this.parents.push({ id: this.idOf(id), parentId: this.idOf(parentRunId) });
    }
    const runs = lines.map(({ id, name, status, startedAt, endedAt, createdAt, createdBy }) => ({
      ...{ id: this.idOf(id), experiment_id: this.experimentId, name, status },
      ...{ started_at: startedAt, ended_at: endedAt, created_at: createdAt, created_by: createdBy },
    }));
    const pairs = (of: (line: Line<'runs'>) => Record<string, string>) =>
      lines.flatMap((line) =>
        Object.entries(of(line)).map(([key, value]) => ({ run_id: this.idOf(line.id), key, value })),
      );
    const params = pairs((line) => line.params);
    const tags = pairs((line) => ({ ...line.tags, ...this.parentTag(line.tags) }));
    return (
      (await addImportedRuns(session, runs, this.hiddenAt)) +
      (await addImportedPairs(session, 'run_param', params)) +
      (await addImportedPairs(session, 'run_tag', tags))
    );
  }

  private parentTag(tags: Record<string, string>): Record<string, string> {
    const parent = tags[RUN_TAGS.parent];
    const id = parent === undefined ? null : fromHexId(parent);
    return id !== null && this.known.has(id) ? { [RUN_TAGS.parent]: toHexId(this.idOf(id)) } : {};
  }

  private placeModels(session: Session, lines: Line<'models'>[]): Promise<number> {
    for (const { id, state } of lines) if (state === 'DELETED') this.deletedModels.push(this.idOf(id));
    const models = lines.map((line) => ({
      ...{ id: this.idOf(line.id), experiment_id: this.experimentId, run_id: line.runId && this.idOf(line.runId) },
      ...{ name: line.name, status: line.status, status_message: line.statusMessage, model_type: line.modelType },
      ...{ params: line.params, tags: line.tags, created_by: line.createdBy },
      ...{ created_at: line.createdAt, updated_at: line.createdAt },
    }));
    return addImportedModels(session, models, this.hiddenAt);
  }
}

async function sumOf<T>(items: readonly T[], work: (item: T) => Promise<number>): Promise<number> {
  let sum = 0;
  for (const item of items) sum += await work(item);
  return sum;
}

/** The time with its microseconds. */
function atMs(ms: number): string {
  const whole = Math.floor(ms);
  const micros = Math.round((ms - whole) * 1_000);
  return new Date(whole).toISOString().replace('Z', `${String(micros).padStart(3, '0')}Z`);
}
