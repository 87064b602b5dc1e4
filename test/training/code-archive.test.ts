import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { storedZip } from '../../src/training/ray/python-package.js';
import { checkCodeArchive, unpackCodeArchive } from '../../src/training/scripts/code-archive.js';

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'matih-zip-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function written(zip: Uint8Array): string {
  const path = join(folder(), 'code.zip');
  writeFileSync(path, zip);
  return path;
}

const zipOf = (...names: string[]) =>
  Buffer.from(storedZip(names.map((name) => ({ name, content: Buffer.from(name.endsWith('/') ? '' : `of ${name}`) }))));

/** The same zip, in which the first file has these attributes. */
function withMode(zip: Buffer, mode: number): Buffer {
  zip.writeUInt32LE((mode << 16) >>> 0, zip.indexOf('PK\x01\x02', 'latin1') + 38);
  return zip;
}

/** The same zip, which announces another size of its first file. */
function withSize(zip: Buffer, bytes: number): Buffer {
  const at = zip.indexOf('PK\x01\x02', 'latin1');
  zip.writeUInt32LE(bytes, at + 24);
  return zip;
}

describe('the code of a script', () => {
  it('is unpacked as it was packed, with the right to run', async () => {
    const path = written(withMode(zipOf('run.sh', 'src/', 'src/a/b.py', 'a b (1).txt'), 0o100755));
    await expect(checkCodeArchive(path, 'input.uploadId')).resolves.toBeUndefined();
    const to = folder();
    await unpackCodeArchive(path, to);
    for (const name of ['run.sh', 'src/a/b.py', 'a b (1).txt'])
      expect(readFileSync(join(to, name), 'utf8')).toBe(`of ${name}`);
    expect(statSync(join(to, 'run.sh')).mode & 0o100).toBe(0o100);
    expect(statSync(join(to, 'src/a/b.py')).mode & 0o100).toBe(0);
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['is above the folder', zipOf('ok.py', '../evil.py'), /\.\./],
    ['leads above it in the middle', zipOf('a/../../evil.py'), /\.\./],
    ['is absolute', zipOf('/etc/passwd'), /etc\/passwd/],
    ['is absolute on Windows', zipOf('C:/evil.py'), /evil/],
    ['has backslashes', zipOf('..\\evil.py'), /evil/],
    ['has an empty name', zipOf('a//b.py'), /a\/\/b/],
    ['is the folder itself', zipOf('./a.py'), /\.\/a/],
    ['is too long', zipOf('x'.repeat(256)), /xxx/],
    ['comes twice', zipOf('a.py', 'a.py'), /each path once/],
    ['is a file and a folder', zipOf('a', 'a/b.py'), /no file is also a folder/],
    ['is a folder and a file', zipOf('a/b/c.py', 'a/b'), /no file is also a folder/],
    ['is a link', withMode(zipOf('link'), 0o120777), /without links/],
    ['is a device', withMode(zipOf('device'), 0o060666), /without links/],
    ['has a size that is not its own', withSize(zipOf('a.py'), 5), /a zip/],
    ['is larger than all may be', withSize(withMode(zipOf('a.py'), 0), 2 ** 31), /a zip/],
  ])('whose path %s is refused', async (_, zip, said) => {
    const path = written(zip);
    const checked = checkCodeArchive(path, 'input.uploadId');
    await expect(checked).rejects.toMatchObject({ code: 'BAD_USER_INPUT', details: { field: 'input.uploadId' } });
    await expect(checked).rejects.toThrow(said);
    await expect(unpackCodeArchive(path, folder())).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
  });

  it.each<[string, Uint8Array]>([
    ['no zip', Buffer.from('import mlflow')],
    ['empty', Buffer.alloc(0)],
    ['a zip without files', zipOf()],
    ['a zip with folders only', zipOf('a/')],
    ['cut', zipOf('a.py', 'b.py').subarray(0, 60)],
    ['of too many files', zipOf(...Array.from({ length: 10_001 }, (_, i) => `f${i}`))],
  ])('that is %s is refused', async (_, zip) => {
    await expect(checkCodeArchive(written(zip), 'input.uploadId')).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
  });

  it('that is damaged inside is refused when it is unpacked', async () => {
    const zip = zipOf('a.py');
    zip[zip.indexOf('of a.py')] = 0;
    const path = written(zip);
    await expect(checkCodeArchive(path, 'input.uploadId')).resolves.toBeUndefined();
    await expect(unpackCodeArchive(path, folder())).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
  });
});
