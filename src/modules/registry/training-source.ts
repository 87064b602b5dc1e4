import { Job } from '../../db/entities/jobs/job.entity.js';
import type { Session } from '../../db/database.js';
import type { TrainingResult } from '../algorithms/index.js';
import { readStored } from '../jobs/index.js';
import { TRAINING } from '../training/index.js';

export interface TrainingSource {
  datasetId: string;
  result: TrainingResult;
}

/** The finished training of a run; null for a run that trained nothing here, or whose training has not succeeded. */
export async function trainingOf(session: Session, runId: string | null | undefined): Promise<TrainingSource | null> {
  if (!runId) return null;
  const job = await session.em.findOne(
    Job,
    { tenant: session.tenant, runId, kind: TRAINING.kind, status: 'SUCCEEDED' },
    { orderBy: { createdAt: 'DESC' }, refresh: true, populate: ['result'] },
  );
  if (!job?.result || !job.datasetId) return null;
  const of = { what: 'result', kind: job.kind, id: job.id } as const;
  return { datasetId: job.datasetId, result: readStored(TRAINING.result, job.result, of) };
}
