import { allocate, type Signature, type Tensor, type TensorSpec } from '../../modules/model-contract/index.js';

/** With more inputs than this, all are tried together and not one by one. */
const MAX_TRIED_ALONE = 32;
const MAX_TRIAL_ELEMENTS = 50_000;

/** Runs the model on one row; null when it refuses. */
export type TrialRun = (inputs: Tensor[]) => Promise<Tensor[] | null>;

const isFloat = ({ datatype }: TensorSpec) => datatype === 'FP32' || datatype === 'FP64';

/**
 * Finds the float inputs that accept NaN as a missing value: those with which every number of the answer stays finite.
 * A model that does not handle missing values passes NaN on to its answer.
 */
export async function withMissingTried(signature: Signature, run: TrialRun): Promise<Signature> {
  const open = signature.inputs.filter((spec) => isFloat(spec) && spec.acceptsMissing === undefined);
  const elements = signature.inputs.reduce((sum, spec) => sum + lengthOf(spec), 0);
  if (open.length === 0 || elements > MAX_TRIAL_ELEMENTS || !signature.outputs.some(isFloat)) return signature;
  const taken = new Set<string>();
  const answers = async (missing: readonly TensorSpec[]) => {
    const outputs = await run(signature.inputs.map((spec) => oneRow(spec, missing.includes(spec))));
    return outputs !== null && outputs.every(isFinite);
  };
  // Not finite even for zeros, e.g. because of a logarithm: nothing can be concluded.
  if (!(await answers([]))) return signature;
  if (await answers(open)) open.forEach(({ name }) => taken.add(name));
  else if (open.length > 1 && open.length <= MAX_TRIED_ALONE)
    for (const spec of open) if (await answers([spec])) taken.add(spec.name);
  return {
    ...signature,
    inputs: signature.inputs.map((spec) =>
      open.includes(spec) ? { ...spec, acceptsMissing: taken.has(spec.name) } : spec,
    ),
  };
}

function lengthOf({ shape }: TensorSpec): number {
  return shape.reduce((product, size) => product * Math.max(1, size), 1);
}

function oneRow(spec: TensorSpec, isMissing: boolean): Tensor {
  const data = allocate(spec.datatype, lengthOf(spec));
  if (isMissing && (data instanceof Float32Array || data instanceof Float64Array)) data.fill(Number.NaN);
  return { name: spec.name, datatype: spec.datatype, shape: spec.shape.map((size) => Math.max(1, size)), data };
}

function isFinite({ data }: Tensor): boolean {
  return (
    !(data instanceof Float32Array || data instanceof Float64Array) || data.every((value) => Number.isFinite(value))
  );
}
