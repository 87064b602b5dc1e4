import { type AnswerSignature, readAnswers } from './answers.js';
import {
  type Column,
  knownCategories,
  unknownCategories,
  type Signature,
  type Tensor,
} from '../../model-contract/index.js';

/** A column of a batch inference's result. */
export type PredictionColumn =
  | Column
  | { name: string; type: 'INTEGER'; values: BigInt64Array | Int32Array }
  | { name: string; type: 'NUMBER'; values: Float32Array };

/** The row numbers of the dataset, from 0: the key of every result. */
export const ROW_NUMBER_COLUMN = 'row_number';
const PREFIX = 'prediction_';

/** With more classes or values than this, only the first ones get their own columns. */
const MAX_COLUMNS_PER_OUTPUT = 100;

/** Whether a column of the dataset has a name that the result uses for its own columns. */
export function isReservedColumn(name: string): boolean {
  return name === ROW_NUMBER_COLUMN || name.startsWith(PREFIX);
}

/**
 * A model's answers as columns. `prediction_label` and `prediction_probability_<class>` …, numbered from 0 when the
 * classes are unknown; for decision values `prediction_score_<class>` …, or `prediction_score` for a single one;
 * `prediction_value`; `prediction_cluster` and `prediction_distance_0` …; other outputs as `prediction_<output>`,
 * numbered when they have several values per row.
 */
export function predictionColumns(
  outputs: readonly Tensor[],
  rows: number,
  signature?: AnswerSignature,
): PredictionColumn[] {
  const answers = readAnswers(outputs, rows, signature);
  switch (answers.kind) {
    case 'CLASSES':
      return [
        labelColumn(`${PREFIX}label`, answers.labels),
        ...matrixColumns('probability', answers.probabilities, rows, answers.classNames),
        ...(answers.scores?.length === rows
          ? [numbers(`${PREFIX}score`, answers.scores)]
          : matrixColumns('score', answers.scores, rows, answers.classNames)),
      ];
    case 'VALUES':
      return [numbers(`${PREFIX}value`, answers.values)];
    case 'CLUSTERS':
      return [
        { name: `${PREFIX}cluster`, type: 'INTEGER', values: answers.clusters },
        ...matrixColumns('distance', answers.distances, rows),
      ];
    case 'OTHER':
      return outputs.flatMap((output) => otherColumns(output, rows));
  }
}

/**
 * `prediction_unknown_columns`: for each row, the columns whose category the model does not know, separated by ", ";
 * null when it knows all. Absent for a model without recorded categories.
 */
export function unknownColumns(signature: Signature, inputs: readonly Tensor[], rows: number): Column[] {
  if (knownCategories(signature).size === 0) return [];
  const values = new Array<string | null>(rows).fill(null);
  unknownCategories(signature, inputs, ({ row, column }) => {
    values[row] = values[row] === null ? column : `${values[row]}, ${column}`;
  });
  return [{ name: `${PREFIX}unknown_columns`, type: 'STRING', values }];
}

function otherColumns({ name, data }: Tensor, rows: number): PredictionColumn[] {
  if (data.length % rows !== 0) return [];
  if (data instanceof Float32Array || data instanceof Float64Array) {
    return data.length === rows ? [numbers(`${PREFIX}${name}`, data)] : matrixColumns(name, data, rows);
  }
  return data.length === rows ? [labelColumn(`${PREFIX}${name}`, data as ArrayLike<string | number | bigint>)] : [];
}

function matrixColumns(
  name: string,
  values: Float32Array | Float64Array | null,
  rows: number,
  parts: readonly string[] | null = null,
): PredictionColumn[] {
  if (!values) return [];
  const perRow = values.length / rows;
  const suffixes = parts ? columnSuffixes(parts) : Array.from({ length: perRow }, (_, i) => String(i));
  return Array.from({ length: Math.min(perRow, MAX_COLUMNS_PER_OUTPUT) }, (_, i) =>
    numbers(
      `${PREFIX}${name}_${suffixes[i]}`,
      Float64Array.from({ length: rows }, (_value, row) => values[row * perRow + i]!),
    ),
  );
}

const MAX_SUFFIX_CHARACTERS = 100;

/**
 * Class names as ends of column names: visible, of limited length, and different also when upper and lower case are
 * ignored, because some readers of tables ignore it.
 */
function columnSuffixes(names: readonly string[]): string[] {
  const taken = new Set<string>();
  return names.map((name) => {
    const plain = name
      .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+/gu, ' ')
      .slice(0, MAX_SUFFIX_CHARACTERS)
      .toWellFormed();
    let suffix = plain;
    for (let i = 2; taken.has(suffix.toLowerCase()); i++) suffix = `${plain}_${i}`;
    taken.add(suffix.toLowerCase());
    return suffix;
  });
}

function labelColumn(name: string, labels: ArrayLike<string | number | bigint>): PredictionColumn {
  if (labels instanceof BigInt64Array || labels instanceof Int32Array) return { name, type: 'INTEGER', values: labels };
  return { name, type: 'STRING', values: Array.from(labels, String) };
}

/** Numbers that are not finite become null, because a table cannot show them. */
function numbers(name: string, values: Float32Array | Float64Array): PredictionColumn {
  return { name, type: 'NUMBER', values: Float64Array.from(values, (value) => (Number.isFinite(value) ? value : NaN)) };
}
