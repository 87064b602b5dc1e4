import { AppError, ErrorCode } from '../../errors.js';
import { type NetworkShape, parametersOf, partsOf, sizeOf } from '../graphs/network.js';
import { type NamedArray, takeArray } from './arrays.js';

/** The weights of a network in these arrays, which come from outside, in the order of its parameters. */
export function weightsOf(arrays: ReadonlyMap<string, NamedArray>, shape: NetworkShape): Float32Array {
  const parameters = parametersOf(shape);
  const weights = new Float32Array(sizeOf(parameters));
  const parts = partsOf(parameters, weights);
  for (const { name, dims } of parameters)
    parts.get(name)!.set(takeArray(arrays, `network.${name}`, Float32Array, dims));
  if (!weights.every(Number.isFinite))
    throw new AppError(ErrorCode.INVALID_MODEL, 'The training has stored a network with a weight that is not finite.', {
      expected: 'finite weights',
      got: 'a weight that is not finite',
    });
  return weights;
}
