import { beforeAll, describe, expect, it } from 'vitest';
import type { DatasetProfile } from '../../src/modules/model-contract/rules/dataset-schema.js';
import { checkConfigAgainstSchema } from '../../src/modules/algorithms/rules/training-check.js';
import { trainingConfigSchema } from '../../src/modules/algorithms/rules/training-config.js';
import { importFile } from '../support/tables.js';
import { type ConfigInput, vegaPath } from './support.js';

const valid: ConfigInput = {
  algorithm: 'MLP_CLASSIFIER',
  target: { column: 'Origin' },
  features: [
    { column: 'Horsepower', kind: 'NUMERIC' },
    { column: 'Cylinders', kind: 'CATEGORICAL' },
    { column: 'Year', kind: 'TIMESTAMP' },
  ],
  split: { by: 'RATIO', validation: 0.2, holdout: 0.2 },
};

let profile: DatasetProfile;
beforeAll(async () => {
  ({ profile } = await importFile(vegaPath('cars.json'), 'JSON'));
});

function check(changes: Partial<ConfigInput>, on = profile): void {
  checkConfigAgainstSchema(trainingConfigSchema.parse({ ...valid, ...changes }), on);
}

describe('checkConfigAgainstSchema', () => {
  it('accepts what can be trained', () => {
    check({});
    check({
      algorithm: 'LINEAR_REGRESSION',
      target: { column: 'Acceleration' },
      split: { by: 'TIME', column: 'Year', validation: 0.1, holdout: 0.1 },
    });
    check({ target: { column: 'Miles_per_Gallon', greaterThan: 25 } });
    check({ algorithm: 'KMEANS', target: undefined });
  });

  const regression = { algorithm: 'MLP_REGRESSOR' } as const;
  it.each<[string, Partial<ConfigInput>, string, string]>([
    [
      'unknown feature',
      { features: [...valid.features, { column: 'Horsepowr', kind: 'NUMERIC' }] },
      'config.features[3].column',
      'config.features[3].column: expected one of Name, Miles_per_Gallon, Cylinders, Displacement, ' +
        'Horsepower, Weight_in_lbs, ' +
        'Acceleration, Year, Origin, got "Horsepowr".',
    ],
    ...(['RANDOM_FOREST_CLASSIFIER', 'KMEANS'] as const).map(
      (algorithm): [string, Partial<ConfigInput>, string, string] => [
        `early stopping of ${algorithm}`,
        { algorithm, earlyStopping: { patience: 3 }, ...(algorithm === 'KMEANS' && { target: undefined }) },
        'config.earlyStopping',
        `config.earlyStopping: expected nothing for ${algorithm}`,
      ],
    ),
    [
      'batch normalisation of a single row',
      {
        ...regression,
        target: { column: 'Miles_per_Gallon' },
        hyperparameters: { batchNormalization: true, batchSize: 1 },
      },
      'config.hyperparameters.batchSize',
      'expected at least 2 rows with batchNormalization',
    ],
    [
      'the size of no embedding',
      { ...regression, target: { column: 'Miles_per_Gallon' }, hyperparameters: { embeddingSize: 4 } },
      'config.hyperparameters.embeddingSize',
      'expected nothing unless embeddingFrom is given',
    ],
    [
      'a quantile that only rises',
      {
        algorithm: 'BOOSTED_TREES_REGRESSOR',
        target: { column: 'Miles_per_Gallon' },
        features: [{ column: 'Horsepower', kind: 'NUMERIC', monotone: 'INCREASING' }],
        hyperparameters: { quantile: 0.5 },
      },
      'config.features[0].monotone',
      'expected nothing with the hyperparameter quantile',
    ],
    [
      'text as a number',
      { features: [{ column: 'Name', kind: 'NUMERIC' }] },
      'config.features[0].kind',
      'expected CATEGORICAL or TEXT for the STRING column Name',
    ],
    [
      'words of a number',
      { features: [{ column: 'Horsepower', kind: 'TEXT' }] },
      'config.features[0].kind',
      'expected NUMERIC or CATEGORICAL for the NUMBER column Horsepower',
    ],
    [
      'words for trees',
      { algorithm: 'RANDOM_FOREST_CLASSIFIER', features: [{ column: 'Name', kind: 'TEXT' }] },
      'config.features[0].kind',
      'expected NUMERIC or CATEGORICAL or TIMESTAMP for RANDOM_FOREST_CLASSIFIER',
    ],
    [
      'terms of a category',
      { features: [{ column: 'Name', kind: 'CATEGORICAL', maxTerms: 5 }] },
      'config.features[0].maxTerms',
      'expected nothing, except for a TEXT feature',
    ],
    [
      'number as a time',
      { features: [{ column: 'Horsepower', kind: 'TIMESTAMP' }] },
      'config.features[0].kind',
      'expected NUMERIC or CATEGORICAL',
    ],
    [
      'a feature twice',
      { features: [valid.features[0]!, valid.features[0]!] },
      'config.features[1].column',
      'each column once',
    ],
    [
      'the target as a feature',
      { features: [{ column: 'Origin', kind: 'CATEGORICAL' }] },
      'config.features[0].column',
      'other than the target',
    ],
    ['unknown target', { target: { column: 'origin' } }, 'config.target.column', 'expected one of'],
    ['no target', { target: undefined }, 'config.target', 'expected a target column for MLP_CLASSIFIER'],
    ['a target for clustering', { algorithm: 'KMEANS' }, 'config.target', 'expected nothing for KMEANS'],
    ['regression of text', regression, 'config.target.column', 'expected a NUMBER column, got "Origin (STRING)"'],
    [
      'regression with a threshold',
      { ...regression, target: { column: 'Acceleration', greaterThan: 3 } },
      'config.target.greaterThan',
      'nothing',
    ],
    [
      'fractions as classes',
      { target: { column: 'Acceleration' } },
      'config.target.column',
      'whole numbers as classes',
    ],
    [
      'time as classes',
      { features: [valid.features[0]!], target: { column: 'Year' } },
      'config.target.column',
      'expected a STRING, BOOLEAN or NUMBER column',
    ],
    [
      'a threshold on text',
      { target: { column: 'Origin', greaterThan: 3 } },
      'config.target.column',
      'expected a NUMBER column',
    ],
    [
      'a threshold above all',
      { target: { column: 'Acceleration', greaterThan: 24.8 } },
      'config.target.greaterThan',
      'from 8 to below 24.8',
    ],
    [
      'split by a number',
      { split: { by: 'TIME', column: 'Horsepower', validation: 0.1, holdout: 0.1 } },
      'config.split.column',
      'TIMESTAMP',
    ],
    ['shares of all', { split: { by: 'RATIO', validation: 0.5, holdout: 0.5 } }, 'config.split', 'below 1'],
    ['window on nothing', { window: { column: 'Yaer' } }, 'config.window.column', 'expected one of'],
    [
      'window backwards',
      { window: { column: 'Year', from: '1975-01-01T00:00:00Z', to: '1974-01-01T00:00:00Z' } },
      'config.window.to',
      'an instant after',
    ],
    [
      'too small a sample',
      { sampleRows: 12 },
      'config.split',
      'at least 10 training, 2 validation and 2 holdout rows, got "8, 2 and 2"',
    ],
    [
      'more clusters than rows',
      { algorithm: 'KMEANS', target: undefined, hyperparameters: { clusters: 300 } },
      'config.hyperparameters.clusters',
      'at most the 244 training rows',
    ],
  ])('names %s', (_, changes, field, message) => {
    const failing = (): void => check(changes);
    expect(failing).toThrow(
      expect.objectContaining({ code: 'BAD_USER_INPUT', details: expect.objectContaining({ field }) }),
    );
    expect(failing).toThrow(message);
  });

  it('names what is wrong with a column of weights', () => {
    const weights = (column: string, changes: Partial<ConfigInput> = {}, of: object = {}) => {
      const kind = { type: 'NUMBER' as const, missingCount: 0, distinctCount: 9, min: '0', max: '8' };
      const columns = [...profile.columns, { ...kind, name: 'weight', ...of }];
      const trees = { algorithm: 'BOOSTED_TREES_CLASSIFIER' } as const;
      return () => check({ ...trees, ...changes, sampleWeight: { column } }, { ...profile, columns });
    };
    weights('weight')();
    weights('weight', { algorithm: 'LOGISTIC_REGRESSION' })();
    weights('weight', { algorithm: 'LOGISTIC_REGRESSION', hyperparameters: { optimizer: 'ADAM' } })();
    weights('weight', { algorithm: 'MLP_CLASSIFIER' })();
    weights('weight', { algorithm: 'RANDOM_FOREST_CLASSIFIER' })();
    for (const [failing, message] of [
      [weights('none'), 'expected one of'],
      [weights('Name'), 'expected a NUMBER column, got "Name (STRING)"'],
      [weights('weight', {}, { missingCount: 3 }), 'without missing values, got "weight (3 missing)"'],
      [weights('weight', {}, { min: '-1' }), 'without negative values, got "weight (from -1)"'],
      [weights('weight', {}, { max: '0' }), 'with weights above 0, got "weight (all 0)"'],
      [weights('weight', { target: { column: 'weight' } }), 'a column other than the target'],
    ] as const) {
      expect(failing).toThrow(message);
      expect(failing).toThrow(expect.objectContaining({ code: 'BAD_USER_INPUT' }));
    }
  });

  it('names constant and empty columns, too many classes and names that the outputs need', () => {
    const column = { type: 'STRING' as const, missingCount: 0, distinctCount: 1, min: 'a', max: 'a' };
    const odd: DatasetProfile = {
      rowCount: 5000,
      columns: [
        ...profile.columns,
        { ...column, name: 'constant' },
        { ...column, name: 'empty', missingCount: 5000 },
        { ...column, name: 'many', distinctCount: 1001 },
        { ...column, name: 'label' },
      ],
    };
    expect(() => check({ target: { column: 'constant' } }, odd)).toThrow('at least two different values');
    expect(() => check({ target: { column: 'many' } }, odd)).toThrow('at most 1000 classes');
    expect(() => check({ features: [{ column: 'empty', kind: 'CATEGORICAL' }] }, odd)).toThrow('a column with values');
    expect(() => check({ features: [{ column: 'label', kind: 'CATEGORICAL' }] }, odd)).toThrow(
      'not an output of the model (label, probabilities)',
    );
  });
});
