import { JobSecret } from '../../db/entities/jobs/job-secret.entity.js';
import { JobEvent } from '../../db/entities/jobs/job-event.entity.js';
import { JobSubject } from '../../db/entities/jobs/job-subject.entity.js';
import { TenantShare } from '../../db/entities/jobs/tenant-share.entity.js';
import { Worker } from '../../db/entities/jobs/worker.entity.js';
import { Job } from '../../db/entities/jobs/job.entity.js';
import { defineModule } from '../../define-module.js';
import { dispatcher } from '../../jobs/worker.js';
import { completeJobOperation } from '../../protocols/rest/jobs/complete-job.js';
import { JobResolver } from '../../resolvers/jobs/job.resolver.js';
import { QueueResolver } from '../../resolvers/jobs/queue.resolver.js';
import {
  createJobLoaders,
  JobCloner,
  JOBS_LINEAGE,
  JobService,
  OutsideCompletion,
  QueueExplainer,
  retentionOfSteps,
  Scheduler,
  ShareService,
} from './index.js';

interface JobsServices {
  jobs: JobService;
  jobCloner: JobCloner;
  scheduler: Scheduler;
  queueExplainer: QueueExplainer;
  shares: ShareService;
  outsideCompletion: OutsideCompletion;
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
  lineage: JOBS_LINEAGE,
  entities: [Job, JobEvent, JobSecret, JobSubject, TenantShare, Worker],
  createServices: ({ db, live, queue, logger, config, jobKinds, services }): JobsServices => {
    services.retention.add(retentionOfSteps(config.EVENT_LOG_DAYS));
    const jobs = new JobService(live, queue, db, logger, services.waiting, jobKinds);
    const scheduler = new Scheduler(
      db,
      live,
      logger,
      config.FAIR_SHARE_HALF_LIFE_MS,
      config.JOB_HEARTBEAT_TIMEOUT_MS,
      config.PREEMPT_AFTER_MS ?? null,
    );
    return {
      ...{ jobs, scheduler, jobCloner: new JobCloner(db, jobs) },
      queueExplainer: new QueueExplainer(db, jobs, scheduler, jobKinds),
      shares: new ShareService(db, scheduler, config.OPERATOR_TENANT),
      outsideCompletion: new OutsideCompletion(db, jobs, services.signingKeys, jobKinds),
    };
  },
  createLoaders: createJobLoaders,
  resolvers: [JobResolver, QueueResolver],
  restOperations: [completeJobOperation],
  createTicks: ({ services, config }) => [
    {
      name: 'reconcile',
      intervalMs: config.RECONCILE_INTERVAL_MS,
      run: () => services.jobs.reconcile(config.JOB_HEARTBEAT_TIMEOUT_MS),
    },
  ],
  createBackgroundWork: ({ services, live, logger }) => [{ in: 'worker', ...dispatcher(services.jobs, live, logger) }],
});
