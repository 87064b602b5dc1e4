import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { FolderObjectStore } from '../../src/adapters/object-store/folder-object-store.js';
import { objectStoreContract } from './object-store.contract.js';

objectStoreContract('folder', async () => {
  const root = await mkdtemp(join(tmpdir(), 'matih-objects-'));
  return { store: new FolderObjectStore(root), close: () => rm(root, { recursive: true }) };
});

it('removes old unfinished uploads at its start, and no others', async () => {
  const root = await mkdtemp(join(tmpdir(), 'matih-objects-'));
  await mkdir(join(root, 'incoming'));
  for (const name of ['old', 'new']) await writeFile(join(root, 'incoming', name), 'x');
  await utimes(join(root, 'incoming', 'old'), new Date(0), new Date(0));
  await new FolderObjectStore(root).prepare();
  expect(await readdir(join(root, 'incoming'))).toEqual(['new']);
  await rm(root, { recursive: true });
});

it('refuses a key below another key, and a key that is a folder', async () => {
  const root = await mkdtemp(join(tmpdir(), 'matih-objects-'));
  const store = new FolderObjectStore(root);
  await store.put('a/b', Buffer.from('x'));
  for (const key of ['a', 'a/b/c']) {
    await expect(store.put(key, Buffer.from('x'))).rejects.toEqual(expect.objectContaining({ code: 'INVALID_PATH' }));
    await store.delete(key);
  }
  expect(existsSync(join(root, 'objects', 'a', 'b'))).toBe(true);
  expect(await readdir(join(root, 'incoming'))).toEqual([]);
  await rm(root, { recursive: true });
});
