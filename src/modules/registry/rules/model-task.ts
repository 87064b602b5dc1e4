import { badInput } from '../../../errors.js';
import type { Signature } from '../../model-contract/index.js';

export const MODEL_TASKS = ['CLASSIFICATION', 'REGRESSION', 'CLUSTERING', 'TEXT_GENERATION', 'OTHER'] as const;
export type ModelTask = (typeof MODEL_TASKS)[number];

/** The tag with which clients of other protocols set the task of a model. */
export const TASK_TAG = 'matih.task';

/**
 * The task in the tags; null when there is none. BAD_USER_INPUT for an unknown value; upper or lower case does not
 * matter.
 */
export function taskOfTags(field: string, tags: readonly { key: string; value: string }[]): ModelTask | null {
  const value = tags.findLast(({ key }) => key === TASK_TAG)?.value;
  if (value === undefined) return null;
  const task = MODEL_TASKS.find((name) => name === value.toUpperCase());
  if (!task) throw badInput(field, `a tag ${TASK_TAG} of ${MODEL_TASKS.join(', ')}`, value);
  return task;
}

/** What a file and its metadata suggest about the task. */
export interface TaskHints {
  /** The signature of model.onnx. */
  signature: Signature | null;
  /** The signature in the MLmodel file: what `predict` returns in Python. */
  logged: Signature | null;
  framework: string | null;
}

/** Frameworks whose models give one number per row both for two classes and for a value. */
const UNCLEAR_NUMBERS = ['pytorch', 'tensorflow', 'keras', 'onnx', 'pyfunc'];
/** Names that converters give to the only output of a regression. */
const VALUE_NAMES = ['variable', 'prediction'];

/** A guess that a person can correct; null when there is no hint. */
export function guessTask({ signature, logged, framework }: TaskHints): ModelTask | null {
  if (signature?.classes) return 'CLASSIFICATION';
  const names = signature?.outputs.map(({ name }) => name) ?? [];
  if (names.includes('cluster') || names.includes('distances')) return 'CLUSTERING';
  const [predicted] = logged?.outputs ?? [];
  if (logged?.outputs.length === 1 && predicted && isSingle(predicted.shape)) {
    if (predicted.datatype === 'BYTES' || predicted.datatype === 'BOOL') return 'CLASSIFICATION';
    // Integers are classes or clusters.
    if (predicted.datatype.startsWith('INT')) return names.includes('probabilities') ? 'CLASSIFICATION' : null;
  }
  const [only] = signature?.outputs ?? [];
  const isValue = signature?.outputs.length === 1 && only && only.datatype.startsWith('FP') && isSingle(only.shape);
  if (isValue && (VALUE_NAMES.includes(only.name) || (framework !== null && !UNCLEAR_NUMBERS.includes(framework))))
    return 'REGRESSION';
  return null;
}

const isSingle = (shape: readonly number[]) => shape.slice(1).every((size) => size === 1);
