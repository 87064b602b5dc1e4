import { flag, list, setting, whole, type Settings, type SettingValues } from '../../settings.js';

export const PLATFORM_SETTINGS = {
  WEBHOOK_ALLOW_HTTP: setting(flag, 'Whether webhooks may also call http:// addresses.'),
  WEBHOOK_ALLOWED_HOSTS: setting(
    list.default([]),
    'Private host names, IP addresses and networks (10.1.0.0/16) that webhooks may call, separated by commas.',
  ),
  WEBHOOK_CONCURRENCY: setting(
    whole(1, 256).default(16),
    'Number of webhook messages that this process sends at the same time.',
  ),
  WEBHOOK_BACKOFF_MS: setting(
    whole(1, 600_000).default(10_000),
    'Time between the first two attempts of a webhook delivery, in milliseconds; each further ' +
      'wait is four times as long.',
  ),
  WEBHOOK_LOG_DAYS: setting(whole(1, 3_650).default(30), 'How long ended webhook deliveries are kept, in days.'),
  EVENT_LOG_DAYS: setting(
    whole(0, 36_500).default(90),
    'How long lifecycle events and the steps of ended jobs are kept, in days; 0: permanently. ' +
      'Webhook deliveries are deleted with their events.',
  ),
  TRAFFIC_LOG_DAYS: setting(
    whole(0, 36_500).default(400),
    'How long the counters of each minute of traffic are kept, in days; 0: permanently.',
  ),
  AUDIT_LOG_DAYS: setting(whole(0, 36_500).default(0), 'How long audit entries are kept, in days; 0: permanently.'),
} as const satisfies Settings;

type PlatformSettings = SettingValues<typeof PLATFORM_SETTINGS>;

declare module '../../config.js' {
  interface Config extends PlatformSettings {}
}
