import { setting, whole, type Settings, type SettingValues } from '../../settings.js';

export const UPLOADS_SETTINGS = {
  MAX_UPLOAD_BYTES: setting(whole(1).default(5 * 1024 ** 3), 'Maximum size of an uploaded file, in bytes.'),
} as const satisfies Settings;

type UploadsSettings = SettingValues<typeof UPLOADS_SETTINGS>;

declare module '../../config.js' {
  interface Config extends UploadsSettings {}
}
