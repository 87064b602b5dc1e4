import { setting, whole, type Settings, type SettingValues } from '../../settings.js';

export const MONITORING_SETTINGS = {
  MONITORING_INTERVAL_MS: setting(
    whole(200).default(15_000),
    'Interval between two analyses of live traffic, and between two looks for hours of the log to archive, in milliseconds.',
  ),
  MONITORING_MIN_ROWS: setting(
    whole(1).default(200),
    'Minimum number of logged rows in a monitoring window for drift.',
  ),
} as const satisfies Settings;

type MonitoringSettings = SettingValues<typeof MONITORING_SETTINGS>;

declare module '../../config.js' {
  interface Config extends MonitoringSettings {}
}
