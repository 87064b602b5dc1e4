import { join } from 'node:path';
import { Checkpoint } from '../../db/entities/training/checkpoint.entity.js';
import { TrainedModelRow } from '../../db/entities/training/trained-model.entity.js';
import { defineModule } from '../../define-module.js';
import { trainingJob } from '../../jobs/training/training.job.js';
import { trainingOutcome } from '../../resolvers/training/training-outcome.js';
import { AlgorithmResolver } from '../../resolvers/training/algorithm.resolver.js';
import { ClusterResolver } from '../../resolvers/training/cluster.resolver.js';
import { TrainingResolver } from '../../resolvers/training/training.resolver.js';
import { reportTrainingOperation } from '../../protocols/rest/training/report-training.js';
import {
  OutsideReports,
  TRAINING_LINEAGE,
  TRAINING_EVENTS,
  CheckpointService,
  TrainingService,
  cloneOfTraining,
  createTrainingLoaders,
} from './index.js';

interface TrainingServices {
  trainings: TrainingService;
  outsideReports: OutsideReports;
}

type TrainingLoaders = ReturnType<typeof createTrainingLoaders>;

declare module '../../services.js' {
  interface Services extends TrainingServices {}
}
declare module '../../loaders.js' {
  interface Loaders extends TrainingLoaders {}
}

const MINUTE_MS = 60_000;

export default defineModule({
  name: 'training',
  events: TRAINING_EVENTS,
  lineage: TRAINING_LINEAGE,
  entities: [Checkpoint, TrainedModelRow],
  createServices: ({ db, live, objects, backend, cluster, config, services }): TrainingServices => {
    const { jobs, outsideCompletion, staged, runs, runLogs, datasets, artifacts, modelVersions } = services;
    const checkpoints = new CheckpointService(objects, staged, jobs);
    const training = {
      live,
      objects,
      staged,
      backend,
      cluster,
      runs,
      runLogs,
      datasets,
      artifacts,
      checkpoints,
      registrar: modelVersions,
    };
    if (cluster) services.scheduler.runOutside(cluster);
    const trainings = new TrainingService(db, jobs, services.scheduler, training, join(config.DATA_DIR, 'work'));
    services.jobCloner.add(cloneOfTraining(trainings, jobs, runs));
    return {
      trainings,
      outsideReports: new OutsideReports({
        ...{ objects, staged, jobs, outside: outsideCompletion, runs, runLogs, checkpoints },
        maxFileBytes: config.MAX_UPLOAD_BYTES,
      }),
    };
  },
  createLoaders: createTrainingLoaders,
  resolvers: [AlgorithmResolver, TrainingResolver, ClusterResolver],
  restOperations: [reportTrainingOperation],
  jobs: [trainingJob],
  jobOutcomes: [trainingOutcome],
  createTicks: ({ services: { trainings } }) => [
    { name: 'sweep-trainings', intervalMs: MINUTE_MS, run: () => trainings.sweep() },
  ],
  createBackgroundWork: ({ services: { trainings } }) => [{ in: 'worker', start: () => trainings.sweep() }],
});
