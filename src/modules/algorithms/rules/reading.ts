import { badInput } from '../../../errors.js';
import { algorithmOf } from './registry.js';
import { DEFAULT_TERMS, isKMeans, type Reading, type TrainingConfig } from './training-config.js';

/** Trainings whose rows need more memory are read in blocks. */
const WHOLE_BYTES = 2 ** 30;
/** A value is held raw and encoded, and also in a copy while it is read. */
const BYTES_PER_VALUE = 24;
const BYTES_PER_TERM = 4;

/** What a row needs in memory, with this number of columns, when all rows are there. */
export function bytesInMemory({ features }: Pick<TrainingConfig, 'features'>, columns: number): number {
  const terms = features.map(({ kind, maxTerms = DEFAULT_TERMS }) => (kind === 'TEXT' ? maxTerms : 0));
  return columns * BYTES_PER_VALUE + terms.reduce((sum, count) => sum + count, 0) * BYTES_PER_TERM;
}

/** Why a training cannot read its rows in blocks; null when it can. */
export function blocksRefusal(config: TrainingConfig): string | null {
  const { name, family } = algorithmOf(config.algorithm);
  if (isKMeans(config) || family === 'PYTHON') return `nothing but WHOLE for ${name}`;
  return config.crossValidation ? 'nothing but WHOLE with a cross-validation' : null;
}

/**
 * How a training on a dataset of this many rows reads them: as it was asked, or in blocks when there are so many that
 * they need a gigabyte, and the training can. Errors: BAD_USER_INPUT when it was asked for blocks and cannot.
 */
export function readingOf(config: TrainingConfig, rowCount: number, isLocal: boolean): Reading {
  const refusal = isLocal ? blocksRefusal(config) : 'nothing but WHOLE outside this service';
  if (config.reading === 'BLOCKS' && refusal !== null) throw badInput('config.reading', refusal, config.reading);
  if (config.reading !== undefined) return config.reading;
  const rows = Math.min(rowCount, config.sampleRows || Infinity);
  const isLarge = rows * bytesInMemory(config, config.features.length + 1) > WHOLE_BYTES;
  return isLarge && refusal === null ? 'BLOCKS' : 'WHOLE';
}
