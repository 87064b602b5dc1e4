import { z } from 'zod';
import { AppError, badInput, quote } from '../../errors.js';
import {
  ANY_TEXT,
  checkName,
  checkTag,
  checkText,
  checkTimeMs,
  freeArtifactPath,
  isSubject,
  type InputRange,
} from '../core/index.js';
import {
  checkDatasetText,
  checkExperimentTag,
  checkLogLine,
  checkModelMetric,
  type DatasetText,
  LOG_STREAMS,
  MAX_LINES_PER_RUN,
  RUN_STATUSES,
  RUN_TAGS,
} from '../experiments/index.js';

/**
 * The format of an archived experiment, one tar file: `manifest.json`; then NDJSON files by kind; then the content of
 * each artifact, after the line that describes it; then `end.json`. Nothing is compressed, so that reading needs no
 * more space than the file.
 */
export const ARCHIVE_FORMAT = 'matih-experiment';
export const ARCHIVE_VERSION = 1;
export const MANIFEST = 'manifest.json';
export const END = 'end.json';

/** The kinds of lines, in the order of the archive. */
export const LINE_KINDS = ['runs', 'datasets', 'points', 'logs', 'models', 'model-metrics', 'links', 'files'] as const;
export type LineKind = (typeof LINE_KINDS)[number];

/** Limit of one file of lines; the service ends a file much earlier when it writes one. */
export const MAX_LINES_BYTES = 64 * 1024 ** 2;
export const MAX_RUNS = 1_000_000;
export const MAX_FILES = 1_000_000;

/**
 * A value that follows the same rule as in the API. `check` refuses it with an AppError, whose field names the place
 * within the value.
 */
const checked = <T extends z.ZodType>(schema: T, check: (value: z.output<T>) => unknown) =>
  schema.superRefine((value, context) => {
    try {
      check(value);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      const { field, expected, got } = error.details;
      context.addIssue({ code: 'custom', message: `expected ${expected}, got ${got}`, path: field ? [field] : [] });
    }
  });

const id = z.uuid();
const time = checked(z.iso.datetime(), (value) => checkTimeMs('', Date.parse(value)));
const text = checked(z.string(), (value) => checkText(value, null, ''));
const name = checked(z.string(), (value) => checkName('', value));
const subject = z.string().refine(isSubject, 'a subject of a token: 1 to 200 visible characters');
/** Not z.record, which leaves out a key named __proto__. */
const record = (check: (key: string, value: string) => void) =>
  checked(
    z.custom<Record<string, string>>(
      (value) =>
        typeof value === 'object' &&
        value !== null &&
        !Array.isArray(value) &&
        Object.values(value).every((one) => typeof one === 'string'),
      'an object of texts',
    ),
    (value) => Object.entries(value).forEach(([key, one]) => check(key, one)),
  );
const tagsOf = (values?: InputRange) => record((key, value) => checkTag(quote(key), key, value, values));
const ofDataset = (kind: DatasetText) => checked(z.string(), (value) => checkDatasetText('', kind, value));
/** JSON has no numbers for NaN and the infinities. */
const double = z.union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity'])]);
const step = z.int();
const ms = checked(z.number(), (value) => checkTimeMs('', value));
const state = z.enum(['ACTIVE', 'DELETED']);

/** How many lines of each kind an archive contains. */
export const archiveCounts = z.object(
  Object.fromEntries(LINE_KINDS.map((kind) => [kind, z.int().min(0)])) as Record<LineKind, z.ZodInt>,
);
export type ArchiveCounts = z.infer<typeof archiveCounts>;

export const manifestSchema = z.object({
  format: z.literal(ARCHIVE_FORMAT),
  version: z.int().min(1),
  exportedAt: time,
  experiment: z.object({
    ...{ id, name, description: text, createdAt: time },
    tags: record((key, value) => checkExperimentTag(quote(key), key, value)),
  }),
});
export type Manifest = z.infer<typeof manifestSchema>;

export const endSchema = z.object({ counts: archiveCounts });

export const LINES = {
  runs: checked(
    z.object({
      ...{ id, name, status: z.enum(RUN_STATUSES), state },
      ...{ startedAt: time, endedAt: time.nullable(), createdAt: time, createdBy: subject },
      ...{ parentRunId: id.nullable(), params: tagsOf(), tags: tagsOf() },
    }),
    ({ name: own, tags }) => {
      const told = tags[RUN_TAGS.name];
      if (told !== undefined && told !== own) throw badInput('tags', `${RUN_TAGS.name} as the name of the run`, told);
    },
  ),
  datasets: z.object({
    ...{ run: id, direction: z.enum(['INPUT', 'OUTPUT']), name: ofDataset('name'), digest: ofDataset('digest') },
    ...{ sourceType: ofDataset('sourceType'), source: ofDataset('source') },
    ...{ schema: ofDataset('schema').nullable(), profile: ofDataset('profile').nullable(), tags: tagsOf() },
  }),
  points: z.object({ run: id, points: z.array(z.tuple([name, step, ms, double])).max(20_000) }),
  logs: z.object({
    run: id,
    lines: z
      .array(
        z.tuple([
          z.int().min(1).max(MAX_LINES_PER_RUN),
          ms,
          z.enum(LOG_STREAMS),
          checked(z.string(), (line) => checkLogLine('', line)),
        ]),
      )
      .max(20_000),
  }),
  models: z.object({
    ...{ id, runId: id.nullable(), name, status: z.enum(['PENDING', 'READY', 'FAILED']) },
    ...{ statusMessage: text.nullable(), modelType: name.nullable() },
    params: tagsOf(ANY_TEXT),
    tags: tagsOf(ANY_TEXT),
    ...{ state, createdAt: time, createdBy: subject },
  }),
  'model-metrics': checked(
    z.object({
      ...{ model: id, run: id, key: z.string(), step, ms, value: double },
      ...{ datasetName: z.string(), datasetDigest: z.string() },
    }),
    ({ ms: timeMs, ...metric }) => checkModelMetric('', { ...metric, timeMs }),
  ),
  links: z.object({ run: id, model: id, direction: z.enum(['INPUT', 'OUTPUT']), step }),
  files: z.object({
    ...{ content: z.int().min(1), run: id.nullable(), model: id.nullable(), sizeBytes: z.int().min(0) },
    path: z
      .string()
      .refine((path) => path !== '' && freeArtifactPath(path) === path, 'a path that stays in its folder'),
    sha256: z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 in hex'),
  }),
} as const;
export type Line<K extends LineKind> = z.infer<(typeof LINES)[K]>;

const ENTRY = /^(?:([a-z-]+)\/(\d{1,8})\.ndjson|content\/(\d{1,10}))$/;

/** The meaning of a name in an archive; null for a name that no archive of this service has. */
export function entryOf(path: string): { kind: LineKind } | { content: number } | 'manifest' | 'end' | null {
  if (path === MANIFEST) return 'manifest';
  if (path === END) return 'end';
  const [match, kind, , content] = ENTRY.exec(path) ?? [];
  if (match === undefined) return null;
  if (content !== undefined) return { content: Number(content) };
  const known = LINE_KINDS.find((one) => one === kind);
  return known ? { kind: known } : null;
}

export const noCounts = (): ArchiveCounts => Object.fromEntries(LINE_KINDS.map((kind) => [kind, 0])) as ArchiveCounts;
