import { AppError, ErrorCode } from '../../errors.js';
import type { Signature, Tensor, TensorSpec } from '../../modules/model-contract/index.js';
import { ServerFault } from './server-fault.js';

/**
 * The outputs in the order of the signature. WRONG when the server left one out, or gave it another type, shape or
 * number of rows than the signature says.
 */
export function checkedAnswer(
  { outputs }: Signature,
  inputs: readonly Tensor[],
  answered: readonly Tensor[],
): Tensor[] {
  const rows = inputs[0]?.shape[0] ?? 1;
  return outputs.map((spec) => {
    const found = answered.find(({ name }) => name === spec.name);
    if (!found) throw wrong(spec, 'no such output');
    if (found.datatype !== spec.datatype) throw wrong(spec, `elements of ${found.datatype}`);
    const shape = shapeOf(spec, found.shape);
    const fits =
      shape.length === spec.shape.length &&
      spec.shape.every((wanted, axis) => wanted === -1 || wanted === shape[axis]) &&
      (spec.shape[0] !== -1 || shape[0] === rows);
    if (!fits) throw wrong(spec, `the shape [${found.shape.join(', ')}] for ${rows} rows`);
    if (found.data.length !== shape.reduce((product, size) => product * size, 1))
      throw wrong(spec, `${found.data.length} elements for the shape [${shape.join(', ')}]`);
    return { ...found, shape };
  });
}

/** A server that knows no lists of plain numbers gives each row a list of one. */
function shapeOf(spec: TensorSpec, shape: number[]): number[] {
  return shape.length === spec.shape.length + 1 && shape.at(-1) === 1 ? shape.slice(0, -1) : shape;
}

/** UNAVAILABLE for an answer with NaN to inputs without NaN. No fault of the server, as some models do this. */
export function refuseNaN(inputs: readonly Tensor[], outputs: readonly Tensor[]): void {
  const found = outputs.find(hasNaN);
  if (!found || inputs.some(hasNaN)) return;
  throw new AppError(ErrorCode.UNAVAILABLE, `The model answered NaN in its output "${found.name}".`, {
    expected: 'numbers',
    got: 'NaN',
  });
}

function hasNaN({ data }: Tensor): boolean {
  return (data instanceof Float32Array || data instanceof Float64Array) && data.some(Number.isNaN);
}

function wrong({ name, datatype, shape }: TensorSpec, got: string): ServerFault {
  return new ServerFault(
    'WRONG',
    `The server of the model answered wrongly: output "${name}" should be ${datatype} [${shape.join(', ')}], and it ` +
      `gave ${got}.`,
  );
}
