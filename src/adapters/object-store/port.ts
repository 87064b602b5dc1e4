import type { Readable } from 'node:stream';

/** An upload of this age never ends: its process has ended. */
export const ABANDONED_AFTER_MS = 24 * 60 * 60 * 1000;

export interface StoredObject {
  sizeBytes: number;
  /** Hexadecimal digits; of the whole content. */
  sha256: string;
}

export interface WrittenObject {
  stored: StoredObject;
  /** Resolves when the file survives a power cut. If it rejects, the key does not exist. */
  flushed: Promise<void>;
}

export interface ByteRange {
  start: number;
  /** Inclusive. A position after the end means the end. */
  end: number;
}

export interface PutOptions {
  /** With more bytes than this, the put fails with RESOURCE_EXHAUSTED. */
  maxBytes?: number;
}

/** A part of an upload in parts, as the store reports it. */
export interface StoredPart {
  /** Counts from 1. */
  partNumber: number;
  /** The ETag header of the store's answer to the PUT of the part, without quotes. */
  etag: string;
  sizeBytes: number;
}

/** The limit of S3. */
export const MAX_PARTS = 10_000;

/** A file that stays until it is disposed. */
export interface LocalFile extends Disposable {
  readonly path: string;
}

/** Requests at signed URLs of this service, for a store without its own server. */
export interface SignedRequests {
  /** The beginning of every signed path. */
  readonly prefix: string;
  /** A path of this service for one request; the file need not exist. */
  sign(method: 'GET' | 'PUT', request: SignedRequest, expiresInSeconds: number): string;
  /** Checks that this store signed the URL for this method and that it has not expired; otherwise FORBIDDEN. */
  verify(method: 'GET' | 'PUT', url: URL): SignedRequest;
  /**
   * Streams a part in; it replaces a part with the same number. Returns its ETag. NOT_FOUND when the upload has ended.
   */
  putPart(request: SignedRequest, content: Readable, maxBytes: number): Promise<string>;
}

export interface SignedRequest {
  key: string;
  uploadId: string;
  partNumber: number;
}

/**
 * Files by key. Keys are relative paths of safe segments (INVALID_PATH otherwise), and no key is a folder of another
 * key. A key appears only when its content is complete. Errors: NOT_FOUND (no such key), RESOURCE_EXHAUSTED (above
 * maxBytes, or disk full), UNAVAILABLE (the store does not answer; streams end with it too).
 */
export interface ObjectStore {
  readonly name: string;
  /** Call before the first use. Creates what is missing, and removes unfinished uploads that a crash left long ago. */
  prepare(): Promise<void>;
  /**
   * Streams content in without holding it in memory; replaces the content of the key. When the stream fails, it is
   * destroyed, the put fails, and the key does not exist.
   */
  put(key: string, content: Readable | Buffer, options?: PutOptions): Promise<StoredObject>;
  /**
   * For a small file under a new key that nothing reads before `flushed`: it may be visible earlier, and a crash may
   * leave a part of it. The caller can do other work while the disk writes.
   */
  write(key: string, content: Buffer, options?: PutOptions): Promise<WrittenObject>;
  /** BAD_USER_INPUT for a range that begins after the end. */
  get(key: string, range?: ByteRange): Promise<Readable>;
  sizeBytes(key: string): Promise<number>;
  /** Deleting a key that does not exist is not an error. */
  delete(key: string): Promise<void>;
  /** All keys below a folder ('' means all), at any depth. */
  list(folder: string): AsyncIterable<string>;
  /**
   * Begins an upload whose parts clients PUT directly to the store, at URLs that need no token. The key exists only
   * after completion. From then on the URLs change nothing, so nobody can replace content that was checked. `prepare`
   * removes abandoned uploads. Returns the id of the upload.
   */
  beginParts(key: string): Promise<string>;
  /**
   * Where to PUT a part: an absolute URL, or a path of this service (`signedRequests`). A part may be sent again until
   * the completion.
   */
  partUrl(key: string, uploadId: string, partNumber: number, expiresInSeconds: number): Promise<string>;
  /** Ordered by number. NOT_FOUND when the upload is unknown or has ended. */
  listParts(key: string, uploadId: string): Promise<StoredPart[]>;
  /**
   * Makes the key from the parts; each except the last has 5 MiB or more. NOT_FOUND when the upload does not exist; a
   * repeated call gives NOT_FOUND or does nothing.
   */
  completeParts(key: string, uploadId: string, parts: readonly StoredPart[]): Promise<void>;
  /** Aborting an upload that does not exist is not an error. */
  abortParts(key: string, uploadId: string): Promise<void>;
  /** Where to GET the content without a token, as for `partUrl`; a Range header works. */
  downloadUrl(key: string, expiresInSeconds: number): Promise<string>;
  /** Null for a store with its own server. */
  readonly signedRequests: SignedRequests | null;
  /** A readable local file with the content. Remote stores cache downloads, up to a limit. */
  localFile(key: string): Promise<LocalFile>;
}
