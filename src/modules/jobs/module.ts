import { JobSecret } from '../../db/entities/jobs/job-secret.entity.js';
import { JobEvent } from '../../db/entities/jobs/job-event.entity.js';
import { Job } from '../../db/entities/jobs/job.entity.js';
import { defineModule } from '../../define-module.js';
import { dispatcher } from '../../jobs/worker.js';
import { JobResolver } from '../../resolvers/jobs/job.resolver.js';
import { JobService, createJobLoaders } from './index.js';

interface JobsServices {
  jobs: JobService;
}

type JobsLoaders = ReturnType<typeof createJobLoaders>;

declare module '../../services.js' {
  interface Services extends JobsServices {}
}
declare module '../../loaders.js' {
  interface Loaders extends JobsLoaders {}
}

export default defineModule({
  name: 'jobs',
  entities: [Job, JobEvent, JobSecret],
  createServices: ({ db, live, queue, logger, services }): JobsServices => {
    return { jobs: new JobService(live, queue, db, logger, services.waiting) };
  },
  createLoaders: createJobLoaders,
  resolvers: [JobResolver],
  createTicks: ({ services, config }) => [
    {
      name: 'reconcile',
      intervalMs: config.RECONCILE_INTERVAL_MS,
      run: () => services.jobs.reconcile(config.JOB_HEARTBEAT_TIMEOUT_MS),
    },
  ],
  createBackgroundWork: ({ services, live, logger }) => [{ in: 'worker', ...dispatcher(services.jobs, live, logger) }],
});
