import type { EntityManager } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { AbTest } from '../../../db/entities/ab-tests/ab-test.entity.js';
import { AbTestLook } from '../../../db/entities/ab-tests/ab-test-counts.entity.js';
import type { Session } from '../../../db/database.js';
import { tablesOf, toJson } from '../../../db/tables.js';
import { noteWritten } from '../../../db/written.js';
import type { Decision, ShownAnalysis } from '../rules/analysis.js';
import { AB_TEST_STATUS } from '../rules/state.js';

const tables = tablesOf(AbTest, AbTestLook);

/** What changes together with the status. */
export interface StatusChange {
  startedAt?: Date;
  endedAt?: Date;
  nextLookAt: Date | null;
  decision?: Decision;
}

/** The only function that changes the status of a test. CONFLICT when its present status does not allow it. */
export async function changeAbTestStatus(
  { em, tenant }: Session,
  test: AbTest,
  status: AbTest['status'],
  change: StatusChange,
): Promise<void> {
  const updatedAt = new Date();
  const { startedAt, endedAt, nextLookAt, decision } = change;
  const changed = await tables(em)
    .updateTable('ab_test')
    .set({ status, updated_at: updatedAt, next_look_at: nextLookAt })
    .$if(startedAt !== undefined, (query) => query.set({ started_at: startedAt! }))
    .$if(endedAt !== undefined, (query) => query.set({ ended_at: endedAt! }))
    .$if(decision !== undefined, (query) => query.set({ decision: toJson(decision!) }))
    .where('tenant', '=', tenant)
    .where('id', '=', test.id)
    .where('status', 'in', AB_TEST_STATUS.before(status))
    .returning('id')
    .execute();
  if (changed.length === 0) throw AB_TEST_STATUS.refusal(test.status, status);
  noteWritten(test, { status, updatedAt, ...change });
}

/** Running tests of all tenants whose next look is due, those that wait longest first. */
export function dueTests(em: EntityManager, limit: number) {
  return tables(em)
    .selectFrom('ab_test')
    .select(['id', 'tenant', 'created_by as createdBy'])
    .where('next_look_at', '<=', sql<Date>`now()`)
    .orderBy('next_look_at')
    .limit(limit)
    .execute();
}

/** The tests of all tenants that count predictions of an endpoint. */
export function activeTests(em: EntityManager) {
  return tables(em)
    .selectFrom('ab_test')
    .select(['id', 'tenant', 'endpoint_id as endpointId', 'started_at as startedAt'])
    .select(sql<boolean>`rules -> 'metrics' @> '[{"source": "GROUND_TRUTH"}]'`.as('keepsAnswers'))
    .where('status', 'in', ['PLANNED', 'RUNNING'])
    .execute();
}

/** How many tests of a version against a control were started. */
export async function startedTests(
  { em, tenant }: Session,
  modelVersionId: string,
  controlId: string,
): Promise<number> {
  const { tests } = await tables(em)
    .selectFrom('ab_test')
    .select(sql<number>`count(*)::int`.as('tests'))
    .where('tenant', '=', tenant)
    .where('started_at', 'is not', null)
    .where(sql<boolean>`rules -> 'variants' -> 0 ->> 'modelVersionId' = ${controlId}`)
    .where(sql<boolean>`rules -> 'variants' @> ${toJson([{ modelVersionId }])}::jsonb`)
    .executeTakeFirstOrThrow();
  return tests;
}

export async function addLook(
  { em, tenant }: Session,
  testId: string,
  look: { seq: number; information: number | null; analysis: ShownAnalysis },
): Promise<void> {
  const { seq, information, analysis } = look;
  const row = { tenant, test_id: testId, seq, created_at: new Date(), information, analysis: toJson(analysis) };
  await tables(em).insertInto('ab_test_look').values(row).execute();
}

/** Looks of a test after a number, in their order. */
export function looksAfter({ em, tenant }: Session, testId: string, seq: number, limit: number) {
  return tables(em)
    .selectFrom('ab_test_look')
    .select(['seq', 'created_at as createdAt', 'information', 'analysis'])
    .where('tenant', '=', tenant)
    .where('test_id', '=', testId)
    .where('seq', '>', seq)
    .orderBy('seq')
    .limit(limit)
    .execute();
}

export type LookRow = Awaited<ReturnType<typeof looksAfter>>[number];

/** The newest look of a test; null before the first. */
export async function newestLook({ em, tenant }: Session, testId: string): Promise<LookRow | null> {
  const query = tables(em)
    .selectFrom('ab_test_look')
    .select(['seq', 'created_at as createdAt', 'information', 'analysis'])
    .where('tenant', '=', tenant)
    .where('test_id', '=', testId)
    .orderBy('seq', 'desc')
    .limit(1);
  return (await query.executeTakeFirst()) ?? null;
}

/** The looks that have spent α, as fractions of the planned keys. */
export async function spentLooks({ em, tenant }: Session, testId: string): Promise<number[]> {
  const rows = await tables(em)
    .selectFrom('ab_test_look')
    .select('information')
    .where('tenant', '=', tenant)
    .where('test_id', '=', testId)
    .where('information', 'is not', null)
    .orderBy('seq')
    .execute();
  return rows.flatMap(({ information }) => information ?? []);
}
