import type { Tensor } from '../../modules/model-contract/index.js';
import { wrong } from './elements.js';

/**
 * The best classes of each row instead of its values, as Triton writes them: `value:index`, or `value:index:label` for
 * a model that names its classes. INVALID_TENSOR for an output that has no number per class.
 */
export function classesOf(
  { name, shape, data }: Tensor,
  wanted: number,
  labels: readonly string[] | undefined,
): Tensor {
  if (Array.isArray(data) || shape.length !== 2)
    throw wrong('outputs', `a matrix of numbers for the classification of "${name}"`, `shape [${shape.join(', ')}]`);
  const [rows = 0, width = 0] = shape;
  const count = Math.min(wanted, width);
  const values = Array.from(data as ArrayLike<number | bigint>, Number);
  const named = labels?.length === width ? labels : undefined;
  const texts: string[] = [];
  for (let row = 0; row < rows; row++) {
    const own = values.slice(row * width, (row + 1) * width);
    const best = own.map((_, index) => index).sort((a, b) => own[b]! - own[a]! || a - b);
    for (const index of best.slice(0, count))
      texts.push(`${own[index]!.toFixed(6)}:${index}${named ? `:${named[index]}` : ''}`);
  }
  return { name, datatype: 'BYTES', shape: [rows, count], data: texts };
}
