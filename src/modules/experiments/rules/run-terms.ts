import { badInput } from '../../../errors.js';
import {
  MAX_COMPARISONS,
  MAX_DEPTH,
  MAX_LIST_LENGTH,
  refusedPattern,
  type Comparison,
  type Filter,
  type OrderKey,
  checkRange,
  ORDER_KEYS,
} from '../../core/index.js';
import type { RunEntity } from './run-filter.js';

/** A condition on a parameter or tag. All given parts must hold; without any, the key must exist. */
export interface TextMatch {
  key: string;
  /** A pattern with % and _. */
  like?: string | null;
  in?: string[] | null;
  /** False: the key must not exist. */
  isSet?: boolean | null;
}

export interface NumberTerm {
  key: string;
  min?: number | null;
  max?: number | null;
  isSet?: boolean | null;
}

export interface DatasetTerm {
  name?: string | null;
  digest?: string | null;
  context?: string | null;
}

/** A typed condition: every given field must hold. */
export interface RunCondition {
  status?: string[] | null;
  search?: string | null;
  createdBy?: string[] | null;
  startedFrom?: Date | null;
  startedTo?: Date | null;
  params?: { key: string; value: string }[] | null;
  paramsMatching?: TextMatch[] | null;
  tags?: { key: string; value: string }[] | null;
  tagsMatching?: TextMatch[] | null;
  metrics?: NumberTerm[] | null;
  datasets?: DatasetTerm[] | null;
  and?: RunCondition[] | null;
  or?: RunCondition[] | null;
  not?: RunCondition | null;
}

/** A typed filter. It becomes the same tree as a filter string. */
export interface RunTerms extends RunCondition {
  parentRunId?: string | null;
  datasetIds?: string[] | null;
}

export interface RunOrderTerm {
  field: 'createdAt' | 'startedAt' | 'endedAt' | 'name' | 'status' | 'createdBy' | 'metric' | 'param' | 'tag';
  /** For metric, param and tag. */
  key?: string | null;
  direction: 'ASC' | 'DESC';
}

const ATTRIBUTES = {
  createdAt: 'created_at',
  startedAt: 'start_time',
  endedAt: 'end_time',
  name: 'run_name',
  status: 'status',
  createdBy: 'user_id',
} as const;

/** The comparisons of a typed filter; all of them must hold. */
export function toFilters(field: string, terms: RunTerms): Filter<RunEntity>[] {
  const counter = { left: MAX_COMPARISONS };
  return read(field, terms, 0, counter);
}

export function toOrder(field: string, order: readonly RunOrderTerm[]): OrderKey<RunEntity>[] {
  const keys = order.map(({ field: by, key, direction }, i): OrderKey<RunEntity> => {
    const at = `${field}[${i}].key`;
    if (by === 'metric' || by === 'param' || by === 'tag') {
      if (key == null || key === '') throw badInput(at, `the key of the ${by} to order by`, key ?? null);
      return { entity: by, key: checkedText(at, key), direction };
    }
    if (key != null) throw badInput(at, 'no key for this field', key);
    return { entity: 'attribute', key: ATTRIBUTES[by], direction };
  });
  checkRange(ORDER_KEYS, keys, null, field);
  const names = keys.map(({ entity, key }) => JSON.stringify([entity, key]));
  const repeated = names.findIndex((name, i) => names.indexOf(name) !== i);
  if (repeated >= 0) throw badInput(`${field}[${repeated}]`, 'every key once', order[repeated]);
  return keys;
}

function read(field: string, terms: RunTerms, depth: number, counter: { left: number }): Filter<RunEntity>[] {
  if (depth > MAX_DEPTH) throw badInput(field, `at most ${MAX_DEPTH} levels of and, or and not`, depth);
  const compare = (
    at: string,
    entity: RunEntity,
    key: string,
    comparator: Comparison['comparator'],
    value: Comparison['value'],
  ) => {
    if (--counter.left < 0)
      throw badInput(field, `at most ${MAX_COMPARISONS} comparisons`, `more, the first of them ${at}`);
    return {
      type: 'comparison',
      entity,
      key: checkedText(at, key),
      comparator,
      value: checkedValue(at, comparator, value),
    } as const;
  };
  const inner = (name: string, one: RunCondition): Filter<RunEntity> => {
    const all = read(name, one, depth + 1, counter);
    return all.length === 1 ? all[0]! : { type: 'and', terms: all };
  };
  const listed = (name: 'status' | 'createdBy' | 'datasetIds', entity: RunEntity, key: string) =>
    terms[name]?.length ? [compare(`${field}.${name}`, entity, key, 'IN', terms[name])] : [];
  const either = (terms.or ?? []).map((one, i) => inner(`${field}.or[${i}]`, one));
  return [
    ...listed('status', 'attribute', 'status'),
    ...listed('createdBy', 'attribute', 'user_id'),
    ...listed('datasetIds', 'dataset', 'id'),
    ...(terms.parentRunId == null
      ? []
      : [compare(`${field}.parentRunId`, 'attribute', 'parent_run_id', '=', terms.parentRunId)]),
    ...(terms.search ? [compare(`${field}.search`, 'attribute', 'run_name', 'ILIKE', containing(terms.search))] : []),
    ...(terms.startedFrom == null
      ? []
      : [compare(`${field}.startedFrom`, 'attribute', 'start_time', '>=', terms.startedFrom.getTime())]),
    ...(terms.startedTo == null
      ? []
      : [compare(`${field}.startedTo`, 'attribute', 'start_time', '<', terms.startedTo.getTime())]),
    ...(['param', 'tag'] as const).flatMap((entity) => [
      ...(terms[`${entity}s`] ?? []).map(({ key, value }, i) =>
        compare(`${field}.${entity}s[${i}]`, entity, key, '=', value),
      ),
      ...(terms[`${entity}sMatching`] ?? []).flatMap(({ key, like, in: values, isSet }, i) => {
        const at = `${field}.${entity}sMatching[${i}]`;
        return [
          ...(like == null ? [] : [compare(`${at}.like`, entity, key, 'LIKE', like)]),
          ...(values == null ? [] : [compare(`${at}.in`, entity, key, 'IN', values)]),
          ...presence(isSet, like ?? values).map((comparator) => compare(at, entity, key, comparator, null)),
        ];
      }),
    ]),
    ...(terms.metrics ?? []).flatMap(({ key, min, max, isSet }, i) => {
      const at = `${field}.metrics[${i}]`;
      return [
        ...(min == null ? [] : [compare(`${at}.min`, 'metric', key, '>=', min)]),
        ...(max == null ? [] : [compare(`${at}.max`, 'metric', key, '<=', max)]),
        ...presence(isSet, min ?? max).map((comparator) => compare(at, 'metric', key, comparator, null)),
      ];
    }),
    ...(terms.datasets ?? []).flatMap((one, i) =>
      (['name', 'digest', 'context'] as const).flatMap((key) =>
        one[key] == null ? [] : [compare(`${field}.datasets[${i}].${key}`, 'dataset', key, '=', one[key])],
      ),
    ),
    ...(terms.and ?? []).map((one, i) => inner(`${field}.and[${i}]`, one)),
    ...(terms.or?.length ? [{ type: 'or', terms: either } as const] : []),
    ...(terms.not == null ? [] : [{ type: 'not', term: inner(`${field}.not`, terms.not) } as const]),
  ];
}

function presence(isSet: boolean | null | undefined, other: unknown): ('IS NULL' | 'IS NOT NULL')[] {
  if (isSet === false) return ['IS NULL'];
  return isSet === true || other == null ? ['IS NOT NULL'] : [];
}

/** The user's own % and _ mean themselves. */
function containing(text: string): string {
  return `%${text.replace(/[\\%_]/g, '\\$&')}%`;
}

function checkedText(field: string, text: string): string {
  if (!text.isWellFormed() || text.includes('\0')) throw badInput(field, 'text without NUL and lone surrogates', text);
  return text;
}

function checkedValue(
  field: string,
  comparator: Comparison['comparator'],
  value: Comparison['value'],
): Comparison['value'] {
  if (typeof value === 'string') {
    // A search escapes the user's characters, so it may have more wildcard characters than a pattern of the user.
    const wanted = comparator === 'LIKE' ? refusedPattern(value) : null;
    if (wanted) throw badInput(field, wanted, value);
    return checkedText(field, value);
  }
  if (Array.isArray(value)) {
    if (value.length > MAX_LIST_LENGTH) throw badInput(field, `at most ${MAX_LIST_LENGTH} entries`, value.length);
    for (const text of value as string[]) checkedText(field, text);
  }
  return value;
}
