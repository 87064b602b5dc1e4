import { z } from 'zod';
import { flag, list, setting, url, type Settings, type SettingValues } from '../../settings.js';

export const EXCHANGE_SETTINGS = {
  MLFLOW_TRACKING_URI: setting(
    url('http:', 'https:').optional(),
    'MLflow server to which experiments, runs, versions, stages and aliases of all tenants are ' +
      'mirrored; absent: no mirroring.',
  ),
  MLFLOW_TRACKING_TOKEN: setting(z.string().min(1).optional(), 'Bearer token for MLFLOW_TRACKING_URI.'),
  MLFLOW_TRACKING_USERNAME: setting(
    z.string().min(1).optional(),
    'User name for MLFLOW_TRACKING_URI, instead of a token.',
  ),
  MLFLOW_TRACKING_PASSWORD: setting(z.string().min(1).optional(), 'Password of MLFLOW_TRACKING_USERNAME.'),
  MLFLOW_IMPORT_ALLOW_HTTP: setting(flag, 'Whether imports may also read MLflow servers at http:// addresses.'),
  MLFLOW_IMPORT_ALLOWED_HOSTS: setting(
    list.default([]),
    'Private host names, IP addresses and networks (10.1.0.0/16) that imports from MLflow may ' +
      'call, separated by commas.',
  ),
} as const satisfies Settings;

type ExchangeSettings = SettingValues<typeof EXCHANGE_SETTINGS>;

declare module '../../config.js' {
  interface Config extends ExchangeSettings {}
}
