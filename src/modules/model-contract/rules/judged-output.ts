import { AppError, ErrorCode } from '../../../errors.js';
import type { TensorSpec } from './tensor.js';

type JudgedTask = 'CLASSIFICATION' | 'REGRESSION' | 'CLUSTERING';

const OUTPUT_NAMES: Record<JudgedTask, string> = {
  CLASSIFICATION: 'probabilities',
  REGRESSION: 'prediction',
  CLUSTERING: 'distances',
};

/**
 * The output by which a model of this task is judged: the one with the conventional name, or the only one with the
 * right shape. INVALID_TENSOR when there is none.
 */
export function judgedOutput(task: JudgedTask, outputs: readonly TensorSpec[]): TensorSpec {
  const wide = task !== 'REGRESSION';
  const unfit = { CLASSIFICATION: 'DISTANCES', CLUSTERING: 'PROBABILITIES', REGRESSION: 'LABEL' }[task];
  const floats = outputs.filter(
    ({ datatype, shape, meaning }) =>
      (datatype === 'FP32' || datatype === 'FP64') && shape.length <= 2 && meaning !== unfit,
  );
  const several = floats.filter(({ shape }) => shape.length === 2 && shape[1] !== 1);
  const single = floats.filter(({ shape }) => shape.slice(1).every((size) => size === 1));
  // When it is the only output, it is the probability of the second of two classes.
  const isBinary = task === 'CLASSIFICATION' && several.length === 0 && outputs.length === 1;
  const fitting = wide && !isBinary ? several : single;
  const found =
    fitting.find(({ name }) => name === OUTPUT_NAMES[task]) ?? (fitting.length === 1 ? fitting[0] : undefined);
  if (found) return found;
  const values =
    task === 'CLASSIFICATION' ? 'a probability for each class' : wide ? 'more than one value' : 'one value';
  const expected = `an output ${OUTPUT_NAMES[task]} of FP32, ${values} per row`;
  const got = outputs.map(({ name, datatype, shape }) => `${name} ${datatype} [${shape.join(', ')}]`).join('; ');
  throw new AppError(
    ErrorCode.INVALID_TENSOR,
    `The model cannot be judged as ${task}: expected ${expected}, got ${got}.`,
    {
      field: 'outputs',
      expected,
      got,
    },
  );
}
