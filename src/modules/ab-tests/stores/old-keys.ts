import type { EntityManager } from '@mikro-orm/postgresql';
import { AbTest } from '../../../db/entities/ab-tests/ab-test.entity.js';
import { AbTestKey, AbTestOutcome, AbTestOutcomeId } from '../../../db/entities/ab-tests/ab-test-counts.entity.js';
import { tablesOf } from '../../../db/tables.js';
import { retentionOf, type Retention } from '../../platform/index.js';

const tables = tablesOf(AbTest, AbTestKey, AbTestOutcome, AbTestOutcomeId);

/** Routing keys and outcomes of tests that ended longer ago than this; the results stay. */
export function retentionsOfKeys(days: number): Retention[] {
  return [retentionOf(days, deleteKeys), retentionOf(days, deleteOutcomes), retentionOf(days, deleteOutcomeIds)];
}

async function deleteKeys(em: EntityManager, before: Date, limit: number): Promise<number> {
  const { numDeletedRows } = await tables(em)
    .with('old', (from) =>
      from
        .selectFrom('ab_test as t')
        .innerJoin('ab_test_key as k', 'k.test_id', 't.id')
        .select(['k.test_id', 'k.key'])
        .where('t.ended_at', '<', before)
        .limit(limit),
    )
    .deleteFrom('ab_test_key as k')
    .using('old')
    .whereRef('k.test_id', '=', 'old.test_id')
    .whereRef('k.key', '=', 'old.key')
    .executeTakeFirst();
  return Number(numDeletedRows);
}

async function deleteOutcomes(em: EntityManager, before: Date, limit: number): Promise<number> {
  const { numDeletedRows } = await tables(em)
    .with('old', (from) =>
      from
        .selectFrom('ab_test as t')
        .innerJoin('ab_test_outcome as o', 'o.test_id', 't.id')
        .select(['o.test_id', 'o.metric', 'o.key'])
        .where('t.ended_at', '<', before)
        .limit(limit),
    )
    .deleteFrom('ab_test_outcome as o')
    .using('old')
    .whereRef('o.test_id', '=', 'old.test_id')
    .whereRef('o.metric', '=', 'old.metric')
    .whereRef('o.key', '=', 'old.key')
    .executeTakeFirst();
  return Number(numDeletedRows);
}

async function deleteOutcomeIds(em: EntityManager, before: Date, limit: number): Promise<number> {
  const { numDeletedRows } = await tables(em)
    .with('old', (from) =>
      from
        .selectFrom('ab_test as t')
        .innerJoin('ab_test_outcome_id as i', 'i.test_id', 't.id')
        .select(['i.test_id', 'i.id'])
        .where('t.ended_at', '<', before)
        .limit(limit),
    )
    .deleteFrom('ab_test_outcome_id as i')
    .using('old')
    .whereRef('i.test_id', '=', 'old.test_id')
    .whereRef('i.id', '=', 'old.id')
    .executeTakeFirst();
  return Number(numDeletedRows);
}
