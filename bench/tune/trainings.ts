// Three trainings of under half a second as problems of bench:tune: the validation loss of this service's trainer.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type * as importModule from '../../src/adapters/dataset-files/dataset-import.ts';
import type * as configModule from '../../src/modules/algorithms/rules/training-config.ts';
import type { ParameterSpace, Params } from '../../src/modules/tuning/rules/space.ts';
import type * as measureModule from '../../src/training/measure.ts';
import type * as problemModule from '../../src/training/problem.ts';
import type * as rowsModule from '../../src/training/rows.ts';
import type * as treesModule from '../../src/training/trees/prepare.ts';
import { fromDist } from '../support/dist.ts';
import type { Problem } from './functions.ts';

const VEGA = fileURLToPath(new URL('../../node_modules/vega-datasets/data', import.meta.url));
const { importDataset } = await fromDist<typeof importModule>('adapters/dataset-files/dataset-import.js');
const { isTrees, trainingConfigSchema } = await fromDist<typeof configModule>(
  'modules/algorithms/rules/training-config.js',
);
const { measure } = await fromDist<typeof measureModule>('training/measure.js');
const { prepareProblem } = await fromDist<typeof problemModule>('training/problem.js');
const { loadRows } = await fromDist<typeof rowsModule>('training/rows.js');
const { prepareTrees } = await fromDist<typeof treesModule>('training/trees/prepare.js');

interface Given {
  file: string;
  format: 'JSON' | 'CSV';
  algorithm: string;
  target: string;
  numeric: string[];
  categorical?: string[];
  epochs: number;
  parameters: ParameterSpace[];
}

const share = (name: string, low: number): ParameterSpace => ({ name, kind: 'FLOAT', low, high: 1 });
const logarithmic = (kind: 'FLOAT' | 'INTEGER', name: string, low: number, high: number): ParameterSpace => ({
  name,
  kind,
  low,
  high,
  log: true,
});
const TREES: ParameterSpace[] = [
  logarithmic('FLOAT', 'learningRate', 0.01, 1),
  logarithmic('INTEGER', 'maxLeaves', 2, 64),
  logarithmic('INTEGER', 'minLeafRows', 1, 50),
  logarithmic('FLOAT', 'l2', 1e-3, 10),
  share('rowShare', 0.3),
  share('featureShare', 0.3),
];
const NETWORK: ParameterSpace[] = [
  { name: 'hiddenLayers', kind: 'CATEGORICAL', choices: ['8', '32', '64', '32,16'] },
  logarithmic('FLOAT', 'learningRate', 1e-4, 0.3),
  logarithmic('INTEGER', 'batchSize', 8, 256),
  logarithmic('FLOAT', 'l2', 1e-6, 0.1),
];
const TRAININGS: Given[] = [
  {
    file: 'penguins.json',
    format: 'JSON',
    algorithm: 'MLP_CLASSIFIER',
    target: 'Species',
    numeric: ['Beak Length (mm)', 'Beak Depth (mm)', 'Flipper Length (mm)'],
    categorical: ['Sex'],
    epochs: 5,
    parameters: NETWORK,
  },
  {
    file: 'cars.json',
    format: 'JSON',
    algorithm: 'BOOSTED_TREES_REGRESSOR',
    target: 'Miles_per_Gallon',
    numeric: ['Cylinders', 'Displacement', 'Horsepower', 'Weight_in_lbs', 'Acceleration'],
    categorical: ['Origin'],
    epochs: 30,
    parameters: TREES,
  },
  {
    file: 'seattle-weather.csv',
    format: 'CSV',
    algorithm: 'BOOSTED_TREES_CLASSIFIER',
    target: 'weather',
    numeric: ['precipitation', 'temp_max', 'temp_min', 'wind'],
    epochs: 20,
    parameters: TREES,
  },
];

/** `folder` gets the tables that are read. */
export function trainings(folder: string): Promise<Problem[]> {
  return Promise.all(TRAININGS.map((given) => prepared(given, folder)));
}

async function prepared({ file, format, ...given }: Given, folder: string): Promise<Problem> {
  const tablePath = join(folder, `${file}.parquet`);
  const { hasTable, profile } = await importDataset({ path: join(VEGA, file), format, tablePath });
  const table = { path: hasTable ? tablePath : join(VEGA, file), columns: profile.columns };
  const configOf = (params: Params) =>
    trainingConfigSchema.parse({
      algorithm: given.algorithm,
      target: { column: given.target },
      features: [
        ...given.numeric.map((column) => ({ column, kind: 'NUMERIC' })),
        ...(given.categorical ?? []).map((column) => ({ column, kind: 'CATEGORICAL' })),
      ],
      split: { by: 'RATIO', validation: 0.3, holdout: 0.1 },
      hyperparameters: {
        epochs: given.epochs,
        ...params,
        ...('hiddenLayers' in params && { hiddenLayers: String(params['hiddenLayers']).split(',').map(Number) }),
      },
    });
  const rows = await loadRows(table, configOf({}));
  const { train, validation } = rows.split;
  return {
    name: `${given.algorithm} on ${file}`,
    kind: 'training',
    space: { parameters: given.parameters, constraints: [] },
    evaluate: async (params) => {
      const config = configOf(params);
      const fitting = isTrees(config)
        ? await prepareTrees(config, rows, train, validation)
        : await prepareProblem(config, rows, train, validation, async () => undefined);
      const state = fitting.learner.initialState();
      while (state.epoch < given.epochs) await fitting.learner.runEpoch(state, () => undefined);
      await fitting.close();
      const predictions = await fitting.modelOf(state).predict(validation);
      const options = { detail: 'EPOCH', seed: 0 } as const;
      const metrics = measure(fitting.shape, fitting.head, fitting.labelled(validation), predictions, options);
      return { values: [(metrics.log_loss ?? metrics.rmse)!] };
    },
  };
}
