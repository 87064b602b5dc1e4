import { AppError, badInput, ErrorCode, quote } from '../../../errors.js';
import type { ColumnType } from './dataset-schema.js';
import type { Datatype, InputColumn, Signature, TensorSpec } from './tensor.js';
import { ANY_ITEMS, characters, type InputRange } from '../../core/index.js';

/** Elements of one row of an input; null when its shape does not say it and no columns are named. */
export function elementsPerRow({ shape, columns }: TensorSpec): number | null {
  const inner = shape.slice(1);
  if (!inner.includes(-1)) return inner.reduce((product, size) => product * size, 1);
  return inner.length === 1 && columns ? columns.length : null;
}

/** The shape of one row of an input. The named columns give the open dimension. */
export function rowShape(spec: TensorSpec): number[] {
  return spec.shape.slice(1).map((size) => (size === -1 ? (spec.columns?.length ?? -1) : size));
}

/**
 * Names of the columns that fill the elements of a row, in order; null when there are several and their names are
 * unknown.
 */
export function columnNames(spec: TensorSpec): readonly string[] | null {
  if (spec.columns) return spec.columns.map(({ name }) => name);
  return elementsPerRow(spec) === 1 ? [spec.name] : null;
}

/** Every column that the model needs, once; only for inputs whose columns are known. */
export function neededColumns(signature: Signature): string[] {
  return [...new Set(signature.inputs.flatMap((spec) => columnNames(spec) ?? []))];
}

/** Inputs with several elements per row whose columns are not named. */
export function unmappedInputs(signature: Signature): TensorSpec[] {
  return signature.inputs.filter((spec) => columnNames(spec) === null);
}

/** The version, and the columns that could fill its rows, for an error that says what to do. */
interface UnmappedContext {
  versionId: string;
  /** All columns of the dataset except the target, in the order of the file. */
  candidates: readonly string[];
}

/** BAD_USER_INPUT for a model whose inputs cannot be filled from named columns. The error says how to name them. */
export function requireMapped(signature: Signature, { versionId, candidates }: UnmappedContext): void {
  const spec = unmappedInputs(signature)[0];
  if (!spec) return;
  const wanted = elementsPerRow(spec);
  const shape = `[${spec.shape.map((size) => (size === -1 ? 'any' : size)).join(', ')}]`;
  const values = wanted === null ? 'any number of values' : `${wanted} values`;
  const what =
    `Input ${quote(spec.name)} of shape ${shape} takes ${values} per row, and nobody has said which columns ` +
    'they are.';
  const details = {
    field: 'input.datasetId',
    expected: `columns for the values of input ${quote(spec.name)}`,
    got: 'none',
  };
  if (wanted === null && spec.shape.length !== 2) {
    const instead =
      'Export the model with a fixed number of values per row; as it is, it answers tensors alone (predict ' +
      'with tensors).';
    throw new AppError(ErrorCode.BAD_USER_INPUT, `${what} ${instead}`, details);
  }
  const isLikely = wanted === candidates.length;
  const shown = isLikely ? candidates.slice(0, MAX_SHOWN_COLUMNS).map((name) => JSON.stringify(name)) : ['"…"'];
  const columns = `[${shown.join(', ')}${isLikely && candidates.length > MAX_SHOWN_COLUMNS ? ', …' : ''}]`;
  const next =
    `updateModelVersion(input: {id: "${versionId}", inputColumns: [{input: ${JSON.stringify(spec.name)}, ` +
    `columns: ${columns}}]})`;
  const how = isLikely
    ? 'The dataset has as many columns besides the target. Are they in the order that the model was trained ' +
      `with? Then call ${next}.`
    : `Name them in the order that the model was trained with: ${next}.`;
  throw new AppError(ErrorCode.BAD_USER_INPUT, `${what} ${how}`, { ...details, next });
}

const MAX_SHOWN_COLUMNS = 100;

/** The columns of an input, as a user gave them. */
export interface GivenColumns {
  /** When absent, the only input. */
  input?: string | null;
  columns?: readonly string[] | null;
  acceptsMissing?: boolean | null;
}

/** How a column for this element type is read when nothing else is known. */
export function columnTypeFor(datatype: Datatype): ColumnType {
  if (datatype === 'BYTES') return 'STRING';
  return datatype === 'BOOL' ? 'BOOLEAN' : 'NUMBER';
}

/** The signature with what a user gave about its inputs. BAD_USER_INPUT names the first wrong field. */
export function withColumns(signature: Signature, field: string, given: readonly GivenColumns[]): Signature {
  const changed = new Map<string, TensorSpec>();
  given.forEach(({ input, columns, acceptsMissing }, i) => {
    const at = `${field}[${i}]`;
    const spec = inputNamed(signature, `${at}.input`, input);
    if (changed.has(spec.name)) throw badInput(`${at}.input`, 'each input once', spec.name);
    const next: TensorSpec = { ...spec };
    if (columns != null) next.columns = checkedColumns(spec, `${at}.columns`, columns);
    if (acceptsMissing != null) {
      if (spec.datatype !== 'FP32' && spec.datatype !== 'FP64') {
        throw badInput(
          `${at}.acceptsMissing`,
          `nothing for ${spec.datatype}: floats alone can stand for a missing value`,
          acceptsMissing,
        );
      }
      next.acceptsMissing = acceptsMissing;
    }
    changed.set(spec.name, next);
  });
  return { ...signature, inputs: signature.inputs.map((spec) => changed.get(spec.name) ?? spec) };
}

function inputNamed({ inputs }: Signature, field: string, name: string | null | undefined): TensorSpec {
  const names = inputs.map((spec) => spec.name);
  if (name == null) {
    if (inputs.length === 1) return inputs[0]!;
    throw badInput(field, `one of the model's inputs ${quote(names)}`, name);
  }
  const found = inputs.find((spec) => spec.name === name);
  if (!found) throw badInput(field, `one of the model's inputs ${quote(names)}`, name);
  return found;
}

/** The columns of one input. */
export const COLUMN_NAMES: InputRange = { ...ANY_ITEMS, min: 1, unit: 'columns', each: characters(1, 1_000) };

function checkedColumns(spec: TensorSpec, field: string, columns: readonly string[]): InputColumn[] {
  const wanted = elementsPerRow({ ...spec, columns: undefined });
  const isOpen = wanted === null && spec.shape.length === 2;
  if (wanted === null && !isOpen) {
    throw badInput(
      field,
      `none, for the shape [${spec.shape.join(', ')}] of input ${spec.name} is not fixed`,
      columns.length,
    );
  }
  if (wanted === null ? columns.length === 0 : columns.length !== wanted) {
    throw badInput(
      field,
      `${wanted ?? 'one or more'} columns, one for each value of a row of input ${spec.name}`,
      `${columns.length} columns`,
    );
  }
  const seen = new Set<string>();
  columns.forEach((name, i) => {
    if (seen.has(name)) throw badInput(`${field}[${i}]`, 'each column once', name);
    seen.add(name);
  });
  const known = new Map(spec.columns?.map((column) => [column.name, column]));
  return columns.map((name) => known.get(name) ?? { name, type: columnTypeFor(spec.datatype) });
}

/**
 * Adds the column names of a training or an MLmodel file to a signature: to its only input with several values per row,
 * when the numbers match. Inputs that have the name of a column need none.
 */
export function withKnownColumns(signature: Signature, columns: readonly InputColumn[]): Signature {
  const open = unmappedInputs(signature);
  const own = new Set(signature.inputs.map(({ name }) => name));
  const rest = columns.filter(({ name }) => !own.has(name));
  const [spec] = open;
  if (!spec || open.length > 1 || new Set(rest.map(({ name }) => name)).size !== rest.length) return signature;
  const wanted = elementsPerRow(spec);
  if (rest.length === 0 || (wanted === null ? spec.shape.length !== 2 : wanted !== rest.length)) return signature;
  const isText = spec.datatype === 'BYTES';
  if (rest.some(({ type }) => (type === 'STRING') !== isText)) return signature;
  return {
    ...signature,
    inputs: signature.inputs.map((input) => (input === spec ? { ...input, columns: rest } : input)),
  };
}
