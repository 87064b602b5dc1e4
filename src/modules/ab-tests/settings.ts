import { setting, whole, type Settings, type SettingValues } from '../../settings.js';

export const AB_TESTS_SETTINGS = {
  AB_TEST_KEY_DAYS: setting(
    whole(0).default(30),
    'Days after the end of an A/B test that its rows of routing keys and outcomes are kept; 0 keeps them for ever. ' +
      'Its looks and its decision stay.',
  ),
  AB_TEST_MAX_ROWS: setting(
    whole(100).default(10_000_000),
    'Maximum number of routing keys that one A/B test keeps, and of rows for its outcomes: one per key and metric, ' +
      'and one per outcome with an id. A row is about 200 bytes.',
  ),
} as const satisfies Settings;

type AbTestsSettings = SettingValues<typeof AB_TESTS_SETTINGS>;

declare module '../../config.js' {
  interface Config extends AbTestsSettings {}
}
