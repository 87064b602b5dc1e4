import { createHash } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { Model } from '../../db/entities/registry/model.entity.js';
import type { Session } from '../../db/database.js';

const MAX_FOLDER_BYTES = 200;

/**
 * The folder of a new model's files: its name, unless another model has it, which was called so once. Letters that no
 * stored path may have are escaped with =, as %-escapes are.
 */
export async function newModelFolder(session: Session, name: string): Promise<string> {
  const folder = escaped(name);
  const isTaken = (await session.em.count(Model, { tenant: session.tenant, folder })) > 0;
  // No name is escaped to one with @.
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
