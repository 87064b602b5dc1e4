import { type FolderOwner, storedFiles } from '../artifacts/index.js';
import type { Session } from '../../db/database.js';
import { exportedDatasets, exportedLines, exportedRuns, pointsAfter, runIdsAfter } from '../experiments/index.js';
import type { Attempt } from '../jobs/index.js';
import { exportedLinks, exportedModelMetrics, exportedModels } from '../logged-models/index.js';
import type { Line } from './archive-format.js';

/** Rows in memory at the same time. */
const RUNS_PER_PAGE = 200;
const ROWS_PER_PAGE = 5_000;
const FIRST_ID = '00000000-0000-0000-0000-000000000000';

type FileRow = Omit<Line<'files'>, 'content'> & { objectKey: string };

/** The content of an experiment, page by page, as the lines of an archive. */
export class ArchiveRows {
  constructor(
    private readonly attempt: Attempt,
    private readonly experimentId: string,
  ) {}

  async *runs(): AsyncGenerator<Line<'runs'>> {
    const runs = pages(RUNS_PER_PAGE, (after) =>
      this.read((session) => exportedRuns(session, this.experimentId, after, RUNS_PER_PAGE)),
    );
    for await (const { startedAt, endedAt, createdAt, ...run } of runs)
      yield {
        ...run,
        ...{ startedAt: startedAt.toISOString(), endedAt: endedAt?.toISOString() ?? null },
        createdAt: createdAt.toISOString(),
      };
  }

  async *datasets(): AsyncGenerator<Line<'datasets'>> {
    for await (const id of this.runIds()) yield* await this.read((session) => exportedDatasets(session, id));
  }

  async *points(): AsyncGenerator<Line<'points'>> {
    for await (const id of this.runIds()) {
      for (let seq = 0; ;) {
        const points = await this.read((session) => pointsAfter(session, id, seq, ROWS_PER_PAGE));
        const last = points.at(-1);
        if (!last) break;
        yield { run: id, points: points.map(({ key, step, ms, value }) => [key, step, ms, toJson(value)]) };
        seq = last.seq;
      }
    }
  }

  async *logs(): AsyncGenerator<Line<'logs'>> {
    for await (const id of this.runIds()) {
      for (let seq = 0; ;) {
        const lines = await this.read((session) => exportedLines(session, id, seq, ROWS_PER_PAGE));
        const last = lines.at(-1);
        if (!last) break;
        yield { run: id, lines: lines.map((one) => [one.seq, one.ms, one.stream, one.line]) };
        seq = last.seq;
      }
    }
  }

  async *models(): AsyncGenerator<Line<'models'>> {
    const models = pages(RUNS_PER_PAGE, (after) =>
      this.read((session) => exportedModels(session, this.experimentId, after, RUNS_PER_PAGE)),
    );
    for await (const { createdAt, ...model } of models) yield { ...model, createdAt: createdAt.toISOString() };
  }

  async *modelMetrics(): AsyncGenerator<Line<'model-metrics'>> {
    for await (const { id } of this.models()) {
      const rows = await this.read((session) => exportedModelMetrics(session, this.experimentId, id));
      for (const row of rows) yield { ...row, value: toJson(row.value) };
    }
  }

  async *links(): AsyncGenerator<Line<'links'>> {
    for await (const { id } of this.models())
      yield* await this.read((session) => exportedLinks(session, this.experimentId, id));
  }

  /** Files of runs and of logged models. */
  async *files(): AsyncGenerator<FileRow> {
    for await (const id of this.runIds()) yield* await this.filesOf({ runId: id });
    for await (const { id } of this.models()) yield* await this.filesOf({ loggedModelId: id });
  }

  private async filesOf(owner: FolderOwner): Promise<FileRow[]> {
    const of = 'runId' in owner ? { run: owner.runId, model: null } : { run: null, model: owner.loggedModelId };
    const files = await this.read((session) => storedFiles(session, owner));
    return files.map(({ path, sizeBytes, sha256, objectKey }) => ({ ...of, path, sizeBytes, sha256, objectKey }));
  }

  private async *runIds(): AsyncGenerator<string> {
    const runs = pages(ROWS_PER_PAGE, async (after) => {
      const ids = await this.read((session) => runIdsAfter(session, this.experimentId, after, ROWS_PER_PAGE));
      return ids.map((id) => ({ id }));
    });
    for await (const { id } of runs) yield id;
  }

  private read<T>(work: (session: Session) => Promise<T>): Promise<T> {
    this.attempt.signal.throwIfAborted();
    return this.attempt.read(work);
  }
}

/** All rows, ordered by id. */
async function* pages<T extends { id: string }>(
  size: number,
  read: (after: string) => Promise<T[]>,
): AsyncGenerator<T> {
  for (let after = FIRST_ID; ;) {
    const rows = await read(after);
    yield* rows;
    after = rows.at(-1)?.id ?? after;
    if (rows.length < size) return;
  }
}

const toJson = (value: number) =>
  Number.isFinite(value) ? value : (String(value) as 'NaN' | 'Infinity' | '-Infinity');
