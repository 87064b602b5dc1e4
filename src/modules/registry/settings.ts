import { z } from 'zod';
import { setting, whole, type Settings, type SettingValues } from '../../settings.js';

export const REGISTRY_SETTINGS = {
  PYTHON_PATH: setting(
    z.string().min(1).optional(),
    'Python that converts models of other frameworks to ONNX, and trains with the backend LOCAL, with the extras of ' +
      'python/ installed; absent: neither.',
  ),
  CONVERSION_SANDBOX: setting(
    z.enum(['bubblewrap', 'process']).default('bubblewrap'),
    'Sandbox for models that must be unpickled: bubblewrap, or only a separate process, for ' +
      'models that you trust.',
  ),
  CONVERSION_MEMORY_BYTES: setting(
    whole(1).default(8 * 1024 ** 3),
    'Maximum address space of one conversion, in bytes.',
  ),
} as const satisfies Settings;

type RegistrySettings = SettingValues<typeof REGISTRY_SETTINGS>;

declare module '../../config.js' {
  interface Config extends RegistrySettings {}
}
