import { setting, whole, type Settings, type SettingValues } from '../../settings.js';

export const TRAINING_SETTINGS = {
  SYSTEM_METRICS_INTERVAL_MS: setting(
    whole(0, 3_600_000).default(10_000),
    'Time between two looks of a training at its machine, logged as system metrics of its run, in ' +
      'milliseconds; 0 for none.',
  ),
} as const satisfies Settings;

type TrainingSettings = SettingValues<typeof TRAINING_SETTINGS>;

declare module '../../config.js' {
  interface Config extends TrainingSettings {}
}
