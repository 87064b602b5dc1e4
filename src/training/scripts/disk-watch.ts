import { lstat, opendir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const LOOK_MS = 1_000;
const BLOCK_BYTES = 512;
/** Also an empty file takes some space. */
const ENTRY_BYTES = 4_096;
/** What stays free on the disk, whatever a script may take. */
export const FREE_BYTES = 256 * 1024 ** 2;
/** A folder with very many files is looked at more rarely. */
const REST_PER_LOOK = 5;

export async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/**
 * Calls `exceeded` once when the folder takes more than this, or the disk is almost full: a file that was deleted and
 * is still written takes space that no folder shows.
 */
export async function watchDisk(
  folder: string,
  maxBytes: number,
  signal: AbortSignal,
  exceeded: () => void,
): Promise<void> {
  for (let restMs = 0; !signal.aborted; await sleep(Math.max(LOOK_MS, restMs), undefined, { signal }).catch(() => {})) {
    const startMs = Date.now();
    const isFull = await freeBytes(folder).then(
      (free) => free < FREE_BYTES,
      () => false,
    );
    if (isFull || (await takenBytes(folder, maxBytes)) > maxBytes) return exceeded();
    restMs = (Date.now() - startMs) * REST_PER_LOOK;
  }
}

/** The space that a folder takes; counting ends above `enough`. What disappears meanwhile does not count. */
async function takenBytes(folder: string, enough: number): Promise<number> {
  let bytes = 0;
  const folders = [folder];
  for (let at = folders.pop(); at !== undefined && bytes <= enough; at = folders.pop()) {
    try {
      for await (const entry of await opendir(at)) {
        const path = join(at, entry.name);
        const { blocks } = await lstat(path);
        bytes += Math.max(blocks * BLOCK_BYTES, ENTRY_BYTES);
        if (bytes > enough) break;
        if (entry.isDirectory()) folders.push(path);
      }
    } catch {
      // It was removed, or its owner has closed it.
    }
  }
  return bytes;
}
