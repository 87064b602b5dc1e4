import { AppError, ErrorCode, quote } from '../../../errors.js';
import { characters } from './ranges.js';

/** The path of an artifact. INVALID_PATH. */
export const ARTIFACT_PATH = characters(1, 500);
const SEGMENT = /^[A-Za-z0-9_][A-Za-z0-9._ @=+,()[\]-]{0,199}$/;

/**
 * The path of an artifact within its run: segments of letters, digits and ._-@=+,()[], separated by slashes. Errors:
 * INVALID_PATH.
 */
export function checkArtifactPath(field: string, path: string): string {
  if (
    path.length > ARTIFACT_PATH.max! ||
    !path.split('/').every((segment) => SEGMENT.test(segment) && !segment.endsWith(' '))
  ) {
    const expected =
      'a relative path like plots/roc.png: segments of letters, digits and ._-@=+,()[] that do not begin with a dot';
    throw new AppError(ErrorCode.INVALID_PATH, `${field}: expected ${expected}, got ${quote(path)}.`, {
      field,
      expected,
      got: quote(path),
    });
  }
  return path;
}

const MAX_ENCODINGS = 10;
/** A path as clients have it. INVALID_PATH. */
export const FREE_PATH = characters(0, 1_000);

/**
 * A path as file systems of clients have it, also with spaces, Unicode and leading dots; '' is the folder itself. It is
 * percent-decoded until nothing changes any more, so that no later decoding gives another meaning. Null for a path that
 * could lead out of its folder.
 */
export function freeArtifactPath(text: string): string | null {
  let path = text;
  for (let i = 0; i < MAX_ENCODINGS; i++) {
    const decoded = path.replace(/(?:%[0-9a-f]{2})+/gi, (escapes) =>
      Buffer.from(escapes.replaceAll('%', ''), 'hex').toString(),
    );
    if (decoded === path) break;
    path = decoded;
  }
  if (/%[0-9a-f]{2}/i.test(path) || path.length > FREE_PATH.max! || !path.isWellFormed()) return null;
  if (/[\p{Cc}\\#]/u.test(path) || /^(\/|file:|[a-z]:\/)/i.test(path)) return null;
  const segments = path.split('/').filter((segment) => segment !== '' && segment !== '.');
  return segments.includes('..') ? null : segments.join('/');
}

const CONTENT_TYPES = new Map(
  Object.entries({
    csv: 'text/csv',
    json: 'application/json',
    log: 'text/plain; charset=utf-8',
    md: 'text/markdown; charset=utf-8',
    onnx: 'application/octet-stream',
    parquet: 'application/vnd.apache.parquet',
    png: 'image/png',
    txt: 'text/plain; charset=utf-8',
  }),
);

/** The content type by the extension. Types that a browser could execute become plain bytes. */
export function contentTypeOf(path: string): string {
  return CONTENT_TYPES.get(path.split('.').at(-1)?.toLowerCase() ?? '') ?? 'application/octet-stream';
}
