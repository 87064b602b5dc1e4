import type { Readable } from 'node:stream';

/** An upload that has not ended after so long never will: its process is gone. */
export const ABANDONED_AFTER_MS = 24 * 60 * 60 * 1000;

export interface StoredObject {
  sizeBytes: number;
  /** Hex, of the whole content. */
  sha256: string;
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

/**
 * Files by key. Keys are relative paths of safe segments (INVALID_PATH otherwise), and no key is a folder of another.
 * A key appears only once its content is whole. Errors: NOT_FOUND (no such key), RESOURCE_EXHAUSTED (over maxBytes, disk full),
 * UNAVAILABLE (store out of reach; streams end with it too).
 */
export interface ObjectStore {
  readonly name: string;
  /** Before the first use: makes what is missing and removes unfinished uploads that a crash left long ago. */
  prepare(): Promise<void>;
  /** Streams in with flat memory; replaces what the key held. A stream that fails is destroyed, fails the put and leaves no key. */
  put(key: string, content: Readable | Buffer, options?: PutOptions): Promise<StoredObject>;
  /** BAD_USER_INPUT for a range that begins past the end. */
  get(key: string, range?: ByteRange): Promise<Readable>;
  sizeBytes(key: string): Promise<number>;
  /** Absent keys are no error. */
  delete(key: string): Promise<void>;
  /** Keys below a folder ('' for all), at any depth. */
  list(folder: string): AsyncIterable<string>;
  /** A readable local file with the content, valid while the process lives; remote stores download once. */
  localPath(key: string): Promise<string>;
}
