import { Job } from '../../db/entities/jobs/job.entity.js';
import type { Session } from '../../db/database.js';
import type { TrainingResult } from '../algorithms/index.js';

export interface TrainingSource {
  datasetId: string;
  result: TrainingResult;
}

/** The finished training of a run; null for a run that trained nothing here, or has not ended well. */
export async function trainingOf(session: Session, runId: string | null | undefined): Promise<TrainingSource | null> {
  if (!runId) return null;
  const job = await session.em.findOne(
    Job,
    { tenant: session.tenant, runId, kind: 'TRAINING', status: 'SUCCEEDED' },
    { orderBy: { createdAt: 'DESC' }, refresh: true, populate: ['result'] },
  );
  // The result of a training job is written by the training service alone.
  return job?.result && job.datasetId
    ? { datasetId: job.datasetId, result: job.result as unknown as TrainingResult }
    : null;
}
