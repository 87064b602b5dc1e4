import type { Readable } from 'node:stream';

/** An upload that is this old will never end: its process is gone. */
export const ABANDONED_AFTER_MS = 24 * 60 * 60 * 1000;

export interface StoredObject {
  sizeBytes: number;
  /** Hex, of the whole content. */
  sha256: string;
}

export interface WrittenObject {
  stored: StoredObject;
  /** Resolves once the file survives a power cut; if it rejects, the key does not exist. */
  flushed: Promise<void>;
}

export interface ByteRange {
  start: number;
  /** Inclusive; past the end means to the end. */
  end: number;
}

export interface PutOptions {
  /** More than this and the put fails with RESOURCE_EXHAUSTED. */
  maxBytes?: number;
}

/** A part of an upload in parts, as the store has it. */
export interface StoredPart {
  /** From 1. */
  partNumber: number;
  /** What the store answered in the ETag header when the part was PUT, without quotes. */
  etag: string;
  sizeBytes: number;
}

/** S3 knows no more. */
export const MAX_PARTS = 10_000;

/** A file that stays where it is until it is disposed of. */
export interface LocalFile extends Disposable {
  readonly path: string;
}

/** Requests at signed addresses of this service, for a store that has no server of its own. */
export interface SignedRequests {
  /** Every signed path begins with it. */
  readonly prefix: string;
  /** A path of this service for one request; the file need not exist. */
  sign(method: 'GET' | 'PUT', request: SignedRequest, expiresInSeconds: number): string;
  /** Whether the address was signed by this store for this method and has not expired; FORBIDDEN otherwise. */
  verify(method: 'GET' | 'PUT', url: URL): SignedRequest;
  /**
   * Streams a part in, in place of one with its number; the answer is its ETag. NOT_FOUND when the upload has ended.
   */
  putPart(request: SignedRequest, content: Readable, maxBytes: number): Promise<string>;
}

export interface SignedRequest {
  key: string;
  uploadId: string;
  partNumber: number;
}

/**
 * Files by key. Keys are relative paths of safe segments (INVALID_PATH otherwise), and no key is a folder of another.
 * A key appears only once its content is whole. Errors: NOT_FOUND (no such key), RESOURCE_EXHAUSTED (over maxBytes,
 * disk full), UNAVAILABLE (store out of reach; streams end with it too).
 */
export interface ObjectStore {
  readonly name: string;
  /** Before the first use: makes what is missing and removes unfinished uploads that a crash left long ago. */
  prepare(): Promise<void>;
  /**
   * Streams in with flat memory; replaces what the key held. A stream that fails is destroyed, fails the put and leaves
   * no key.
   */
  put(key: string, content: Readable | Buffer, options?: PutOptions): Promise<StoredObject>;
  /**
   * For a small file under a new key that nothing reads before `flushed`: it may be visible earlier, and a crash may
   * leave part of it. The caller can do other work while the disk writes.
   */
  write(key: string, content: Buffer, options?: PutOptions): Promise<WrittenObject>;
  /** BAD_USER_INPUT for a range that begins past the end. */
  get(key: string, range?: ByteRange): Promise<Readable>;
  sizeBytes(key: string): Promise<number>;
  /** Absent keys are no error. */
  delete(key: string): Promise<void>;
  /** Keys below a folder ('' for all), at any depth. */
  list(folder: string): AsyncIterable<string>;
  /**
   * Begins an upload whose parts clients PUT directly to the store, at URLs that need no token. The key exists only
   * after completion; from then on, the URLs change nothing, so nobody can replace what was checked. `prepare`
   * removes abandoned uploads. Returns the upload's id.
   */
  beginParts(key: string): Promise<string>;
  /**
   * Where to PUT a part: an absolute URL, or a path of this service (`signedRequests`). A part may be sent again until
   * the completion.
   */
  partUrl(key: string, uploadId: string, partNumber: number, expiresInSeconds: number): Promise<string>;
  /** In order of number. NOT_FOUND when the upload is unknown or has ended. */
  listParts(key: string, uploadId: string): Promise<StoredPart[]>;
  /**
   * Makes the key from the parts; each but the last has 5 MiB or more. NOT_FOUND without such an upload; a repeated
   * call does that or nothing.
   */
  completeParts(key: string, uploadId: string, parts: readonly StoredPart[]): Promise<void>;
  /** Absent uploads are no error. */
  abortParts(key: string, uploadId: string): Promise<void>;
  /** Where to GET the content without a token, as for `partUrl`; ranges are heeded. */
  downloadUrl(key: string, expiresInSeconds: number): Promise<string>;
  /** Null for a store with a server of its own. */
  readonly signedRequests: SignedRequests | null;
  /** A readable local file with the content; remote stores cache downloads while there is room. */
  localFile(key: string): Promise<LocalFile>;
}
