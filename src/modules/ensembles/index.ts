export { ENSEMBLE } from './ensemble.job-kind.js';
export { EnsembleService } from './ensemble.service.js';
export { ENSEMBLES_LINEAGE } from './lineage.js';
export { createEnsembleLoaders } from './loaders.js';
export { ESTIMATORS, LEARNING_RATE, MAX_SAMPLES } from './rules/growing.js';
export { MEMBERS, WEIGHT, type Method } from './rules/members.js';
export type { StoredCombination, StoredHoldout, StoredReport } from './rules/report.js';
export {
  combinedMembersOf,
  ensembleHoldoutOf,
  type CombinedMembers,
  type EnsembleWithMembers,
} from './stores/ensembles.js';
