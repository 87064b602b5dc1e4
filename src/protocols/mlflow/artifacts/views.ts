import type { FolderEntry } from '../../../modules/artifacts/index.js';

/** Files and folders in MLflow's list format; `prefix` is their folder. */
export function toFileInfos(entries: FolderEntry[], prefix = ''): { files?: object[] } {
  if (entries.length === 0) return {};
  const files = entries.map(({ name, isFolder, sizeBytes }) => ({
    path: prefix === '' ? name : `${prefix}/${name}`,
    is_dir: isFolder,
    ...(!isFolder && { file_size: sizeBytes }),
  }));
  return { files };
}
