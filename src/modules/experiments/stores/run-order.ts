import { sql, type AliasedRawBuilder } from 'kysely';
import { UUID, type OrderKey } from '../../core/index.js';
import type { RunEntity } from '../rules/run-filter.js';
import { badInput } from '../../../errors.js';
import { fragment, joined, RUN_COLUMNS, TABLES, type AttributeColumn, type Fragment } from './run-filter-sql.js';

/** The rank of a value in both directions: first numbers, then NaN, then runs without a value, as in MLflow. */
type Rank = 0 | 1 | 2;

/** A sort value as cursors store it: exact, and safe in JSON. Null for NaN and for a missing value. */
type SortPosition = [rank: Rank, value: string | null];

/** The table of a value, its alias, and the key that it is found by. */
interface ValueSource {
  table: (typeof TABLES)[keyof typeof TABLES];
  alias: string;
  key: string;
}

/** The rows of a value beside their runs; also runs without it, unless it is inner. */
export interface ValueJoin extends ValueSource {
  isInner: boolean;
}

interface SortKey {
  direction: 'ASC' | 'DESC';
  /** A text is compared by code point; a time is in whole microseconds. */
  type: 'TEXT' | 'TIME' | 'NUMBER' | 'ID';
  value: string;
  /** The beginning of the value, as an index contains it. */
  start?: string;
  /** SQL of a value's rank. When absent, every run has a value. */
  rank?: (value: string) => string;
  /** The table of the value, its alias, and its key. */
  source?: ValueSource;
}

/**
 * A part of the list. The statement of a page is tried for each part of the first key in turn, so that each can scan an
 * index from the right place.
 */
export interface Stretch {
  rank: Rank;
  joins: ValueJoin[];
  conditions: Fragment[];
}

interface OrderOptions {
  order: readonly OrderKey<RunEntity>[];
  ties: readonly OrderKey<RunEntity>[];
  /** The caller's name for a cursor. */
  cursorField?: string | undefined;
}

const BY_CODE_POINT = ' collate "C"';
const INSTANT = `timestamptz 'epoch' + ?::bigint * interval '1 microsecond'`;
const PLACEHOLDER = { TEXT: '?', TIME: INSTANT, NUMBER: '?::float8', ID: '?::uuid' } as const;
/** The number of microseconds since 1970 that PostgreSQL can hold. */
const MAX_MICROSECONDS = 8_640_000_000_000_000_000n;
const MIN_MICROSECONDS = -200_000_000_000_000_000n;

/** The order of a list of runs, as SQL and as cursors. */
export class RunOrder {
  private readonly keys: SortKey[];
  private readonly signature: string;

  private readonly cursorField: string;

  /** `ties` are the last keys. They end with the run's id, so that each run has exactly one place. */
  constructor({ order, ties, cursorField = 'after' }: OrderOptions) {
    const named = (wanted: OrderKey) => order.some(({ entity, key }) => entity === wanted.entity && key === wanted.key);
    const all = [...order, ...ties.filter((tie) => !named(tie))];
    this.keys = all.map((key, i) => toSortKey(key, `k${i}`));
    this.signature = JSON.stringify(all.map(({ entity, key, direction }) => [entity, key, direction]));
    this.cursorField = cursorField;
  }

  /** The sort values, selected together with the runs. */
  get values(): AliasedRawBuilder<unknown, string>[] {
    return this.keys.map(({ value }, i) => sql.raw(value).as(`s${i}`));
  }

  /**
   * What to select for the cursors of a page: one JSON text of the sort values. It is too expensive to be made for all
   * rows that are sorted.
   */
  get place(): string {
    const parts = this.keys.map(({ type, rank }, i) => {
      const value = `"s${i}"`;
      const exact = type === 'TIME' ? `(extract(epoch from ${value}) * 1000000)::bigint` : value;
      return `jsonb_build_array(${rank?.(value) ?? 0}, (${exact})::text)`;
    });
    return `jsonb_build_array(${parts.join(', ')})::text`;
  }

  get orderBy(): string {
    return this.keys
      .flatMap(({ value, start, rank, direction, type }, i) => {
        const collated = type === 'TEXT' ? `${value}${BY_CODE_POINT}` : value;
        return [
          ...(rank && i > 0 ? [rank(value)] : []),
          ...(start ? [`${start} ${direction}`] : []),
          `${collated} ${direction}`,
        ];
      })
      .join(', ');
  }

  /** The parts of the list after a cursor. */
  stretches(after: string | null): Stretch[] {
    const [first, ...others] = this.keys;
    if (!first) throw new Error('an order without keys');
    const from = after === null ? null : this.decode(after);
    const ranks: Rank[] = first.rank === undefined ? [0] : first.type === 'NUMBER' ? [0, 1, 2] : [0, 2];
    const joins = others.flatMap((key) => joinOf(key, false));
    return ranks
      .filter((rank) => from === null || rank >= from[0]![0])
      .map((rank) => {
        const own = this.stretchOf(first, rank);
        const seek = from !== null && rank === from[0]![0] ? this.seek(from, rank) : [];
        return { rank, joins: [...own.joins, ...joins], conditions: [...own.conditions, ...seek] };
      });
  }

  encode(place: string): string {
    return Buffer.from(JSON.stringify([this.signature, JSON.parse(place)])).toString('base64url');
  }

  private stretchOf(first: SortKey, rank: Rank): { joins: ValueJoin[]; conditions: Fragment[] } {
    if (first.rank === undefined) return { joins: [], conditions: [] };
    if (!first.source)
      return { joins: [], conditions: [fragment(`${first.value} is ${rank === 0 ? 'not ' : ''}null`)] };
    if (rank === 2)
      return { joins: joinOf(first, false), conditions: [fragment(`${first.source.alias}.run_id is null`)] };
    const conditions = first.type === 'NUMBER' ? [fragment(`${first.value} ${rank === 0 ? '<' : '='} 'NaN'`)] : [];
    return { joins: joinOf(first, true), conditions };
  }

  /** What comes after a place. The bound on the first key is redundant, but it lets an index scan begin there. */
  private seek(places: SortPosition[], rank: Rank): Fragment[] {
    const first = this.keys[0]!;
    const bound = places[0]![1];
    const beyond = first.direction === 'ASC' ? '>=' : '<=';
    const begin = first.start
      ? fragment(`${first.start} ${beyond} left(?, 100)`, bound)
      : fragment(`${first.value}${collation(first)} ${beyond} ${PLACEHOLDER[first.type]}`, bound);
    return [...(rank === 0 && bound !== null ? [begin] : []), this.after(places, 0)];
  }

  private after(places: SortPosition[], i: number): Fragment {
    const key = this.keys[i];
    const place = places[i];
    if (!key || !place) return fragment('false');
    const [rank, bound] = place;
    const beyond: Fragment[] = [];
    const same: Fragment[] = [];
    if (key.rank !== undefined && i > 0) {
      beyond.push(fragment(`${key.rank(key.value)} > ?::int`, rank));
      same.push(fragment(`${key.rank(key.value)} = ?::int`, rank));
    }
    if (rank === 0 && bound !== null) {
      const value = `${key.value}${collation(key)}`;
      const isBeyond = fragment(`${value} ${key.direction === 'ASC' ? '>' : '<'} ${PLACEHOLDER[key.type]}`, bound);
      // With another rank, the comparison could be true for NaN.
      beyond.push(same.length > 0 ? joined([...same, isBeyond], ' and ') : isBeyond);
      same.push(fragment(`${value} = ${PLACEHOLDER[key.type]}`, bound));
    }
    const rest = joined([...same, this.after(places, i + 1)], ' and ');
    const all = joined([...beyond, rest], ' or ');
    return { ...all, text: `(${all.text})` };
  }

  /** The sort values in a cursor, each checked against its column's type. Refuses the cursors of other orders. */
  private decode(cursor: string): SortPosition[] {
    const refused = badInput(this.cursorField, 'the cursor of a page with the same order', cursor);
    let parts: unknown;
    try {
      parts = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    } catch {
      throw refused;
    }
    const [signature, places] = Array.isArray(parts) ? (parts as unknown[]) : [];
    if (signature !== this.signature || !Array.isArray(places) || places.length !== this.keys.length) throw refused;
    return this.keys.map((key, i) => {
      const place: unknown = places[i];
      if (!Array.isArray(place) || !isPosition(place as unknown[], key)) throw refused;
      const [rank, value] = place as SortPosition;
      return [rank, rank === 0 ? value : null];
    });
  }
}

const joinOf = ({ source }: SortKey, isInner: boolean): ValueJoin[] => (source ? [{ ...source, isInner }] : []);

const collation = ({ type }: SortKey) => (type === 'TEXT' ? BY_CODE_POINT : '');

function isPosition([rank, value]: unknown[], key: SortKey): boolean {
  if (rank === 2) return key.rank !== undefined;
  if (rank === 1) return key.rank !== undefined && key.type === 'NUMBER';
  if (rank !== 0 || typeof value !== 'string') return false;
  switch (key.type) {
    case 'TEXT':
      return value.isWellFormed() && !value.includes('\0');
    case 'TIME':
      return /^-?\d{1,19}$/.test(value) && BigInt(value) <= MAX_MICROSECONDS && BigInt(value) >= MIN_MICROSECONDS;
    case 'NUMBER':
      return (
        /^-?(?:Infinity|\d{1,400}(?:\.\d{1,400})?(?:e[-+]?\d{1,3})?)$/.test(value) &&
        (value.endsWith('Infinity') || Number.isFinite(Number(value)))
      );
    case 'ID':
      return UUID.test(value);
  }
}

function toSortKey({ entity, key, direction }: OrderKey<RunEntity>, alias: string): SortKey {
  switch (entity) {
    case 'metric': {
      const value = `${alias}.value`;
      return { direction, type: 'NUMBER', value, rank: numberRank, source: { table: TABLES.metric, alias, key } };
    }
    case 'param':
    case 'tag': {
      const value = `${alias}.value`;
      return {
        direction,
        type: 'TEXT',
        value,
        start: `${alias}.value_start`,
        rank: textRank,
        source: { table: TABLES[entity], alias, key },
      };
    }
    case 'attribute': {
      const column: AttributeColumn | undefined = RUN_COLUMNS[key];
      if (!column) throw new Error(`no column for the attribute ${key}`);
      return { direction, type: column.type, value: column.sql, ...(column.isNullable && { rank: textRank }) };
    }
    case 'dataset':
      throw badInput('orderBy', 'a metric, parameter, tag or attribute', entity);
  }
}

const textRank = (value: string) => `case when ${value} is null then 2 else 0 end`;
const numberRank = (value: string) => `case when ${value} is null then 2 when ${value} = 'NaN' then 1 else 0 end`;
