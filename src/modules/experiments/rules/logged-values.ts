/**
 * The rules for everything that is logged to a run, from any source: a GraphQL or MLflow client, an archive, an import
 * from another server.
 */
import { checkName, checkTag, checkText, checkTimeMs } from '../../core/index.js';
import { badInput } from '../../../errors.js';
import { RUN_TAGS } from './run-tags.js';

export const LOG_STREAMS = ['STDOUT', 'STDERR', 'SYSTEM'] as const;
export type LogStream = (typeof LOG_STREAMS)[number];

const MAX_LINE_BYTES = 8_192;
export const MAX_LINES_PER_RUN = 1_000_000;
const LINE_BREAK = /[\n\r]/;

export function checkLogLine(field: string, line: string): void {
  const bytes = Buffer.byteLength(line);
  if (bytes > MAX_LINE_BYTES) throw badInput(field, `at most ${MAX_LINE_BYTES} bytes`, `${bytes} bytes`);
  if (LINE_BREAK.test(line)) throw badInput(field, 'one line, without line breaks', line.slice(0, 200));
  checkText(line, null, field);
}

/** Clients of MLflow may use steps below 0. */
export const ANY_STEP = Number.MIN_SAFE_INTEGER;

/** `minStep` is 0, or ANY_STEP. */
export function checkStep(field: string, step: number, minStep: number): number {
  if (!Number.isSafeInteger(step) || step < minStep)
    throw badInput(field, minStep === 0 ? 'an integer from 0 to 2^53 - 1' : 'an integer within ±(2^53 - 1)', step);
  return step;
}

/** The limits of MLflow. */
const MAX_DATASET_LENGTHS = {
  name: 500,
  digest: 36,
  sourceType: 36,
  source: 65_535,
  schema: 1_048_575,
  profile: 16_777_215,
  context: 500,
} as const;
export type DatasetText = keyof typeof MAX_DATASET_LENGTHS;
const MAY_BE_EMPTY: readonly DatasetText[] = ['source', 'schema', 'profile'];

/** Checks a text of a logged dataset. */
export function checkDatasetText(field: string, kind: DatasetText, text: string): string {
  const [min, max] = [MAY_BE_EMPTY.includes(kind) ? 0 : 1, MAX_DATASET_LENGTHS[kind]];
  if (text.length < min || text.length > max) throw badInput(field, `${min} to ${max} characters`, text.slice(0, 200));
  if (text.includes('\0') || !text.isWellFormed())
    throw badInput(field, 'well-formed Unicode text without NUL characters', text.slice(0, 200));
  return text;
}

/** Limit for the values that identify a metric of a model, because an index cannot hold more. */
const MAX_MODEL_METRIC_BYTES = 2_000;

/**
 * Checks a metric of a run that is about one model, and optionally about one dataset. `prefix` begins the names of its
 * fields in errors.
 */
export function checkModelMetric(
  prefix: string,
  { key, step, timeMs, datasetName, datasetDigest }: ModelMetricIdentity,
): void {
  checkName(`${prefix}key`, key);
  checkStep(`${prefix}step`, step, ANY_STEP);
  checkTimeMs(`${prefix}loggedAt`, timeMs);
  checkText(datasetName, null, `${prefix}datasetName`);
  checkText(datasetDigest, null, `${prefix}datasetDigest`);
  const bytes = Buffer.byteLength(`${key}${datasetName}${datasetDigest}`);
  if (bytes > MAX_MODEL_METRIC_BYTES)
    throw badInput(
      `${prefix}datasetName`,
      `a key, dataset name and digest of at most ${MAX_MODEL_METRIC_BYTES} bytes together`,
      `${bytes} bytes`,
    );
}

interface ModelMetricIdentity {
  key: string;
  step: number;
  timeMs: number;
  /** '' when there is none. */
  datasetName: string;
  datasetDigest: string;
}

/** The limit of MLflow; it is higher than that of runs' tags. */
const MAX_EXPERIMENT_TAG_CHARACTERS = 20_000;

/** The tag with the experiment's description may be as long as a description. */
export function checkExperimentTag(field: string, key: string, value: string): void {
  if (key === RUN_TAGS.note) checkText(value, null, field);
  else checkTag(field, key, value, MAX_EXPERIMENT_TAG_CHARACTERS);
}

/** MLflow has no limit for the values of a logged model's parameters and tags. */
export const MAX_LOGGED_MODEL_VALUE_CHARACTERS = 100_000;
