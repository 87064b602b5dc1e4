export { cloneOfTuning } from './tuning-clone.js';
export { TUNING_EVENTS } from './events.js';
export { createTuningLoaders } from './loaders.js';
export { MAX_CHOICES, MAX_CONSTRAINTS, MAX_PARAMETERS, type ParameterValue } from './rules/space.js';
export type { Params, SearchSpace, ParameterSpace } from './rules/space.js';
export { parseParams, parseSpace, stopRuleOf } from './rules/study-input.js';
export type { StopRule } from './rules/stop-rule.js';
export {
  reportsOf,
  STUDY_RANGES,
  type PriorTrial,
  type PrunerKind,
  type SamplerKind,
  type StudySpec,
} from './rules/study-spec.js';
export type { StudyStatus, TrialStatus } from './rules/study-status.js';
export { StudyMemories } from './study-memory.js';
export { StudyAnalysisService } from './study-analysis.service.js';
export { StudyService } from './study.service.js';
export { TrialEnds, studyTopic } from './trial-ends.js';
export { TrialService } from './trial.service.js';
export { TUNING } from './tuning.job-kind.js';
export { TuningService } from './tuning.service.js';
