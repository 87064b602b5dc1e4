import { join } from 'node:path';
import type { TrainingConfig } from '../../modules/algorithms/index.js';
import type { Table } from '../../adapters/dataset-files/port.js';
import type { Head } from '../graphs/heads.js';
import type { LabelledRows } from '../learner.js';
import { loadRows } from '../rows.js';
import { type NamedArray, writeArrays } from './arrays.js';
import { encodedProblem } from './encoded-problem.js';

export interface PrepareRequest {
  config: TrainingConfig;
  data: Table;
  /** Gets the file of rows. */
  workDir: string;
}

/** What the work outside reads besides the rows; `python/matih_ml/train/spec.py` has the meaning of each part. */
export interface PreparedTraining {
  rowsPath: string;
  classes: number | null;
  targetStd: number;
  numericWidth: number;
  indicatorCount: number;
  fingerprint: string;
}

/** Reads and encodes the rows of a training, and writes them as arrays. Errors: BAD_USER_INPUT names the field. */
export async function prepareOutside({ config, data, workDir }: PrepareRequest): Promise<PreparedTraining> {
  const rows = await loadRows(data, config);
  const { encoding, head, classWeights, labelled, fingerprint } = encodedProblem(config, rows);
  const arrays = new Map<string, NamedArray>();
  for (const part of ['train', 'validation', 'holdout'] as const)
    addPart(arrays, part, labelled(rows.split[part]), head, encoding.numericWidth, encoding.slots.length);
  if (classWeights) arrays.set('classWeights', { data: classWeights, shape: [classWeights.length] });
  const rowsPath = join(workDir, 'rows.safetensors');
  await writeArrays(rowsPath, arrays);
  return {
    rowsPath,
    classes: head.kind === 'CLASSES' ? head.classes.length : null,
    targetStd: stdOf(head),
    numericWidth: encoding.numericWidth,
    indicatorCount: encoding.indicatorCount,
    fingerprint,
  };
}

const stdOf = (head: Head): number => (head.kind === 'VALUE' ? head.std : 1);

function addPart(
  arrays: Map<string, NamedArray>,
  part: string,
  { rows, numeric, indicators, truth }: LabelledRows,
  head: Head,
  width: number,
  slots: number,
): void {
  if (width > 0) arrays.set(`${part}.numeric`, { data: numeric, shape: [rows, width] });
  if (slots > 0) arrays.set(`${part}.indicators`, { data: indicators, shape: [rows, slots] });
  if (truth.kind === 'CLASSES') arrays.set(`${part}.target`, { data: truth.labels, shape: [rows] });
  if (truth.kind === 'VALUE' && head.kind === 'VALUE') {
    const { mean, std } = head;
    arrays.set(`${part}.target`, { data: truth.values.map((value) => (value - mean) / std), shape: [rows] });
  }
}
