import { type MlflowImportService, MLFLOW_IMPORT } from '../../modules/exchange/index.js';
import { defineJob } from '../engine/define-job.js';

export const mlflowImportJob = defineJob({
  ...MLFLOW_IMPORT,
  run: ({ mlflowImports }: { mlflowImports: MlflowImportService }, attempt) => mlflowImports.execute(attempt),
});
