export {
  MAX_COMPARISONS,
  MAX_DEPTH,
  MAX_LIST_LENGTH,
  MAX_TEXT_LENGTH,
  orderOf,
  parseFilter,
  refusedPattern,
  type Comparator,
  type Comparison,
  type EntityRule,
  type Filter,
  type FilterGrammar,
  type OrderKey,
  type ValueRule,
} from './rules/filter.js';
export { UUID, fromHexId, toHexId } from './rules/ids.js';
export { checkModelName, checkName, checkPathName, checkTag, checkTags, cutText } from './rules/names.js';
export { checkAllowedHosts, checkOutboundUrl, checkResolved, type OutboundPolicy } from './rules/outbound-url.js';
export { parseInput } from './rules/parse.js';
export { checkJson, checkText, pathOf, type Place } from './rules/plain-json.js';
export { Role, TENANT, bearerOf, includesRole, isSubject, type Principal } from './rules/principal.js';
export { checkTimeMs, timeOf } from './rules/times.js';
export { checkSetSize, registryTags, setSizeOf, tagChanges } from './rules/tags.js';
export {
  SCOPES,
  outsideScope,
  requireEndpoint,
  requireRun,
  requireScope,
  type TokenScope,
} from './rules/token-scope.js';
export {
  KEPT_RESPONSE_BYTES,
  MAX_WEBHOOKS,
  SECRET_OVERLAP_MS,
  WEBHOOK_ATTEMPTS,
  WEBHOOK_TIMEOUT_MS,
  describeStatus,
  judgeStatus,
  newWebhookSecret,
  retryDelayMs,
  signedHeaders,
} from './rules/webhooks.js';
export { contentTypeOf, checkArtifactPath, freeArtifactPath } from './rules/artifact-path.js';
export { finiteOrNull, jsonNumber, recordOf } from './rules/stored-json.js';
export { StateMachine, TransitionRefused, type Transitions } from './rules/state-machine.js';
