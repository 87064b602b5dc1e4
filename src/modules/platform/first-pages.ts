import type { EntityName, FilterQuery, QueryOrderMap } from '@mikro-orm/core';
import type { Session } from '../../db/database.js';
import { checkPageSize, encodeCursor, type Order, type Page } from '../../db/pagination.js';
import { sql } from '../../db/sql.js';

interface OwnedRow {
  id: string;
  tenant: string;
}

export interface FirstPageKey<T> {
  ownerId: string;
  /** When null, the default size. */
  first: number | null;
  /** Conditions on the rows besides their owner. */
  equal?: Partial<T>;
}

/**
 * Reads the first page of each owner's rows, as `paginate` would: two statements per kind of page, however many owners
 * there are.
 */
export function firstPages<T extends OwnedRow, Field extends keyof T & string>(
  entity: EntityName<T>,
  owner: keyof T & string,
  order: Order<Field>,
  always: Partial<T> = {},
): (session: Session, keys: readonly FirstPageKey<T>[]) => Promise<Page<T>[]> {
  return async (session, keys) => {
    const pages = new Map<FirstPageKey<T>, Page<T>>();
    for (const same of Map.groupBy(keys, ({ first, equal }) => JSON.stringify([first, equal])).values()) {
      const { first, equal } = same[0]!;
      const size = checkPageSize(first);
      const where = { ...always, ...equal, tenant: session.tenant };
      const ownerIds = same.map(({ ownerId }) => ownerId);
      const rows = await firstRows(session, entity, { owner, ownerIds, where, order, limit: size + 1 });
      for (const key of same) {
        const found = rows.get(key.ownerId) ?? [];
        const nodes = found.slice(0, size);
        pages.set(key, {
          nodes,
          cursors: nodes.map((row) => encodeCursor(order, row[order.field], row.id)),
          hasNextPage: found.length > size,
          totalCount: (reader) => reader.em.count(entity, { ...where, [owner]: key.ownerId } as FilterQuery<T>),
        });
      }
    }
    return keys.map((key) => pages.get(key)!);
  };
}

interface RowsOfOwners {
  owner: string;
  ownerIds: string[];
  where: object;
  order: Order<string>;
  limit: number;
}

async function firstRows<T extends OwnedRow>(
  session: Session,
  entity: EntityName<T>,
  { owner, ownerIds, where, order, limit }: RowsOfOwners,
): Promise<Map<string, T[]>> {
  const { tableName, properties } = session.em.getMetadata().get<T>(entity);
  const columnOf = (field: string) => properties[field as keyof typeof properties].fieldNames[0]!;
  const [fields, values] = [Object.keys(where), Object.values(where)];
  // Reads only as many rows of each owner as needed, along an index.
  const ranked = await sql<{ id: string }>(
    session.em,
    `select of_owner.id from unnest(?::uuid[]) as o(id) cross join lateral (
       select id from ${tableName} where ${columnOf(owner)} = o.id
         and ${fields.map((field) => `${columnOf(field)} = ?`).join(' and ')}
       order by ${columnOf(order.field)} ${order.direction}, id ${order.direction} limit ?) of_owner`,
    [ownerIds, ...values, limit],
  );
  const found = await session.em.find(
    entity,
    { tenant: session.tenant, id: { $in: ranked.map(({ id }) => id) } } as unknown as FilterQuery<T>,
    {
      orderBy: [{ [order.field]: order.direction }, { id: order.direction }] as QueryOrderMap<T>[],
    },
  );
  return Map.groupBy(found as T[], (row) => String(row[owner as keyof T]));
}
