import type { EntitySchemaWithMeta } from '@mikro-orm/core';
import type { EntityManager, InferKyselyTable } from '@mikro-orm/postgresql';
import { sql, type AliasedRawBuilder, type ColumnType, type Generated, type RawBuilder } from 'kysely';

declare const JSON_TEXT: unique symbol;

/** A value for a json column; only `toJson` makes one. */
export interface Json<T> {
  readonly [JSON_TEXT]: T;
}

/**
 * A json column is read as its value, and written through `toJson`, because the driver would send an array as an SQL
 * array.
 */
type Column<T> =
  T extends Generated<infer Value>
    ? IsJson<Value> extends true
      ? ColumnType<Value, Json<Value> | undefined, Json<Value>>
      : T
    : IsJson<T> extends true
      ? null extends T
        ? ColumnType<T, Json<NonNullable<T>> | null | undefined, Json<NonNullable<T>> | null>
        : ColumnType<T, Json<T>, Json<T>>
      : T;

type IsJson<T> = [NonNullable<T>] extends [Date | string | number | boolean | number[] | Uint8Array] ? false : true;

type AnyEntity = EntitySchemaWithMeta & { readonly tableName?: string };

/** The tables of these entities for Kysely: column names and types as in the entities. */
export type TablesOf<E extends AnyEntity> = {
  [Entity in E as NonNullable<Entity['tableName']>]: {
    [Name in keyof InferKyselyTable<Entity>]: Column<InferKyselyTable<Entity>[Name]>;
  };
};

/**
 * The query builder for the tables of these entities, in the transaction of `em`. A store creates one for the tables
 * that it uses: `const tables = tablesOf(Run, RunTag)`, then `tables(session.em).selectFrom('run')`.
 */
export function tablesOf<const E extends readonly AnyEntity[]>(..._entities: E) {
  return (em: EntityManager) => em.getKysely<TablesOf<E[number]>>();
}

/** A value for a json column. */
export function toJson<T>(value: T): RawBuilder<Json<T>> {
  return sql<Json<T>>`${JSON.stringify(value)}`;
}

/** The time of the database plus this many milliseconds, which may be negative. */
export function databaseTime(offsetMs = 0): RawBuilder<Date> {
  return sql<Date>`clock_timestamp() + ${offsetMs}::float8 * interval '1 millisecond'`;
}

interface UnnestedTypes {
  uuid: string;
  text: string;
  bigint: number;
  float8: number;
  timestamptz: Date;
}

type UnnestedRow<Types extends Readonly<Record<string, keyof UnnestedTypes>>> = {
  [Name in keyof Types]: UnnestedTypes[Types[Name]];
};

/** These rows as a table that a query can read, under the name `as`: one parameter per column, however many rows. */
export function unnested<const Alias extends string, const Types extends Readonly<Record<string, keyof UnnestedTypes>>>(
  as: Alias,
  types: Types,
  rows: readonly UnnestedRow<Types>[],
): AliasedRawBuilder<UnnestedRow<Types>, Alias> {
  const names = Object.keys(types);
  const columns = names.map((name) => sql`${rows.map((row) => row[name])}::${sql.raw(types[name]!)}[]`);
  const head = sql`${sql.ref(as)}(${sql.join(names.map((name) => sql.ref(name)))})`;
  return sql<UnnestedRow<Types>>`unnest(${sql.join(columns)})`.as<Alias>(head);
}

/** `column = anyOf('uuid', ids)`: one parameter, however many values it has. */
export function anyOf<T extends string>(type: 'uuid' | 'text', values: readonly T[]): RawBuilder<T> {
  return sql<T>`any(${values}::${sql.raw(type)}[])`;
}
