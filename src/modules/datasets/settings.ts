import { resolve } from 'node:path';
import { list, setting, type Settings, type SettingValues } from '../../settings.js';

export const DATASETS_SETTINGS = {
  DATASET_DIRS: setting(
    list.default([]).transform((paths) => paths.map((path) => resolve(path))),
    'Folders on this machine with files that may be registered as datasets, separated by commas.',
  ),
} as const satisfies Settings;

type DatasetsSettings = SettingValues<typeof DATASETS_SETTINGS>;

declare module '../../config.js' {
  interface Config extends DatasetsSettings {}
}
