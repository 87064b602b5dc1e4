import { type EvaluationService, EVALUATION } from '../../modules/evaluation/index.js';
import { defineJob } from '../engine/define-job.js';

export const evaluationJob = defineJob({
  ...EVALUATION,
  run: ({ evaluations }: { evaluations: EvaluationService }, attempt) => evaluations.execute(attempt),
});
