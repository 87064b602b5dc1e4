import { describe, expect, it } from 'vitest';
import type { ColumnSchema, ColumnType } from '../../src/modules/model-contract/rules/dataset-schema.js';
import { defaultFeatures } from '../../src/modules/algorithms/rules/default-features.js';

const ROWS = 400;

function column(name: string, type: ColumnType, distinctCount: number, missingCount = 0): ColumnSchema {
  return { name, type, distinctCount, missingCount, min: '0', max: '1' };
}

const config = {
  algorithm: 'LOGISTIC_REGRESSION',
  target: { column: 'y' },
  split: { by: 'COLUMN', column: 'part', validation: 0.1 },
} as const;

describe('features that were not given', () => {
  it('are the columns that can help, each by its type', () => {
    const { features, warnings } = defaultFeatures(config, {
      rowCount: ROWS,
      columns: [
        column('y', 'STRING', 2),
        column('x', 'NUMBER', ROWS),
        column('grade', 'STRING', 5),
        column('flag', 'BOOLEAN', 2),
        column('at', 'TIMESTAMP', 300),
        column('rare note', 'STRING', 1, 390),
        column('part', 'STRING', 3),
        column('empty', 'NUMBER', 0, ROWS),
        column('one', 'NUMBER', 1),
        column('one or nothing', 'NUMBER', 1, 20),
        column('name', 'STRING', 390),
        column('customer_id', 'NUMBER', ROWS),
        column('store_id', 'NUMBER', 12),
        column('paid', 'NUMBER', ROWS),
        column('label', 'STRING', 3),
      ],
    });
    expect(features).toEqual([
      { column: 'x', kind: 'NUMERIC' },
      { column: 'grade', kind: 'CATEGORICAL' },
      { column: 'flag', kind: 'CATEGORICAL' },
      { column: 'at', kind: 'TIMESTAMP' },
      { column: 'rare note', kind: 'CATEGORICAL' },
      { column: 'store_id', kind: 'NUMERIC' },
      { column: 'paid', kind: 'NUMERIC' },
    ]);
    expect(warnings.map(({ code }) => code)).toEqual(Array(7).fill('COLUMN_LEFT_OUT'));
    expect(warnings.map(({ message }) => message)).toEqual([
      'Column "part" was left out, because it says which part a row is in; name the features to have it.',
      'Column "empty" was left out, because it has no value; name the features to have it.',
      'Column "one" was left out, because it has one value only; name the features to have it.',
      'Column "one or nothing" was left out, because it has one value only; name the features to have it.',
      'Column "name" was left out, because most of its 400 texts are different, as names and ids are; name ' +
        'the features to have it.',
      'Column "customer_id" was left out, because its name and its values are those of an id; name the ' +
        'features to have it.',
      'Column "label" was left out, because a model cannot have an input of this name; name the features to have it.',
    ]);
  });

  it('are the words of a column whose texts are sentences', () => {
    const columns = [
      column('y', 'STRING', 2),
      { ...column('complaint', 'STRING', 390), meanWords: 12.5 },
      { ...column('name', 'STRING', 390), meanWords: 2.1 },
      { ...column('advice', 'STRING', 4), meanWords: 7 },
    ];
    const { features, warnings } = defaultFeatures(config, { rowCount: ROWS, columns });
    expect(features).toEqual([
      { column: 'complaint', kind: 'TEXT' },
      { column: 'advice', kind: 'CATEGORICAL' },
    ]);
    expect(warnings).toHaveLength(1);
    const forest = { ...config, algorithm: 'RANDOM_FOREST_CLASSIFIER' } as const;
    expect(defaultFeatures(forest, { rowCount: ROWS, columns }).features).toEqual([
      { column: 'advice', kind: 'CATEGORICAL' },
    ]);
  });

  it('must not be empty', () => {
    const columns = [column('y', 'STRING', 2), column('name', 'STRING', 400)];
    expect(() => defaultFeatures(config, { rowCount: ROWS, columns })).toThrow(
      'config.features: expected a dataset with a column that can help',
    );
    expect(
      defaultFeatures(config, { rowCount: 12, columns: [column('y', 'STRING', 2), column('name', 'STRING', 12)] })
        .features,
    ).toHaveLength(1);
  });
});
