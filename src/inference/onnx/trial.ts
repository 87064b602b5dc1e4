/** Generated inputs for the trial runs of an unknown model. */
import {
  allocate,
  type Datatype,
  type Tensor,
  type TensorData,
  type TensorSpec,
} from '../../modules/model-contract/index.js';

/** WIDE: of many magnitudes. SMALL: possible indices into a short table. */
export type TrialValues = 'WIDE' | 'SMALL' | 'ZERO';

/** More than two, so that dependence on a maximum, a sum or a rank shows. */
export const TRIAL_ROWS = 5;

/** Their number has no common divisor with usual widths, so that neighbours differ. */
const WIDE_NUMBERS = [0.37, -1.9, 12.5, -340, 5000, 0.004, 77, -6.1, 1.3, 940, -0.2];
const WIDE_INTEGERS = [3, -2, 12, -340, 5000, 1, 77, -6, 150, 9400, 0];
const WIDE_TEXTS = ['a', 'The quick brown fox', 'B2', 'zebra', '', 'fox and a dog', '42'];

/** Kernels may add in another order for another batch size: the tolerance is relative to the largest answer. */
const TOLERANCE = 1e-3;

const BYTE_RANGE: Partial<Record<Datatype, [number, number]>> = { BOOL: [0, 1], UINT8: [0, 255], INT8: [-128, 127] };

function fill(data: TensorData, datatype: Datatype, values: Exclude<TrialValues, 'ZERO'>): void {
  const [least, most] = BYTE_RANGE[datatype] ?? [-Infinity, Infinity];
  for (let index = 0; index < data.length; index += 1) {
    const whole = values === 'SMALL' ? index % 2 : WIDE_INTEGERS[index % WIDE_INTEGERS.length]!;
    if (Array.isArray(data))
      data[index] = values === 'SMALL' ? 'ab'[index % 2]! : WIDE_TEXTS[index % WIDE_TEXTS.length]!;
    else if (data instanceof BigInt64Array) data[index] = BigInt(whole);
    else if (data instanceof Float32Array || data instanceof Float64Array) {
      // A slow wave, so that long inputs do not repeat.
      data[index] =
        values === 'SMALL'
          ? Math.sin(12.9898 * (index + 1))
          : WIDE_NUMBERS[index % WIDE_NUMBERS.length]! * (1 + 0.1 * Math.sin(index));
    } else data[index] = Math.min(most, Math.max(least, whole));
  }
}

/** Dimensions of any length are 1, except the first. */
export function trialInputs(specs: readonly TensorSpec[], rows: number, values: TrialValues): Tensor[] {
  return specs.map(({ name, datatype, shape: wanted }) => {
    const shape = wanted.map((dimension, axis) => (dimension === -1 ? (axis === 0 ? rows : 1) : dimension));
    const data = allocate(
      datatype,
      shape.reduce((product, dimension) => product * dimension, 1),
    );
    if (values !== 'ZERO') fill(data, datatype, values);
    return { name, datatype, shape, data };
  });
}

/** Whether each row's answer is the same in `together` as alone. */
export function sameRows(together: readonly Tensor[], alone: readonly (readonly Tensor[])[]): boolean {
  return together.every(({ data }, output) => {
    const perRow = data.length / alone.length;
    let bound = TOLERANCE;
    if (typeof data[0] === 'number')
      for (const value of data as Float64Array)
        if (Math.abs(value) < Infinity) bound = Math.max(bound, TOLERANCE * Math.abs(value));
    return alone.every((outputs, row) => {
      const own = outputs[output]!.data;
      if (own.length !== perRow) return false;
      for (let index = 0; index < perRow; index += 1)
        if (!sameElement(own[index]!, data[row * perRow + index]!, bound)) return false;
      return true;
    });
  });
}

function sameElement(a: number | bigint | string, b: number | bigint | string, bound: number): boolean {
  if (typeof a !== 'number' || typeof b !== 'number') return a === b;
  return Object.is(a, b) || Math.abs(a - b) <= bound;
}
