import type { Table } from '../adapters/dataset-files/port.js';
import { badInput } from '../errors.js';
import type { TrainingConfig } from '../modules/algorithms/index.js';
import type { Signature } from '../modules/model-contract/index.js';
import { SeededRandom } from '../modules/statistics/index.js';
import { fitQuietly } from './fit.js';
import { targetAt } from './holdout.js';
import { inputColumns } from './input-columns.js';
import type { Predictions, Trained } from './learner.js';
import type { Target } from './port.js';
import { loadRows, type TrainingRows } from './rows.js';
import { prepare } from './train.js';

/** How one configuration becomes several models. */
export interface Growth {
  /**
   * BAGGING: each on a bootstrap sample of the training rows (Breiman 1996). BOOSTING: one after the other; classifiers
   * by SAMME (Zhu, Zou, Rosset and Hastie 2009), regressions by gradient boosting of the squared loss (Friedman 2001).
   */
  kind: 'BAGGING' | 'BOOSTING';
  /** The most models. */
  estimators: number;
  /** BAGGING: drawn rows of each, as a share of the training rows. */
  maxSamples: number;
  /** BOOSTING: scales what each model adds. */
  learningRate: number;
}

export interface Grown {
  models: { bytes: Uint8Array; signature: Signature }[];
  /** Of votes (SAMME) or of the mean, with the sum 1; of a regression by boosting, the factor of each model. */
  weights: number[];
  /** What the sum of a regression by boosting begins with. */
  intercept: number;
  /** Why fewer models were made than asked for; null when all were. */
  stopped: 'PERFECT' | 'NO_BETTER_THAN_CHANCE' | null;
  /** Answers of BAGGING for the training rows, each by the models that have not learnt from the row. */
  outOfBag: { target: Target; answers: Float32Array | Float64Array } | null;
}

type OnProgress = (share: number, message: string) => void;

/** A residual of this share of the spread is none: what is left is rounding. */
const PERFECT = 1e-12;
/** Weights that make a model exactly as good as chance add up to nearly that. */
const ROUNDING = 1e-9;

/** Errors: BAD_USER_INPUT, also when a first boosted classifier is no better than chance. */
export async function growModels(
  table: Table,
  config: TrainingConfig,
  growth: Growth,
  onProgress: OnProgress,
): Promise<Grown> {
  const rows = await loadRows(table, { ...config, refit: false });
  const grower = new Grower(config, rows, growth, onProgress);
  if (growth.kind === 'BAGGING') return grower.bag();
  return rows.target?.kind === 'CLASSES' ? grower.boostClasses() : grower.boostValues();
}

class Grower {
  private readonly train: Int32Array;
  private readonly target: Target;
  private readonly models: Grown['models'] = [];

  constructor(
    private readonly config: TrainingConfig,
    private readonly rows: TrainingRows,
    private readonly growth: Growth,
    private readonly onProgress: OnProgress,
  ) {
    if (!rows.target) throw new Error('Models are grown for a target.');
    this.train = rows.split.train;
    this.target = rows.target;
  }

  async bag(): Promise<Grown> {
    const { estimators, maxSamples } = this.growth;
    const { length } = this.train;
    const drawn = Math.max(1, Math.round(maxSamples * length));
    const width = this.target.kind === 'CLASSES' ? this.target.classes.length : 1;
    const sums = new Float64Array(length * width);
    const counts = new Int32Array(length);
    for (let i = 0; i < estimators; i++) {
      const random = new SeededRandom(this.config.seed + i);
      const inBag = new Uint8Array(length);
      const sample = new Int32Array(drawn);
      for (let at = 0; at < drawn; at++) {
        const position = random.below(length);
        inBag[position] = 1;
        sample[at] = this.train[position]!;
      }
      // In the order of the file, so that the same sample gives the same model.
      const predicted = await this.grow(i, this.rows, sample.sort());
      const own = predicted.kind === 'CLASSES' ? predicted.probabilities : valuesOf(predicted);
      for (let row = 0; row < length; row++) {
        if (inBag[row]) continue;
        counts[row]! += 1;
        for (let k = 0; k < width; k++) sums[row * width + k]! += own[row * width + k]!;
      }
    }
    const left = Int32Array.from(this.train.keys()).filter((row) => counts[row]! > 0);
    const answers = new Float64Array(left.length * width);
    for (const [at, row] of left.entries())
      for (let k = 0; k < width; k++) answers[at * width + k] = sums[row * width + k]! / counts[row]!;
    const rowsLeft = left.map((row) => this.train[row]!);
    return {
      ...{ models: this.models, weights: this.models.map(() => 1 / estimators), intercept: 0, stopped: null },
      outOfBag: left.length === 0 ? null : { target: targetAt(this.target, rowsLeft), answers },
    };
  }

  /** SAMME: rows that a model gets wrong weigh more for the next one. */
  async boostClasses(): Promise<Grown> {
    if (this.target.kind !== 'CLASSES') throw new Error('SAMME is for classes.');
    const { labels, classes } = this.target;
    const { estimators, learningRate } = this.growth;
    const given = this.rows.weights;
    const weights = Float64Array.from(labels, (_, row) => given?.[row] ?? 1);
    const alphas: number[] = [];
    let stopped: Grown['stopped'] = null;
    for (let i = 0; i < estimators && stopped === null; i++) {
      const total = this.train.reduce((sum, row) => sum + weights[row]!, 0);
      for (const row of this.train) weights[row]! *= this.train.length / total;
      const predicted = await this.grow(i, { ...this.rows, weights: weights.slice() }, this.train);
      if (predicted.kind !== 'CLASSES') throw new Error('A classifier answers with classes.');
      const isWrong = (at: number): boolean =>
        labelOf(predicted.probabilities, at, classes.length) !== labels[this.train[at]!];
      let error = 0;
      for (const [at, row] of this.train.entries()) if (isWrong(at)) error += weights[row]! / this.train.length;
      if (error >= 1 - 1 / classes.length - ROUNDING) {
        // What such a model says would be turned round or ignored.
        if (i === 0) throw noBetter(this.config.algorithm, error, classes.length);
        this.models.pop();
        stopped = 'NO_BETTER_THAN_CHANCE';
      } else if (error <= 0) {
        // Its weight would be infinite: alone it is right everywhere.
        if (i === 0) alphas.push(1);
        else this.models.pop();
        stopped = 'PERFECT';
      } else {
        const alpha = learningRate * (Math.log((1 - error) / error) + Math.log(classes.length - 1));
        alphas.push(alpha);
        for (const [at, row] of this.train.entries()) if (isWrong(at)) weights[row]! *= Math.exp(alpha);
      }
    }
    const sum = alphas.reduce((total, alpha) => total + alpha, 0);
    return {
      ...{ models: this.models, weights: alphas.map((alpha) => alpha / sum), intercept: 0, stopped },
      outOfBag: null,
    };
  }

  /** Each model learns what is left: the negative gradient of the squared loss. */
  async boostValues(): Promise<Grown> {
    if (this.target.kind !== 'VALUES') throw new Error('This boosting is for values.');
    const { estimators, learningRate } = this.growth;
    const { values } = this.target;
    const weightOf = (row: number): number => this.rows.weights?.[row] ?? 1;
    const total = this.train.reduce((sum, row) => sum + weightOf(row), 0);
    const intercept = this.train.reduce((sum, row) => sum + weightOf(row) * values[row]!, 0) / total;
    const left = Float64Array.from(values, (value) => value - intercept);
    const spread = this.train.reduce((sum, row) => sum + left[row]! ** 2, 0);
    let stopped: Grown['stopped'] = null;
    for (let i = 0; i < estimators && stopped === null; i++) {
      const target: Target = { ...this.target, values: left.slice() };
      // Those outside the training rows are answered, too: they may stop the training of a model early.
      const all = Int32Array.from({ length: values.length }, (_, row) => row);
      const predicted = valuesOf(await this.grow(i, { ...this.rows, target }, this.train, all));
      for (const row of all) left[row]! -= learningRate * predicted[row]!;
      if (this.train.reduce((sum, row) => sum + left[row]! ** 2, 0) <= PERFECT * spread) stopped = 'PERFECT';
    }
    return {
      ...{ models: this.models, weights: this.models.map(() => learningRate), intercept, stopped },
      outOfBag: null,
    };
  }

  /** Trains and exports one model; its answers for the rows. */
  private async grow(
    number: number,
    rows: TrainingRows,
    sample: Int32Array,
    asked: Int32Array = this.train,
  ): Promise<Predictions> {
    const { estimators } = this.growth;
    const config = { ...this.config, seed: this.config.seed + number, refit: false };
    const parts = { train: sample, validation: rows.split.validation };
    const fitting = await prepare(config, rows, parts, () => Promise.resolve());
    try {
      const watch = config.earlyStopping !== undefined;
      const state = await fitQuietly(fitting, config.hyperparameters.epochs, watch, (share) =>
        this.onProgress((number + share) / estimators, `Training model ${number + 1} of ${estimators}`),
      );
      const trained: Trained = fitting.modelOf(state);
      const predicted = await trained.predict(asked);
      const columns = inputColumns(config, rows.readings, rows.columns, sample);
      const { bytes, signature } = trained.export(columns, undefined);
      this.models.push({ bytes, signature });
      return predicted;
    } finally {
      await fitting.close();
    }
  }
}

function valuesOf(predicted: Predictions): Float64Array {
  if (predicted.kind !== 'VALUE') throw new Error('A regression answers with values.');
  return Float64Array.from(predicted.values);
}

/** Of equally probable classes the first, as votes count them. */
function labelOf(probabilities: ArrayLike<number>, at: number, classCount: number): number {
  let best = 0;
  for (let k = 1; k < classCount; k++)
    if (probabilities[at * classCount + k]! > probabilities[at * classCount + best]!) best = k;
  return best;
}

function noBetter(algorithm: string, error: number, classCount: number) {
  return badInput(
    'input.members[0].modelVersionId',
    `a version whose algorithm is better than chance on its training rows (an error below ${1 - 1 / classCount})`,
    `${algorithm} with an error of ${error.toFixed(3)}`,
  );
}
