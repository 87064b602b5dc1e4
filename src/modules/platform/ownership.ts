import type { EntityName, FilterQuery } from '@mikro-orm/core';
import type { Session } from '../../db/database.js';
import { notFound } from '../../errors.js';

/**
 * Ids in a filter must be the tenant's own: another tenant's id and an id that never existed give the same NOT_FOUND.
 */
export async function requireOwn<T extends { id: string; tenant: string }>(
  session: Session,
  entity: EntityName<T>,
  kind: string,
  ids: readonly (string | null | undefined)[],
): Promise<void> {
  const wanted = [...new Set(ids.filter((id) => id != null))];
  if (wanted.length === 0) return;
  const where = { id: { $in: wanted }, tenant: session.tenant } as unknown as FilterQuery<T>;
  const found = (await session.em.find(entity, where, { fields: ['id'] as never })) as unknown as { id: string }[];
  const known = new Set(found.map(({ id }) => id));
  const missing = wanted.find((id) => !known.has(id));
  if (missing) throw notFound(kind, missing);
}
