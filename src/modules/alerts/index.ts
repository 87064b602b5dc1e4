export { ALERT_REASON, AlertService } from './alert.service.js';
export { countOpenAlerts } from './store.js';
export type { AlertKind, Signal } from './rules/alerting.js';
export { ALERT_EVENTS } from './events.js';
export { ALERTS_LINEAGE } from './lineage.js';
