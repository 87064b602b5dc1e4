import type { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import type { Session } from '../../db/database.js';
import { sql } from '../../db/sql.js';

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
  const { owner, path } = sourceFolder;
  const [column, id] = 'runId' in owner ? ['run_id', owner.runId] : ['logged_model_id', owner.loggedModelId];
  const prefix = path === '' ? '' : `${path}/`;
  return sql<SourceFile>(
    session.em,
    `select substr(path, length(?) + 1) as path, object_key as "objectKey" from artifact
     where tenant = ? and ${column} = ? and starts_with(path, ?) order by path`,
    [prefix, session.tenant, id, prefix],
  );
}
