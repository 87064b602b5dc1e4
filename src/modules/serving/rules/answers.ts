import {
  bothProbabilities,
  classOfLabel,
  rowWithoutProbabilities,
  type OutputMeaning,
  type Signature,
  type Tensor,
} from '../../model-contract/index.js';
import { disagreeingRows } from './shadow.js';

/** The meaning of a model's outputs for each row, as far as their names and shapes tell it. */
export type Answers =
  | {
      kind: 'CLASSES';
      rows: number;
      labels: ArrayLike<string | number | bigint>;
      probabilities: Float32Array | Float64Array | null;
      classCount: number;
      /** The class of each probability; null when unknown. */
      classNames: readonly string[] | null;
      /** Decision values instead of probabilities: one per class, or only one. */
      scores: Float32Array | Float64Array | null;
    }
  | { kind: 'VALUES'; rows: number; values: Float32Array | Float64Array }
  | {
      kind: 'CLUSTERS';
      rows: number;
      clusters: BigInt64Array | Int32Array;
      distances: Float32Array | Float64Array | null;
      clusterCount: number;
    }
  | { kind: 'OTHER'; rows: number };

type Floats = Tensor & { data: Float32Array | Float64Array };

/** The parts of a signature that are needed to read answers. */
export type AnswerSignature = Partial<Pick<Signature, 'classes' | 'outputs' | 'decisionThreshold'>>;

/**
 * Reads a model's outputs. Models that were trained here answer `label` and `probabilities`, `prediction`, or `cluster`
 * and `distances`. For uploaded models the signature says what each output is, as far as that is known. Otherwise an
 * integer or text per row beside floats is a classification, and a single float per row is a regression; anything else
 * is shown as tensors only. With the classes of the signature, probabilities without a label are a classification too,
 * by the signature's threshold if it has one.
 * Floats are probabilities only when they lie between 0 and 1 and add up to 1, or when the graph makes probabilities.
 */
export function readAnswers(
  outputs: readonly Tensor[],
  rows: number,
  { classes, outputs: specs = [], decisionThreshold }: AnswerSignature = {},
): Answers {
  const meaningOf = (name: string): OutputMeaning | undefined => specs.find((spec) => spec.name === name)?.meaning;
  const named = (meaning: OutputMeaning, name: string): Tensor | undefined =>
    outputs.find((output) => meaningOf(output.name) === meaning) ?? outputs.find((output) => output.name === name);
  const clusters = named('CLUSTER', 'cluster');
  const distances = [named('DISTANCES', 'distances')].find(
    (output): output is Floats => output !== undefined && isFloats(output),
  );
  if (
    clusters &&
    onePerRow(clusters, rows) &&
    (clusters.data instanceof BigInt64Array || clusters.data instanceof Int32Array)
  ) {
    return {
      kind: 'CLUSTERS',
      rows,
      clusters: clusters.data,
      distances: distances?.data ?? null,
      clusterCount: distances ? distances.data.length / rows : 0,
    };
  }
  const labels = outputs.find(
    (output) => onePerRow(output, rows) && ['INT64', 'INT32', 'BYTES'].includes(output.datatype),
  );
  const matrix = outputs.find(
    (output): output is Floats => isFloats(output) && output.shape[0] === rows && output.data.length > rows,
  );
  const single = outputs.find((output): output is Floats => isFloats(output) && onePerRow(output, rows));
  if (labels && (matrix || single || outputs.length === 1)) {
    const beside = matrix ?? single;
    const width = beside ? beside.data.length / rows : 0;
    const probabilities = beside && probabilitiesBeside(beside, width, meaningOf(beside.name));
    const classCount = probabilities ? Math.max(2, width) : width;
    const own = labels.data as ArrayLike<string | number | bigint>;
    return {
      kind: 'CLASSES',
      rows,
      labels: classes ? namedLabels(own, classes) : own,
      probabilities: probabilities ?? null,
      classCount,
      classNames: classes?.length === classCount ? classes : null,
      scores: beside && !probabilities ? beside.data : null,
    };
  }
  const likely = classes && probabilitiesOf(outputs, rows, classes.length);
  if (likely) {
    const classCount = classes.length;
    const isThresholded = classCount === 2 && decisionThreshold !== undefined;
    const labelsOfLikely = Array.from({ length: rows }, (_, row) => {
      const second = likely[row * classCount + 1]!;
      const index = isThresholded ? Number(second >= decisionThreshold) : highest(likely, row * classCount, classCount);
      return classes[index]!;
    });
    return {
      kind: 'CLASSES',
      rows,
      labels: labelsOfLikely,
      probabilities: likely,
      classCount,
      classNames: classes,
      scores: null,
    };
  }
  const [only] = outputs;
  if (outputs.length === 1 && only && isFloats(only) && onePerRow(only, rows))
    return { kind: 'VALUES', rows, values: only.data };
  return { kind: 'OTHER', rows };
}

/** Numbers stay numbers when the classes are the same numbers. */
function namedLabels(
  labels: ArrayLike<string | number | bigint>,
  classes: readonly string[],
): ArrayLike<string | number | bigint> {
  if (typeof labels[0] === 'string' || classes.every((name) => /^-?\d+$/.test(name))) return labels;
  return Array.from(labels, (label) => classOfLabel(label, classes));
}

/**
 * The output beside the label, if it has probabilities. One number per row is that of the second class, if the graph
 * says so.
 */
function probabilitiesBeside(
  { data }: Floats,
  width: number,
  meaning: OutputMeaning | undefined,
): Float32Array | Float64Array | null {
  if (width === 1) return meaning === 'PROBABILITIES' ? bothProbabilities(data) : null;
  const isLikely = meaning === undefined ? rowWithoutProbabilities(data, width) < 0 : meaning === 'PROBABILITIES';
  return isLikely ? data : null;
}

/**
 * For a model with no other output: a matrix with one column per class, or a single number for the second of two
 * classes.
 */
function probabilitiesOf(
  outputs: readonly Tensor[],
  rows: number,
  classCount: number,
): Float32Array | Float64Array | null {
  const [only] = outputs;
  if (outputs.length !== 1 || !only || !isFloats(only) || only.shape[0] !== rows) return null;
  const values = classCount === 2 && only.data.length === rows ? bothProbabilities(only.data) : only.data;
  return values.length === rows * classCount && rowWithoutProbabilities(values, classCount) < 0 ? values : null;
}

function highest(values: Float32Array | Float64Array, start: number, count: number): number {
  let best = 0;
  for (let i = 1; i < count; i++) if (values[start + i]! > values[start + best]!) best = i;
  return best;
}

function isFloats(tensor: Tensor): tensor is Floats {
  return tensor.data instanceof Float32Array || tensor.data instanceof Float64Array;
}

function onePerRow(tensor: Tensor, rows: number): boolean {
  return tensor.shape[0] === rows && tensor.data.length === rows;
}

/**
 * One number per row: for two classes the probability (or decision value) of class 1, for more classes that of the top
 * class; the value; or the distance to the centre of the row's cluster.
 */
export function scoresOf(answers: Answers): Float64Array {
  switch (answers.kind) {
    case 'CLASSES': {
      const { classCount, rows } = answers;
      const values = answers.probabilities ?? answers.scores;
      if (!values) return new Float64Array(0);
      return Float64Array.from({ length: rows }, (_, row) => {
        if (classCount === 2) return values[row * 2 + 1]!;
        return values[row * classCount + highest(values, row * classCount, classCount)]!;
      });
    }
    case 'VALUES':
      return Float64Array.from(answers.values);
    case 'CLUSTERS': {
      const { distances, clusters, clusterCount, rows } = answers;
      if (!distances) return new Float64Array(0);
      return Float64Array.from(
        { length: rows },
        (_, row) => distances[row * clusterCount + Number(clusters[row])] ?? NaN,
      );
    }
    case 'OTHER':
      return new Float64Array(0);
  }
}

/** The answer to one row, for people. */
export interface RowPrediction {
  label: string | null;
  value: number | null;
  probabilities: number[] | null;
  /** Decision values that are not probabilities. */
  scores: number[] | null;
  /** The probabilities by class name; null when the names are unknown. */
  probabilityByClass: { label: string; probability: number }[] | null;
}

/** JSON and GraphQL have no number for NaN and the infinities; the outputs show which it is. */
const finite = (value: number | undefined): number | null =>
  value !== undefined && Number.isFinite(value) ? value : null;

export function rowPredictions(answers: Answers): RowPrediction[] {
  switch (answers.kind) {
    case 'CLASSES': {
      const { labels, probabilities, scores, classCount, classNames } = answers;
      const rowOf = (values: Float32Array | Float64Array | null, row: number): number[] | null => {
        const own = values && Array.from(values.subarray(row * classCount, (row + 1) * classCount));
        return own?.every(Number.isFinite) ? own : null;
      };
      return Array.from(labels, (label, row) => {
        const told = rowOf(probabilities, row);
        const byClass = told && classNames && told.map((probability, i) => ({ label: classNames[i]!, probability }));
        return {
          label: String(label),
          value: null,
          probabilities: told,
          scores: rowOf(scores, row),
          probabilityByClass: byClass,
        };
      });
    }
    case 'VALUES':
      return Array.from(answers.values, (value) => ({
        ...{ label: null, value: finite(value), probabilities: null, scores: null, probabilityByClass: null },
      }));
    case 'CLUSTERS': {
      const distance = scoresOf(answers);
      return Array.from<number | bigint, RowPrediction>(answers.clusters, (cluster, row) => ({
        label: String(cluster),
        value: finite(distance[row]),
        probabilities: null,
        scores: null,
        probabilityByClass: null,
      }));
    }
    case 'OTHER':
      return [];
  }
}

export interface AnswerComparison {
  comparedRows: number;
  disagreements: number;
}

/**
 * Compares the answers of production and a candidate row by row. Two answers of different kinds differ in every row;
 * answers that are only tensors are compared value by value.
 */
export function compareAnswers(
  production: readonly Tensor[],
  candidate: readonly Tensor[],
  rows: number,
  valueTolerance: number,
  signatures: { production?: AnswerSignature; candidate?: AnswerSignature } = {},
): AnswerComparison {
  const a = readAnswers(production, rows, signatures.production);
  const b = readAnswers(candidate, rows, signatures.candidate);
  if (a.kind === 'CLASSES' && b.kind === 'CLASSES') {
    const codes = new Map<string, number>();
    const coded = (labels: ArrayLike<string | number | bigint>) =>
      Int32Array.from(Array.from(labels, String), (label) => codeOf(codes, label));
    return {
      comparedRows: rows,
      disagreements: disagreeingRows({
        task: 'CLASSIFICATION',
        production: coded(a.labels),
        candidate: coded(b.labels),
      }),
    };
  }
  if (a.kind === 'CLUSTERS' && b.kind === 'CLUSTERS') {
    const numbers = (clusters: Iterable<number | bigint>) => Int32Array.from(clusters, Number);
    return {
      comparedRows: rows,
      disagreements: disagreeingRows({
        task: 'CLUSTERING',
        production: numbers(a.clusters),
        candidate: numbers(b.clusters),
      }),
    };
  }
  if (a.kind === 'VALUES' && b.kind === 'VALUES') {
    const answers = {
      production: Float64Array.from(a.values),
      candidate: Float64Array.from(b.values),
      tolerance: valueTolerance,
    };
    return { comparedRows: rows, disagreements: disagreeingRows({ task: 'REGRESSION', ...answers }) };
  }
  const alike = a.kind === 'OTHER' && b.kind === 'OTHER';
  return { comparedRows: rows, disagreements: alike ? rowsWithOtherValues(production, candidate, rows) : rows };
}

function codeOf(codes: Map<string, number>, label: string): number {
  const code = codes.get(label) ?? codes.size;
  codes.set(label, code);
  return code;
}

const RELATIVE_TOLERANCE = 1e-4;

function rowsWithOtherValues(production: readonly Tensor[], candidate: readonly Tensor[], rows: number): number {
  const differs = new Uint8Array(rows);
  for (const tensor of production) {
    const other = candidate.find(({ name }) => name === tensor.name);
    const perRow = tensor.data.length / rows;
    for (let i = 0; i < tensor.data.length; i++) {
      if (!sameValue(tensor.data[i], other?.data[i])) differs[Math.floor(i / perRow)] = 1;
    }
  }
  return differs.reduce((sum, flag) => sum + flag, 0);
}

function sameValue(a: string | number | bigint | undefined, b: string | number | bigint | undefined): boolean {
  if (typeof a === 'number' && typeof b === 'number')
    return Math.abs(a - b) <= RELATIVE_TOLERANCE * Math.max(1, Math.abs(a));
  return a === b;
}
