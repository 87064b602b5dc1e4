import { Evaluation } from '../../db/entities/evaluation/evaluation.entity.js';
import { defineModule } from '../../define-module.js';
import { evaluationJob } from '../../jobs/evaluation/evaluation.job.js';
import { validationJob } from '../../jobs/evaluation/validation.job.js';
import { releaseJob } from '../../jobs/evaluation/release.job.js';
import { evaluationOutcome } from '../../resolvers/evaluation/evaluation-outcome.js';
import { validationOutcome } from '../../resolvers/evaluation/validation-outcome.js';
import { releaseOutcome } from '../../resolvers/evaluation/release-outcome.js';
import { EvaluationResolver } from '../../resolvers/evaluation/evaluation.resolver.js';
import { ReleaseResolver } from '../../resolvers/evaluation/release.resolver.js';
import { cloneOfEvaluation, EVALUATION_EVENTS, EvaluationService, ReleaseService, ValidationService } from './index.js';

interface EvaluationServices {
  evaluations: EvaluationService;
  releases: ReleaseService;
  validations: ValidationService;
}

declare module '../../services.js' {
  interface Services extends EvaluationServices {}
}

export default defineModule({
  name: 'evaluation',
  events: EVALUATION_EVENTS,
  entities: [Evaluation],
  createServices: ({ live, objects, evaluator, services }): EvaluationServices => {
    const { jobs, staged, artifacts, datasets, modelVersions: versions, gates, stages } = services;
    const evaluations = new EvaluationService({
      live,
      jobs,
      objects,
      staged,
      artifacts,
      datasets,
      versions,
      gates,
      evaluator,
    });
    services.jobCloner.add(cloneOfEvaluation(evaluations, jobs));
    const validations = new ValidationService({ live, jobs, datasets, versions, evaluations, gates, evaluator });
    return {
      evaluations,
      releases: new ReleaseService({ live, jobs, stages, evaluations, validations, gates }),
      validations,
    };
  },
  resolvers: [EvaluationResolver, ReleaseResolver],
  jobs: [evaluationJob, validationJob, releaseJob],
  jobOutcomes: [evaluationOutcome, validationOutcome, releaseOutcome],
});
