import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ALGORITHMS, searchSpaceOf, trainingConfigSchema, type Algorithm } from '../../src/modules/algorithms/index.js';
import { hyperparametersOf } from '../../src/modules/algorithms/rules/hyperparameters.js';

const all: readonly Algorithm[] = ALGORITHMS;
const faultsOf = (algorithm: Algorithm, given: Record<string, unknown>) => hyperparametersOf(algorithm, given).faults;

describe.each(all.map((algorithm) => [algorithm.name, algorithm] as const))('%s', (name, algorithm) => {
  const { parameters } = algorithm;

  it('has defaults that it accepts, and conditions on parameters before', () => {
    const { values, faults } = hyperparametersOf(algorithm, {});
    expect(faults).toEqual([]);
    expect(hyperparametersOf(algorithm, values)).toEqual({ values, faults: [] });
    const names = Object.keys(parameters);
    for (const [key, { when }] of Object.entries(parameters))
      if (when) expect(names.indexOf(when.parameter), key).toBeLessThan(names.indexOf(key));
  });

  it('searches where values are allowed', () => {
    const space = searchSpaceOf(algorithm);
    for (const one of space) {
      const { schema } = parameters[one.name]!;
      for (const value of one.kind === 'CATEGORICAL' ? one.choices : [one.low, one.high])
        expect(schema.safeParse(value).success, `${one.name} ${String(value)}`).toBe(true);
    }
    const first = space.map((one) => [one.name, one.kind === 'CATEGORICAL' ? one.choices[0] : one.low] as const);
    expect(faultsOf(algorithm, Object.fromEntries(first))).toEqual([]);
  });

  it('keeps what was checked: a stored configuration reads as itself', () => {
    const optimizers = Object.keys(parameters['optimizer']?.choices ?? {});
    const some = fc.record(
      {
        epochs: fc.integer({ min: 1, max: 10_000 }),
        maxCategories: fc.integer({ min: 1, max: 2_000 }),
        ...(optimizers.length > 0 && { optimizer: fc.constantFrom(...optimizers) }),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(some, (hyperparameters) => {
        const config = trainingConfigSchema.parse({
          algorithm: name,
          ...(algorithm.task !== 'CLUSTERING' && { target: { column: 'y' } }),
          features: [{ column: 'x', kind: 'NUMERIC' }],
          split: { by: 'RATIO', validation: 0.1, holdout: 0.1 },
          hyperparameters,
        });
        expect(trainingConfigSchema.parse(JSON.parse(JSON.stringify(config)))).toEqual(config);
      }),
    );
  });
});

describe('hyperparameters', () => {
  const algorithm = (name: string): Algorithm => all.find((one) => one.name === name)!;

  it('depend on each other', () => {
    const linear = algorithm('LINEAR_REGRESSION');
    expect(hyperparametersOf(linear, {}).values).toEqual({ optimizer: 'SOLVER', epochs: 1000, maxCategories: 100 });
    expect(hyperparametersOf(linear, { optimizer: 'ADAM' }).values).toEqual({
      ...{ optimizer: 'ADAM', epochs: 20, learningRate: 0.001, l2: 0, maxCategories: 100 },
    });
    expect(faultsOf(linear, { batchSize: 16 })).toEqual([
      { path: ['batchSize'], expected: 'nothing unless optimizer is ADAM or ADAMW or SGD' },
    ]);
  });

  it('of steps depend on the method and on the schedule', () => {
    const network = algorithm('MLP_REGRESSOR');
    const given = { optimizer: 'SGD', schedule: 'STEP', dropout: 0.5, batchNormalization: true, embeddingFrom: 50 };
    expect(hyperparametersOf(network, given)).toMatchObject({
      faults: [],
      values: {
        ...given,
        ...{ learningRate: 0.01, momentum: 0.9, nesterov: false, decayEpochs: 10, decayFactor: 0.1 },
      },
    });
    expect(hyperparametersOf(network, { optimizer: 'ADAMW' }).values).toMatchObject({ weightDecay: 0.01 });
    const wrong = { momentum: 0.5, weightDecay: 0.1, decayFactor: 0.5, dropout: 1, batchNormalization: 'yes' };
    expect(faultsOf(network, wrong)).toEqual([
      { path: ['momentum'], expected: 'nothing unless optimizer is SGD' },
      { path: ['weightDecay'], expected: 'nothing unless optimizer is ADAMW' },
      { path: ['decayFactor'], expected: 'nothing unless schedule is STEP or PLATEAU' },
      { path: ['dropout'], expected: 'a number of at most 0.95' },
      { path: ['batchNormalization'], expected: 'a value of type boolean' },
    ]);
  });

  it('that are a list may be a text, as a search gives it', () => {
    const { values, faults } = hyperparametersOf(algorithm('MLP_CLASSIFIER'), { hiddenLayers: '128,64' });
    expect(faults).toEqual([]);
    expect(values['hiddenLayers']).toEqual([128, 64]);
    expect(faultsOf(algorithm('MLP_CLASSIFIER'), { hiddenLayers: '128;64' })).toEqual([
      { path: ['hiddenLayers'], expected: 'a value of type array' },
    ]);
  });

  it('are only own properties, whatever their names', () => {
    for (const key of ['toString', 'constructor', '__proto__x'])
      expect(faultsOf(algorithm('KMEANS'), { [key]: 1 })).toMatchObject([{ path: [key] }]);
  });

  it('name each wrong one', () => {
    expect(
      faultsOf(algorithm('BOOSTED_TREES_CLASSIFIER'), { maxLeaves: 1, rowShare: 0, quantile: 0.5 }).map(
        ({ path }) => path[0],
      ),
    ).toEqual(['quantile', 'maxLeaves', 'rowShare']);
  });
});
