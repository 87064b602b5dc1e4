import type { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import type { Session } from '../../db/database.js';
import { storedFiles } from '../artifacts/index.js';

export interface SourceFile {
  /** Path below the folder with the MLmodel file. */
  path: string;
  objectKey: string;
}

/**
 * The files of another framework with which a version was registered, as they are now; empty when they are not stored
 * here.
 */
export async function sourceFiles(session: Session, { sourceFolder }: ModelVersion): Promise<SourceFile[]> {
  if (!sourceFolder) return [];
  const { owner, path: folder } = sourceFolder;
  const files = await storedFiles(session, owner, folder);
  const skipped = folder === '' ? 0 : folder.length + 1;
  return files.map(({ path, objectKey }) => ({ path: path.slice(skipped), objectKey }));
}
