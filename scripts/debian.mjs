// Finds a program, or installs the Debian package that contains it. Only the tests against real engines need this.
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

function onPath(names, moreFolders) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin', ...moreFolders()];
  for (const path of names.flatMap((name) => folders.map((folder) => join(folder, name)))) {
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      continue;
    }
  }
  return undefined;
}

/**
 * The path of the first of `names` on this machine, also searched in `moreFolders()`. Installs `debianPackage` when
 * none is found.
 */
export function findOrInstall(names, debianPackage, moreFolders = () => []) {
  const found = onPath(names, moreFolders);
  if (found) return found;
  const refusal = `${names[0]} is not installed: install it (Debian: apt-get install ${debianPackage}) and run this again.`;
  if (!installPackage(debianPackage)) throw new Error(refusal);
  const installed = onPath(names, moreFolders);
  if (!installed) throw new Error(refusal);
  return installed;
}

/** False when it cannot be installed on this machine. */
export function installPackage(debianPackage) {
  if (process.getuid?.() !== 0 || !onPath(['apt-get'], () => [])) return false;
  console.error(`Installing ${debianPackage} …`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const install = () =>
    spawnSync('apt-get', ['install', '-y', '--no-install-recommends', debianPackage], { env, encoding: 'utf8' })
      .status === 0;
  if (install()) return true;
  // The package lists of a new machine are empty or old.
  spawnSync('apt-get', ['update'], { env });
  return install();
}
