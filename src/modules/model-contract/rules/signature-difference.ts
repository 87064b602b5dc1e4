import type { Signature, TensorSpec } from './tensor.js';

/**
 * Why a client of one model could not call the other with the same requests and read its answers in the same way, as a
 * half-sentence; null when it could.
 */
export function signatureDifference(present: Signature, other: Signature): string | null {
  for (const side of ['inputs', 'outputs'] as const) {
    const word = side.slice(0, -1);
    for (const spec of present[side]) {
      const twin = other[side].find(({ name }) => name === spec.name);
      if (!twin) return `it has no ${word} "${spec.name}"`;
      const difference = specDifference(spec, twin);
      if (difference) return `its ${word} "${spec.name}" ${difference}`;
    }
    // Clients do not send an input that they do not know; an output more does not disturb them.
    const more =
      side === 'inputs' && other.inputs.find(({ name }) => !present.inputs.some((spec) => spec.name === name));
    if (more) return `it needs one input more, "${more.name}"`;
  }
  const [classes, others] = [present.classes?.join(), other.classes?.join()];
  return classes !== undefined && others !== undefined && classes !== others ? 'it has other classes' : null;
}

function specDifference(spec: TensorSpec, twin: TensorSpec): string | null {
  if (spec.datatype !== twin.datatype) return `is ${twin.datatype}, not ${spec.datatype}`;
  if (spec.shape.join() !== twin.shape.join()) return `has shape [${twin.shape.join()}], not [${spec.shape.join()}]`;
  const names = ({ columns }: TensorSpec) => columns?.map(({ name }) => name).join();
  const [columns, others] = [names(spec), names(twin)];
  return columns !== undefined && others !== undefined && columns !== others ? 'has other columns' : null;
}
