import type { EntityManager } from '@mikro-orm/postgresql';
import { v7 as uuidv7 } from 'uuid';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import type { Endpoint } from '../../db/entities/serving/endpoint.entity.js';
import type { Actor, Database, Session } from '../../db/database.js';
import { sql } from '../../db/sql.js';
import { judgeAnswer, type JudgedAnswer, type LoggedAnswer, type Truth } from './rules/ground-truth.js';
import { AppError, badInput, ErrorCode } from '../../errors.js';
import { audit } from '../platform/index.js';
import { findEndpoint, notLogged, usedTwice, type NamedEndpoint, type TrafficRecorder } from '../serving/index.js';

export interface NewTruth extends Truth {
  requestId: string;
  /** 0 when absent. */
  row?: number | null;
  observedAt?: Date | null;
}

type TruthRecord = NewTruth & { row: number };

/** A record that was refused, and the reason. */
export interface RejectedRecord {
  index: number;
  requestId: string;
  row: number;
  code: ErrorCode;
  message: string;
}

export interface RecordedTruths {
  endpoint: Endpoint;
  /** Number of rows that had no ground truth before. */
  added: number;
  /** Number of rows that had another ground truth, which is kept in their history. */
  replaced: number;
  /** Number of rows that had the same ground truth. */
  unchanged: number;
  rejected: RejectedRecord[];
}

/** A row of a logged request. If several requests have the same id, it appears once for each. */
interface LoggedRow extends LoggedAnswer {
  index: number;
  id: string;
  deploymentId: string;
  modelVersionId: string;
  loggedAt: Date;
  rows: number;
  errorCode: string | null;
}

interface Judged {
  record: TruthRecord;
  logged: LoggedRow;
  answer: JudgedAnswer;
}

export const MAX_TRUTHS = 10_000;
const MAX_REQUEST_ID_CHARACTERS = 250;
/** Earlier ground truths that a row keeps. */
const MAX_HISTORY = 20;
/** Rejected records that an error lists. */
const MAX_NAMED = 100;

/** The true values of predicted rows, next to the predictions. */
export class GroundTruthService {
  constructor(
    private readonly db: Database,
    private readonly traffic: TrafficRecorder,
  ) {}

  /** Records what it can, and lists every other record. Throws only when it can record nothing. */
  async record(actor: Actor, input: NamedEndpoint & { records: readonly NewTruth[] }): Promise<RecordedTruths> {
    const records = input.records.map((record) => ({ ...record, row: record.row ?? 0 }));
    if (records.length < 1 || records.length > MAX_TRUTHS)
      throw badInput('input.records', `1 to ${MAX_TRUTHS} records`, `${records.length} records`);
    const find = () =>
      this.db.transact(actor, async (session) => {
        const endpoint = await findEndpoint(session, input, 'input');
        return { endpoint, logged: await findRows(session, endpoint, records) };
      });
    let { endpoint, logged } = await find();
    if (records.some((_, i) => !logged.has(i))) {
      // Writes what this process has answered just now.
      await this.traffic.flush();
      ({ endpoint, logged } = await find());
    }
    return this.db.transact(actor, async (session) => {
      const { judged, rejected } = await judgeAll(session, endpoint, records, logged);
      if (judged.length === 0) throw nothingTaken(rejected);
      const { added, replaced } = await write(session.em, session, endpoint, judged);
      const unchanged = judged.length - added - replaced;
      audit(session, 'recordGroundTruth', { type: 'endpoint', id: endpoint.id }, null, {
        added,
        replaced,
        unchanged,
        rejected: rejected.length,
      });
      return { endpoint, added, replaced, unchanged, rejected };
    });
  }
}

/** Rows by record index; a record of an unknown request has none. */
async function findRows(
  session: Session,
  { id }: Endpoint,
  records: readonly TruthRecord[],
): Promise<Map<number, LoggedRow[]>> {
  const asked = records.flatMap(({ requestId, row }, index) =>
    requestId.length <= MAX_REQUEST_ID_CHARACTERS && Number.isInteger(row) && row >= 0
      ? [{ index, requestId, row }]
      : [],
  );
  const rows = await sql<LoggedRow>(
    session.em,
    `select a.index, p.id, p.deployment_id as "deploymentId", p.model_version_id as "modelVersionId",
      p.created_at as "loggedAt",
       p.rows, p.error_code as "errorCode", p.answers->>'kind' as kind, p.answers->'labels'->>a.row as label,
       case when p.answers->>'kind' = 'VALUES'
         or (p.answers->>'classCount')::int = 2 then (p.scores->>a.row)::float8 end as score,
           p.answers->'probabilities'->a.row as probabilities
     from unnest(?::int[], ?::text[], ?::int[]) as a(index, request_id, row)
     join prediction_log p on p.tenant = ? and p.endpoint_id = ? and p.request_id = a.request_id and p.mode = 'LIVE'`,
    [
      asked.map(({ index }) => index),
      asked.map(({ requestId }) => requestId),
      asked.map(({ row }) => row),
      session.tenant,
      id,
    ],
  );
  return Map.groupBy(rows, ({ index }) => index);
}

async function judgeAll(
  session: Session,
  endpoint: Endpoint,
  records: readonly TruthRecord[],
  logged: ReadonlyMap<number, LoggedRow[]>,
): Promise<{ judged: Judged[]; rejected: RejectedRecord[] }> {
  const classesOf = await readClasses(session, [...logged.values()].flat());
  const seen = new Map<string, { index: number; answer: JudgedAnswer }>();
  const judged: Judged[] = [];
  const rejected: RejectedRecord[] = [];
  records.forEach((record, index) => {
    const field = `input.records[${index}]`;
    try {
      const row = loggedRow(field, record, endpoint, logged.get(index) ?? []);
      const answer = judgeAnswer(field, record, row, classesOf.get(row.modelVersionId));
      const key = `${row.id} ${record.row}`;
      const before = seen.get(key);
      if (before && (before.answer.label !== answer.label || before.answer.value !== answer.value))
        throw badInput(
          field,
          `the same truth as input.records[${before.index}], which is about the same row`,
          record.label ?? record.value,
        );
      if (!before) judged.push({ record, logged: row, answer });
      seen.set(key, before ?? { index, answer });
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      rejected.push({ index, requestId: record.requestId, row: record.row, code: error.code, message: error.message });
    }
  });
  return { judged, rejected };
}

/** The only answer to the request. */
function loggedRow(
  field: string,
  { requestId, row }: TruthRecord,
  endpoint: Endpoint,
  found: readonly LoggedRow[],
): LoggedRow {
  if (requestId.length === 0 || requestId.length > MAX_REQUEST_ID_CHARACTERS)
    throw badInput(`${field}.requestId`, `1 to ${MAX_REQUEST_ID_CHARACTERS} characters`, requestId);
  if (!Number.isInteger(row) || row < 0)
    throw badInput(`${field}.row`, 'the position of a row in its request, from 0', row);
  const [answered, another] = found.filter(({ errorCode }) => errorCode === null);
  if (another) throw usedTwice(requestId, endpoint);
  if (!answered) {
    const [failed] = found;
    if (!failed) throw notLogged(requestId, endpoint);
    throw badInput(`${field}.requestId`, 'a request that was answered', `one that failed with ${failed.errorCode}`);
  }
  if (row >= answered.rows)
    throw badInput(`${field}.row`, `a row from 0 to ${answered.rows - 1}, of which the log has the answers`, row);
  if (answered.kind === null)
    throw badInput(
      `${field}.requestId`,
      'a request that this version has logged',
      'one of an earlier version, without its answers',
    );
  return answered;
}

async function readClasses(session: Session, rows: readonly LoggedRow[]): Promise<Map<string, string[] | undefined>> {
  const ids = [...new Set(rows.map(({ modelVersionId }) => modelVersionId))];
  if (ids.length === 0) return new Map();
  const versions = await session.em.find(
    ModelVersion,
    { tenant: session.tenant, id: { $in: ids } },
    { exclude: ['reference'] },
  );
  return new Map(versions.map(({ id, signature }) => [id, signature?.classes]));
}

function nothingTaken(rejected: readonly RejectedRecord[]): AppError {
  const [first] = rejected;
  const more = rejected.length > 1 ? ` None of the ${rejected.length} records could be taken.` : '';
  return new AppError(first!.code, `${first!.message}${more}`, {
    field: `input.records[${first!.index}]`,
    problems: rejected.slice(0, MAX_NAMED),
  });
}

/** In the order of the rows' keys, so that two batches with the same rows cannot deadlock. */
async function write(
  em: EntityManager,
  session: Session,
  endpoint: Endpoint,
  judged: readonly Judged[],
): Promise<{ added: number; replaced: number }> {
  const column = <T>(of: (one: Judged) => T): T[] => judged.map(of);
  const rows = await sql<{ isNew: boolean }>(
    em,
    `insert into ground_truth as t (id, tenant, endpoint_id, deployment_id, prediction_id, request_id, row_index,
      predicted_at,
       label, value, predicted_label, predicted_value, log_loss, observed_at, created_by)
     select g.id, ?, ?, g.deployment_id, g.prediction_id, g.request_id, g.row_index, g.predicted_at,
       g.label, g.value, g.predicted_label, g.predicted_value, g.log_loss, g.observed_at, ?
     from unnest(?::uuid[], ?::uuid[], ?::uuid[], ?::text[], ?::int[], ?::timestamptz[], ?::text[], ?::float8[],
       ?::text[], ?::float8[], ?::float8[], ?::timestamptz[])
       as g(id, deployment_id, prediction_id, request_id, row_index, predicted_at, label, value, predicted_label,
         predicted_value, log_loss, observed_at)
     order by g.prediction_id, g.row_index
     on conflict (tenant, prediction_id, row_index) do update set label = excluded.label, value = excluded.value,
       log_loss = excluded.log_loss,
       observed_at = excluded.observed_at, created_by = excluded.created_by, updated_at = date_trunc('milliseconds',
         clock_timestamp()),
       history = (case when jsonb_array_length(t.history) >= ? then t.history - 0 else t.history end) || jsonb_build_array(jsonb_build_object(
         'label', t.label, 'value', t.value, 'observedAt', t.observed_at, 'recordedAt', t.updated_at, 'recordedBy',
           t.created_by))
     where t.label is distinct from excluded.label or t.value is distinct from excluded.value
     returning xmax = 0 as "isNew"`,
    [
      session.tenant,
      endpoint.id,
      session.principal.subject,
      judged.map(() => uuidv7()),
      column(({ logged }) => logged.deploymentId),
      column(({ logged }) => logged.id),
      column(({ record }) => record.requestId),
      column(({ record }) => record.row),
      column(({ logged }) => logged.loggedAt),
      column(({ answer }) => answer.label),
      column(({ answer }) => answer.value),
      column(({ answer }) => answer.predictedLabel),
      column(({ answer }) => answer.predictedValue),
      column(({ answer }) => answer.logLoss),
      column(({ record }) => record.observedAt ?? null),
      MAX_HISTORY,
    ],
  );
  const added = rows.filter(({ isNew }) => isNew).length;
  return { added, replaced: rows.length - added };
}
