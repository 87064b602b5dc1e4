import { createHash } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { Model } from '../../db/entities/registry/model.entity.js';
import type { Session } from '../../db/database.js';

const MAX_FOLDER_BYTES = 200;

/**
 * The folder for the files of a new model: its name, unless another model has this folder because it had the name
 * before. Letters that a stored path cannot have are escaped with =, in the way of %-escapes.
 */
export async function newModelFolder(session: Session, name: string): Promise<string> {
  const folder = escaped(name);
  const isTaken = (await session.em.count(Model, { tenant: session.tenant, folder })) > 0;
  // No escaped name contains @.
  return isTaken ? `${folder}@${uuidv7()}` : folder;
}

function escaped(name: string): string {
  const percent = encodeURIComponent(name).replace(
    /[!~*'()]|^\./g,
    (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  const folder = percent.replaceAll('%', '=');
  if (folder.length <= MAX_FOLDER_BYTES) return folder;
  return `${folder.slice(0, MAX_FOLDER_BYTES)}@${createHash('sha256').update(name).digest('hex').slice(0, 16)}`;
}
