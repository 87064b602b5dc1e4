import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';

const PYTHON_FOLDER = fileURLToPath(new URL('../../../python/', import.meta.url));

/** The program that spark-submit runs; it imports the package. */
export const SPARK_PROGRAM = join(PYTHON_FOLDER, 'matih_ml/batch/on_spark.py');

const FOLDERS = ['matih_ml', 'matih_ml/train', 'matih_ml/batch', 'matih_ml/serve'];

export interface CodePackage {
  /** The same for the same content. */
  name: string;
  zip: Uint8Array;
}

/** The Python code of work outside, as Ray takes it. */
export async function pythonPackage(): Promise<CodePackage> {
  const names = await Promise.all(
    FOLDERS.map(async (folder) => {
      const modules = (await readdir(join(PYTHON_FOLDER, folder))).filter((name) => name.endsWith('.py')).sort();
      return modules.map((name) => `${folder}/${name}`);
    }),
  );
  const files = await Promise.all(
    names.flat().map(async (name) => ({ name, content: await readFile(join(PYTHON_FOLDER, name)) })),
  );
  const zip = storedZip(files);
  return { name: `_ray_pkg_${createHash('sha1').update(zip).digest('hex')}.zip`, zip };
}

/** 1980-01-01, so that the same files give the same bytes. */
const DATE = 0x21;
const VERSION = 20;

/** A zip of these files, without compression. */
export function storedZip(files: readonly { name: string; content: Uint8Array }[]): Uint8Array {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const { name, content } of files) {
    const path = Buffer.from(name);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(VERSION, 0);
    common.writeUInt16LE(DATE, 8);
    common.writeUInt32LE(crc32(content), 10);
    common.writeUInt32LE(content.length, 14);
    common.writeUInt32LE(content.length, 18);
    common.writeUInt16LE(path.length, 22);
    const local = [Buffer.from('PK\x03\x04', 'latin1'), common, path, content];
    const ends = Buffer.alloc(14);
    ends.writeUInt32LE(offset, 10);
    directory.push(Buffer.from('PK\x01\x02', 'latin1'), Buffer.from([VERSION, 0]), common, ends, path);
    parts.push(...local);
    offset += local.reduce((size, { length }) => size + length, 0);
  }
  const listed = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(files.length, 8);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(listed.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, listed, end]);
}
