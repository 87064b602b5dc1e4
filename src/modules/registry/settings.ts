import { z } from 'zod';
import { setting, whole, type Settings, type SettingValues } from '../../settings.js';

export const REGISTRY_SETTINGS = {
  PYTHON_PATH: setting(
    z.string().min(1).optional(),
    'Python that converts models of other frameworks to ONNX, with the extras of python/ installed; absent: ' +
      'none are converted.',
  ),
  CONVERSION_SANDBOX: setting(
    z.enum(['bubblewrap', 'process']).default('bubblewrap'),
    'What a model that must be unpickled is kept in: bubblewrap, or only a process of its own, for models ' +
      'that you trust.',
  ),
  CONVERSION_MEMORY_BYTES: setting(
    whole(1).default(8 * 1024 ** 3),
    'Address space that one conversion may take, in bytes.',
  ),
} as const satisfies Settings;

type RegistrySettings = SettingValues<typeof REGISTRY_SETTINGS>;

declare module '../../config.js' {
  interface Config extends RegistrySettings {}
}
