import type { EntityManager } from '@mikro-orm/postgresql';
import { CompiledQuery, type Compilable } from 'kysely';
import { prepareAs } from './pool.js';

/** The JavaScript type of each column type, as `columnTypes` reads it. */
interface TypesInJavaScript {
  text: string;
  uuid: string;
  integer: number;
  bigint: number;
  'double precision': number;
  boolean: boolean;
  'timestamp with time zone': Date;
  /** Can have any JSON: parse it. */
  jsonb: unknown;
  json: unknown;
  'text[]': string[];
  'uuid[]': string[];
  'integer[]': number[];
  'bigint[]': number[];
  'double precision[]': number[];
}

type ColumnType = keyof TypesInJavaScript;

declare const STATED: unique symbol;

/** A column type whose values the statement itself makes, so that more is known about them. */
type Stated<Type extends ColumnType, T> = Type & { readonly [STATED]: T };

/** A json column whose values the statement makes. */
export const jsonOf = <T>() => 'json' as Stated<'json', T>;

/** A text column that has one of these values. */
export const textOf = <T extends string>() => 'text' as Stated<'text', T>;

/** The columns of a row by name, each with PostgreSQL's name of its type; a `?` after it means that it may be null. */
export type RowShape = Readonly<Record<string, ColumnType | `${ColumnType}?`>>;

export type RowOf<Shape extends RowShape> = {
  -readonly [Name in keyof Shape]: Shape[Name] extends Stated<ColumnType, infer T>
    ? T
    : Shape[Name] extends `${infer Type extends ColumnType}?`
      ? TypesInJavaScript[Type] | null
      : Shape[Name] extends ColumnType
        ? TypesInJavaScript[Shape[Name]]
        : never;
};

export interface StatementText {
  /** Unique in the whole service. */
  name: string;
  /** With $1, $2 … for its parameters. */
  text: string;
  row: RowShape;
}

/** All statements that are written as SQL: a test compares each with what the database returns. */
export const statements: StatementText[] = [];

/**
 * A statement in SQL, for what the query builder cannot express. Its row is stated here once, and a test compares it
 * with the database's description of the statement. With `isPrepared`, each connection parses and plans it once; do not
 * use this when the best plan depends on the parameters.
 */
export function statement<const Shape extends RowShape>(definition: {
  name: string;
  text: string;
  row: Shape;
  isPrepared?: boolean;
}): (em: EntityManager, params: readonly unknown[]) => Promise<RowOf<Shape>[]> {
  const { name, text, row, isPrepared = false } = definition;
  statements.push({ name, text, row });
  if (isPrepared) prepareAs(name, text);
  return async (em, params) => {
    const { rows } = await em.getKysely().executeQuery<RowOf<Shape>>(CompiledQuery.raw(text, [...params]));
    return rows;
  };
}

/**
 * Runs a query of the builder, whose text must always be the same, as a statement that each connection prepares once.
 */
export async function runPrepared<Row>(em: EntityManager, name: string, query: Compilable<Row>): Promise<Row[]> {
  const compiled = query.compile();
  prepareAs(name, compiled.sql);
  const { rows } = await em.getKysely().executeQuery<Row>(compiled);
  return rows;
}
