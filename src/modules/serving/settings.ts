import { setting, whole, type Settings, type SettingValues } from '../../settings.js';

export const SERVING_SETTINGS = {
  INFERENCE_HOSTS: setting(whole(1, 64).default(2), 'Number of processes that run models for online predictions.'),
  INFERENCE_MEMORY_BYTES: setting(
    whole(1).default(2 * 1024 ** 3),
    'Maximum resident memory of each of these processes, in bytes.',
  ),
  PREDICT_DEADLINE_MS: setting(
    whole(1, 600_000).default(5_000),
    'Maximum duration of one prediction, in milliseconds.',
  ),
  MAX_INFERENCE_BYTES: setting(
    whole(1024, 2 ** 31 - 1).default(64 * 1024 ** 2),
    'Maximum size of one request or answer of the Open Inference Protocol, also unpacked, and of any gRPC message, in ' +
      'bytes.',
  ),
} as const satisfies Settings;

type ServingSettings = SettingValues<typeof SERVING_SETTINGS>;

declare module '../../config.js' {
  interface Config extends ServingSettings {}
}
