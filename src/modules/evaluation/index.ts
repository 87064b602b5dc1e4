export { cloneOfEvaluation } from './evaluation-clone.js';
export { EvaluationService } from './evaluation.service.js';
export { ReleaseService } from './release.service.js';
export { ValidationService } from './validation.service.js';
export { EVALUATION } from './evaluation.job-kind.js';
export { VALIDATION } from './validation.job-kind.js';
export { RELEASE } from './release.job-kind.js';
export { EVALUATION_EVENTS } from './events.js';
