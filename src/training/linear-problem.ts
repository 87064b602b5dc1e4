import type { LinearConfig } from '../modules/algorithms/index.js';
import { rowWeightsOf } from './class-weights.js';
import type { LabelledRows, TrainingProblem } from './learner.js';

/** After this time, a pass over the rows lets the process read messages of its parent. */
const TURN_MS = 100;
/** Rows between two checks of the clock. */
const CHUNK_ROWS = 8192;

/** Rows as a linear model sees them. */
export interface LinearRows {
  numeric: Float32Array;
  indicators: Int32Array;
  /** Class indices, or values in standard units. */
  targets: ArrayLike<number>;
  /** How much each row counts: by its class, its own weight, or both; all the same when absent. */
  weights: Float64Array | undefined;
}

function linearRows(
  { numeric, indicators, truth, weights: own }: LabelledRows,
  { head, classWeights }: TrainingProblem<LinearConfig>,
): LinearRows {
  if (truth.kind === 'CLASSES')
    return { numeric, indicators, targets: truth.labels, weights: rowWeightsOf(truth.labels, classWeights, own) };
  if (truth.kind !== 'VALUE' || head.kind !== 'VALUE') throw new Error('A linear model needs a target.');
  const { mean, std } = head;
  return { numeric, indicators, targets: truth.values.map((value) => (value - mean) / std), weights: own };
}

/**
 * The loss of a linear model over the training rows, in double precision: the mean loss plus l2/2 · ‖weights‖², without
 * biases. `theta` has the numeric weights (width × outputs), the indicator table (indicators × outputs) and the biases
 * (outputs). Two classes have one output; half of it with either sign gives the two columns of the model, and its
 * penalty is that of these two columns.
 */
export class LinearProblem {
  readonly outputs: number;
  readonly size: number;
  readonly penalty: number;
  private readonly width: number;
  private readonly slots: number;
  private readonly biasStart: number;
  /** All training rows. */
  readonly rowCount: number;
  /** The block that was read last. */
  private last: { block: LabelledRows; rows: LinearRows } | undefined;

  constructor(private readonly problem: TrainingProblem<LinearConfig>) {
    const { shape, blocks, head, config } = problem;
    const binary = head.kind === 'CLASSES' && shape.outputs === 2;
    this.outputs = binary ? 1 : shape.outputs;
    this.width = shape.numericWidth;
    this.slots = shape.indicatorSlots;
    this.biasStart = (shape.numericWidth + shape.indicatorCount) * this.outputs;
    this.size = this.biasStart + this.outputs;
    this.rowCount = blocks.rows;
    // scikit-learn's C = 1 and alpha = 1 compare the penalty with the sum of the losses.
    const l2 = config.hyperparameters.l2;
    this.penalty = l2 === undefined ? 1 / blocks.rows : binary ? l2 / 2 : l2;
  }

  /** Weights of zero, and the biases with which every row is predicted with the class frequencies. */
  start(): Float64Array {
    const theta = new Float64Array(this.size);
    const shares = this.classShares();
    if (shares.length === 2) theta[this.biasStart] = Math.log(shares[1]! / shares[0]!);
    else shares.forEach((share, k) => (theta[this.biasStart + k] = Math.log(share)));
    return theta;
  }

  /** The diagonal of the second derivative at the start. */
  async curvature(): Promise<Float64Array> {
    const { width, slots, outputs, biasStart } = this;
    const shares = this.classShares();
    const squares = new Float64Array(biasStart / outputs);
    await this.eachChunk(({ numeric, indicators, weights }, from, to) => {
      for (let row = from; row < to; row++) {
        const weight = weights?.[row] ?? 1;
        for (let d = 0; d < width; d++) squares[d]! += weight * numeric[row * width + d]! ** 2;
        for (let s = 0; s < slots; s++) squares[width + indicators[row * slots + s]!]! += weight;
      }
    });
    // For a softmax p · (1 − p), for half a squared error 1.
    const slopes = shares.length === 0 ? [1] : shares.slice(-outputs).map((share) => share * (1 - share));
    return Float64Array.from({ length: this.size }, (_, i) => {
      const slope = slopes[i % outputs]!;
      if (i >= biasStart) return slope;
      return (squares[Math.floor(i / outputs)]! / this.rowCount) * slope + this.penalty || 1;
    });
  }

  /** The loss at `theta`; writes its gradient to `gradient`. */
  async evaluate(theta: Float64Array, gradient: Float64Array): Promise<number> {
    const { biasStart, rowCount, penalty } = this;
    gradient.fill(0);
    let sum = 0;
    await this.eachChunk((rows, from, to) => {
      sum +=
        this.outputs === 1
          ? this.addSingle(rows, theta, gradient, from, to)
          : this.addSeveral(rows, theta, gradient, from, to);
    });
    let squares = 0;
    for (let i = 0; i < this.size; i++) {
      gradient[i] = gradient[i]! / rowCount;
      if (i >= biasStart) continue;
      gradient[i]! += penalty * theta[i]!;
      squares += theta[i]! ** 2;
    }
    return sum / rowCount + (penalty / 2) * squares;
  }

  /** In the order of the network's flat vector, in single precision. */
  weights(theta: Float64Array): Float32Array {
    if (this.outputs === this.problem.shape.outputs) return Float32Array.from(theta);
    const weights = new Float32Array(this.size * 2);
    theta.forEach((value, i) => {
      weights[i * 2] = -value / 2;
      weights[i * 2 + 1] = value / 2;
    });
    return weights;
  }

  /** Goes through all training rows, a part of a block at a time. */
  async eachChunk(work: (rows: LinearRows, from: number, to: number) => void): Promise<void> {
    let turnAt = performance.now() + TURN_MS;
    for (const [index, size] of this.problem.blocks.sizes.entries()) {
      const rows = this.rowsOf(await this.problem.blocks.block(index));
      for (let from = 0; from < size; from += CHUNK_ROWS) {
        work(rows, from, Math.min(size, from + CHUNK_ROWS));
        if (performance.now() < turnAt) continue;
        await new Promise((resolve) => setImmediate(resolve));
        turnAt = performance.now() + TURN_MS;
      }
    }
  }

  private rowsOf(block: LabelledRows): LinearRows {
    if (this.last?.block !== block) this.last = { block, rows: linearRows(block, this.problem) };
    return this.last.rows;
  }

  /** One output: two classes, or a value. */
  private addSingle(
    { numeric, indicators, targets, weights }: LinearRows,
    theta: Float64Array,
    gradient: Float64Array,
    from: number,
    to: number,
  ): number {
    const { width, slots, biasStart } = this;
    const isValue = this.problem.head.kind === 'VALUE';
    const bias = theta[biasStart]!;
    let sum = 0;
    for (let row = from; row < to; row++) {
      const numericAt = row * width;
      const slotAt = row * slots;
      let z = bias;
      for (let d = 0; d < width; d++) z += numeric[numericAt + d]! * theta[d]!;
      for (let s = 0; s < slots; s++) z += theta[width + indicators[slotAt + s]!]!;
      const target = targets[row]!;
      const weight = weights === undefined ? 1 : weights[row]!;
      let slope: number;
      if (isValue) {
        const error = z - target;
        slope = weight * error;
        sum += slope * error * 0.5;
      } else {
        // ln(1 + e^−m) without overflow; m is the margin on the side of the row's own class.
        const margin = target === 1 ? z : -z;
        const small = Math.exp(-Math.abs(margin));
        sum += weight * (Math.log1p(small) + (margin < 0 ? -margin : 0));
        const missed = margin < 0 ? 1 / (1 + small) : small / (1 + small);
        slope = weight * (target === 1 ? -missed : missed);
      }
      for (let d = 0; d < width; d++) gradient[d]! += slope * numeric[numericAt + d]!;
      for (let s = 0; s < slots; s++) gradient[width + indicators[slotAt + s]!]! += slope;
      gradient[biasStart]! += slope;
    }
    return sum;
  }

  /** A softmax over three or more classes. */
  private addSeveral(
    { numeric, indicators, targets, weights }: LinearRows,
    theta: Float64Array,
    gradient: Float64Array,
    from: number,
    to: number,
  ): number {
    const { width, slots, outputs, biasStart } = this;
    const scores = new Float64Array(outputs);
    let sum = 0;
    for (let row = from; row < to; row++) {
      for (let k = 0; k < outputs; k++) scores[k] = theta[biasStart + k]!;
      for (let d = 0; d < width; d++) {
        const value = numeric[row * width + d]!;
        if (value !== 0) for (let k = 0, at = d * outputs; k < outputs; k++) scores[k]! += value * theta[at + k]!;
      }
      for (let s = 0; s < slots; s++) {
        const at = (width + indicators[row * slots + s]!) * outputs;
        for (let k = 0; k < outputs; k++) scores[k]! += theta[at + k]!;
      }
      let highest = -Infinity;
      for (let k = 0; k < outputs; k++) if (scores[k]! > highest) highest = scores[k]!;
      let total = 0;
      const own = targets[row]!;
      const ownScore = scores[own]! - highest;
      for (let k = 0; k < outputs; k++) {
        scores[k] = Math.exp(scores[k]! - highest);
        total += scores[k]!;
      }
      const weight = weights === undefined ? 1 : weights[row]!;
      sum += weight * (Math.log(total) - ownScore);
      for (let k = 0; k < outputs; k++) scores[k] = weight * (scores[k]! / total - (k === own ? 1 : 0));
      for (let d = 0; d < width; d++) {
        const value = numeric[row * width + d]!;
        if (value !== 0) for (let k = 0, at = d * outputs; k < outputs; k++) gradient[at + k]! += value * scores[k]!;
      }
      for (let s = 0; s < slots; s++) {
        const at = (width + indicators[row * slots + s]!) * outputs;
        for (let k = 0; k < outputs; k++) gradient[at + k]! += scores[k]!;
      }
      for (let k = 0; k < outputs; k++) gradient[biasStart + k]! += scores[k]!;
    }
    return sum;
  }

  /**
   * Weighted class fractions of the training rows in memory; empty for a value. A class that only other rows have
   * counts as half a row.
   */
  private classShares(): number[] {
    const { train, head, shape } = this.problem;
    if (head.kind !== 'CLASSES') return [];
    const sums = new Array<number>(shape.outputs).fill(0);
    const { targets, weights } = this.rowsOf(train);
    for (let row = 0; row < train.rows; row++) sums[targets[row]!]! += weights?.[row] ?? 1;
    const counted = sums.map((sum) => sum || 0.5);
    const total = counted.reduce((sum, weight) => sum + weight, 0);
    return counted.map((weight) => weight / total);
  }
}
