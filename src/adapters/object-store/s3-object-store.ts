import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { request as httpRequest, type ClientRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Client } from 'minio';
import { AppError, ErrorCode } from '../../errors.js';
import { absent, absentUpload, checkFolder, checkKey, checkRange, pastTheEnd, pathTaken } from './keys.js';
import { LocalCache } from './local-cache.js';
import {
  ABANDONED_AFTER_MS,
  type ByteRange,
  type LocalFile,
  type ObjectStore,
  type PutOptions,
  type StoredObject,
  type StoredPart,
  type WrittenObject,
} from './port.js';
import { listKeys, listParts } from './s3-list.js';
import { upload } from './s3-upload.js';

export interface S3Options {
  endpoint: string;
  accessKey: string;
  secretKey: string;
  bucket: string;
  /** The folder of the downloads of `localFile`. */
  cacheDir: string;
  /** The limit of that folder. */
  cacheBytes: number;
  /** A store that sends nothing for this long counts as unreachable. */
  silenceTimeoutMs?: number;
}

const SILENCE_TIMEOUT_MS = 30_000;

/**
 * Any S3 store, through the minio client: multipart uploads and ranged reads, without holding the content in memory.
 */
export class S3ObjectStore implements ObjectStore {
  readonly name = 's3';
  readonly signedRequests = null;
  private readonly client: Client;
  private readonly cache: LocalCache;

  constructor(private readonly options: S3Options) {
    this.cache = new LocalCache(options.cacheDir, options.cacheBytes);
    const { hostname, port, protocol } = new URL(options.endpoint);
    const useSSL = protocol === 'https:';
    this.client = new Client({
      endPoint: hostname,
      port: port ? Number(port) : useSSL ? 443 : 80,
      useSSL,
      accessKey: options.accessKey,
      secretKey: options.secretKey,
      pathStyle: true,
      transport: {
        request: withSilenceTimeout(
          useSSL ? httpsRequest : httpRequest,
          options.silenceTimeoutMs ?? SILENCE_TIMEOUT_MS,
        ),
      },
    });
  }

  async prepare(): Promise<void> {
    const { bucket } = this.options;
    await this.cache.prepare();
    await reachable(async () => {
      if (!(await this.client.bucketExists(bucket))) await this.makeBucket();
      const before = Date.now() - ABANDONED_AFTER_MS;
      for await (const { key, uploadId, initiated } of this.client.listIncompleteUploads(bucket, '', true)) {
        if (new Date(initiated).getTime() < before) await this.client.abortMultipartUpload(bucket, key, uploadId);
      }
    });
  }

  async put(key: string, content: Readable | Buffer, { maxBytes = Infinity }: PutOptions = {}): Promise<StoredObject> {
    checkKey(key);
    return reachable(() => upload(this.client, { bucket: this.options.bucket, key }, content, maxBytes), key);
  }

  async write(key: string, content: Buffer, options?: PutOptions): Promise<WrittenObject> {
    return { stored: await this.put(key, content, options), flushed: Promise.resolve() };
  }

  async get(key: string, range?: ByteRange): Promise<Readable> {
    checkKey(key);
    if (range) checkRange(range);
    const { bucket } = this.options;
    const length = range && range.end - range.start + 1;
    const body = await reachable(
      () =>
        range ? this.client.getPartialObject(bucket, key, range.start, length) : this.client.getObject(bucket, key),
      key,
      range,
    );
    return Readable.from(withReadableFaults(body), { objectMode: false });
  }

  async sizeBytes(key: string): Promise<number> {
    return (await this.stat(key)).size;
  }

  async delete(key: string): Promise<void> {
    checkKey(key);
    await reachable(() => this.client.removeObject(this.options.bucket, key), key).catch((error: unknown) => {
      if (!(error instanceof AppError) || (error.code !== ErrorCode.NOT_FOUND && error.code !== ErrorCode.INVALID_PATH))
        throw error;
    });
  }

  async *list(folder: string): AsyncIterable<string> {
    const name = checkFolder(folder);
    try {
      for await (const key of listKeys(this.client, this.options.bucket, name && `${name}/`)) {
        // Some servers also list the folders themselves.
        if (!key.endsWith('/')) yield key;
      }
    } catch (error) {
      throw meaning(error);
    }
  }

  async beginParts(key: string): Promise<string> {
    checkKey(key);
    return reachable(() => this.client.initiateNewMultipartUpload(this.options.bucket, key, {}), key);
  }

  async partUrl(key: string, uploadId: string, partNumber: number, expiresInSeconds: number): Promise<string> {
    checkKey(key);
    const query = { partNumber: String(partNumber), uploadId };
    return reachable(() => this.client.presignedUrl('PUT', this.options.bucket, key, expiresInSeconds, query));
  }

  async listParts(key: string, uploadId: string): Promise<StoredPart[]> {
    checkKey(key);
    return ofUpload(uploadId, () => listParts(this.client, this.options.bucket, key, uploadId));
  }

  async completeParts(key: string, uploadId: string, parts: readonly StoredPart[]): Promise<void> {
    checkKey(key);
    const etags = parts.map(({ partNumber, etag }) => ({ part: partNumber, etag }));
    await ofUpload(uploadId, () => this.client.completeMultipartUpload(this.options.bucket, key, uploadId, etags));
  }

  async abortParts(key: string, uploadId: string): Promise<void> {
    checkKey(key);
    await ofUpload(uploadId, () => this.client.abortMultipartUpload(this.options.bucket, key, uploadId)).catch(
      (error: unknown) => {
        if (!(error instanceof AppError) || error.code !== ErrorCode.NOT_FOUND) throw error;
      },
    );
  }

  async downloadUrl(key: string, expiresInSeconds: number): Promise<string> {
    await this.stat(key);
    // Makes sure that a browser never displays a stored file as a page.
    const answer = {
      'response-content-disposition': 'attachment',
      'response-content-type': 'application/octet-stream',
    };
    return reachable(() => this.client.presignedUrl('GET', this.options.bucket, key, expiresInSeconds, answer));
  }

  async localFile(key: string): Promise<LocalFile> {
    const { etag } = await this.stat(key);
    const name = createHash('sha256').update(`${key}\n${etag}`).digest('hex');
    return this.cache.open(name, async (path) => pipeline(await this.get(key), createWriteStream(path)));
  }

  private async stat(key: string): Promise<{ size: number; etag: string }> {
    checkKey(key);
    return reachable(() => this.client.statObject(this.options.bucket, key), key);
  }

  private async makeBucket(): Promise<void> {
    try {
      await this.client.makeBucket(this.options.bucket);
    } catch (error) {
      // Another process of the service has created it already.
      if (codeOf(error) !== 'BucketAlreadyOwnedByYou' && codeOf(error) !== 'BucketAlreadyExists') throw error;
    }
  }
}

/** The minio client would wait for ever; this gives up when no data moves on the connection. */
function withSilenceTimeout(send: typeof httpRequest, silenceTimeoutMs: number): typeof httpRequest {
  const request = (options: RequestOptions, onResponse: (response: IncomingMessage) => void): ClientRequest => {
    const sent = send(options, onResponse);
    return sent.setTimeout(silenceTimeoutMs, () => sent.destroy(new Error(`silent for ${silenceTimeoutMs / 1000} s`)));
  };
  // The client uses only this one of its overloads.
  return request as typeof httpRequest;
}

async function* withReadableFaults(body: Readable): AsyncGenerator<Buffer> {
  try {
    yield* body as AsyncIterable<Buffer>;
  } catch (error) {
    throw meaning(error);
  }
}

async function reachable<T>(call: () => Promise<T>, key?: string, range?: ByteRange): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw meaning(error, key, range);
  }
}

async function ofUpload<T>(uploadId: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw codeOf(error) === 'NoSuchUpload' ? absentUpload(uploadId, error) : meaning(error);
  }
}

function codeOf(error: unknown): string {
  return (error as { code?: string }).code ?? '';
}

/** Translates a fault of the store for the caller. */
function meaning(error: unknown, key?: string, range?: ByteRange): Error {
  if (error instanceof AppError) return error;
  const code = codeOf(error);
  if (key !== undefined) {
    if (code === 'NoSuchKey' || code === 'NotFound') return absent(key, error);
    if (code === 'InvalidRange' && range) return pastTheEnd(key, range);
    // Stores on a file system cannot have a key and keys below it.
    if (
      /^(ObjectParentIsFile|ObjectIsDirectory|ExistingObjectIsDirectory|XMinioParentIsObject|XMinioObjectExistsAsDirectory)/.test(
        code,
      )
    )
      return pathTaken(key, error);
  }
  const reason = (error instanceof Error && error.message) || code || 'unknown reason';
  return new AppError(ErrorCode.UNAVAILABLE, `The object store did not answer: ${reason}.`, {}, { cause: error });
}
