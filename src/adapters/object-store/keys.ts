import { AppError, badInput, ErrorCode, quote } from '../../errors.js';
import type { ByteRange } from './port.js';

const SEGMENT = /^[\p{L}\p{N}_ @=+,()[\]-][\p{L}\p{N}._ @=+,()[\]-]*$/u;
const MAX_KEY_BYTES = 900;
const MAX_SEGMENT_BYTES = 250;

/**
 * Checks a key of safe segments: no `..`, no leading dot or slash, no backslash, no percent escape, no control
 * character.
 */
export function checkKey(key: string): string {
  const isSafe = (segment: string) => Buffer.byteLength(segment) <= MAX_SEGMENT_BYTES && SEGMENT.test(segment);
  if (Buffer.byteLength(key) > MAX_KEY_BYTES || !key.split('/').every(isSafe)) {
    throw new AppError(
      ErrorCode.INVALID_PATH,
      `Path ${quote(key)} is not allowed: use letters, digits and ._-=@ in segments parted by /.`,
      {
        field: 'path',
        expected: 'relative path of safe segments',
        got: quote(key),
      },
    );
  }
  return key;
}

/** Checks a folder of keys, without a slash at the end; '' means all. */
export function checkFolder(folder: string): string {
  return folder === '' ? '' : checkKey(folder.replace(/\/$/, ''));
}

export function absent(key: string, cause?: unknown): AppError {
  return new AppError(ErrorCode.NOT_FOUND, `No stored file ${key}.`, { got: key }, { cause });
}

/** The error for a key that is a folder of other keys, or is below another key. */
export function pathTaken(key: string, cause?: unknown): AppError {
  return new AppError(
    ErrorCode.INVALID_PATH,
    `Path ${quote(key)} cannot be stored: another stored file has a path that lies above or below it.`,
    { field: 'path', got: quote(key) },
    { cause },
  );
}

export function checkRange({ start, end }: ByteRange): void {
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end < start) {
    throw badInput('range', 'whole bytes 0 ≤ start ≤ end', { start, end });
  }
}

export function pastTheEnd(key: string, range: ByteRange): AppError {
  return badInput('range', `a start within ${key}`, range);
}

export function absentUpload(uploadId: string, cause?: unknown): AppError {
  return new AppError(
    ErrorCode.NOT_FOUND,
    `No upload ${quote(uploadId)} is open: it was completed, aborted or has expired.`,
    {},
    { cause },
  );
}
