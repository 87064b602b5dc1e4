import { z } from 'zod';
import { setting, url, whole, type Settings, type SettingValues } from '../../settings.js';

export const TRAINING_SETTINGS = {
  SYSTEM_METRICS_INTERVAL_MS: setting(
    whole(0, 3_600_000).default(10_000),
    'Interval at which a training logs system metrics of its machine to its run, in milliseconds; ' +
      '0: no system metrics.',
  ),
  RAY_ADDRESS: setting(
    url('ray:', 'http:', 'https:').optional(),
    'Your Ray cluster, for trainings and batch inferences with the backend RAY: `ray://host:10001`, or the address of ' +
      'its dashboard; absent: there is no such backend.',
  ),
  RAY_DASHBOARD_URL: setting(
    url('http:', 'https:').optional(),
    'Address of the dashboard of RAY_ADDRESS; absent: port 8265 of the same host.',
  ),
  RAY_AUTH_TOKEN: setting(
    z.string().min(1).optional(),
    'Token of RAY_ADDRESS, when the cluster runs with token authentication.',
  ),
  RAY_PENDING_TIMEOUT_MS: setting(
    whole(1_000, 86_400_000).default(600_000),
    'Time after which a training that the Ray cluster has not begun is given up, in milliseconds.',
  ),
  RAY_MAX_CORES: setting(
    whole(1, 1_000_000).optional(),
    'Cores of the Ray cluster that trainings of all tenants may use together; further ones wait here, in the order of ' +
      'fair shares, and not in the cluster, in the order of their arrival. With autoscaling: the cores of the largest ' +
      'cluster. Absent: no limit.',
  ),
  RAY_LOST_AFTER_MS: setting(
    whole(1_000, 3_600_000).default(60_000),
    'Time without an answer of the Ray cluster and without a call of its training after which the training is lost, ' +
      'in milliseconds; the next attempt continues from the last checkpoint.',
  ),
} as const satisfies Settings;

type TrainingSettings = SettingValues<typeof TRAINING_SETTINGS>;

declare module '../../config.js' {
  interface Config extends TrainingSettings {}
}
