import { randomUUID } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { diskFull } from './errors.js';

/** Readiness is asked every few seconds, and its answer is wanted at once. */
const LONGEST_MS = 1_500;
const PROBE = Buffer.alloc(64 * 1024, 1);

/** Checks by a small file whether a folder accepts writes. */
export class FolderProbe {
  private looking: Promise<string[]> | null = null;

  constructor(
    private readonly name: string,
    private readonly folder: string,
  ) {}

  /** What is wrong with the folder; nothing when all is well. Never rejects, and answers also when the disk hangs. */
  async problems(): Promise<string[]> {
    this.looking ??= this.look().finally(() => {
      this.looking = null;
    });
    return Promise.race([this.looking, sleep(LONGEST_MS, [`${this.name}: no answer`], { ref: false })]);
  }

  private async look(): Promise<string[]> {
    const path = join(this.folder, `.matih-probe-${randomUUID()}`);
    try {
      await writeFile(path, PROBE, { flag: 'wx' });
      return [];
    } catch (error) {
      return [diskFull(error) ? `${this.name}: the disk is full` : `${this.name}: it cannot be written`];
    } finally {
      await rm(path, { force: true }).catch(() => undefined);
    }
  }
}
