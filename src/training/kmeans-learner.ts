import type { KMeansConfig } from '../modules/algorithms/index.js';
import { SeededRandom, sampleIndices } from '../modules/statistics/index.js';
import type { TrainingState } from './checkpoint.js';
import type { EncodedRows } from './encoding.js';
import type { NetworkShape } from './graphs/network.js';
import type { Learner, TrainingProblem } from './learner.js';
import type { Predictor } from './predictor.js';

/** The number of rows from which the first centroids are chosen. */
const SEEDING_ROWS = 10_000;
/**
 * Lloyd's iteration has converged when the summed squared shift of the centroids is below this fraction of the mean
 * feature variance.
 */
const TOLERANCE = 1e-4;

/**
 * k-means by Lloyd's iteration from greedy k-means++ centroids; an epoch is one iteration. The assignment runs as an
 * ONNX graph; the means are summed in double precision.
 */
export async function kmeansLearner(
  { config, shape, train }: TrainingProblem<KMeansConfig>,
  predictor: Predictor,
): Promise<Learner> {
  const clusters = config.hyperparameters.clusters;
  const tolerance = TOLERANCE * meanVariance(train, shape);

  return {
    converges: true,

    initialState(): TrainingState {
      const weights = seedCentroids(train, shape, clusters, config.seed);
      return {
        epoch: 0,
        step: 0,
        bestEpoch: 0,
        bestLoss: null,
        epochsSinceBest: 0,
        finished: false,
        vectors: { weights },
      };
    },

    async runEpoch(state, report) {
      const predictions = await predictor.predict(state.vectors.weights!, train);
      if (predictions.kind !== 'CLUSTERS') throw new Error('A k-means predictor gives clusters.');
      report(0.8);
      const { weights, shift } = nextCentroids(train, shape, clusters, predictions.clusters, state.vectors.weights!);
      state.vectors.weights = weights;
      state.epoch += 1;
      state.step += 1;
      state.finished = shift <= tolerance;
      return { 'train.inertia': predictions.squaredDistances.reduce((sum, distance) => sum + distance, 0) };
    },
  };
}

function nextCentroids(
  rows: EncodedRows,
  shape: NetworkShape,
  clusters: number,
  assigned: Int32Array,
  previous: Float32Array,
) {
  const { numericWidth: width, indicatorSlots: slots } = shape;
  const sums = new Float64Array(previous.length);
  const counts = new Float64Array(clusters);
  const tableStart = width * clusters;
  for (let row = 0; row < rows.rows; row++) {
    const cluster = assigned[row]!;
    counts[cluster]! += 1;
    for (let d = 0; d < width; d++) sums[d * clusters + cluster]! += rows.numeric[row * width + d]!;
    for (let s = 0; s < slots; s++) sums[tableStart + rows.indicators[row * slots + s]! * clusters + cluster]! += 1;
  }
  const weights = new Float32Array(previous.length);
  let shift = 0;
  for (let i = 0; i < sums.length; i++) {
    const count = counts[i % clusters]!;
    // A cluster that has lost all its rows stays in its place.
    weights[i] = count > 0 ? sums[i]! / count : previous[i]!;
    shift += (weights[i]! - previous[i]!) ** 2;
  }
  return { weights, shift };
}

/** The mean of the variances of the features; an indicator with frequency p has variance p(1 − p). */
function meanVariance(
  rows: EncodedRows,
  { numericWidth: width, indicatorSlots: slots, indicatorCount }: NetworkShape,
): number {
  const sums = new Float64Array(width);
  const squares = new Float64Array(width);
  const counts = new Float64Array(indicatorCount);
  for (let row = 0; row < rows.rows; row++) {
    for (let d = 0; d < width; d++) {
      const value = rows.numeric[row * width + d]!;
      sums[d]! += value;
      squares[d]! += value * value;
    }
    for (let s = 0; s < slots; s++) counts[rows.indicators[row * slots + s]!]! += 1;
  }
  let total = 0;
  for (let d = 0; d < width; d++) total += squares[d]! / rows.rows - (sums[d]! / rows.rows) ** 2;
  for (const count of counts) total += (count / rows.rows) * (1 - count / rows.rows);
  return total / (width + indicatorCount);
}

/**
 * Greedy k-means++: of several candidates drawn by squared distance, takes the one that lowers the summed distance
 * most.
 */
function seedCentroids(rows: EncodedRows, shape: NetworkShape, clusters: number, seed: number): Float32Array {
  const random = new SeededRandom(seed);
  const pool = sampleIndices(rows.rows, Math.max(SEEDING_ROWS, clusters), seed);
  const candidates = 2 + Math.floor(Math.log(clusters));
  const chosen = [pool[random.below(pool.length)]!];
  let nearest = distancesTo(rows, shape, pool, chosen[0]!);
  while (chosen.length < clusters) {
    const total = nearest.reduce((sum, distance) => sum + distance, 0);
    let best: { row: number; nearest: Float64Array; total: number } | undefined;
    for (let trial = 0; trial < candidates; trial++) {
      const row = pool[drawByWeight(nearest, total, random)]!;
      const distances = distancesTo(rows, shape, pool, row);
      let lowered = 0;
      for (let i = 0; i < pool.length; i++) {
        distances[i] = Math.min(distances[i]!, nearest[i]!);
        lowered += distances[i]!;
      }
      if (!best || lowered < best.total) best = { row, nearest: distances, total: lowered };
    }
    chosen.push(best!.row);
    nearest = best!.nearest;
  }
  return centroidsAt(rows, shape, chosen);
}

function drawByWeight(weights: Float64Array, total: number, random: SeededRandom): number {
  let left = random.next() * total;
  for (let i = 0; i < weights.length; i++) {
    left -= weights[i]!;
    if (left < 0) return i;
  }
  return random.below(weights.length);
}

function distancesTo(rows: EncodedRows, shape: NetworkShape, pool: Int32Array, center: number): Float64Array {
  const { numericWidth: width, indicatorSlots: slots } = shape;
  return Float64Array.from(pool, (row) => {
    let sum = 0;
    for (let d = 0; d < width; d++) sum += (rows.numeric[row * width + d]! - rows.numeric[center * width + d]!) ** 2;
    for (let s = 0; s < slots; s++)
      if (rows.indicators[row * slots + s] !== rows.indicators[center * slots + s]) sum += 2;
    return sum;
  });
}

function centroidsAt(rows: EncodedRows, shape: NetworkShape, chosen: readonly number[]): Float32Array {
  const { numericWidth: width, indicatorSlots: slots, indicatorCount } = shape;
  const clusters = chosen.length;
  const weights = new Float32Array((width + indicatorCount) * clusters);
  chosen.forEach((row, cluster) => {
    for (let d = 0; d < width; d++) weights[d * clusters + cluster] = rows.numeric[row * width + d]!;
    for (let s = 0; s < slots; s++) weights[(width + rows.indicators[row * slots + s]!) * clusters + cluster] = 1;
  });
  return weights;
}
