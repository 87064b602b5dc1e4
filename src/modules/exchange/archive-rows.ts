import type { Line } from './archive-format.js';
import { sql } from '../../db/sql.js';
import type { LogStream } from '../experiments/index.js';
import type { Attempt } from '../jobs/index.js';

/** Rows in memory at the same time. */
const RUNS_PER_PAGE = 200;
const ROWS_PER_PAGE = 5_000;
const FIRST_ID = '00000000-0000-0000-0000-000000000000';

const MS = 'extract(epoch from logged_at)::float8 * 1000';

type FileRow = Omit<Line<'files'>, 'content'> & { objectKey: string };

/**
 * The content of an experiment, page by page, as the lines of an archive. Times are Dates until they are written as
 * JSON.
 */
export class ArchiveRows {
  constructor(
    private readonly attempt: Attempt,
    private readonly experimentId: string,
  ) {}

  runs(): AsyncGenerator<Line<'runs'>> {
    return this.byId<Line<'runs'>>(
      `select r.id, r.name, r.status, r.state, r.started_at as "startedAt", r.ended_at as "endedAt",
         r.created_at as "createdAt", r.created_by as "createdBy", r.parent_run_id as "parentRunId",
         coalesce((select jsonb_object_agg(p.key, p.value) from run_param p where p.run_id = r.id), '{}') as params,
         coalesce((select jsonb_object_agg(t.key, t.value) from run_tag t where t.run_id = r.id), '{}') as tags
       from run r where r.tenant = ? and r.experiment_id = ? and r.id > ?::uuid order by r.id limit ${RUNS_PER_PAGE}`,
      RUNS_PER_PAGE,
    );
  }

  async *datasets(): AsyncGenerator<Line<'datasets'>> {
    for await (const id of this.runIds()) {
      yield* await this.page<Line<'datasets'>>(
        `select run_id as run, direction, name, digest, source_type as "sourceType", source, schema, profile, tags
         from logged_dataset where tenant = ? and run_id = ? order by id`,
        [id],
      );
    }
  }

  async *points(): AsyncGenerator<Line<'points'>> {
    for await (const id of this.runIds()) {
      for (let seq = 0; ;) {
        const points = await this.page<{ seq: number; key: string; step: number; ms: number; value: number }>(
          `select seq::float8 as seq, key, step::float8 as step, ${MS} as ms, value from metric_point
           where tenant = ? and run_id = ? and seq > ? order by seq limit ${ROWS_PER_PAGE}`,
          [id, seq],
        );
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
        const lines = await this.page<{ seq: number; ms: number; stream: LogStream; line: string }>(
          `select seq::float8 as seq, ${MS} as ms, stream, line from run_log
           where tenant = ? and run_id = ? and seq > ? order by seq limit ${ROWS_PER_PAGE}`,
          [id, seq],
        );
        const last = lines.at(-1);
        if (!last) break;
        yield { run: id, lines: lines.map((one) => [one.seq, one.ms, one.stream, one.line]) };
        seq = last.seq;
      }
    }
  }

  models(): AsyncGenerator<Line<'models'>> {
    return this.byId<Line<'models'>>(
      `select m.id, (select r.id from run r where r.tenant = m.tenant and r.id = m.run_id
        and r.experiment_id = m.experiment_id) as "runId",
         m.name, m.status, m.status_message as "statusMessage", m.model_type as "modelType", m.params, m.tags, m.state,
         m.created_at as "createdAt", m.created_by as "createdBy"
       from logged_model m where m.tenant = ? and m.experiment_id = ? and m.id > ?::uuid order by m.id
         limit ${RUNS_PER_PAGE}`,
      RUNS_PER_PAGE,
    );
  }

  async *modelMetrics(): AsyncGenerator<Line<'model-metrics'>> {
    for await (const { id } of this.models()) {
      const rows = await this.page<Omit<Line<'model-metrics'>, 'value'> & { value: number }>(
        `select logged_model_id as model, run_id as run, key, step::float8 as step, ${MS} as ms, value,
          dataset_name as "datasetName",
           dataset_digest as "datasetDigest"
         from logged_model_metric l where tenant = ? and logged_model_id = ?
           and exists (select from run r where r.tenant = l.tenant and r.id = l.run_id and r.experiment_id = ?)
             order by key, step, logged_at, value`,
        [id, this.experimentId],
      );
      for (const row of rows) yield { ...row, value: toJson(row.value) };
    }
  }

  async *links(): AsyncGenerator<Line<'links'>> {
    for await (const { id } of this.models()) {
      yield* await this.page<Line<'links'>>(
        `select run_id as run, logged_model_id as model, direction, step::float8 as step from run_model l
          where tenant = ? and logged_model_id = ?
           and exists (select from run r where r.tenant = l.tenant and r.id = l.run_id and r.experiment_id = ?)
             order by id`,
        [id, this.experimentId],
      );
    }
  }

  /** Files of runs and of logged models. */
  async *files(): AsyncGenerator<FileRow> {
    const of = (
      column: string,
    ) => `select run_id as run, logged_model_id as model, path, size_bytes::float8 as "sizeBytes", sha256,
      object_key as "objectKey"
      from artifact where tenant = ? and ${column} = ? order by path`;
    for await (const id of this.runIds()) yield* await this.page<FileRow>(of('run_id'), [id]);
    for await (const { id } of this.models()) yield* await this.page<FileRow>(of('logged_model_id'), [id]);
  }

  private async *runIds(): AsyncGenerator<string> {
    const ids =
      'select id from run where tenant = ? and experiment_id = ? and id > ?::uuid order by id limit ' +
      `${ROWS_PER_PAGE}`;
    for await (const { id } of this.byId<{ id: string }>(ids, ROWS_PER_PAGE)) yield id;
  }

  private async *byId<T extends { id: string }>(text: string, limit: number): AsyncGenerator<T> {
    for (let after = FIRST_ID; ;) {
      const rows = await this.page<T>(text, [this.experimentId, after]);
      yield* rows;
      after = rows.at(-1)?.id ?? after;
      if (rows.length < limit) return;
    }
  }

  private page<T extends object>(text: string, params: unknown[]): Promise<T[]> {
    this.attempt.signal.throwIfAborted();
    return this.attempt.read((session) => sql<T>(session.em, text, [session.tenant, ...params]));
  }
}

const toJson = (value: number) =>
  Number.isFinite(value) ? value : (String(value) as 'NaN' | 'Infinity' | '-Infinity');
