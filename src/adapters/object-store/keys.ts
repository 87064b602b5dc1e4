import { AppError, ErrorCode, quote } from '../../errors.js';

const SEGMENT = /^[\p{L}\p{N}_ @=+,()[\]-][\p{L}\p{N}._ @=+,()[\]-]*$/u;

/** A key of safe segments: no `..`, no leading dot or slash, no backslash, no percent escape, no control character. */
export function checkKey(key: string): string {
  const segments = key.split('/');
  const safe = key.length <= 900 && segments.every((segment) => segment.length <= 250 && SEGMENT.test(segment));
  if (!safe) {
    throw new AppError(ErrorCode.INVALID_PATH, `Path ${quote(key)} is not allowed: use letters, digits and ._-=@ in segments parted by /.`, {
      field: 'path',
      expected: 'relative path of safe segments',
      got: quote(key),
    });
  }
  return key;
}
