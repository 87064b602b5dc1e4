import type { Readable } from 'node:stream';

export interface StoredObject {
  sizeBytes: number;
  /** Hex, of the whole content. */
  sha256: string;
}

export interface ByteRange {
  start: number;
  /** Inclusive. */
  end: number;
}

/**
 * Files by key. Keys are relative paths of safe segments (INVALID_PATH otherwise). A key appears only once its content is whole.
 * Errors: NOT_FOUND (no such key), RESOURCE_EXHAUSTED (over maxBytes), UNAVAILABLE (store out of reach).
 */
export interface ObjectStore {
  readonly name: string;
  /** Streams in; replaces what the key held. */
  put(key: string, content: Readable | Buffer, options?: { maxBytes?: number }): Promise<StoredObject>;
  get(key: string, range?: ByteRange): Promise<Readable>;
  sizeBytes(key: string): Promise<number>;
  /** Absent keys are no error. */
  delete(key: string): Promise<void>;
  list(prefix: string): AsyncIterable<string>;
  /** A readable local file with the content, valid while the process lives; remote stores download once. */
  localPath(key: string): Promise<string>;
}
