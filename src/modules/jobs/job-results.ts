import type { Session } from '../../db/database.js';
import { sql } from '../../db/sql.js';
import type { JobKind, JobStatus } from './job-rows.js';

/** A file that a job stored. */
export interface StoredFile {
  artifactId: string;
  sizeBytes: number;
  sha256: string;
}

/** What a job of each kind leaves as its result. Each module adds its kinds: `declare module`. */
export interface JobResults {
  RUN_ARCHIVE: { files?: { path: string }[]; skipped?: string };
}

/** The result of one job, by its kind. */
export type JobResult = {
  [Kind in JobKind]: {
    kind: Kind;
    status: JobStatus;
    result: Kind extends keyof JobResults ? JobResults[Kind] : never;
  };
}[JobKind];

/** Null for a job that has none yet. */
export async function readJobResults(session: Session, ids: readonly string[]): Promise<(JobResult | null)[]> {
  const rows = await sql<JobResult & { id: string }>(
    session.em,
    `select id, kind, status, result - 'reference' as result from job where tenant = ? and id = ` +
      'any(?::uuid[]) and result is not null',
    [session.tenant, [...ids]],
  );
  const found = new Map(rows.map((row) => [row.id, row]));
  return ids.map((id) => found.get(id) ?? null);
}
