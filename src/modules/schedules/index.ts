export { SCHEDULE_EVENTS } from './events.js';
export { createScheduleLoaders } from './loaders.js';
export { CRON, TIME_ZONE } from './rules/cron.js';
export { nextStartOf, ScheduleService } from './schedule.service.js';
export { ScheduleStarter } from './schedule-starter.service.js';
export { retentionOfStarts } from './old-starts.js';
