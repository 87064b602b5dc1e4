import { bothProbabilities, classOfLabel, rowWithoutProbabilities } from './class-names.js';
import { disagreeingRows } from './shadow.js';
import type { Tensor } from './tensor.js';
import type { Task } from '../training/training-config.js';

/** What a model's outputs say about each row, as far as their names and shapes tell. */
export type Answers =
  | {
      kind: 'CLASSES';
      rows: number;
      labels: ArrayLike<string | number | bigint>;
      probabilities: Float32Array | Float64Array | null;
      classCount: number;
      /** The class of each probability; null when nobody has said. */
      classNames: readonly string[] | null;
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

/**
 * Trained models answer `label` and `probabilities`, `prediction`, or `cluster` and `distances`. Of uploaded ones, an integer or text per
 * row beside a matrix of floats is a classification, and a single float per row a regression; anything else is shown as tensors alone.
 * With the classes of the signature, probabilities without a label are a classification too.
 */
export function readAnswers(outputs: readonly Tensor[], rows: number, classes?: readonly string[]): Answers {
  const clusters = outputs.find((output) => output.name === 'cluster');
  const distances = outputs.find((output): output is Floats => output.name === 'distances' && isFloats(output));
  if (clusters && onePerRow(clusters, rows) && (clusters.data instanceof BigInt64Array || clusters.data instanceof Int32Array)) {
    return {
      kind: 'CLUSTERS',
      rows,
      clusters: clusters.data,
      distances: distances?.data ?? null,
      clusterCount: distances ? distances.data.length / rows : 0,
    };
  }
  const labels = outputs.find((output) => onePerRow(output, rows) && ['INT64', 'INT32', 'BYTES'].includes(output.datatype));
  const matrix = outputs.find((output): output is Floats => isFloats(output) && output.shape[0] === rows && output.data.length > rows);
  if (labels && (matrix || outputs.length === 1)) {
    const classCount = matrix ? matrix.data.length / rows : 0;
    const own = labels.data as ArrayLike<string | number | bigint>;
    return {
      kind: 'CLASSES',
      rows,
      labels: classes ? namedLabels(own, classes) : own,
      probabilities: matrix?.data ?? null,
      classCount,
      classNames: classes?.length === classCount ? classes : null,
    };
  }
  const likely = classes && probabilitiesOf(outputs, rows, classes.length);
  if (likely) {
    const classCount = classes.length;
    const labelsOfLikely = Array.from({ length: rows }, (_, row) => classes[highest(likely, row * classCount, classCount)]!);
    return { kind: 'CLASSES', rows, labels: labelsOfLikely, probabilities: likely, classCount, classNames: classes };
  }
  const [only] = outputs;
  if (outputs.length === 1 && only && isFloats(only) && onePerRow(only, rows)) return { kind: 'VALUES', rows, values: only.data };
  return { kind: 'OTHER', rows };
}

/** Numbers stay numbers where the classes are the same numbers. */
function namedLabels(labels: ArrayLike<string | number | bigint>, classes: readonly string[]): ArrayLike<string | number | bigint> {
  if (typeof labels[0] === 'string' || classes.every((name) => /^-?\d+$/.test(name))) return labels;
  return Array.from(labels, (label) => classOfLabel(label, classes));
}

/** Of a model that answers with nothing else: a matrix of as many columns as classes, or a single number for the second of two. */
function probabilitiesOf(outputs: readonly Tensor[], rows: number, classCount: number): Float32Array | Float64Array | null {
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

/** One number per row: class 1's probability of two classes, the top class's of more, the value, or the distance to the own cluster's centre. */
export function scoresOf(answers: Answers): Float64Array {
  switch (answers.kind) {
    case 'CLASSES': {
      const { probabilities, classCount, rows } = answers;
      if (!probabilities) return new Float64Array(0);
      return Float64Array.from({ length: rows }, (_, row) => {
        if (classCount === 2) return probabilities[row * 2 + 1]!;
        let top = 0;
        for (let i = row * classCount; i < (row + 1) * classCount; i++) if (probabilities[i]! > top) top = probabilities[i]!;
        return top;
      });
    }
    case 'VALUES':
      return Float64Array.from(answers.values);
    case 'CLUSTERS': {
      const { distances, clusters, clusterCount, rows } = answers;
      if (!distances) return new Float64Array(0);
      return Float64Array.from({ length: rows }, (_, row) => distances[row * clusterCount + Number(clusters[row])] ?? NaN);
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
  /** The same by the names of the classes; null when nobody has said them. */
  probabilityByClass: { label: string; probability: number }[] | null;
}

/** JSON and GraphQL have no number for the others; the outputs tell which they are. */
const finite = (value: number | undefined): number | null => (value !== undefined && Number.isFinite(value) ? value : null);

export function rowPredictions(answers: Answers): RowPrediction[] {
  switch (answers.kind) {
    case 'CLASSES': {
      const { labels, probabilities, classCount, classNames } = answers;
      return Array.from(labels, (label, row) => {
        const own = probabilities && Array.from(probabilities.subarray(row * classCount, (row + 1) * classCount));
        const told = own?.every(Number.isFinite) ? own : null;
        const byClass = told && classNames && told.map((probability, i) => ({ label: classNames[i]!, probability }));
        return { label: String(label), value: null, probabilities: told, probabilityByClass: byClass };
      });
    }
    case 'VALUES':
      return Array.from(answers.values, (value) => ({ label: null, value: finite(value), probabilities: null, probabilityByClass: null }));
    case 'CLUSTERS': {
      const distance = scoresOf(answers);
      return Array.from<number | bigint, RowPrediction>(answers.clusters, (cluster, row) => ({
        label: String(cluster),
        value: finite(distance[row]),
        probabilities: null,
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
 * Rows that production and a candidate answer differently. Two answers of different kinds disagree in every row; answers that are only
 * tensors are compared value by value.
 */
export function compareAnswers(
  production: readonly Tensor[],
  candidate: readonly Tensor[],
  rows: number,
  valueTolerance: number,
  classes: { production?: readonly string[]; candidate?: readonly string[] } = {},
): AnswerComparison {
  const a = readAnswers(production, rows, classes.production);
  const b = readAnswers(candidate, rows, classes.candidate);
  if (a.kind === 'CLASSES' && b.kind === 'CLASSES') {
    const codes = new Map<string, number>();
    const coded = (labels: ArrayLike<string | number | bigint>) =>
      Int32Array.from(Array.from(labels, String), (label) => codeOf(codes, label));
    return {
      comparedRows: rows,
      disagreements: disagreeingRows({ task: 'CLASSIFICATION', production: coded(a.labels), candidate: coded(b.labels) }),
    };
  }
  if (a.kind === 'CLUSTERS' && b.kind === 'CLUSTERS') {
    const numbers = (clusters: Iterable<number | bigint>) => Int32Array.from(clusters, Number);
    return {
      comparedRows: rows,
      disagreements: disagreeingRows({ task: 'CLUSTERING', production: numbers(a.clusters), candidate: numbers(b.clusters) }),
    };
  }
  if (a.kind === 'VALUES' && b.kind === 'VALUES') {
    const answers = { production: Float64Array.from(a.values), candidate: Float64Array.from(b.values), tolerance: valueTolerance };
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
  if (typeof a === 'number' && typeof b === 'number') return Math.abs(a - b) <= RELATIVE_TOLERANCE * Math.max(1, Math.abs(a));
  return a === b;
}

/** Whether answers of this task can be judged by a loss on labelled rows. */
export function hasLoss(task: Task | 'OTHER'): boolean {
  return task === 'CLASSIFICATION' || task === 'REGRESSION';
}
