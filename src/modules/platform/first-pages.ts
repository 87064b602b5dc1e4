import type { EntityName, FilterQuery, QueryOrderMap } from '@mikro-orm/core';
import { sql } from 'kysely';
import type { Session } from '../../db/database.js';
import { DEFAULT_PAGE_SIZE, encodeCursor, type Order, type Page } from '../../db/pagination.js';
import { unnested } from '../../db/tables.js';

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
      const size = first ?? DEFAULT_PAGE_SIZE;
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
  const columnOf = (field: string) => sql.ref(properties[field as keyof typeof properties].fieldNames[0]!);
  const direction = order.direction === 'ASC' ? 'asc' : 'desc';
  // Reads only as many rows of each owner as needed, along an index.
  const ranked = await session.em
    .getKysely<Record<string, { id: string }>>()
    .selectFrom(
      unnested(
        'o',
        { id: 'uuid' },
        ownerIds.map((id) => ({ id })),
      ),
    )
    .crossJoinLateral((lateral) => {
      const rows = lateral
        .selectFrom(`${tableName} as row`)
        .select('row.id')
        .where(columnOf(owner), '=', sql.ref('o.id'));
      return Object.entries(where)
        .reduce((query, [field, value]) => query.where(columnOf(field), '=', value), rows)
        .orderBy(columnOf(order.field), direction)
        .orderBy('row.id', direction)
        .limit(limit)
        .as('page');
    })
    .select('page.id')
    .execute();
  const found = await session.em.find(
    entity,
    { tenant: session.tenant, id: { $in: ranked.map(({ id }) => id) } } as unknown as FilterQuery<T>,
    {
      orderBy: [{ [order.field]: order.direction }, { id: order.direction }] as QueryOrderMap<T>[],
    },
  );
  return Map.groupBy(found as T[], (row) => String(row[owner as keyof T]));
}
