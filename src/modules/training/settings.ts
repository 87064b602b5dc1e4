import { setting, whole, type Settings, type SettingValues } from '../../settings.js';

export const TRAINING_SETTINGS = {
  SYSTEM_METRICS_INTERVAL_MS: setting(
    whole(0, 3_600_000).default(10_000),
    'Interval at which a training logs system metrics of its machine to its run, in milliseconds; ' +
      '0: no system metrics.',
  ),
} as const satisfies Settings;

type TrainingSettings = SettingValues<typeof TRAINING_SETTINGS>;

declare module '../../config.js' {
  interface Config extends TrainingSettings {}
}
