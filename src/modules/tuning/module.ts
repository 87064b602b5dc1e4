import { Study } from '../../db/entities/tuning/study.entity.js';
import { TrialRun } from '../../db/entities/tuning/trial-run.entity.js';
import { Trial } from '../../db/entities/tuning/trial.entity.js';
import { defineModule } from '../../define-module.js';
import { tuningJob } from '../../jobs/tuning/tuning.job.js';
import { StudyAnalysisResolver } from '../../resolvers/tuning/study-analysis.resolver.js';
import { StudyResolver } from '../../resolvers/tuning/study.resolver.js';
import { TrialResolver, TrialRunResolver } from '../../resolvers/tuning/trial.resolver.js';
import { tuningOutcome } from '../../resolvers/tuning/tuning-outcome.js';
import { TuningResolver } from '../../resolvers/tuning/tuning.resolver.js';
import {
  cloneOfTuning,
  createTuningLoaders,
  StudyAnalysisService,
  StudyMemories,
  StudyService,
  TrialEnds,
  TrialService,
  TUNING_EVENTS,
  TuningService,
} from './index.js';

interface TuningServices {
  studies: StudyService;
  studyAnalysis: StudyAnalysisService;
  trials: TrialService;
  tunings: TuningService;
}

type TuningLoaders = ReturnType<typeof createTuningLoaders>;

declare module '../../services.js' {
  interface Services extends TuningServices {}
}
declare module '../../loaders.js' {
  interface Loaders extends TuningLoaders {}
}

export default defineModule({
  name: 'tuning',
  events: TUNING_EVENTS,
  entities: [Study, Trial, TrialRun],
  createServices: ({ db, live, logger, importance, services }): TuningServices => {
    const { jobs, runs, trainings, modelVersions } = services;
    const ends = new TrialEnds(live, runs);
    const memory = new StudyMemories();
    const studies = new StudyService(live, runs);
    const tunings = new TuningService(studies, { live, jobs, runs, trainings, memory, ends }, modelVersions);
    services.jobCloner.add(cloneOfTuning(db, tunings, studies, jobs));
    return {
      studies,
      studyAnalysis: new StudyAnalysisService(importance),
      trials: new TrialService(studies, runs, memory, ends, db, logger),
      tunings,
    };
  },
  createLoaders: createTuningLoaders,
  resolvers: [StudyResolver, StudyAnalysisResolver, TrialResolver, TrialRunResolver, TuningResolver],
  jobs: [tuningJob],
  createTicks: ({ services: { trials }, config: { RECONCILE_INTERVAL_MS: intervalMs } }) => [
    { name: 'outside-trainers', intervalMs, run: () => trials.tick() },
  ],
  jobOutcomes: [tuningOutcome],
});
