import type { Services } from '../services.js';
import type { JobHandlers } from './kit.js';

/** Which use case each kind of job is. A kind without a handler does not compile. */
export function createHandlers(services: Services): JobHandlers {
  return {
    TRAINING: (run) => services.trainings.execute(run),
    EVALUATION: (run) => services.evaluations.execute(run),
    VALIDATION: (run) => services.validations.execute(run),
    BATCH_INFERENCE: (run) => services.batchInference.execute(run),
    CONVERSION: (run) => services.conversions.execute(run),
    RELEASE: (run) => services.releases.execute(run),
    RUN_ARCHIVE: (run) => services.runArchive.execute(run),
    GARBAGE_COLLECTION: (run) => services.garbage.execute(run),
    EXPERIMENT_EXPORT: (run) => services.archiveExports.execute(run),
    EXPERIMENT_IMPORT: (run) => services.archiveImports.execute(run),
    MLFLOW_IMPORT: (run) => services.mlflowImports.execute(run),
  };
}
