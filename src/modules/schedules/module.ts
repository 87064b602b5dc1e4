import { Schedule } from '../../db/entities/schedules/schedule.entity.js';
import { ScheduleStart } from '../../db/entities/schedules/schedule-start.entity.js';
import { defineModule } from '../../define-module.js';
import {
  JobScheduleResolver,
  ScheduleResolver,
  ScheduleStartResolver,
} from '../../resolvers/schedules/schedule.resolver.js';
import {
  createScheduleLoaders,
  retentionOfStarts,
  SCHEDULE_EVENTS,
  ScheduleService,
  ScheduleStarter,
} from './index.js';

interface SchedulesServices {
  schedules: ScheduleService;
  scheduleStarter: ScheduleStarter;
}

type SchedulesLoaders = ReturnType<typeof createScheduleLoaders>;

declare module '../../services.js' {
  interface Services extends SchedulesServices {}
}
declare module '../../loaders.js' {
  interface Loaders extends SchedulesLoaders {}
}

export default defineModule({
  name: 'schedules',
  events: SCHEDULE_EVENTS,
  entities: [Schedule, ScheduleStart],
  createServices: ({ db, live, logger, config, services }): SchedulesServices => {
    const { jobs, jobCloner, datasets, retention } = services;
    retention.add(retentionOfStarts(config.EVENT_LOG_DAYS));
    const schedules = new ScheduleService(jobCloner, datasets);
    return { schedules, scheduleStarter: new ScheduleStarter(db, live, schedules, jobs, jobCloner, logger) };
  },
  createLoaders: createScheduleLoaders,
  resolvers: [ScheduleResolver, ScheduleStartResolver, JobScheduleResolver],
  createTicks: ({ services: { scheduleStarter }, config: { RECONCILE_INTERVAL_MS: intervalMs } }) => [
    { name: 'schedules', intervalMs, run: () => scheduleStarter.tick() },
  ],
});
