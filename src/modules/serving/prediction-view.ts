import { readAnswers, rowPredictions, type RowPrediction } from './rules/answers.js';
import { type Tensor, plainValues } from '../model-contract/index.js';
import type { Prediction } from './predict.service.js';

/** The answers row by row, as every protocol shows them. */
export function predictedRows({ outputs, rows, target }: Prediction): RowPrediction[] {
  return rowPredictions(readAnswers(outputs, rows, target.version.signature));
}

/** The elements of a tensor for JSON. Values for which JSON has no number are texts, as everywhere in this API. */
export function jsonElements(tensor: Tensor): (number | string | boolean)[] {
  const { data } = tensor;
  if (!(data instanceof Float32Array || data instanceof Float64Array)) return plainValues(tensor);
  const values = new Array<number | string>(data.length);
  for (let i = 0; i < data.length; i++) values[i] = Number.isFinite(data[i]) ? data[i]! : String(data[i]);
  return values;
}
