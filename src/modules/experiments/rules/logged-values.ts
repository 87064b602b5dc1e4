/**
 * The rules for everything that is logged to a run, from any source: a GraphQL or MLflow client, an archive, an import
 * from another server.
 */
import {
  characters,
  checkName,
  checkRange,
  checkTag,
  checkText,
  checkTimeMs,
  type InputRange,
} from '../../core/index.js';
import { badInput } from '../../../errors.js';
import { RUN_TAGS } from './run-tags.js';

export const LOG_STREAMS = ['STDOUT', 'STDERR', 'SYSTEM'] as const;
export type LogStream = (typeof LOG_STREAMS)[number];

export const LOG_LINE: InputRange = { max: 8_192, unit: 'bytes' };
export const MAX_LINES_PER_RUN = 1_000_000;
const LINE_BREAK = /[\n\r]/;

export function checkLogLine(field: string, line: string): void {
  checkRange(LOG_LINE, line, null, field);
  if (LINE_BREAK.test(line)) throw badInput(field, 'one line, without line breaks', line.slice(0, 200));
  checkText(line, null, field);
}

/** Clients of MLflow may use steps below 0. */
export const ANY_STEP = Number.MIN_SAFE_INTEGER;

/** Of this service's own clients. */
export const STEP = { min: 0 } satisfies InputRange;

/** `minStep` is that of STEP, or ANY_STEP. */
export function checkStep(field: string, step: number, minStep: number): number {
  if (!Number.isSafeInteger(step) || step < minStep)
    throw badInput(field, minStep === 0 ? 'an integer from 0 to 2^53 - 1' : 'an integer within ±(2^53 - 1)', step);
  return step;
}

/** The limits of MLflow. */
export const DATASET_TEXTS = {
  name: characters(1, 500),
  digest: characters(1, 36),
  sourceType: characters(1, 36),
  source: characters(0, 65_535),
  schema: characters(0, 1_048_575),
  profile: characters(0, 16_777_215),
  context: characters(1, 500),
} as const;
export type DatasetText = keyof typeof DATASET_TEXTS;

/** Checks a text of a logged dataset. */
export function checkDatasetText(field: string, kind: DatasetText, text: string): string {
  checkText(text, null, field, DATASET_TEXTS[kind]);
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
export const EXPERIMENT_TAG_VALUE = characters(0, 20_000);

/** The tag with the experiment's description may be as long as a description. */
export function checkExperimentTag(field: string, key: string, value: string): void {
  if (key === RUN_TAGS.note) checkText(value, null, field);
  else checkTag(field, key, value, EXPERIMENT_TAG_VALUE);
}
