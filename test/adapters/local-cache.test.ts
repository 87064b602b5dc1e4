import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { link, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LocalCache } from '../../src/adapters/object-store/local-cache.js';

const nameOf = (text: string) => createHash('sha256').update(text).digest('hex');

/** A file system in memory, on Linux: hard links to it from a disk are impossible. */
const ANOTHER_DISK = '/dev/shm';

let folder: string;
let downloads: string[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'matih-cache-'));
  downloads = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Ten bytes under this name. */
const open = (cache: LocalCache, text: string) =>
  cache.open(nameOf(text), async (path) => {
    downloads.push(text);
    await writeFile(path, text.padEnd(10));
  });

const kept = async (...texts: string[]) => {
  const names = new Set((await readdir(folder)).filter((name) => name !== 'held'));
  return texts.filter((text) => names.has(nameOf(text)));
};

/** As if nobody had used it for an hour. */
const age = (text: string) => utimes(join(folder, nameOf(text)), new Date(Date.now() - 3_600_000), new Date());

describe('a cache of local files', () => {
  it('downloads a file once for two requests, and again only when it was removed', async () => {
    const cache = new LocalCache(folder, 100);
    const [a, b] = await Promise.all([open(cache, 'a'), open(cache, 'a')]);
    expect(await readFile(a.path, 'utf8')).toBe('a'.padEnd(10));
    a[Symbol.dispose]();
    expect(existsSync(b.path)).toBe(true);
    b[Symbol.dispose]();
    expect(existsSync(b.path)).toBe(false);
    using again = await open(cache, 'a');
    expect(await readFile(again.path, 'utf8')).toBe('a'.padEnd(10));
    expect(downloads).toEqual(['a']);
    await rm(join(folder, nameOf('a')));
    using anew = await open(cache, 'a');
    expect(await readFile(anew.path, 'utf8')).toBe('a'.padEnd(10));
    expect(downloads).toEqual(['a', 'a']);
  });

  it(
    'removes what was used longest ago when there is too much, but nothing that is in use here or in another ' +
      'process',
    async () => {
      const cache = new LocalCache(folder, 30);
      const other = new LocalCache(folder, 30);
      for (const text of ['a', 'b', 'c']) {
        (await open(cache, text))[Symbol.dispose]();
        await age(text);
      }
      // It was opened first but used last.
      (await open(cache, 'a'))[Symbol.dispose]();
      using held = await open(other, 'b');
      await age('b');
      (await open(cache, 'd'))[Symbol.dispose]();
      expect(await kept('a', 'b', 'c', 'd')).toEqual(['a', 'b', 'd']);
      await age('d');
      (await open(cache, 'e'))[Symbol.dispose]();
      expect(await kept('a', 'b', 'c', 'd', 'e')).toEqual(['a', 'b', 'e']);
      expect(await readFile(held.path, 'utf8')).toBe('b'.padEnd(10));
    },
  );

  it('returns a file that is larger than its limit, and a failed download leaves nothing', async () => {
    const cache = new LocalCache(folder, 5);
    using file = await open(cache, 'a');
    expect(await readFile(file.path, 'utf8')).toBe('a'.padEnd(10));
    const failing = cache.open(nameOf('b'), async (path) => {
      await writeFile(path, 'half');
      throw new Error('the store went away');
    });
    await expect(failing).rejects.toThrow('the store went away');
    expect((await readdir(folder)).toSorted()).toEqual([nameOf('a'), 'held'].toSorted());
  });

  it('does not repeat a download for ever when its folder is removed meanwhile', async () => {
    const cache = new LocalCache(folder, 100);
    using file = await cache.open(nameOf('a'), async (path) => {
      if (downloads.push('a') === 1) await rm(join(folder, 'held'), { recursive: true });
      if (downloads.length > 3) throw new Error('downloaded again and again');
      await writeFile(path, 'a'.padEnd(10));
    });
    expect(await readFile(file.path, 'utf8')).toBe('a'.padEnd(10));
    expect(downloads).toHaveLength(1);
  });

  it.skipIf(!existsSync(ANOTHER_DISK))(
    'copies files when hard links are impossible, and still knows which was used last',
    async () => {
      const elsewhere = await mkdtemp(join(ANOTHER_DISK, 'matih-held-'));
      try {
        await symlink(elsewhere, join(folder, 'held'));
        const cache = new LocalCache(folder, 20);
        using a = await open(cache, 'a');
        const { mtimeMs } = await stat(join(folder, nameOf('a')));
        expect((await stat(a.path)).mtimeMs).toBe(mtimeMs);
        await age('a');
        (await open(cache, 'b'))[Symbol.dispose]();
        await age('b');
        (await open(cache, 'a'))[Symbol.dispose]();
        (await open(cache, 'c'))[Symbol.dispose]();
        expect(await kept('a', 'b', 'c')).toEqual(['a', 'c']);
        await rm(join(folder, nameOf('a')));
        expect(await readFile(a.path, 'utf8')).toBe('a'.padEnd(10));
        expect(downloads).toEqual(['a', 'b', 'c']);
        expect(await readdir(elsewhere, { recursive: true })).toHaveLength(2);
      } finally {
        await rm(elsewhere, { recursive: true });
      }
    },
  );

  it('removes at its start what ended processes held, and does not touch foreign files', async () => {
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    const theirs = join(folder, 'held', `${hostname()}.${pid}.11111111-1111-4111-8111-111111111111`);
    const elsewhere = join(folder, 'held', `another-host.${pid}.11111111-1111-4111-8111-111111111111`);
    const silent = join(folder, 'held', `a-host-that-was.${pid}.11111111-1111-4111-8111-111111111111`);
    for (const [text, holder] of [
      ['a', theirs],
      ['b', elsewhere],
      ['c', silent],
    ] as const) {
      await mkdir(holder, { recursive: true });
      await writeFile(join(folder, nameOf(text)), text.padEnd(10));
      await link(join(folder, nameOf(text)), join(holder, 'x'));
    }
    const longAgo = new Date(Date.now() - 25 * 3_600_000);
    await utimes(silent, longAgo, longAgo);
    await writeFile(join(folder, 'notes.txt'), 'not a download');
    await new LocalCache(folder, 0).prepare();
    expect(await kept('a', 'b', 'c')).toEqual(['b']);
    expect(await readdir(join(folder, 'held'))).toEqual([`another-host.${pid}.11111111-1111-4111-8111-111111111111`]);
    expect(existsSync(join(folder, 'notes.txt'))).toBe(true);
  });
});
