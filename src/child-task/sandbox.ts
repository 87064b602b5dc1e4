import { execFile } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { promisify } from 'node:util';

export interface Sandbox {
  /** Folders and files that can be read at the same path; those that do not exist are left out. */
  readable: readonly string[];
  mounts: readonly { from: string; to: string; isWritable?: boolean }[];
  /** The folder in which it begins. */
  cwd: string;
  /** Whether it can reach the network; it cannot when absent. */
  hasNetwork?: boolean;
  /** For code that may be hostile. */
  closed?: ClosedSandbox;
}

export interface ClosedSandbox {
  /** Nothing can be written but the mounts, and so much memory that processes share. */
  sharedMemoryBytes: number;
  /** Processes and threads at the same time. */
  maxThreads: number;
  /** The user that it has when this process is root: no limit on processes holds for root. See `strangerId`. */
  userId: number | undefined;
}

/** Numbers that exist in every container, and hardly ever as a user. */
const STRANGERS = { from: 30_000, to: 60_000 };

/** Another user for each sandbox, so that limits count each alone; undefined when this process is not root. */
export function strangerId(): number | undefined {
  return process.getuid?.() === 0 ? randomInt(STRANGERS.from, STRANGERS.to) : undefined;
}

const runToEnd = promisify(execFile);
/** A process that was stopped ignores any other signal. */
const LOOK = { timeout: 10_000, killSignal: 'SIGKILL' } as const;
/** Folders of the system with libraries that an interpreter loads; read-only. */
const SYSTEM_FOLDERS = ['/usr', '/lib', '/lib64', '/bin', '/etc/ld.so.cache', '/etc/ssl/openssl.cnf'];
const NETWORK_FILES = ['/etc/resolv.conf', '/etc/hosts', '/etc/nsswitch.conf', '/etc/ssl', '/etc/ca-certificates'];

const NAMESPACES = ['--unshare-ipc', '--unshare-pid', '--unshare-uts', '--unshare-cgroup-try'];

/** A command that runs what follows it without other files and processes (bubblewrap). */
export function sandboxed({ readable, mounts, cwd, hasNetwork = false, closed }: Sandbox): string[] {
  const files = [...SYSTEM_FOLDERS, ...(hasNetwork ? NETWORK_FILES : []), ...readable];
  return [
    ...['bwrap', ...separation(hasNetwork, closed)],
    ...['--die-with-parent', '--new-session'],
    ...(closed ? foldersAbove([...mounts.map(({ to }) => to), ...files]).flatMap(openFolder) : []),
    // A folder that is read may lie in one that is mounted.
    ...mounts.flatMap(({ from, to, isWritable }) => [isWritable ? '--bind' : '--ro-bind', from, to]),
    ...files.flatMap((path) => ['--ro-bind-try', path, path]),
    ...['--dev', '/dev', '--proc', '/proc'],
    ...(closed ? ['--size', String(closed.sharedMemoryBytes), '--perms', '1777', '--tmpfs', '/dev/shm'] : []),
    ...(closed ? ['--remount-ro', '/dev', '--remount-ro', '/'] : []),
    ...['--chdir', cwd],
    ...(closed ? limitsOf(closed) : []),
  ];
}

/** The folders in which these paths lie, the outer ones first. */
function foldersAbove(paths: readonly string[]): string[] {
  const above = paths.flatMap((path) => {
    const names = path.split('/').slice(1, -1);
    return names.map((_, i) => `/${names.slice(0, i + 1).join('/')}`);
  });
  return [...new Set(above)].sort();
}

/** Bubblewrap itself makes folders that only their owner can enter. */
const openFolder = (path: string): string[] => ['--perms', '0755', '--dir', path];

/** Root keeps its own users, because only then another user counts as one for the limit on processes. */
function separation(hasNetwork: boolean, closed: ClosedSandbox | undefined): string[] {
  if (closed?.userId === undefined) return ['--unshare-all', ...(hasNetwork ? ['--share-net'] : [])];
  const capabilities = ['--cap-add', 'CAP_SETUID', '--cap-add', 'CAP_SETGID'];
  return [...NAMESPACES, ...(hasNetwork ? [] : ['--unshare-net']), ...capabilities];
}

function limitsOf({ userId, maxThreads }: ClosedSandbox): string[] {
  const user = userId === undefined ? [] : ['setpriv', `--reuid=${userId}`, `--regid=${userId}`, '--clear-groups'];
  // The service goes first when the processors are busy.
  return [...user, 'prlimit', `--nproc=${maxThreads}:${maxThreads}`, 'nice', '-n', '10'];
}

/** Whether the command runs and ends well. */
export async function runs(command: string, args: readonly string[]): Promise<boolean> {
  return runToEnd(command, args, LOOK).then(
    () => true,
    () => false,
  );
}

/** The folders of a Python interpreter and its packages. */
export async function interpreterFolders(pythonPath: string): Promise<string[]> {
  const script =
    'import json, os, sys; print(json.dumps([sys.prefix, sys.base_prefix, ' +
    'os.path.dirname(os.path.realpath(sys.executable))]))';
  const { stdout } = await runToEnd(pythonPath, ['-I', '-c', script], LOOK);
  return JSON.parse(stdout) as string[];
}
