import type { EntityName, FilterQuery, QueryOrderMap } from '@mikro-orm/core';
import { UUID } from '../modules/core/index.js';
import { badInput } from '../errors.js';
import type { Session } from './database.js';

export const DEFAULT_PAGE_SIZE = 50;

export interface PageRequest {
  /** Within PAGE_SIZE; 50 when absent. */
  first?: number | null;
  /** The `endCursor` of the previous page. */
  after?: string | null;
}

export interface Order<Field extends string> {
  field: Field;
  direction: 'ASC' | 'DESC';
}

export interface Page<T> {
  nodes: T[];
  cursors: string[];
  hasNextPage: boolean;
  /** Counts only when called. */
  totalCount(session: Session): Promise<number>;
}

interface KeysetRow {
  id: string;
}

/**
 * One keyset page of an entity, ordered by a non-null column and then by id, so that rows with equal values have a
 * fixed order.
 */
export async function paginate<T extends KeysetRow, Field extends keyof T & string>(
  session: Session,
  entity: EntityName<T>,
  where: FilterQuery<T>,
  page: PageRequest,
  order: Order<Field>,
): Promise<Page<T>> {
  const first = page.first ?? DEFAULT_PAGE_SIZE;
  const conditions: FilterQuery<T>[] = [where];
  if (page.after != null) conditions.push(afterCursor<T, Field>(page.after, order));
  const found = session.em.find(entity, { $and: conditions } as FilterQuery<T>, {
    orderBy: [{ [order.field]: order.direction }, { id: order.direction }] as QueryOrderMap<T>[],
    limit: first + 1,
  });
  const rows = await found.catch((error: unknown) => {
    throw page.after != null && isOfAnotherType(error)
      ? badInput('after', 'the endCursor of a page with the same order', page.after)
      : error;
  });
  const nodes = rows.slice(0, first) as T[];
  return {
    nodes,
    cursors: nodes.map((node) => encodeCursor(order, node[order.field], node.id)),
    hasNextPage: rows.length > first,
    totalCount: (reader) => reader.em.count(entity, where),
  };
}

export function encodeCursor(order: Order<string>, value: unknown, id: string): string {
  const plain = value instanceof Date ? value.toISOString() : value;
  return Buffer.from(JSON.stringify([order.field, order.direction, plain, id])).toString('base64url');
}

/** The order value and the id in a cursor. Refuses forged cursors and those of another order. */
export function decodeCursor(cursor: string, order: Order<string>): { value: string | number | boolean; id: string } {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    parts = undefined;
  }
  const [field, direction, value, id] = Array.isArray(parts) ? (parts as unknown[]) : [];
  const scalar = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  const isText = typeof value !== 'string' || (value.isWellFormed() && !value.includes('\0'));
  if (
    field !== order.field ||
    direction !== order.direction ||
    !scalar ||
    !isText ||
    typeof id !== 'string' ||
    !UUID.test(id)
  ) {
    throw badInput('after', 'the endCursor of a page with the same order', cursor);
  }
  return { value, id };
}

/** A forged cursor can have a value that its column cannot: invalid data (22), or an operator that does not exist. */
function isOfAnotherType(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return /^22...$|^42883$/.test(code);
}

/** A text that `toISOString` writes and PostgreSQL accepts: without year 0. */
function isInstant(text: string): boolean {
  const instant = new Date(text);
  return !Number.isNaN(instant.getTime()) && instant.toISOString() === text && instant.getUTCFullYear() > 0;
}

function afterCursor<T, Field extends string>(cursor: string, order: Order<Field>): FilterQuery<T> {
  const { value, id } = decodeCursor(cursor, order);
  const isDate = order.field.endsWith('At');
  if (isDate && !(typeof value === 'string' && isInstant(value)))
    throw badInput('after', 'the endCursor of a page', cursor);
  const bound = isDate ? new Date(value as string) : value;
  const operator = order.direction === 'ASC' ? '$gt' : '$lt';
  return {
    $or: [{ [order.field]: { [operator]: bound } }, { [order.field]: bound, id: { [operator]: id } }],
  } as FilterQuery<T>;
}
