import { type ValidationService, VALIDATION } from '../../modules/evaluation/index.js';
import { defineJob } from '../engine/define-job.js';

export const validationJob = defineJob({
  ...VALIDATION,
  run: ({ validations }: { validations: ValidationService }, attempt) => validations.execute(attempt),
});
