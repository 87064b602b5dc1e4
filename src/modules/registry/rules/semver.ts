import type { InputRange } from '../../core/index.js';
import { badInput, conflict } from '../../../errors.js';
import type { Signature, TensorSpec } from '../../model-contract/index.js';

/** The difference between a version and the one before it. */
export type VersionChange = 'SIGNATURE' | 'TRAINING' | 'EXPORT';

const PATTERN = /^(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})$/;
/** Of the shortest and the longest semantic version. */
export const SEMANTIC_VERSION: InputRange = {
  min: 5,
  max: 29,
  unit: 'characters',
  accepts: (text) => PATTERN.test(text),
};

/** MAJOR.MINOR.PATCH, each up to nine digits without leading zeros. */
export function checkSemanticVersion(field: string, text: string): string {
  if (!PATTERN.test(text)) throw badInput(field, 'MAJOR.MINOR.PATCH, such as 2.0.1', text);
  return text;
}

/**
 * A new signature is major, because callers must adapt; a new training is minor, because answers change; a re-export is
 * a patch, because answers stay the same.
 */
export function nextSemanticVersion(previous: string | null, change: VersionChange): string {
  if (previous === null) return '1.0.0';
  const parts = PATTERN.exec(previous);
  if (parts === null) throw badInput('semanticVersion', 'MAJOR.MINOR.PATCH', previous);
  const next = raised(parts.slice(1).map(Number) as [number, number, number], change);
  if (PATTERN.test(next)) return next;
  throw conflict(`No semantic version follows ${previous} by itself: give one yourself.`, {
    field: 'input.semanticVersion',
    got: previous,
  });
}

function raised([major, minor, patch]: [number, number, number], change: VersionChange): string {
  switch (change) {
    case 'SIGNATURE':
      return `${major + 1}.0.0`;
    case 'TRAINING':
      return `${major}.${minor + 1}.0`;
    case 'EXPORT':
      return `${major}.${minor}.${patch + 1}`;
  }
}

/** Whether two signatures differ for a caller. The order of named tensors does not matter. */
export function signaturesDiffer(a: Signature, b: Signature): boolean {
  const otherColumns = a.inputs.some(({ name, columns }) => {
    const columnsOfB = b.inputs.find((spec) => spec.name === name)?.columns;
    // If the columns of one signature are unknown, they may be the same.
    return (
      columns &&
      columnsOfB &&
      columns.map((column) => column.name).join('\0') !== columnsOfB.map((column) => column.name).join('\0')
    );
  });
  return otherColumns || describe(a.inputs) !== describe(b.inputs) || describe(a.outputs) !== describe(b.outputs);
}

function describe(specs: readonly TensorSpec[]): string {
  const byName = [...specs].sort((x, y) => (x.name < y.name ? -1 : 1));
  return JSON.stringify(byName.map(({ name, datatype, shape, semantic }) => [name, datatype, shape, semantic ?? null]));
}
