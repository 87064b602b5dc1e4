import { freeArtifactPath } from '../../core/index.js';
import { z } from 'zod';

/**
 * An experiment as one tar archive: `manifest.json`, then files of lines (NDJSON), each kind after the other, then the
 * contents of its artifacts, each after the line that tells of it, then `end.json`. Nothing in it is compressed, so
 * nothing in it can grow.
 */
export const ARCHIVE_FORMAT = 'matih-experiment';
export const ARCHIVE_VERSION = 1;
export const MANIFEST = 'manifest.json';
export const END = 'end.json';

/** Kinds of lines, in their order. */
export const LINE_KINDS = ['runs', 'datasets', 'points', 'logs', 'models', 'model-metrics', 'links', 'files'] as const;
export type LineKind = (typeof LINE_KINDS)[number];

/** Of one file of lines; writers end one long before. */
export const MAX_LINES_BYTES = 64 * 1024 ** 2;
export const MAX_RUNS = 1_000_000;
export const MAX_FILES = 1_000_000;

const id = z.uuid();
const time = z.iso.datetime();
const text = z.string().max(1_100_000);
const name = z.string().min(1).max(500);
/** Not z.record, which leaves a key named __proto__ out. */
const record = z.custom<Record<string, string>>(
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.entries(value).every(([key, one]) => key.length <= 500 && text.safeParse(one).success),
  'an object of texts',
);
/** JSON has no number for NaN and the infinities. */
const double = z.union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity'])]);
const step = z.int();
const ms = z.number().min(-8.64e15).max(8.64e15);
const state = z.enum(['ACTIVE', 'DELETED']);

const counts = z.object(
  Object.fromEntries(LINE_KINDS.map((kind) => [kind, z.int().min(0)])) as Record<LineKind, z.ZodInt>,
);
export type ArchiveCounts = z.infer<typeof counts>;

export const manifestSchema = z.object({
  format: z.literal(ARCHIVE_FORMAT),
  version: z.int().min(1),
  exportedAt: time,
  experiment: z.object({ id, name, description: text, tags: record, createdAt: time }),
});
export type Manifest = z.infer<typeof manifestSchema>;

export const endSchema = z.object({ counts });

export const LINES = {
  runs: z.object({
    ...{ id, name, status: z.enum(['QUEUED', 'RUNNING', 'FINISHED', 'FAILED', 'KILLED']), state },
    ...{ startedAt: time, endedAt: time.nullable(), createdAt: time, createdBy: name, parentRunId: id.nullable() },
    ...{ params: record, tags: record },
  }),
  datasets: z.object({
    ...{ run: id, direction: z.enum(['INPUT', 'OUTPUT']), name, digest: name, sourceType: name, source: text },
    ...{ schema: text.nullable(), profile: z.string().nullable(), tags: record },
  }),
  points: z.object({ run: id, points: z.array(z.tuple([name, step, ms, double])).max(20_000) }),
  logs: z.object({ run: id, lines: z.array(z.tuple([z.int().min(1), ms, z.string().max(20), text])).max(20_000) }),
  models: z.object({
    ...{
      id,
      runId: id.nullable(),
      name,
      status: z.enum(['PENDING', 'READY', 'FAILED']),
      statusMessage: text.nullable(),
    },
    ...{ modelType: text.nullable(), params: record, tags: record, state, createdAt: time, createdBy: name },
  }),
  'model-metrics': z.object({
    ...{
      model: id,
      run: id,
      key: name,
      step,
      ms,
      value: double,
      datasetName: z.string().max(500),
      datasetDigest: z.string().max(500),
    },
  }),
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

/** What a name in an archive stands for; null for one that no archive of ours has. */
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
