export { EvaluationService } from './evaluation.service.js';
export { ReleaseService } from './release.service.js';
export { ValidationService } from './validation.service.js';
