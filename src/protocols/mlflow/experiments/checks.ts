import { posix } from 'node:path';
import { ErrorCode } from '../../../errors.js';
import type { TagEntry } from '../../../modules/experiments/index.js';
import { instead, invalidParameter } from '../errors.js';
import { absentRuns, runIdOf } from '../ids.js';
import { compactJson } from '../python-json.js';

// The rules of MLflow's own server for logged values, with its messages (mlflow/utils/validation.py).

const MAX_KEY_LENGTH = 250;
export const MAX_PARAM_VALUE_LENGTH = 6_000;
export const MAX_TAG_VALUE_LENGTH = 8_000;
const MAX_METRICS = 1_000;
const MAX_PARAMS_AND_TAGS = 100;
const MAX_ENTITIES = 1_000;
const MAX_DATASET_LENGTHS = { name: 500, digest: 36, source: 65_535, schema: 1_048_575, profile: 16_777_215 } as const;
const MAX_INPUT_TAG_LENGTHS = { key: 255, value: 500 } as const;
/** The end of the year 9999: later years have another notation. */
const MAX_TIME_MS = 253_402_300_799_999;

const KEY = /^[/\p{L}\p{N}\p{M}_.\- :]*$/u;

/** Checks the key of a parameter, metric or tag: some clients store each in a file of that name. */
export function checkKey(path: string, key: string): void {
  const refuse = (reason: string) =>
    invalidParameter(`Invalid value ${compactJson(key)} for parameter '${path}' supplied: ${reason}`);
  if (!KEY.test(key)) {
    throw refuse(
      'Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) ' +
        'and slashes (/).',
    );
  }
  checkAsPath(path, key);
}

export function checkAsPath(path: string, name: string): void {
  const normal = normalPath(name);
  if (normal === name && normal !== '.' && !normal.startsWith('..') && !normal.startsWith('/')) return;
  throw invalidParameter(
    `Invalid value ${compactJson(name)} for parameter '${path}' supplied: Names may be treated as files in ` +
      'certain cases, and must not resolve to other names when treated as such. This name would resolve to ' +
      `'${normal}'`,
  );
}

/** Like Python's normpath, which removes a slash at the end. */
function normalPath(path: string): string {
  const normal = posix.normalize(path);
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal;
}

export function checkLength(name: string, limit: number, text: string): void {
  // A character outside the basic plane counts once, as in Python.
  if (text.length > limit && [...text].length > limit)
    throw invalidParameter(`'${name}' exceeds the maximum length of ${limit} characters`);
}

/** MLflow's server cuts long values of parameters and tags and does not refuse them. */
function cut(text: string, limit: number): string {
  return text.length > limit ? [...text].slice(0, limit).join('') : text;
}

/** A tag of a new run: MLflow's server does not check its key. */
export const cutTag = ({ key, value }: TagEntry): TagEntry => ({ key, value: cut(value, MAX_TAG_VALUE_LENGTH) });

/** A check for tags that are refused when they are too long, and not cut. */
export const uncutTag =
  (maxValueLength: number) =>
  ({ key, value }: TagEntry): void => {
    checkKey('key', key);
    checkLength('key', MAX_KEY_LENGTH, key);
    checkLength('value', maxValueLength, value);
  };

export function checkedParam({ key, value }: TagEntry, path = ''): TagEntry {
  checkKey(`${path}key`, key);
  checkLength('Param key', MAX_KEY_LENGTH, key);
  return { key, value: cut(value, MAX_PARAM_VALUE_LENGTH) };
}

export function checkedTag({ key, value }: TagEntry, path = ''): TagEntry {
  checkKey(`${path}key`, key);
  checkLength(`${path}key`, MAX_KEY_LENGTH, key);
  return { key, value: cut(value, MAX_TAG_VALUE_LENGTH) };
}

interface MetricToCheck {
  key: string;
  value: number;
  timestamp: number;
}

export function checkMetric(metric: MetricToCheck): void {
  checkMetricKey(metric.key, '');
  checkTimestamp(metric, 'timestamp');
}

/** A batch has few different keys, and each is checked once. */
export function checkMetrics(metrics: MetricToCheck[]): void {
  const known = new Set<string>();
  metrics.forEach((metric, i) => {
    if (!known.has(metric.key)) checkMetricKey(metric.key, `metrics[${i}].`);
    known.add(metric.key);
    checkTimestamp(metric, `metrics[${i}].timestamp`);
  });
}

function checkMetricKey(key: string, path: string): void {
  checkKey(`${path}name`, key);
  checkLength('Metric name', MAX_KEY_LENGTH, key);
}

function checkTimestamp({ key, value, timestamp }: MetricToCheck, path: string): void {
  if (timestamp >= 0 && timestamp <= MAX_TIME_MS) return;
  throw invalidParameter(
    `Invalid value ${timestamp} for parameter '${path}' supplied: metric '${key}' ` +
      `(value=${pythonFloat(value)}). Timestamp must be a nonnegative long (64-bit integer) `,
  );
}

const pythonFloat = (value: number) => (Number.isInteger(value) ? `${value}.0` : String(value));

export function checkBatchSize(metrics: unknown[], params: unknown[], tags: unknown[]): void {
  const check = (name: string, limit: number, length: number) => {
    if (length <= limit) return;
    throw invalidParameter(
      `A batch logging request can contain at most ${limit} ${name}. Got ${length} ${name}. Please split up ` +
        `${name} across multiple requests and try again.`,
    );
  };
  check('metrics', MAX_METRICS, metrics.length);
  check('params', MAX_PARAMS_AND_TAGS, params.length);
  check('tags', MAX_PARAMS_AND_TAGS, tags.length);
  check('metrics, params, and tags', MAX_ENTITIES, metrics.length + params.length + tags.length);
}

export function checkUniqueKeys(params: TagEntry[]): void {
  const seen = new Set<string>();
  const repeated = params.filter(({ key }) => seen.has(key) || !seen.add(key)).map(({ key }) => `'${key}'`);
  if (repeated.length === 0) return;
  throw invalidParameter(
    `Duplicate parameter keys have been submitted: [${repeated.join(', ')}]. Please ensure the request ` +
      'contains only one param value per param key.',
  );
}

/** Limit for the values that identify a metric of a model, because an index cannot hold more. */
const MAX_MODEL_METRIC_BYTES = 2_000;

export function checkModelMetric(key: string, datasetName: string, datasetDigest: string): void {
  if ((datasetName === '') !== (datasetDigest === '')) {
    throw invalidParameter('Both dataset_name and dataset_digest must be provided if one is provided');
  }
  checkLength('dataset_name', MAX_DATASET_LENGTHS.name, datasetName);
  checkLength('dataset_digest', MAX_DATASET_LENGTHS.digest, datasetDigest);
  const bytes = Buffer.byteLength(`${key}${datasetName}${datasetDigest}`);
  if (bytes > MAX_MODEL_METRIC_BYTES) {
    throw invalidParameter(
      `The key and the dataset of a model's metric can have ${MAX_MODEL_METRIC_BYTES} bytes together, these ` +
        `have ${bytes}.`,
    );
  }
}

/** Checks a dataset that a run reads against the limits of MLflow. */
export function checkDataset(
  dataset: Partial<Record<keyof typeof MAX_DATASET_LENGTHS, string | null | undefined>>,
  tags: readonly TagEntry[],
): void {
  for (const { key, value } of tags) {
    checkLength('key', MAX_INPUT_TAG_LENGTHS.key, key);
    checkLength('value', MAX_INPUT_TAG_LENGTHS.value, value);
  }
  for (const field of ['name', 'digest', 'source', 'schema', 'profile'] as const) {
    checkLength(field, MAX_DATASET_LENGTHS[field], dataset[field] ?? '');
  }
}

/** A time that a client gives in milliseconds since 1970. */
export function toTime(name: string, ms: number): Date {
  if (ms < 0 || ms > MAX_TIME_MS)
    throw invalidParameter(`Invalid value ${ms} for parameter '${name}' supplied: expected milliseconds since 1970.`);
  return new Date(ms);
}

/** Works on the run that a text names; refusals because of the run use MLflow's messages. */
export function onRun<T>(text: string, work: (runId: string) => Promise<T>): Promise<T> {
  const id = runIdOf(text);
  return withMlflowErrors([text], () => work(id));
}

export function onRuns<T>(texts: string[], work: (runIds: string[]) => Promise<T>): Promise<T> {
  const ids = texts.map(runIdOf);
  return withMlflowErrors(texts, () => work(ids));
}

const withMlflowErrors = <T>(texts: string[], work: () => Promise<T>): Promise<T> =>
  work()
    .catch(absentRuns(texts))
    .catch(
      instead(ErrorCode.CONFLICT, (error) =>
        error.details.got === 'DELETED'
          ? invalidParameter(`The run ${texts.join(', ')} must be in the 'active' state. Current state is deleted.`)
          : error,
      ),
    );
