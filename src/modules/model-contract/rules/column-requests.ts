import { columnNames } from './input-columns.js';
import type { InputColumn, Signature, TensorSpec } from './tensor.js';
import { type ColumnReading, readingOf } from './dataset-schema.js';

/**
 * VALUE: a number or, for STRING, the text, by the type of the reading. TEXT: the category, as the file spells it.
 * BOTH: the values, with `texts` beside them.
 */
export type Form = 'VALUE' | 'TEXT' | 'BOTH';

/**
 * A column by its name, and how to read it: as the dataset reads it, or as another file (that of a training) was read.
 */
export interface ColumnRequest {
  name: string;
  form: Form;
  reading?: ColumnReading;
}

/** Each column once, in the order of first mention. A column that is requested in two forms is read in both. */
export function mergeRequests(requests: readonly ColumnRequest[]): ColumnRequest[] {
  const merged = new Map<string, ColumnRequest>();
  for (const request of requests) {
    const known = merged.get(request.name);
    if (!known) merged.set(request.name, request);
    else merged.set(request.name, { ...request, ...known, form: known.form === request.form ? known.form : 'BOTH' });
  }
  return [...merged.values()];
}

/**
 * The columns that fill a model's inputs. Categories are read as texts. If it is known how the training read its data,
 * it is read in the same way.
 */
export function inputRequests({ inputs }: Signature): ColumnRequest[] {
  return mergeRequests(
    inputs.flatMap((spec): ColumnRequest[] => {
      const form = formFor(spec);
      const known = new Map(spec.columns?.map((column) => [column.name, column]));
      return (columnNames(spec) ?? []).map((name) => {
        const column = known.get(name);
        return column && isRecorded(spec, column) ? { name, form, reading: readingOf(column) } : { name, form };
      });
    }),
  );
}

/** 64-bit integers are also read as texts, because double precision loses the last digits of some. */
function formFor({ datatype, semantic }: TensorSpec): Form {
  if (datatype === 'BYTES') return 'TEXT';
  return datatype === 'INT64' && semantic !== 'TIMESTAMP_MS' ? 'BOTH' : 'VALUE';
}

/**
 * Whether a training recorded how it read the column. Otherwise only a type is known, guessed from the model's input.
 */
export function isRecorded(
  { semantic }: TensorSpec,
  { categories, nullValues, decimalSeparator, thousandsSeparator, unit, format }: InputColumn,
): boolean {
  const details = [semantic, categories, nullValues, decimalSeparator, thousandsSeparator, unit, format];
  return details.some((detail) => detail !== undefined);
}
