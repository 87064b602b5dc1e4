export {
  MAX_COMPARISONS,
  MAX_DEPTH,
  MAX_LIST_LENGTH,
  MAX_TEXT_LENGTH,
  ORDER_KEYS,
  PATTERN,
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
export { FILTER_TEXT } from './rules/filter-tokens.js';
export { UUID, fromHexId, toHexId } from './rules/ids.js';
export {
  MODEL_NAME,
  NAME,
  PATH_NAME,
  TAG_VALUE,
  checkModelName,
  checkName,
  checkPathName,
  checkTag,
  checkTags,
  cutText,
  entriesOf,
} from './rules/names.js';
export {
  OUTBOUND_URL,
  checkAllowedHosts,
  checkOutboundUrl,
  checkResolved,
  type OutboundPolicy,
} from './rules/outbound-url.js';
export { expectedBy, listIn, numberIn, parseInput } from './rules/parse.js';
export { ANY_ITEMS, ANY_TEXT, checkJson, checkText } from './rules/plain-json.js';
export {
  PAGE_SIZE,
  SEARCH_TEXT,
  SEQUENCE,
  VERSION,
  characters,
  checkRange,
  describeRange,
  pathOf,
  rangeText,
  written,
  type InputRange,
  type InputPosition,
} from './rules/ranges.js';
export { Role, TENANT, bearerOf, includesRole, isSubject, type Principal } from './rules/principal.js';
export { checkTimeMs, timeOf } from './rules/times.js';
export { nearestName } from './rules/nearest.js';
export { FULL_WEIGHT_BPS } from './rules/weights.js';
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
  verdictOfStatus,
  newWebhookSecret,
  retryDelayMs,
  signedHeaders,
} from './rules/webhooks.js';
export { ARTIFACT_PATH, FREE_PATH, contentTypeOf, checkArtifactPath, freeArtifactPath } from './rules/artifact-path.js';
export { finiteOrNull, jsonNumber, recordOf } from './rules/stored-json.js';
export { StateMachine, TransitionRefused, type Transitions } from './rules/state-machine.js';
