import { AbTestOutcomeId } from '../../../db/entities/ab-tests/ab-test-counts.entity.js';
import type { Session } from '../../../db/database.js';
import { anyOf, tablesOf, unnested } from '../../../db/tables.js';

const tables = tablesOf(AbTestOutcomeId);

/**
 * Keeps what was said under ids that are new to the test, and returns what had been said before under the others. A
 * call that does the same at this time is waited for. In a fixed order, so that two calls cannot deadlock.
 */
export async function keepOutcomeIds(
  { em, tenant }: Session,
  testId: string,
  contents: ReadonlyMap<string, string>,
): Promise<Map<string, string>> {
  if (contents.size === 0) return new Map();
  const rows = [...contents]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([id, content]) => ({ tenant, test_id: testId, id, content }));
  const types = { tenant: 'text', test_id: 'uuid', id: 'text', content: 'text' } as const;
  const kept = await tables(em)
    .insertInto('ab_test_outcome_id')
    .columns(['tenant', 'test_id', 'id', 'content'])
    .expression((from) =>
      from.selectFrom(unnested('g', types, rows)).select(['g.tenant', 'g.test_id', 'g.id', 'g.content']),
    )
    .onConflict((conflict) => conflict.columns(['test_id', 'id']).doNothing())
    .returning('id')
    .execute();
  const isNew = new Set(kept.map(({ id }) => id));
  const others = [...contents.keys()].filter((id) => !isNew.has(id));
  if (others.length === 0) return new Map();
  const known = await tables(em)
    .selectFrom('ab_test_outcome_id')
    .select(['id', 'content'])
    .where('tenant', '=', tenant)
    .where('test_id', '=', testId)
    .where('id', '=', anyOf('text', others))
    .execute();
  return new Map(known.map(({ id, content }) => [id, content]));
}
