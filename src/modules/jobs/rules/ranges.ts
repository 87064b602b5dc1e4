import { type InputRange, TENANT } from '../../core/index.js';

/** The ranges of what people may ask of the scheduler. */
export const JOB_PRIORITY: InputRange = { min: -100, max: 100 };
export const SHARE_WEIGHT: InputRange = { min: 0.01, max: 1_000 };
export const RESOURCE_AMOUNTS = {
  cores: { min: 0, max: 1_000_000, unit: 'cores' },
  memoryBytes: { min: 0, max: 2 ** 50, unit: 'bytes' },
  gpus: { min: 0, max: 1_000_000, unit: 'GPUs' },
} satisfies Record<string, InputRange>;
/** What one job may request for each of its workers. */
export const JOB_RESOURCES = {
  cores: { min: 0.05, max: 1_024, unit: 'cores' },
  memoryBytes: { min: 1, max: 2 ** 50, unit: 'bytes' },
  gpus: { min: 0, max: 1_024, unit: 'GPUs' },
} satisfies Record<string, InputRange>;
export const JOB_WORKERS: InputRange = { min: 1, max: 1_024, unit: 'workers' };
export const JOB_DURATION: InputRange = { min: 1_000, max: 30 * 24 * 3_600_000, unit: 'milliseconds' };
export const TENANT_NAME: InputRange = {
  min: 1,
  max: 63,
  unit: 'characters, lower-case letters, digits and hyphens',
  accepts: (text) => TENANT.test(text),
};
