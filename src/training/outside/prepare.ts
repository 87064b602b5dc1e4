import { join } from 'node:path';
import type { TrainingConfig } from '../../modules/algorithms/index.js';
import type { Table } from '../../adapters/dataset-files/port.js';
import type { Head } from '../graphs/heads.js';
import type { LabelledRows } from '../learner.js';
import { loadRows } from '../rows.js';
import { type NamedArray, writeArrays } from './arrays.js';
import { encodedProblem } from './encoded-problem.js';
import { MAIN, outsideParts } from './parts.js';

export interface PrepareRequest {
  config: TrainingConfig;
  data: Table;
  /** Gets the file of rows. */
  workDir: string;
}

/** What the work outside reads besides the rows; `python/matih_ml/train/spec.py` has the meaning of each part. */
export interface PreparedTraining {
  classes: number | null;
  /** Of the part `main`. */
  fingerprint: string;
  /** What is trained, in this order. */
  parts: PreparedPart[];
}

/** One model to train, with its rows in the file `name`.safetensors of the folder. */
export interface PreparedPart {
  name: string;
  watches: boolean;
  targetStd: number;
  numericWidth: number;
  indicatorCount: number;
}

export const rowsFile = ({ name }: Pick<PreparedPart, 'name'>): string => `rows-${name}.safetensors`;

/** Reads and encodes the rows of a training, and writes them as arrays. Errors: BAD_USER_INPUT names the field. */
export async function prepareOutside({ config, data, workDir }: PrepareRequest): Promise<PreparedTraining> {
  const rows = await loadRows(data, config);
  const prepared: PreparedTraining = { classes: null, fingerprint: '', parts: [] };
  for (const part of outsideParts(config, rows)) {
    const { name, watches } = part;
    const { encoding, head, classWeights, labelled, fingerprint } = encodedProblem(config, rows, part.train);
    const { numericWidth, indicatorCount, slots } = encoding;
    const arrays = new Map<string, NamedArray>();
    for (const of of ['train', 'validation', 'holdout'] as const)
      addRows(arrays, of, labelled(part[of]), head, numericWidth, slots.length);
    if (classWeights) arrays.set('classWeights', { data: classWeights, shape: [classWeights.length] });
    await writeArrays(join(workDir, rowsFile(part)), arrays);
    prepared.parts.push({ name, watches, targetStd: stdOf(head), numericWidth, indicatorCount });
    if (name !== MAIN) continue;
    prepared.classes = head.kind === 'CLASSES' ? head.classes.length : null;
    prepared.fingerprint = fingerprint;
  }
  return prepared;
}

const stdOf = (head: Head): number => (head.kind === 'VALUE' ? head.std : 1);

function addRows(
  arrays: Map<string, NamedArray>,
  part: string,
  { rows, numeric, indicators, truth, weights }: LabelledRows,
  head: Head,
  width: number,
  slots: number,
): void {
  if (width > 0) arrays.set(`${part}.numeric`, { data: numeric, shape: [rows, width] });
  if (slots > 0) arrays.set(`${part}.indicators`, { data: indicators, shape: [rows, slots] });
  if (weights) arrays.set(`${part}.weights`, { data: weights, shape: [rows] });
  if (truth.kind === 'CLASSES') arrays.set(`${part}.target`, { data: truth.labels, shape: [rows] });
  if (truth.kind === 'VALUE' && head.kind === 'VALUE') {
    const { mean, std } = head;
    arrays.set(`${part}.target`, { data: truth.values.map((value) => (value - mean) / std), shape: [rows] });
  }
}
