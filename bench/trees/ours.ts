// Boosted trees of this service on one data set of bench:trees, in a process of its own: ours.ts <set as JSON>. Prints
// seconds of the fit, score and peak memory as JSON.
import { performance } from 'node:perf_hooks';
import type * as configModule from '../../src/modules/algorithms/rules/training-config.ts';
import type * as prepareModule from '../../src/training/trees/prepare.ts';
import type * as rowsModule from '../../src/training/rows.ts';
import type * as measureModule from '../../src/training/measure.ts';
import { fromDist } from '../support/dist.ts';
import type { ReadySet } from '../trees.ts';

const ITERATIONS = 100;
const { isTrees, trainingConfigSchema } = await fromDist<typeof configModule>(
  'modules/algorithms/rules/training-config.js',
);
const { prepareTrees } = await fromDist<typeof prepareModule>('training/trees/prepare.js');
const { loadRows } = await fromDist<typeof rowsModule>('training/rows.js');
const { measure } = await fromDist<typeof measureModule>('training/measure.js');

const set = JSON.parse(process.argv[2]!) as ReadySet;
const results: { seconds: number; score: number }[] = [];
for (let split = 0; split < set.splits; split++) {
  const config = trainingConfigSchema.parse({
    algorithm: set.task === 'REGRESSION' ? 'BOOSTED_TREES_REGRESSOR' : 'BOOSTED_TREES_CLASSIFIER',
    target: { column: set.target },
    features: [
      ...set.numeric.map((column) => ({ column, kind: 'NUMERIC' })),
      ...set.categorical.map((column) => ({ column, kind: 'CATEGORICAL' })),
    ],
    split: { by: 'COLUMN', column: `split ${split}` },
    hyperparameters: { epochs: ITERATIONS },
  });
  if (!isTrees(config)) throw new Error('These are trees.');
  const rows = await loadRows(set.table, config);
  const startedMs = performance.now();
  const fitting = await prepareTrees(config, rows, rows.split.train, rows.split.validation);
  const state = fitting.learner.initialState();
  for (let epoch = 0; epoch < ITERATIONS; epoch++) await fitting.learner.runEpoch(state, () => undefined);
  const seconds = (performance.now() - startedMs) / 1_000;
  await fitting.close();
  const { holdout } = rows.split;
  const predictions = await fitting.modelOf(state).predict(holdout);
  const options = { detail: 'EPOCH', seed: 0 } as const;
  const metrics = measure(fitting.shape, fitting.head, fitting.labelled(holdout), predictions, options);
  results.push({ seconds, score: (metrics.log_loss ?? metrics.rmse)! });
}
process.stdout.write(`${JSON.stringify({ results, peakMiB: process.resourceUsage().maxRSS / 1_024 })}\n`);
