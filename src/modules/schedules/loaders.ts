import { Schedule } from '../../db/entities/schedules/schedule.entity.js';
import type { Batches } from '../platform/index.js';
import { lastStarts, schedulesOfJobs } from './stores/schedules.js';

export function createScheduleLoaders(batches: Batches) {
  return {
    schedule: batches.byId(Schedule),
    lastScheduleStart: batches.of(lastStarts),
    scheduleOfJob: batches.of(schedulesOfJobs),
  };
}
