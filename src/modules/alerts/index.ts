export { AlertService } from './alert.service.js';
export type { AlertKind, Signal } from './rules/alerting.js';
export { ALERT_EVENTS } from './events.js';
