import type { EventService } from './platform/event.service.js';
import type { ExperimentService } from './tracking/experiment.service.js';
import type { JobService } from './platform/job.service.js';
import type { LiveFeeds } from './platform/live-feed.js';
import type { RunService } from './tracking/run.service.js';
import type { UploadService } from './tracking/upload.service.js';

/** Every use case, for resolvers, protocols and jobs. */
export interface Services {
  events: EventService;
  experiments: ExperimentService;
  feeds: LiveFeeds;
  jobs: JobService;
  runs: RunService;
  uploads: UploadService;
}
