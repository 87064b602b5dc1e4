import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { crc32 } from 'node:zlib';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import { AppError, badInput, ErrorCode } from '../../errors.js';

const MAX_FILES = 10_000;
export const MAX_CODE_BYTES = 1024 ** 3;
const MAX_PATH_BYTES = 1_000;
const MAX_NAME_BYTES = 255;
const FILE_TYPE = 0o170000;
const REGULAR = [0, 0o100000];
const FOLDER = 0o040000;
const EXECUTABLE = 0o111;

interface Member {
  entry: Entry;
  path: string;
  isFolder: boolean;
}

/** Checks every name of a zip, the types of its files and their size. BAD_USER_INPUT says what is wrong. */
export async function checkCodeArchive(path: string, field: string): Promise<void> {
  const zip = await opened(path, field);
  try {
    let files = 0;
    for await (const member of members(zip, field)) files += member.isFolder ? 0 : 1;
    if (files === 0) throw badInput(field, 'a zip with at least one file', 'an empty zip');
  } finally {
    zip.close();
  }
}

/** Writes the files of a zip below a new folder, after the same checks. */
export async function unpackCodeArchive(path: string, folder: string): Promise<void> {
  const zip = await opened(path, 'code');
  try {
    for await (const { entry, path: name, isFolder } of members(zip, 'code')) {
      const to = join(folder, name);
      await mkdir(isFolder ? to : dirname(to), { recursive: true });
      if (isFolder) continue;
      const mode = 0o600 | ((entry.externalFileAttributes >>> 16) & EXECUTABLE);
      try {
        // The reader itself ends with an error when the size is not that of the entry.
        const content = await zip.openReadStreamPromise(entry);
        let sum = 0;
        content.on('data', (chunk: Buffer) => {
          sum = crc32(chunk, sum);
        });
        await pipeline(content, createWriteStream(to, { flags: 'wx', mode }));
        if (sum !== entry.crc32) throw new Error('its checksum is another one');
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        if (code !== undefined && /^(ENOSPC|EDQUOT|EIO|EMFILE)$/.test(code)) throw error;
        throw new AppError(ErrorCode.BAD_USER_INPUT, `The file ${name} of the zip cannot be unpacked: ${message}.`, {
          got: name,
        });
      }
    }
  } finally {
    zip.close();
  }
}

async function opened(path: string, field: string): Promise<ZipFile> {
  try {
    return await openPromise(path, { strictFileNames: true });
  } catch (error) {
    throw refused(field, error);
  }
}

/** An answer of the reader about a file that is no zip, a damaged one, or a path that leads out of its folder. */
function refused(field: string, error: unknown): AppError {
  return badInput(
    field,
    'a zip that is whole, and whose paths are relative and without ..',
    error instanceof Error ? error.message : String(error),
  );
}

async function* members(zip: ZipFile, field: string): AsyncGenerator<Member> {
  if (zip.entryCount > MAX_FILES) throw badInput(field, `a zip of at most ${MAX_FILES} files`, zip.entryCount);
  const files = new Set<string>();
  const folders = new Set<string>();
  let bytes = 0;
  const entries = zip.eachEntry()[Symbol.asyncIterator]();
  for (;;) {
    let next: IteratorResult<Entry>;
    try {
      next = await entries.next();
    } catch (error) {
      throw refused(field, error);
    }
    if (next.done) return;
    const entry = next.value;
    const member = checked(entry, field);
    bytes += entry.uncompressedSize;
    if (bytes > MAX_CODE_BYTES) throw badInput(field, `a zip of files of at most ${MAX_CODE_BYTES} bytes`, bytes);
    const { path, isFolder } = member;
    const above = isFolder ? [path] : [];
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) above.push(path.slice(0, at));
    for (const folder of above) folders.add(folder);
    if (!isFolder && files.has(path)) throw badInput(field, 'a zip with each path once', path);
    if (!isFolder) files.add(path);
    const clash = [...above, path].find((one) => folders.has(one) && files.has(one));
    if (clash !== undefined) throw badInput(field, 'a zip in which no file is also a folder', clash);
    yield member;
  }
}

function checked(entry: Entry, field: string): Member {
  const { fileName } = entry;
  const isFolder = fileName.endsWith('/');
  const path = isFolder ? fileName.slice(0, -1) : fileName;
  const names = path.split('/');
  const isSafe = names.every(
    (name) => name !== '' && name !== '.' && name !== '..' && Buffer.byteLength(name) <= MAX_NAME_BYTES,
  );
  if (!isSafe || /[\p{Cc}\\]/u.test(path) || Buffer.byteLength(path) > MAX_PATH_BYTES)
    throw badInput(field, 'a zip of relative paths without "..", e.g. src/train.py', fileName);
  const type = (entry.externalFileAttributes >>> 16) & FILE_TYPE;
  if (!(isFolder ? [0, FOLDER] : REGULAR).includes(type))
    throw badInput(field, 'a zip of files and folders, without links', fileName);
  if (entry.isEncrypted()) throw badInput(field, 'a zip without encrypted files', fileName);
  if (!isFolder && !entry.canDecodeFileData())
    throw badInput(field, 'a zip of stored or deflated files', `${fileName}, method ${entry.compressionMethod}`);
  return { entry, path, isFolder };
}
