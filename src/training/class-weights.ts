import type { TrainingConfig } from '../modules/algorithms/index.js';
import { badInput } from '../errors.js';
import type { Column } from '../modules/model-contract/index.js';
import type { Target } from './port.js';
import type { Split } from './split.js';

const WEIGHT_FIELD = 'config.sampleWeight.column';

/** The weight of a row of each class; undefined when all are equal. Errors: BAD_USER_INPUT for an unknown class. */
export function classWeightsOf(
  { classWeights }: TrainingConfig,
  target: Target | undefined,
  train: Int32Array,
): Float64Array | undefined {
  if (!classWeights || target?.kind !== 'CLASSES') return undefined;
  const { classes, labels } = target;
  if (classWeights.by === 'BALANCED') {
    const counts = new Float64Array(classes.length);
    for (const row of train) counts[labels[row]!]! += 1;
    const seen = counts.filter((count) => count > 0).length;
    return counts.map((count) => (count > 0 ? train.length / (seen * count) : 1));
  }
  const weights = new Float64Array(classes.length).fill(1);
  classWeights.weights.forEach(({ class: name, weight }, i) => {
    const index = classes.indexOf(name);
    if (index < 0)
      throw badInput(`config.classWeights.weights[${i}].class`, `one of ${classes.slice(0, 20).join(', ')}`, name);
    weights[index] = weight;
  });
  return weights;
}

/** Errors: BAD_USER_INPUT for a weight that is missing or negative. */
export function checkWeights(column: Column): Float64Array {
  if (column.type !== 'NUMBER') throw badInput(WEIGHT_FIELD, 'a NUMBER column', `${column.name} (${column.type})`);
  const wrong = column.values.find((value) => !(value >= 0 && value < Infinity));
  if (wrong === undefined) return column.values;
  throw badInput(WEIGHT_FIELD, 'weights of at least 0 in all rows', `${column.name} with ${wrong}`);
}

/** Errors: BAD_USER_INPUT for a part whose rows all have weight 0. */
export function checkPartWeights(name: string, weights: Float64Array, split: Split): void {
  for (const [part, rows] of Object.entries(split) as [string, Int32Array][])
    if (!rows.some((row) => weights[row]! > 0))
      throw badInput(WEIGHT_FIELD, `weights above 0 in the ${part} rows`, `${name}, always 0`);
}

/** How much each row counts: by its class, its own weight, or both; undefined when all count the same. */
export function rowWeightsOf(
  labels: Int32Array,
  classWeights: Float64Array | undefined,
  own: Float64Array | undefined,
): Float64Array | undefined {
  if (!classWeights) return own;
  return Float64Array.from(labels, (label, row) => classWeights[label]! * (own?.[row] ?? 1));
}
