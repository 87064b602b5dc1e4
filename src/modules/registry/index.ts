export { AliasService } from './alias.service.js';
export { ApprovalService, REASON, REJECTION } from './approval.service.js';
export { COMMENT, CommentService } from './comment.service.js';
export { ConversionService } from './conversion.service.js';
export { GateService, type MissingGate } from './gate.service.js';
export { createRegistryLoaders } from './loaders.js';
export { ModelVersionService } from './model-version.service.js';
export { ModelService } from './model.service.js';
export { requireLanguageModel, requireOnnx, requireReady, requireStored } from './onnx-version.js';
export {
  aliasesOf,
  findModelByName,
  findVersionByNumber,
  namesOf,
  newestOfStages,
  searchModels,
  searchVersions,
  type ListedVersion,
  type NumberedAlias,
} from './stores/registry-search.js';
export { keepVersion, predictionSpreads, versionSignatures } from './stores/versions.js';
export { RegistryTagService } from './registry-tag.service.js';
export { ALIAS, checkAlias } from './rules/alias.js';
export { countApprovals, nextApprovalStage } from './rules/approvals.js';
export { decideGate, type GateCheck } from './rules/gates.js';
export { ADAPTER_PATH, checkLanguageModel, SERVED_NAME, type LanguageModel } from './rules/language-model.js';
export type { SourceFolder } from './rules/mlmodel.js';
export { SEMANTIC_VERSION } from './rules/semver.js';
export { nextAction, RELEASE_STAGES, type ReleaseStage } from './rules/release.js';
export { STAGES, stepsTo, type Stage } from './rules/stages.js';
export { SourcedVersionService, type LoggedSource } from './sourced-version.service.js';
export { StageMoves } from './stage-moves.js';
export { StageService, requireProduction, type Ahead } from './stage.service.js';
export { siblingKey } from './version-files.js';
export { VersionFollowers, type VersionFollower } from './version-follower.js';
export { VersionRemoval } from './version-removal.js';
export { VersionStorage } from './version-storage.js';
export { CONVERSION } from './conversion.job-kind.js';
export { REGISTRY_EVENTS } from './events.js';
export { REGISTRY_LINEAGE } from './lineage.js';
