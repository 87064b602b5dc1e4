import { randomUUID } from 'node:crypto';
import { constants, rmSync } from 'node:fs';
import { copyFile, link, mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { ABANDONED_AFTER_MS, type LocalFile } from './port.js';

/** Distinguishes this process from an earlier one with the same process id, as the first process of a container has. */
const THIS_PROCESS = randomUUID();
const HELD = 'held';
/**
 * A living process touches its folder in this interval, because another machine cannot see whether the process lives.
 */
const ALIVE_INTERVAL_MS = 60 * 60 * 1000;
const LOST_AFTER_MS = 24 * ALIVE_INTERVAL_MS;
/** A SHA-256, with a suffix during the download. No other file in the folder is changed. */
const NAME = /^[0-9a-f]{64}(\.|$)/;
/** Errors of a file system without hard links, or with too many of them. */
const NO_LINK = new Set(['EPERM', 'ENOTSUP', 'ENOSYS', 'EMLINK', 'EXDEV']);

interface Entry {
  path: string;
  sizeBytes: number;
  isHeld: boolean;
  usedAtMs: number;
}

/**
 * Downloaded files in a folder that several processes may share. Above `maxBytes`, the least recently used files are
 * removed. A user of a file holds a hard link to it: files with a second link stay, and a link survives changes to the
 * folder. When links are impossible, a copy is used, which is not counted.
 */
export class LocalCache {
  private readonly held: string;
  /** Running downloads, so that two requests for a file share one. */
  private readonly downloads = new Map<string, Promise<void>>();

  constructor(
    private readonly folder: string,
    private readonly maxBytes: number,
  ) {
    this.held = join(folder, HELD, `${hostname()}.${process.pid}.${THIS_PROCESS}`);
  }

  /** Removes what ended processes held, and files above the limit. */
  async prepare(): Promise<void> {
    setInterval(() => void utimes(this.held, new Date(), new Date()).catch(() => undefined), ALIVE_INTERVAL_MS).unref();
    for (const name of await readdir(join(this.folder, HELD)).catch(() => [])) {
      const folder = join(this.folder, HELD, name);
      const [id, pid, ...host] = name.split('.').toReversed();
      if (id === THIS_PROCESS) continue;
      // A container that is created again has another host name than the one before it.
      const isElsewhere = host.toReversed().join('.') !== hostname();
      const isLost = isElsewhere ? await isOld(folder) : Number(pid) === process.pid || !isAlive(Number(pid));
      if (isLost) await rm(folder, { recursive: true, force: true });
    }
    await this.makeRoom(null);
  }

  /**
   * The file of this name (a SHA-256 as hexadecimal digits), held until it is disposed. `download` writes it when it
   * does not exist.
   */
  async open(name: string, download: (path: string) => Promise<void>): Promise<LocalFile> {
    const path = join(this.folder, name);
    for (;;) {
      await mkdir(this.held, { recursive: true });
      const file = await this.hold(path);
      if (file) return file;
      const coming = this.downloads.get(path) ?? this.fetch(path, download).finally(() => this.downloads.delete(path));
      this.downloads.set(path, coming);
      await coming;
    }
  }

  /** Null when the file does not exist, or no longer exists. */
  private async hold(path: string): Promise<LocalFile | null> {
    const held = join(this.held, randomUUID());
    try {
      await link(path, held);
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') return null;
      if (!NO_LINK.has(code)) throw error;
      if (!(await copied(path, held))) return null;
    }
    // The modification time stays the same, because others recognize content that they have checked by it.
    await utimes(held, new Date(), (await stat(held)).mtime);
    return { path: held, [Symbol.dispose]: () => rmSync(held, { force: true }) };
  }

  private async fetch(path: string, download: (path: string) => Promise<void>): Promise<void> {
    const partial = `${path}.${randomUUID()}`;
    try {
      await download(partial);
      await rename(partial, path);
    } catch (error) {
      await rm(partial, { force: true });
      throw error;
    }
    await this.makeRoom(path);
  }

  private async makeRoom(kept: string | null): Promise<void> {
    const entries = (await this.entries()).sort((a, b) => a.usedAtMs - b.usedAtMs);
    let bytes = entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    for (const { path, sizeBytes, isHeld } of entries) {
      if (bytes <= this.maxBytes) return;
      if (isHeld || path === kept) continue;
      await rm(path, { force: true });
      bytes -= sizeBytes;
    }
  }

  private async entries(): Promise<Entry[]> {
    const entries: Entry[] = [];
    for (const file of await readdir(this.folder, { withFileTypes: true }).catch(() => [])) {
      const path = join(this.folder, file.name);
      // Another process may have removed it meanwhile.
      const found = file.isFile() && NAME.test(file.name) ? await stat(path).catch(() => null) : null;
      if (!found) continue;
      // A running download, here or in another process, is not removed until it is old.
      const isPartial = file.name.includes('.') && Date.now() - found.mtimeMs < ABANDONED_AFTER_MS;
      entries.push({ path, sizeBytes: found.size, isHeld: isPartial || found.nlink > 1, usedAtMs: found.atimeMs });
    }
    return entries;
  }
}

/** Keeps the times, as a link would. False when the file does not exist, or no longer exists. */
async function copied(path: string, held: string): Promise<boolean> {
  try {
    const { mtime } = await stat(path);
    await utimes(path, new Date(), mtime);
    await copyFile(path, held, constants.COPYFILE_FICLONE);
    await utimes(held, new Date(), mtime);
    return true;
  } catch (error) {
    await rm(held, { force: true });
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

async function isOld(folder: string): Promise<boolean> {
  const found = await stat(folder).catch(() => null);
  return found !== null && Date.now() - found.mtimeMs > LOST_AFTER_MS;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
