import { isDeepStrictEqual } from 'node:util';
import { badInput } from '../../../errors.js';
import { isRecorded } from './column-requests.js';
import { columnNames } from './input-columns.js';
import { readingOf } from './dataset-schema.js';
import type { InputColumn, Signature, TensorSpec } from './tensor.js';

/** A signature, and the field of the request that named its model. */
export interface NamedSignature {
  field: string;
  signature: Signature;
}

/**
 * The inputs of all these models together, for one model that asks each of them: an input that several have is there
 * once. BAD_USER_INPUT names the first model whose input has the name of another one's and is not the same.
 */
export function joinInputs(models: readonly NamedSignature[]): TensorSpec[] {
  const joined = new Map<string, TensorSpec>();
  for (const { field, signature } of models) {
    for (const spec of signature.inputs) {
      const known = joined.get(spec.name);
      joined.set(spec.name, known ? joinedInput(field, known, spec) : spec);
    }
  }
  return [...joined.values()];
}

const FLOATS: ReadonlySet<string> = new Set(['FP32', 'FP64']);

function joinedInput(field: string, known: TensorSpec, spec: TensorSpec): TensorSpec {
  const sameType = known.datatype === spec.datatype || (FLOATS.has(known.datatype) && FLOATS.has(spec.datatype));
  const sameShape = isDeepStrictEqual(known.shape, spec.shape);
  const sameColumns = isDeepStrictEqual(columnNames(known), columnNames(spec));
  if (!sameType || !sameShape || !sameColumns || known.semantic !== spec.semantic)
    throw badInput(
      field,
      `a version whose input ${known.name} is ${shown(known)}, as of the members before it`,
      shown(spec),
    );
  const columns = known.columns && spec.columns && joinedColumns(field, known, spec);
  return {
    ...known,
    // A member of single precision gets the same number: it is rounded either way.
    datatype: known.datatype === spec.datatype ? known.datatype : 'FP64',
    ...(columns && { columns }),
    ...((known.acceptsMissing !== undefined || spec.acceptsMissing !== undefined) && {
      acceptsMissing: known.acceptsMissing === true && spec.acceptsMissing === true,
    }),
  };
}

function joinedColumns(field: string, known: TensorSpec, spec: TensorSpec): InputColumn[] {
  return known.columns!.map((column, i) => {
    const other = spec.columns![i]!;
    if (!isRecorded(spec, other)) return column;
    if (!isRecorded(known, column)) return other;
    const [reading, otherReading] = [readingOf(column), readingOf(other)];
    if (!isDeepStrictEqual(reading, otherReading))
      throw badInput(
        field,
        `a version that reads column ${column.name} as the members before it do (${JSON.stringify(reading)})`,
        JSON.stringify(otherReading),
      );
    if (!column.categories || !other.categories) return column;
    return { ...column, categories: [...new Set([...column.categories, ...other.categories])] };
  });
}

function shown(spec: TensorSpec): string {
  const columns = columnNames(spec);
  const names = columns && columns.length > 1 ? ` of ${columns.slice(0, 10).join(', ')}` : '';
  return `${spec.semantic ?? ''} ${spec.datatype} [${spec.shape.join(', ')}]${names}`.trim();
}
