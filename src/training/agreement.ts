import { Tensor as RuntimeTensor } from 'onnxruntime-node';
import { type Column, takeRows, toTensors, type Tensor } from '../modules/model-contract/index.js';
import { predictedClasses } from '../modules/statistics/index.js';
import { AppError, ErrorCode } from '../errors.js';
import type { ExportedModel } from './graphs/export-graph.js';
import type { Head } from './graphs/heads.js';
import type { Predictions } from './learner.js';
import { createSession } from './session.js';

const MAX_DIFFERENCE = 1e-4;

function runtimeTensor({ datatype, data, shape }: Tensor): RuntimeTensor {
  if (Array.isArray(data)) return new RuntimeTensor('string', data, shape);
  if (data instanceof BigInt64Array) return new RuntimeTensor('int64', data, shape);
  if (data instanceof Float64Array) return new RuntimeTensor('float64', data, shape);
  if (data instanceof Float32Array) return new RuntimeTensor('float32', data, shape);
  throw new Error(`The trainer exports no ${datatype} inputs.`);
}

/**
 * The largest difference between the trainer's predictions for these rows and those of the exported model on the raw
 * columns. Probabilities and distances are compared directly; values in units of the largest of 1, the target's
 * standard deviation and the value itself, because single precision holds a price of millions only to some tenths.
 * Errors: INVALID_MODEL above 1e-4.
 */
export async function checkAgreement(
  model: ExportedModel,
  columns: ReadonlyMap<string, Column>,
  rows: Int32Array,
  own: Predictions,
  head: Head,
): Promise<number> {
  const chosen = new Map(model.signature.inputs.map(({ name }) => [name, takeRows(columns.get(name)!, rows)]));
  const session = await createSession(model.bytes);
  const inputs = toTensors(chosen, model.signature);
  const outputs = await session.run(Object.fromEntries(inputs.map((tensor) => [tensor.name, runtimeTensor(tensor)])));
  const difference = largestDifference(own, head, (name) => outputs[name]!.data as Float32Array, rows.length);
  if (own.kind === 'CLASSES' && head.kind === 'CLASSES')
    checkLabels(own, head.classes, Array.from(outputs.label!.data as ArrayLike<unknown>, String));
  if (!(difference <= MAX_DIFFERENCE)) {
    throw new AppError(ErrorCode.INVALID_MODEL, 'The exported model does not agree with its trainer.', {
      expected: `a difference of at most ${MAX_DIFFERENCE}`,
      got: String(difference),
    });
  }
  return difference;
}

/**
 * The label must be that of the probabilities, unless these are nearer to the threshold than the allowed difference.
 */
function checkLabels(
  own: Predictions & { kind: 'CLASSES' },
  classes: readonly string[],
  labels: readonly string[],
): void {
  const { probabilities, classCount, threshold } = own;
  const predicted = predictedClasses({ labels: new Int32Array(labels.length), probabilities, classCount, threshold });
  const wrong = labels.findIndex((label, row) => {
    if (label === classes[predicted[row]!]) return false;
    const shares = probabilities.subarray(row * classCount, (row + 1) * classCount).toSorted();
    const margin =
      threshold === undefined
        ? shares[classCount - 1]! - shares[classCount - 2]!
        : probabilities[row * 2 + 1]! - threshold;
    return Math.abs(margin) > 2 * MAX_DIFFERENCE;
  });
  if (wrong < 0) return;
  throw new AppError(ErrorCode.INVALID_MODEL, 'The exported model does not agree with its trainer.', {
    expected: `the label ${classes[predicted[wrong]!]}`,
    got: labels[wrong]!,
  });
}

function largestDifference(own: Predictions, head: Head, output: (name: string) => Float32Array, rows: number): number {
  let largest = 0;
  // NaN must not count as agreement, so Math.max cannot be used.
  const see = (difference: number): void => {
    if (!(difference <= largest)) largest = difference;
  };
  switch (own.kind) {
    case 'CLASSES': {
      const runtimeValues = output('probabilities');
      own.probabilities.forEach((probability, i) => see(Math.abs(probability - runtimeValues[i]!)));
      break;
    }
    case 'VALUE': {
      const runtimeValues = output('prediction');
      const std = head.kind === 'VALUE' ? head.std : 1;
      own.values.forEach((value, i) => see(Math.abs(value - runtimeValues[i]!) / Math.max(1, std, Math.abs(value))));
      break;
    }
    case 'CLUSTERS': {
      const runtimeValues = output('distances');
      const clusters = runtimeValues.length / rows;
      own.squaredDistances.forEach((squared, row) => {
        const nearest = runtimeValues
          .subarray(row * clusters, (row + 1) * clusters)
          .reduce((a, b) => Math.min(a, b), Infinity);
        see(Math.abs(Math.sqrt(squared) - nearest));
      });
    }
  }
  return largest;
}
