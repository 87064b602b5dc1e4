import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { FolderObjectStore } from '../../src/adapters/object-store/folder-object-store.js';
import { Database } from '../../src/db/database.js';
import { FolderProbe } from '../../src/folder-probe.js';
import { createDatabaseFromTemplate } from '../support/database.js';

const FULL = { code: 'UNAVAILABLE', message: expect.stringMatching(/^The disk is full, so nothing can be written/) };
const folder = mkdtempSync(join(tmpdir(), 'matih-full-disk-'));
const mounted =
  spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', folder], { stdio: 'ignore' }).status === 0;
afterAll(() => {
  if (mounted) spawnSync('umount', [folder]);
  rmSync(folder, { recursive: true, force: true });
});

describe('a full disk', () => {
  // Filling a disk needs the right to mount a small one.
  it.skipIf(!mounted)('for artifacts is reported, and keeps the stored files', async () => {
    const store = new FolderObjectStore(join(folder, 'artifacts'));
    await store.prepare();
    await store.put('acme/small', Buffer.from('kept'));
    await expect(store.put('acme/large', Buffer.alloc(512 * 1024))).rejects.toMatchObject(FULL);
    const { flushed } = await store.write('acme/large-at-once', Buffer.alloc(512 * 1024));
    await expect(flushed).rejects.toMatchObject(FULL);
    expect(await store.sizeBytes('acme/small')).toBe(4);
    await expect(store.sizeBytes('acme/large')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await store.put('acme/after', Buffer.from('written'));
  });

  it.skipIf(!mounted)('of a folder is reported by readiness until there is space again', async () => {
    const probe = new FolderProbe('data folder', folder);
    expect(await probe.problems()).toEqual([]);
    writeFileSync(join(folder, 'filling'), Buffer.alloc(200 * 1024));
    expect(await probe.problems()).toEqual(['data folder: the disk is full']);
    rmSync(join(folder, 'filling'));
    expect(await probe.problems()).toEqual([]);
    expect(readdirSync(folder).filter((name) => name.startsWith('.matih'))).toEqual([]);
    const absent = new FolderProbe('data folder', join(folder, 'absent'));
    expect(await absent.problems()).toEqual(['data folder: it cannot be written']);
  });

  it('for the database is reported; readiness checks again by writing', async () => {
    const database = await createDatabaseFromTemplate();
    const db = await Database.connect({ url: database.url, entities: [], poolSize: 2 });
    try {
      const refusal = "do $$ begin raise exception using errcode = '53100', message = 'could not extend file'; end $$";
      await expect(db.asSystem((em) => em.execute(refusal))).rejects.toMatchObject(FULL);
      expect(await db.problems()).toEqual([]);
    } finally {
      await db.close();
      await database.drop();
    }
  });
});
