import { z } from 'zod';
import { Event } from '../../db/entities/platform/event.entity.js';
import { endUnfinishedRun } from '../experiments/index.js';
import { defineJobKind, HOUR_MS, NO_RESOURCES, SECOND_MS } from '../jobs/index.js';
import { eventRow } from '../platform/index.js';
import { TUNING_EVENTS } from './events.js';
import { changeStudyStatus, lockStudy } from './stores/studies.js';
import { runsOfTrials } from './stores/trial-runs.js';
import { changeTrialStatus, trialsWith } from './stores/trials.js';

export const TUNING = defineJobKind({
  kind: 'TUNING',
  about: 'Searches for good hyperparameters by trainings, which are jobs of their own.',
  input: z.object({ studyId: z.guid() }),
  result: z.object({
    studyId: z.guid(),
    /** Why no further trial began. */
    reason: z.string(),
    trials: z.object({ complete: z.int(), pruned: z.int(), failed: z.int() }),
    /** The number of the best trial; null with several objectives. */
    bestTrial: z.int().nullable(),
  }),
  // The tuning waits for its trainings.
  resources: NO_RESOURCES,
  maxAtOnce: 50,
  retry: { attempts: 3, backoffMs: 2 * SECOND_MS },
  timeoutMs: 20 * 24 * HOUR_MS,
  async ended({ em, job: { id: jobId, tenant, runId }, input, status, failure, cancel }) {
    const rows = { em, tenant };
    const study = input && (await lockStudy(rows, input.studyId));
    if (study?.jobId !== jobId || study.status !== 'RUNNING') return [];
    const reason = failure?.message ?? 'The tuning was cancelled.';
    await changeStudyStatus(rows, study, status, reason);
    const running = await trialsWith(rows, study.id, ['RUNNING']);
    for (const trial of running)
      await changeTrialStatus(rows, trial, 'RUNNING', 'CANCELLED', { reason: 'The study has ended before it.' });
    const runs = await runsOfTrials(
      rows,
      running.map(({ id }) => id),
    );
    for (const { jobId: trainingId } of runs) if (trainingId !== null) await cancel(trainingId);
    if (failure) {
      const payload = { errorCode: failure.code, errorMessage: failure.message };
      em.create(Event, eventRow(tenant, TUNING_EVENTS.STUDY_FAILED, { type: 'study', id: study.id }, payload));
    }
    if (runId == null) return [{ type: 'study', id: study.id }];
    await endUnfinishedRun(rows, runId, status === 'FAILED' ? 'FAILED' : 'KILLED');
    return [
      { type: 'run', id: runId },
      { type: 'study', id: study.id },
    ];
  },
});
