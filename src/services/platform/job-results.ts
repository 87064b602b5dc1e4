import type { Session } from '../../db/database.js';
import { sql } from '../../db/sql.js';
import type { ArchiveCounts } from '../../domain/exchange/experiment-archive.js';
import type { TrainingResult } from '../../domain/training/training-result.js';
import type { ImportTally } from '../exchange/import-work.js';
import type { ReleaseResult } from '../registry/release.service.js';
import type { JobKind, JobStatus } from './job-rows.js';

interface FileOfJob {
  artifactId: string;
  sizeBytes: number;
  sha256: string;
}

/**
 * What a job of each kind leaves as its result, without the reference samples of a training, which are as large as the
 * rest of a page.
 */
interface JobResults extends Record<JobKind, object> {
  TRAINING: Omit<TrainingResult, 'reference'>;
  EVALUATION: {
    evaluationId: string;
    passed: boolean;
    rows: number;
    metrics: Record<string, number | null>;
    baselineVersionId: string | null;
    baselineProblem: string | null;
  };
  VALIDATION: { passed: boolean; failedChecks: string[]; latencyP95Ms: number | null; sampleRows: number };
  BATCH_INFERENCE: FileOfJob & { rows: number; downloadUrl: string };
  CONVERSION: { framework: string; sha256: string; maxAbsDiff: number | null; maxScaledDiff: number | null };
  RELEASE: ReleaseResult;
  RUN_ARCHIVE: { files?: { path: string }[]; skipped?: string };
  GARBAGE_COLLECTION: Record<
    'runs' | 'loggedModels' | 'experiments' | 'metricPoints' | 'logLines' | 'files' | 'keptCount',
    number
  > & {
    kept: { type: string; id: string; name: string; reason: string }[];
    storage: object | null;
  };
  EXPERIMENT_EXPORT: FileOfJob & ArchiveCounts;
  EXPERIMENT_IMPORT: { experimentId: string; keptIds: boolean; unchanged: boolean } & Partial<ArchiveCounts>;
  MLFLOW_IMPORT: ImportTally;
}

/** The result of one job, by its kind. */
export type JobResult = { [Kind in JobKind]: { kind: Kind; status: JobStatus; result: JobResults[Kind] } }[JobKind];

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
