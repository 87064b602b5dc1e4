import { availableParallelism, totalmem } from 'node:os';
import { z } from 'zod';
import { list, setting, whole, type Settings, type SettingValues } from '../../settings.js';

/** The memory of the machine, or of the container when that is smaller. */
function machineMemoryBytes(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

export const JOBS_SETTINGS = {
  WORKER_CONCURRENCY: setting(
    whole(1, 64).default(2),
    'Background jobs of all kinds that run at once in this process. Releases only wait for other jobs and do ' +
      'not count.',
  ),
  WORKER_CORES: setting(
    whole(1, 1024).default(availableParallelism()),
    'CPU cores that background jobs of this process may use together; absent: all of the machine.',
    'all',
  ),
  WORKER_MEMORY_BYTES: setting(
    whole(1).default(machineMemoryBytes()),
    'Main memory that background jobs of this process may use together, in bytes; absent: all of the machine.',
    'all',
  ),
  WORKER_GPUS: setting(
    whole(0, 1024).optional(),
    'GPUs that background jobs of this process may use together; absent: all that nvidia-smi shows and ' +
      'CUDA_VISIBLE_DEVICES leaves to this process. Processes on one machine need different CUDA_VISIBLE_DEVICES.',
    'all',
  ),
  CUDA_VISIBLE_DEVICES: setting(
    z.string().optional(),
    'GPUs of this process, by number or id, separated by commas. Each job with GPUs gets its own among them.',
  ),
  WORKER_QUEUES: setting(
    list.default(['default']),
    'Queues from which this process takes background jobs, separated by commas.',
  ),
  FAIR_SHARE_HALF_LIFE_MS: setting(
    whole(60_000, 30 * 24 * 3_600_000).default(3_600_000),
    'Time after which what a tenant has used of the machines counts half, in milliseconds. Tenants that have used ' +
      'less for their weight come first.',
  ),
  OPERATOR_TENANT: setting(
    z.string().min(1).optional(),
    'The tenant whose ADMINs set the shares of all tenants; absent: the ADMINs of each tenant set its share.',
  ),
  PREEMPT_AFTER_MS: setting(
    whole(1_000).optional(),
    'Time that a job runs before it may have to make room for a job of a tenant that has less than it deserves, in ' +
      'milliseconds; absent: no job makes room.',
  ),
  RECONCILE_INTERVAL_MS: setting(
    whole(100).default(5_000),
    'Interval between two searches for lost or stalled jobs, lost outside trainers and due schedules, in milliseconds.',
  ),
  JOB_HEARTBEAT_TIMEOUT_MS: setting(
    whole(1_000).default(20_000),
    'Time without a sign of life after which a running job is given to another worker, and a ' +
      'child process is stopped, in milliseconds.',
  ),
} as const satisfies Settings;

type JobsSettings = SettingValues<typeof JOBS_SETTINGS>;

declare module '../../config.js' {
  interface Config extends JobsSettings {}
}
