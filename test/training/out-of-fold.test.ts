import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Table } from '../../src/adapters/dataset-files/port.js';
import { combine, type MemberAnswers } from '../../src/adapters/evaluator/ensemble/combination.js';
import { learnMeta } from '../../src/adapters/evaluator/ensemble/meta-learner.js';
import { trainingConfigSchema } from '../../src/modules/algorithms/rules/training-config.js';
import { bootstrapMeanDifference } from '../../src/modules/statistics/rules/bootstrap.js';
import { logLossRows, mean } from '../../src/modules/statistics/rules/metrics.js';
import { SeededRandom } from '../../src/modules/statistics/rules/random.js';
import { type OutOfFold, outOfFold } from '../../src/training/out-of-fold.js';
import { tableOf } from '../support/tables.js';
import { type ConfigInput, ensureBuilt, fixturePath, temporaryFolder, trainModel } from './support.js';

const breastCancer = await tableOf(fixturePath('breast-cancer.csv'), 'CSV');
const CONFIG: ConfigInput = {
  algorithm: 'LOGISTIC_REGRESSION',
  target: { column: 'target' },
  features: ['radius', 'texture', 'smoothness', 'concavity'].map((column) => ({ column, kind: 'NUMERIC' })),
  split: { by: 'RATIO', validation: 0.2, holdout: 0.3 },
  hyperparameters: { epochs: 20 },
  seed: 3,
};
/** Learns its own rows better than others. */
const NETWORK: ConfigInput = {
  ...CONFIG,
  algorithm: 'MLP_CLASSIFIER',
  hyperparameters: { epochs: 20, hiddenLayers: [16], batchSize: 32, learningRate: 0.02 },
};

const answersOf = (table: Table, config: ConfigInput): Promise<OutOfFold> =>
  outOfFold(table, trainingConfigSchema.parse(config), { by: 'STRATIFIED', folds: 5, seed: 3 }, () => {});

function labelsOf({ target }: OutOfFold): Int32Array {
  if (target.kind !== 'CLASSES') throw new Error('no classes');
  return target.labels;
}

const lossesOf = (labels: Int32Array, probabilities: Float32Array): Float64Array =>
  logLossRows({ labels, probabilities, classCount: 2 });

describe('answers out of fold', () => {
  beforeAll(ensureBuilt, 60_000);

  it('are those that a cross-validation measures, of every row outside the holdout', async () => {
    for (const config of [CONFIG, NETWORK]) {
      const { folds } = await trainModel(breastCancer, { ...config, crossValidation: { by: 'STRATIFIED', folds: 5 } });
      const own = await answersOf(breastCancer, config);
      expect(new Set(own.rowNumbers).size).toBe(398);
      const measured = folds.reduce((sum, { metrics, rows }) => sum + metrics['log_loss']! * rows.validation, 0);
      const losses = lossesOf(labelsOf(own), Float32Array.from(own.answers));
      expect(losses.length).toBe(398);
      expect(mean(losses)).toBeCloseTo(measured / 398, 6);
    }
  });

  it('know nothing of random labels, and neither does a meta-learner of them', async () => {
    const [header, ...lines] = readFileSync(fixturePath('breast-cancer.csv'), 'utf8').trimEnd().split('\n');
    const folder = temporaryFolder();
    const rounds = 20;
    const better = { members: 0, stacked: 0 };
    for (let round = 0; round < rounds; round++) {
      const random = new SeededRandom(round);
      const drawn = lines.map((line) => line.replace(/[01]$/, () => String(random.below(2))));
      const file = path.join(folder, `${round}.csv`);
      writeFileSync(file, [header, ...drawn, ''].join('\n'));
      const table = await tableOf(file, 'CSV');
      const all = [await answersOf(table, CONFIG), await answersOf(table, NETWORK)];
      const labels = labelsOf(all[0]!);
      const answers = {
        ...{ task: 'CLASSIFICATION', classCount: 2, thresholds: [undefined, undefined] },
        members: all.map((own) => Float32Array.from(own.answers)),
      } satisfies MemberAnswers;
      const isBetter = (own: Float32Array, truth: Int32Array): boolean => {
        const chance = lossesOf(truth, new Float32Array(own.length).fill(0.5));
        return bootstrapMeanDifference(lossesOf(truth, own), chance, { seed: round })!.high < 0;
      };
      if (answers.members.some((own) => isBetter(own, labels))) better.members++;
      // Answers out of fold lean a little away from their own labels, so that the meta-learner is judged by new ones.
      const stacked = Float32Array.from(combine(answers, await learnMeta(answers, { labels })));
      const others = labels.map(() => random.below(2));
      if (isBetter(stacked, others)) better.stacked++;
    }
    console.log(`provably better than chance on random labels, of ${rounds} rounds: ${JSON.stringify(better)}`);
    // An interval of 95 % lies below 0 once in 40 by chance; three of 20 would be seldom.
    expect(better.members).toBeLessThan(4);
    expect(better.stacked).toBeLessThan(3);
  }, 120_000);
});
