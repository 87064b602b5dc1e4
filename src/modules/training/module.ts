import { join } from 'node:path';
import { Checkpoint } from '../../db/entities/training/checkpoint.entity.js';
import { TrainedModelRow } from '../../db/entities/training/trained-model.entity.js';
import { defineModule } from '../../define-module.js';
import { trainingJob } from '../../jobs/training/training.job.js';
import { trainingOutcome } from '../../resolvers/training/training-outcome.js';
import { AlgorithmResolver } from '../../resolvers/training/algorithm.resolver.js';
import { TrainingResolver } from '../../resolvers/training/training.resolver.js';
import {
  TRAINING_LINEAGE,
  TRAINING_EVENTS,
  CheckpointService,
  TrainingService,
  createTrainingLoaders,
} from './index.js';

interface TrainingServices {
  trainings: TrainingService;
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
  createServices: ({ db, live, objects, backend, config, services }): TrainingServices => {
    const { jobs, staged, runs, runLogs, datasets, artifacts, modelVersions } = services;
    const checkpoints = new CheckpointService(objects, staged);
    const training = {
      live,
      objects,
      staged,
      backend,
      runs,
      runLogs,
      datasets,
      artifacts,
      checkpoints,
      registrar: modelVersions,
    };
    return { trainings: new TrainingService(db, jobs, training, join(config.DATA_DIR, 'work')) };
  },
  createLoaders: createTrainingLoaders,
  resolvers: [AlgorithmResolver, TrainingResolver],
  jobs: [trainingJob],
  jobOutcomes: [trainingOutcome],
  createTicks: ({ services: { trainings } }) => [
    { name: 'sweep-trainings', intervalMs: MINUTE_MS, run: () => trainings.sweep() },
  ],
  createBackgroundWork: ({ services: { trainings } }) => [{ in: 'worker', start: () => trainings.sweep() }],
});
