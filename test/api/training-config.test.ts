import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import {
  CARS_CONFIG,
  createExperiment,
  registerDataset,
  startTraining,
  trainingEnd,
  vegaPath,
} from '../support/training.js';
import {
  ResumeTrainingForTrainingConfigDocument,
  StartTrainingDetailsDocument,
  TrainingJobForTrainingConfigDocument,
  TrainingJobsDetailsDocument,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;
let experimentId: string;
let cars: string;

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
  experimentId = await createExperiment(tess);
  cars = await registerDataset(tess, { name: 'cars', path: vegaPath('cars.json') });
});
afterAll(() => service?.close());

describe('a configuration that is wrong', () => {
  type Change = (config: typeof CARS_CONFIG) => object;
  const hyper =
    (change: object): Change =>
    (config) => ({ ...config, hyperparameters: { ...config.hyperparameters, ...change } });
  const feature =
    (change: object): Change =>
    (config) => ({ ...config, features: config.features!.map((one, i) => (i === 2 ? { ...one, ...change } : one)) });
  const having =
    (change: object): Change =>
    (config) => ({ ...config, ...change });
  const clusters = (count: number) =>
    having({ algorithm: 'KMEANS', target: null, hyperparameters: { clusters: count } });
  const cases: [string, Change, string, RegExp, RegExp][] = [
    ['no epoch', hyper({ epochs: 0 }), 'hyperparameters.epochs', /at least 1/, /^0$/],
    ['too many epochs', hyper({ epochs: 10_001 }), 'hyperparameters.epochs', /at most 10000/, /^10001$/],
    ['an empty batch', hyper({ batchSize: 0 }), 'hyperparameters.batchSize', /at least 1/, /^0$/],
    ['no learning rate', hyper({ learningRate: 0 }), 'hyperparameters.learningRate', /above 0/, /^0$/],
    ['a negative penalty', hyper({ l2: -1 }), 'hyperparameters.l2', /at least 0/, /^-1$/],
    ['an empty layer', hyper({ hiddenLayers: [16, 0] }), 'hyperparameters.hiddenLayers[1]', /at least 1/, /^0$/],
    [
      'too many layers',
      hyper({ hiddenLayers: Array(9).fill(1) }),
      'hyperparameters.hiddenLayers',
      /length of at most 8/,
      /^\[1,/,
    ],
    ['no categories', hyper({ maxCategories: 0 }), 'hyperparameters.maxCategories', /at least 1/, /^0$/],
    ['one cluster', clusters(1), 'hyperparameters.clusters', /at least 2/, /^1$/],
    ['half an epoch', hyper({ epochs: 1.5 }), 'hyperparameters.epochs', /a value of type int/, /^1.5$/],
    [
      'a parameter of another algorithm',
      hyper({ maxLeaves: 15 }),
      'hyperparameters.maxLeaves',
      /^nothing, as MLP_REGRESSOR has only these parameters: optimizer, hiddenLayers, epochs/,
      /^15$/,
    ],
    [
      'a parameter without its condition',
      having({ algorithm: 'LINEAR_REGRESSION', hyperparameters: { learningRate: 0.1 } }),
      'hyperparameters.learningRate',
      /^nothing unless optimizer is ADAM or ADAMW or SGD$/,
      /^0.1$/,
    ],
    [
      'weights that are texts',
      having({ algorithm: 'BOOSTED_TREES_REGRESSOR', hyperparameters: {}, sampleWeight: { column: 'Origin' } }),
      'sampleWeight.column',
      /a NUMBER column/,
      /Origin/,
    ],
    ['no features', having({ features: [] }), 'features', /length of at least 1/, /^\[\]$/],
    ['an unknown column', feature({ column: 'Orign' }), 'features[2].column', /Origin/, /Orign/],
    [
      'a column twice',
      feature({ column: 'Horsepower', kind: 'NUMERIC' }),
      'features[2].column',
      /each column once/,
      /Horsepower/,
    ],
    [
      'the target as feature',
      feature({ column: 'Miles_per_Gallon', kind: 'NUMERIC' }),
      'features[2].column',
      /other than the target/,
      /Miles_per_Gallon/,
    ],
    ['text as numbers', feature({ kind: 'NUMERIC' }), 'features[2].kind', /CATEGORICAL/, /NUMERIC/],
    ['text as time', feature({ kind: 'TIMESTAMP' }), 'features[2].kind', /CATEGORICAL/, /TIMESTAMP/],
    ['no target', having({ target: null }), 'target', /a target column/, /nothing/],
    ['an unknown target', having({ target: { column: 'mpg' } }), 'target.column', /Miles_per_Gallon/, /mpg/],
    ['text as regression target', having({ target: { column: 'Name' } }), 'target.column', /NUMBER/, /Name \(STRING\)/],
    [
      'a threshold for regression',
      having({ target: { column: 'Miles_per_Gallon', greaterThan: 20 } }),
      'target.greaterThan',
      /nothing for regression/,
      /20/,
    ],
    [
      'a threshold out of range',
      having({ algorithm: 'MLP_CLASSIFIER', target: { column: 'Miles_per_Gallon', greaterThan: 999 } }),
      'target.greaterThan',
      /threshold from 9/,
      /999/,
    ],
    [
      'fractions as classes',
      having({ algorithm: 'MLP_CLASSIFIER', target: { column: 'Acceleration' } }),
      'target.column',
      /whole numbers/,
      /Acceleration/,
    ],
    [
      'a target for clustering',
      having({ algorithm: 'KMEANS', hyperparameters: {} }),
      'target',
      /nothing for KMEANS/,
      /Miles/,
    ],
    [
      'no validation rows',
      having({ split: { by: 'RATIO', validation: 0, holdout: 0.2 } }),
      'split.validation',
      /above 0/,
      /^0$/,
    ],
    [
      'all rows held out',
      having({ split: { by: 'RATIO', validation: 0.2, holdout: 1 } }),
      'split.holdout',
      /below 1/,
      /^1$/,
    ],
    [
      'nothing left to learn',
      having({ split: { by: 'RATIO', validation: 0.5, holdout: 0.5 } }),
      'split',
      /below 1/,
      /1/,
    ],
    [
      'a time split without column',
      having({ split: { by: 'TIME', validation: 0.2, holdout: 0.2 } }),
      'split.column',
      /string/,
      /nothing/,
    ],
    [
      'a time split by a number',
      having({ split: { by: 'TIME', column: 'Horsepower', validation: 0.2, holdout: 0.2 } }),
      'split.column',
      /TIMESTAMP/,
      /NUMBER/,
    ],
    [
      'a column for a ratio',
      having({ split: { by: 'RATIO', column: 'Year', validation: 0.2, holdout: 0.2 } }),
      'split.column',
      /nothing/,
      /Year/,
    ],
    ['a window on text', having({ window: { column: 'Name' } }), 'window.column', /TIMESTAMP/, /STRING/],
    [
      'a window that ends first',
      having({ window: { column: 'Year', from: '1980-01-01T00:00:00Z', to: '1970-01-01T00:00:00Z' } }),
      'window.to',
      /after/,
      /1970/,
    ],
    ['too small a sample', having({ sampleRows: 5 }), 'split', /at least 10 training/, /3, 1 and 1/],
    ['a negative sample', having({ sampleRows: -1 }), 'sampleRows', /at least 0/, /^-1$/],
    ['no patience', having({ earlyStopping: { patience: 0 } }), 'earlyStopping.patience', /at least 1/, /^0$/],
    ['no checkpoints', having({ checkpointEveryEpochs: 0 }), 'checkpointEveryEpochs', /at least 1/, /^0$/],
    ['a negative seed', having({ seed: -1 }), 'seed', /at least 0/, /^-1$/],
  ];
  it.each(cases)('%s', async (_what, change, field, expected, got) => {
    const { message, extensions } = await tess.fails(StartTrainingDetailsDocument, {
      input: { experimentId, datasetId: cars, config: change(CARS_CONFIG) },
    });
    expect(extensions, message).toMatchObject({ code: 'BAD_USER_INPUT', field: `input.config.${field}` });
    expect(extensions.expected).toMatch(expected);
    expect(extensions.got).toMatch(got);
    expect(message).toContain(`input.config.${field}`);
  });

  it('and ids that do not exist or belong to another tenant start nothing', async () => {
    const other = await service.as({ tenant: 'other' });
    const theirs = {
      experimentId: await createExperiment(other),
      datasetId: await registerDataset(other, { name: 'cars', path: vegaPath('cars.json') }),
    };
    const before = await countTrainings();
    for (const ids of [
      { experimentId: theirs.experimentId },
      { datasetId: theirs.datasetId },
      { registerModelId: theirs.datasetId },
    ]) {
      const error = await tess.fails(StartTrainingDetailsDocument, {
        input: { experimentId, datasetId: cars, config: CARS_CONFIG, ...ids },
      });
      expect(error.extensions.code).toBe('NOT_FOUND');
    }
    const { jobId } = await startTraining(other, { ...theirs, config: CARS_CONFIG });
    for (const query of [TrainingJobForTrainingConfigDocument, ResumeTrainingForTrainingConfigDocument]) {
      expect((await tess.fails(query, { id: jobId })).extensions.code).toBe('NOT_FOUND');
    }
    expect(await countTrainings()).toBe(before);
    await trainingEnd(other, jobId);
  });
});

async function countTrainings(): Promise<number> {
  return (await tess.ok(TrainingJobsDetailsDocument)).trainingJobs.totalCount;
}
