import { v7 as uuidv7 } from 'uuid';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import type { Endpoint } from '../../db/entities/serving/endpoint.entity.js';
import type { Actor, Database, Session } from '../../db/database.js';
import { compareAnswer, type ComparedAnswer, type GroundTruthValue } from './rules/ground-truth.js';
import { AppError, badInput, ErrorCode } from '../../errors.js';
import { keptRowsOf, type KeyCounter } from '../ab-tests/index.js';
import { audit } from '../platform/index.js';
import { writeGroundTruths, type NewGroundTruth } from './stores/ground-truth.js';
import {
  findEndpoint,
  loggedRowsOf,
  notLogged,
  usedTwice,
  type NamedEndpoint,
  type TrafficRecorder,
  REQUEST_KEY,
} from '../serving/index.js';
import { characters, checkRange, type InputRange } from '../core/index.js';

export interface NewGroundTruthRecord extends GroundTruthValue {
  requestId: string;
  /** 0 when absent. */
  row?: number | null;
  observedAt?: Date | null;
}

/** Runs a transaction of a call or of a job. */
type Transact = <T>(work: (session: Session) => Promise<T>) => Promise<T>;

type RowRecord = NewGroundTruthRecord & { row: number };

/** A record that was refused, and the reason. */
export interface RejectedRecord {
  index: number;
  requestId: string;
  row: number;
  code: ErrorCode;
  message: string;
}

export interface RecordedGroundTruths {
  endpoint: Endpoint;
  /** Number of rows that had no ground truth before. */
  added: number;
  /** Number of rows that had another ground truth, which is kept in their history. */
  replaced: number;
  /** Number of rows that had the same ground truth, or one that became known later. */
  unchanged: number;
  rejected: RejectedRecord[];
}

/** A row of a logged request. If several requests have the same id, it appears once for each. */
type LoggedRow = Awaited<ReturnType<typeof loggedRowsOf>>[number];

interface ComparedRecord {
  record: RowRecord;
  logged: LoggedRow;
  answer: ComparedAnswer;
}

export const GROUND_TRUTHS_PER_CALL = { min: 1, max: 10_000, unit: 'records' } satisfies InputRange;
/** The position of a row in its request. */
export const ROW = { min: 0 } satisfies InputRange;
export const LABEL = characters(0, 250);
/** Earlier ground truths that a row keeps. */
const MAX_HISTORY = 20;
/** Rejected records that an error lists. */
const MAX_NAMED = 100;

/** The true values of predicted rows, next to the predictions. */
export class GroundTruthService {
  constructor(
    private readonly db: Database,
    private readonly traffic: TrafficRecorder,
    private readonly keyCounter: KeyCounter,
  ) {}

  /** Records what it can, and lists every other record. Throws only when it can record nothing. */
  async record(
    actor: Actor,
    input: NamedEndpoint & { records: readonly NewGroundTruthRecord[] },
  ): Promise<RecordedGroundTruths> {
    checkRange(GROUND_TRUTHS_PER_CALL, input.records, null, 'input.records');
    const transact: Transact = (work) => this.db.transact(actor, work);
    return this.recordBy(transact, input, async (session, { endpoint, rejected, ...counts }) => {
      if (rejected.length === input.records.length) throw nothingRecorded(rejected);
      audit(session, 'recordGroundTruth', { type: 'endpoint', id: endpoint.id }, null, {
        ...counts,
        rejected: rejected.length,
      });
    });
  }

  /** The same for any transactions; `settle` runs in the one that writes, which it may refuse. */
  async recordBy(
    transact: Transact,
    input: NamedEndpoint & { records: readonly NewGroundTruthRecord[] },
    settle: (session: Session, recorded: RecordedGroundTruths) => Promise<void>,
  ): Promise<RecordedGroundTruths> {
    const records = input.records.map((record) => ({ ...record, row: record.row ?? 0 }));
    const find = () =>
      transact(async (session) => {
        const endpoint = await findEndpoint(session, input, 'input');
        return { endpoint, logged: await findRows(session, endpoint, records) };
      });
    let { endpoint, logged } = await find();
    if (records.some((_, i) => !logged.has(i))) {
      // Writes what this process has answered just now.
      await this.traffic.flush();
      await this.keyCounter.flush();
      ({ endpoint, logged } = await find());
    }
    return transact(async (session) => {
      const { compared, rejected } = await compareAll(session, endpoint, records, logged);
      const truths = compared.map(toGroundTruth);
      const { added, replaced } = await writeGroundTruths(session, endpoint.id, truths, MAX_HISTORY);
      const recorded = { endpoint, added, replaced, unchanged: compared.length - added - replaced, rejected };
      await settle(session, recorded);
      return recorded;
    });
  }
}

/** Rows by record index; a record of an unknown request has none. */
async function findRows(
  session: Session,
  { id }: Endpoint,
  records: readonly RowRecord[],
): Promise<Map<number, LoggedRow[]>> {
  const asked = records.flatMap(({ requestId, row }, index) =>
    requestId.length <= REQUEST_KEY.max! && Number.isInteger(row) && row >= ROW.min ? [{ index, requestId, row }] : [],
  );
  const logged = await loggedRowsOf(session, id, asked);
  const known = new Set(logged.map(({ index }) => index));
  // An A/B test keeps the answers that the log has not, or has no more.
  const others = asked.filter(({ index }) => !known.has(index));
  const kept = others.length > 0 ? await keptRowsOf(session, id, others) : [];
  return Map.groupBy([...logged, ...kept], ({ index }) => index);
}

async function compareAll(
  session: Session,
  endpoint: Endpoint,
  records: readonly RowRecord[],
  logged: ReadonlyMap<number, LoggedRow[]>,
): Promise<{ compared: ComparedRecord[]; rejected: RejectedRecord[] }> {
  const classesOf = await readClasses(session, [...logged.values()].flat());
  const seen = new Map<string, { index: number; answer: ComparedAnswer }>();
  const compared: ComparedRecord[] = [];
  const rejected: RejectedRecord[] = [];
  records.forEach((record, index) => {
    const field = `input.records[${index}]`;
    try {
      const row = loggedRow(field, record, endpoint, logged.get(index) ?? []);
      const answer = compareAnswer(field, record, row, classesOf.get(row.modelVersionId));
      const key = `${row.id} ${record.row}`;
      const before = seen.get(key);
      if (before && (before.answer.label !== answer.label || before.answer.value !== answer.value))
        throw badInput(
          field,
          `the same truth as input.records[${before.index}], which is about the same row`,
          record.label ?? record.value,
        );
      if (!before) compared.push({ record, logged: row, answer });
      seen.set(key, before ?? { index, answer });
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      rejected.push({ index, requestId: record.requestId, row: record.row, code: error.code, message: error.message });
    }
  });
  return { compared, rejected };
}

/** The only answer to the request. */
function loggedRow(
  field: string,
  { requestId, row, label }: RowRecord,
  endpoint: Endpoint,
  found: readonly LoggedRow[],
): LoggedRow {
  checkRange(REQUEST_KEY, requestId, null, `${field}.requestId`);
  if (label != null) checkRange(LABEL, label, null, `${field}.label`);
  if (!Number.isInteger(row) || row < ROW.min)
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

function nothingRecorded(rejected: readonly RejectedRecord[]): AppError {
  const [first] = rejected;
  const more = rejected.length > 1 ? ` None of the ${rejected.length} records could be taken.` : '';
  return new AppError(first!.code, `${first!.message}${more}`, {
    field: `input.records[${first!.index}]`,
    problems: rejected.slice(0, MAX_NAMED),
  });
}

function toGroundTruth({ record, logged, answer }: ComparedRecord): NewGroundTruth {
  return {
    ...answer,
    id: uuidv7(),
    deploymentId: logged.deploymentId,
    predictionId: logged.id,
    requestId: record.requestId,
    rowIndex: record.row,
    predictedAt: logged.loggedAt,
    observedAt: record.observedAt ?? null,
  };
}
