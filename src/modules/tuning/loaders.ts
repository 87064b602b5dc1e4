import { Study } from '../../db/entities/tuning/study.entity.js';
import type { Batches } from '../platform/index.js';
import { bestTrialsOf, trialCounts } from './stores/trials.js';
import { runsOfTrials } from './stores/trial-runs.js';

export function createTuningLoaders(batches: Batches) {
  return {
    study: batches.byId(Study),
    /** The best trial of each study of one objective; null without a result. */
    studyBestTrial: batches.of(bestTrialsOf),
    studyTrialCounts: batches.of(trialCounts),
    trialRuns: batches.grouped(async (session, trialIds) =>
      (await runsOfTrials(session, trialIds)).map((row) => ({ ...row, ownerId: row.trialId })),
    ),
  };
}
