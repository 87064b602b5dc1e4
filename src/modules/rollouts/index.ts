export { canaryTopic, CanaryMoves } from './canary-moves.js';
export { CanaryService } from './canary.service.js';
export { CanaryTick, LOOK_EVERY_MS } from './canary-tick.js';
export { ROLLOUT_EVENTS } from './events.js';
export type { CanaryStep } from './rules/canary-plan.js';
export type { CanaryGuard, GuardJudgement } from './rules/guards.js';
export { CANARY_RANGES } from './rules/canary-ranges.js';
