import type { Comparison } from '../../core/index.js';
import { attributeCondition, fragment, textCondition, type AttributeColumns, type Fragment } from './run-filter-sql.js';

/** A condition on attributes that are columns. */
export function columnCondition(comparison: Comparison, columns: AttributeColumns): Fragment {
  const column = columns[comparison.key];
  if (!column) throw new Error(`no column for the attribute ${comparison.key}`);
  return attributeCondition(comparison, column);
}

/**
 * A condition on one entry of a record in a JSON column. A record without the entry is neither equal nor unequal to
 * anything.
 */
export function entryCondition(column: string, comparison: Comparison): Fragment {
  const { comparator, key } = comparison;
  if (comparator === 'IS NULL') return fragment(`${column} ->> ? is null`, key);
  if (comparator === 'IS NOT NULL') return fragment(`${column} ->> ? is not null`, key);
  const condition = textCondition(`(${column} ->> ?)`, comparison);
  return { text: `coalesce(${condition.text}, false)`, params: [key, ...condition.params] };
}
