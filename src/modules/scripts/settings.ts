import { z } from 'zod';
import { flag, setting, whole, type Settings, type SettingValues } from '../../settings.js';

export const SCRIPTS_SETTINGS = {
  ALLOW_LOCAL_SCRIPTS: setting(
    flag,
    'Whether scripts of users run on the workers of this service (`startScript`), in a sandbox (bubblewrap).',
  ),
  SCRIPT_NETWORK: setting(
    z.enum(['api', 'all']).default('api'),
    'What scripts on the workers reach: only the API of this service, or the whole network.',
  ),
  SCRIPT_MAX_PROCESSES: setting(
    whole(1, 100_000).default(256),
    'Maximum number of processes of one script at the same time.',
  ),
  SCRIPT_MAX_DISK_BYTES: setting(
    whole(1024 ** 2).default(10 * 1024 ** 3),
    'Maximum size of the files of one script on its worker, in bytes.',
  ),
  SCRIPT_MAX_LOG_BYTES: setting(
    whole(1024).default(16 * 1024 ** 2),
    'Maximum that one script may print, in bytes; with more it is ended.',
  ),
} as const satisfies Settings;

type ScriptsSettings = SettingValues<typeof SCRIPTS_SETTINGS>;

declare module '../../config.js' {
  interface Config extends ScriptsSettings {}
}
