export { GroundTruthService, LABEL, ROW, GROUND_TRUTHS_PER_CALL } from './ground-truth.service.js';
export { readLiveQuality } from './live-quality.service.js';
export { createMonitoringLoaders } from './loaders.js';
export { MonitoringService } from './monitoring.service.js';
export { MAX_BUDGET, MAX_COOLDOWN_MS, RetrainingPolicyService } from './retraining-policy.service.js';
export { RetrainingService } from './retraining.service.js';
export { DEFAULT_RETRAINING_POLICY } from './rules/retraining.js';
export { MONITORING_EVENTS } from './events.js';
export type { TrafficCounts, WindowReport } from './rules/traffic-window.js';
