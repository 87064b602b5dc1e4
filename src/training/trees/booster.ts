import { badInput } from '../../errors.js';
import { SeededRandom, weightedQuantile } from '../../modules/statistics/index.js';
import { binCountOf, type Binning } from './bins.js';
import { chunksOf, growTree } from './grower.js';
import type { Forest } from './forest.js';
import { ARGUMENT, ARGUMENTS, OPERATION } from './kernel.js';
import {
  Arena,
  type BinnedRows,
  type ColumnLayout,
  type FeatureLayout,
  PER_BIN,
  sharedBytes,
  sharedDoubles,
  sharedIntegers,
  type SharedMemory,
  sharedWords,
  SPLIT_FIELDS,
  type TreeArrays,
  type TreeOptions,
} from './memory.js';
import { CONTROLS, Threads } from './threads.js';

export interface BoosterOptions extends TreeOptions {
  /** Share of the rows that each tree sees, in (0, 1]. */
  rowShare: number;
  /** Share of the features that each tree may use, in (0, 1]. */
  featureShare: number;
  seed: number;
  threads: number;
}

export interface BoosterData {
  layout: Layout;
  /** Its columns lie in `arena`. */
  train: BinnedRows;
  validation: BinnedRows;
  target: Float64Array;
  weights: Float64Array;
  outputs: number;
  arena: Arena;
}

/** Where the bins of each feature lie: in the words of a column, and in a histogram. */
export type Layout = Pick<SharedMemory, 'features' | 'columns' | 'totalBins' | 'setWords'>;

export function layOut(described: readonly { binning: Binning; monotone: -1 | 0 | 1 }[]): Layout {
  const counts = described.map(({ binning }) => binCountOf(binning));
  const isWide = (feature: number): boolean => counts[feature]! > 256;
  const narrow = [...counts.keys()].filter((feature) => !isWide(feature));
  const columns: ColumnLayout[] = [...counts.keys()]
    .filter(isWide)
    .map((feature) => ({ features: [feature], mask: 0xffff }));
  for (let i = 0; i < narrow.length; i += 4) columns.push({ features: narrow.slice(i, i + 4), mask: 0xff });
  const places = new Map(
    columns.flatMap(({ features }, column) => features.map((feature, i) => [feature, { column, shift: 8 * i }])),
  );
  let offset = 0;
  const features = described.map(({ binning, monotone }, feature): FeatureLayout => {
    const binCount = counts[feature]!;
    offset += binCount;
    const isCategory = binning.kind === 'CATEGORY';
    return { binCount, offset: offset - binCount, isCategory, monotone, ...places.get(feature)! };
  });
  const codes = features.filter(({ isCategory }) => isCategory).map(({ binCount }) => binCount);
  return { features, columns, totalBins: offset, setWords: Math.ceil(Math.max(0, ...codes) / 32) };
}

/** Gradient boosting (Friedman, "Greedy function approximation", 2001) with histograms; one iteration at a time. */
export class Booster {
  private constructor(
    private readonly memory: SharedMemory,
    private readonly threads: Threads,
    private readonly options: BoosterOptions,
    private readonly forest: Forest,
  ) {}

  /** Continues after the trees that `forest` has, and appends to it. */
  static async start(data: BoosterData, options: BoosterOptions, forest: Forest): Promise<Booster> {
    const memory = shareMemory(data, options);
    const booster = new Booster(memory, await Threads.start(memory, options.threads), options, forest);
    let tree = 0;
    for (const grown of forest.trees()) booster.apply(grown, tree++ % data.outputs);
    return booster;
  }

  /** Adds one tree per output, and their values to the scores of all rows. */
  iterate(iteration: number): void {
    const { memory, threads, options } = this;
    const rows = this.draw(iteration);
    threads.run(OPERATION.GRADIENTS, chunksOf(memory.train.rows));
    for (let output = 0; output < memory.outputs; output++) {
      if (rows) memory.index.set(rows);
      else for (let row = 0; row < memory.train.rows; row++) memory.index[row] = row;
      const { nodes, leaves } = growTree(memory, threads, output, rows?.length ?? memory.train.rows);
      if (options.loss === 'QUANTILE') renewLeaves(memory, leaves);
      if (rows === undefined) threads.run(OPERATION.ADD_LEAF, leaves);
      else this.applyTo('train', output);
      this.applyTo('validation', output);
      this.forest.append(memory.tree, nodes);
    }
  }

  close(): Promise<void> {
    return this.threads.close();
  }

  private apply(grown: TreeArrays, output: number): void {
    const { tree } = this.memory;
    tree.feature.set(grown.feature);
    tree.bin.set(grown.bin);
    tree.missingLeft.set(grown.missingLeft);
    tree.isSet.set(grown.isSet);
    tree.left.set(grown.left);
    tree.right.set(grown.right);
    tree.value.set(grown.value);
    tree.sets.set(grown.sets);
    this.applyTo('train', output);
    this.applyTo('validation', output);
  }

  private applyTo(rows: 'train' | 'validation', output: number): void {
    const { memory, threads } = this;
    memory.args[ARGUMENT.output] = output;
    memory.args[ARGUMENT.isValidation] = Number(rows === 'validation');
    threads.run(OPERATION.APPLY, chunksOf(memory[rows].rows));
  }

  /** The rows that the trees of an iteration see, in ascending order, and their features; undefined: all. */
  private draw(iteration: number): Uint32Array | undefined {
    const { memory, options } = this;
    const random = new SeededRandom((options.seed ^ Math.imul(iteration, 0x9e3779b1)) >>> 0);
    const count = memory.features.length;
    const wanted = Math.max(1, Math.round(options.featureShare * count));
    memory.allowed.fill(wanted === count ? 1 : 0);
    if (wanted < count) for (const feature of drawn(count, wanted, random)) memory.allowed[feature] = 1;
    const { rows } = memory.train;
    const wantedRows = Math.max(1, Math.round(options.rowShare * rows));
    return wantedRows === rows ? undefined : drawn(rows, wantedRows, random);
  }
}

/** Without replacement, ascending (Knuth's selection sampling, algorithm S). */
function drawn(count: number, wanted: number, random: SeededRandom): Uint32Array {
  const chosen = new Uint32Array(wanted);
  let taken = 0;
  for (let i = 0; taken < wanted; i++) if (random.next() * (count - i) < wanted - taken) chosen[taken++] = i;
  return chosen;
}

/** Sets the value of each leaf to the quantile of its residuals: the gradients say only on which side they lie. */
function renewLeaves(memory: SharedMemory, leaves: number): void {
  const { index, train, target, weights, tree, options } = memory;
  for (let leaf = 0; leaf < leaves; leaf++) {
    const rows = index.slice(memory.leaves.starts[leaf]!, memory.leaves.ends[leaf]!);
    const left = Float64Array.from(rows, (row) => target[row]! - train.scores[row]!);
    const weight = weights.length > 0 ? Float64Array.from(rows, (row) => weights[row]!) : undefined;
    tree.value[memory.leaves.nodes[leaf]!] = options.learningRate * weightedQuantile(left, weight, options.quantile);
  }
}

const HISTOGRAM_BYTES = 2 * 2 ** 30;

/** Each leaf has a histogram of all features, however many rows there are. */
function checkHistograms(totalBins: number, maxLeaves: number): void {
  const most = Math.floor(HISTOGRAM_BYTES / (totalBins * PER_BIN * Float64Array.BYTES_PER_ELEMENT)) - 1;
  if (maxLeaves > most)
    throw badInput(
      'config.hyperparameters.maxLeaves',
      `at most ${most} leaves with so many features: the histograms of all leaves take 2 GiB at most`,
      maxLeaves,
    );
}

function shareMemory(data: BoosterData, options: BoosterOptions): SharedMemory {
  const { rows } = data.train;
  const { outputs, arena } = data;
  const { features, columns, totalBins, setWords } = data.layout;
  const nodes = 2 * options.maxLeaves - 1;
  const slots = options.maxLeaves + 1;
  checkHistograms(totalBins, options.maxLeaves);
  return {
    loopMemory: arena.memory,
    features,
    columns,
    totalBins,
    options,
    outputs,
    train: data.train,
    validation: data.validation,
    target: data.target,
    weights: data.weights,
    pairs: arena.floats(rows * outputs * 2),
    index: arena.words(rows),
    lefts: arena.words(rows),
    rights: arena.words(rows),
    orderedPairs: arena.floats(rows * 2),
    histograms: arena.doubles(slots * totalBins * PER_BIN),
    splits: sharedDoubles(2 * features.length * SPLIT_FIELDS),
    splitSets: sharedWords(2 * features.length * setWords),
    setWords,
    leftBits: arena.words(65_536 / 32),
    allowed: sharedBytes(features.length),
    tree: {
      feature: sharedIntegers(nodes),
      bin: sharedIntegers(nodes),
      missingLeft: sharedBytes(nodes),
      isSet: sharedBytes(nodes),
      left: sharedIntegers(nodes),
      right: sharedIntegers(nodes),
      value: sharedDoubles(nodes),
      sets: sharedWords(nodes * setWords),
    },
    leaves: {
      starts: sharedWords(options.maxLeaves),
      ends: sharedWords(options.maxLeaves),
      nodes: sharedWords(options.maxLeaves),
    },
    args: sharedDoubles(ARGUMENTS),
    leftCounts: sharedWords(chunksOf(rows)),
    control: sharedIntegers(CONTROLS),
  };
}
