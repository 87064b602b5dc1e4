import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { AppError, ErrorCode } from '../../errors.js';

/** The files of a model by their paths in its folder: text, or a file of this machine. */
export type ModelFiles = Readonly<Record<string, { text: string } | { path: string }>>;

/** Where Triton reads its models. */
export interface ModelRepository {
  /** Replaces what is there under the name. UNAVAILABLE when it cannot be written. */
  write(name: string, files: ModelFiles): Promise<void>;
  remove(name: string): Promise<void>;
}

/** A folder that this service and Triton see. A model appears at once, with all its files. */
export class FolderRepository implements ModelRepository {
  constructor(private readonly folder: string) {}

  async write(name: string, files: ModelFiles): Promise<void> {
    const draft = join(this.folder, `.${name}-${randomUUID()}`);
    const folder = join(this.folder, name);
    try {
      for (const [path, file] of Object.entries(files)) {
        const to = join(draft, path);
        await mkdir(dirname(to), { recursive: true });
        if ('text' in file) await writeFile(to, file.text);
        else await copyFile(file.path, to);
      }
      await rm(folder, { recursive: true, force: true });
      await rename(draft, folder);
    } catch (error) {
      await rm(draft, { recursive: true, force: true });
      const { code } = error as NodeJS.ErrnoException;
      // Another process of this service was faster.
      if (code === 'ENOTEMPTY' || code === 'EEXIST') return;
      throw notWritten(error);
    }
  }

  async remove(name: string): Promise<void> {
    await rm(join(this.folder, name), { recursive: true, force: true });
  }
}

/** What a bucket can do. */
interface Bucket {
  put(key: string, content: Readable | Buffer): Promise<unknown>;
  delete(key: string): Promise<void>;
  list(folder: string): AsyncIterable<string>;
}

/**
 * A bucket of an S3 store, or a folder in it. Triton looks at a model only when it is told to load it, so its files may
 * appear one after the other.
 */
export class BucketRepository implements ModelRepository {
  constructor(
    private readonly bucket: Bucket,
    /** Ends with "/" unless it is empty. */
    private readonly prefix: string,
  ) {}

  async write(name: string, files: ModelFiles): Promise<void> {
    try {
      for (const [path, file] of Object.entries(files)) {
        const content = 'text' in file ? Buffer.from(file.text) : createReadStream(file.path);
        await this.bucket.put(`${this.prefix}${name}/${path}`, content);
      }
    } catch (error) {
      throw notWritten(error);
    }
  }

  async remove(name: string): Promise<void> {
    for await (const key of this.bucket.list(`${this.prefix}${name}/`)) await this.bucket.delete(key);
  }
}

function notWritten(cause: unknown): AppError {
  return new AppError(
    ErrorCode.UNAVAILABLE,
    'The model repository of Triton cannot be written: ask who runs the service to look at TRITON_REPOSITORY.',
    {},
    { cause },
  );
}
