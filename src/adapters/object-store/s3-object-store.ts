import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Client } from 'minio';
import { AppError, ErrorCode } from '../../errors.js';
import { Meter } from './folder-object-store.js';
import { checkKey } from './keys.js';
import type { ByteRange, ObjectStore, StoredObject } from './port.js';

export interface S3Options {
  endpoint: string;
  accessKey: string;
  secretKey: string;
  bucket: string;
  /** Where `localPath` keeps its downloads. */
  cacheDir: string;
}

/** Any S3 through the minio client: multipart uploads with flat memory, ranged reads. */
export class S3ObjectStore implements ObjectStore {
  readonly name = 's3';
  private readonly client: Client;

  constructor(private readonly options: S3Options) {
    const { hostname, port, protocol } = new URL(options.endpoint);
    const useSSL = protocol === 'https:';
    this.client = new Client({
      endPoint: hostname,
      port: port ? Number(port) : useSSL ? 443 : 80,
      useSSL,
      accessKey: options.accessKey,
      secretKey: options.secretKey,
      pathStyle: true,
    });
  }

  /** Makes the bucket when it is missing. */
  async prepare(): Promise<void> {
    const { bucket } = this.options;
    await reachable(async () => {
      if (!(await this.client.bucketExists(bucket))) await this.client.makeBucket(bucket);
    });
  }

  async put(key: string, content: Readable | Buffer, options: { maxBytes?: number } = {}): Promise<StoredObject> {
    checkKey(key);
    const meter = new Meter(options.maxBytes ?? Infinity);
    const source = Buffer.isBuffer(content) ? Readable.from([content]) : content;
    // A failed source ends the upload, and an S3 upload that is not completed leaves no key.
    await Promise.all([pipeline(source, meter), reachable(() => this.client.putObject(this.options.bucket, key, meter))]);
    return meter.result();
  }

  async get(key: string, range?: ByteRange): Promise<Readable> {
    checkKey(key);
    const { bucket } = this.options;
    return reachable(
      () => (range ? this.client.getPartialObject(bucket, key, range.start, range.end - range.start + 1) : this.client.getObject(bucket, key)),
      key,
    );
  }

  async sizeBytes(key: string): Promise<number> {
    return (await reachable(() => this.client.statObject(this.options.bucket, checkKey(key)), key)).size;
  }

  async delete(key: string): Promise<void> {
    await reachable(() => this.client.removeObject(this.options.bucket, checkKey(key)));
  }

  async *list(prefix: string): AsyncIterable<string> {
    for await (const item of this.client.listObjectsV2(this.options.bucket, prefix, true)) {
      if (item.name) yield item.name;
    }
  }

  async localPath(key: string): Promise<string> {
    const { etag } = await reachable(() => this.client.statObject(this.options.bucket, checkKey(key)), key);
    const path = join(this.options.cacheDir, createHash('sha256').update(`${key}\n${etag}`).digest('hex'));
    if (await stat(path).catch(() => null)) return path;
    await mkdir(this.options.cacheDir, { recursive: true });
    const partial = `${path}.${randomUUID()}`;
    try {
      await pipeline(await this.get(key), createWriteStream(partial));
      await rename(partial, path);
    } catch (error) {
      await rm(partial, { force: true });
      throw error;
    }
    return path;
  }
}

async function reachable<T>(call: () => Promise<T>, key?: string): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof AppError) throw error;
    const { code, message } = error as { code?: string; message?: string };
    if (key !== undefined && (code === 'NoSuchKey' || code === 'NotFound')) {
      throw new AppError(ErrorCode.NOT_FOUND, `No stored file ${key}.`, { got: key }, { cause: error });
    }
    throw new AppError(ErrorCode.UNAVAILABLE, `The object store did not answer: ${message ?? code ?? 'unknown reason'}.`, {}, { cause: error });
  }
}
