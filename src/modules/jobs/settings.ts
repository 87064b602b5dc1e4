import { setting, whole, type Settings, type SettingValues } from '../../settings.js';

export const JOBS_SETTINGS = {
  WORKER_CONCURRENCY: setting(whole(1, 64).default(2), 'Background jobs that run at once in this process.'),
  RECONCILE_INTERVAL_MS: setting(
    whole(100).default(5_000),
    'Time between two looks for lost or stalled jobs, in milliseconds.',
  ),
  JOB_HEARTBEAT_TIMEOUT_MS: setting(
    whole(1_000).default(20_000),
    'A running job without a sign of life for so long is given to another worker, and a child process is ended, in ' +
      'milliseconds.',
  ),
} as const satisfies Settings;

type JobsSettings = SettingValues<typeof JOBS_SETTINGS>;

declare module '../../config.js' {
  interface Config extends JobsSettings {}
}
