import { createReadStream } from 'node:fs';
import { type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { DatasetFormat } from '../../../modules/model-contract/index.js';
import { AppError, badInput, ErrorCode } from '../../../errors.js';

/** The text of a file as chunks of UTF-8, decompressed and without a byte-order mark. It can be read repeatedly. */
export interface FileText {
  encoding: string;
  compression: 'gzip' | null;
  chunks(): AsyncIterable<Buffer>;
}

const HEAD_BYTES = 65_536;
const FALLBACK = 'windows-1252';

/** First bytes of files that are not text. */
const KINDS: readonly (readonly [bytes: string, kind: string])[] = [
  ['\x1f\x8b', 'a gzip file inside a gzip file: unpack it once'],
  ['PAR1', 'a Parquet file: give the format PARQUET'],
  ['%PDF', 'a PDF document: give the table as CSV, JSON or Parquet'],
  ['\xd0\xcf\x11\xe0', 'an Excel workbook (xls): save the sheet as CSV and give that'],
  ['7z\xbc\xaf', 'a 7z archive: unpack it and give the table inside'],
  ['BZh', 'a bzip2 file: unpack it, or pack it with gzip'],
  ['\xfd7zXZ', 'an xz file: unpack it, or pack it with gzip'],
  ['\x28\xb5\x2f\xfd', 'a zstd file: unpack it, or pack it with gzip'],
  ['ARROW1', 'an Arrow file: save the table as Parquet'],
  ['\x93NUMPY', 'a NumPy array: save the table as CSV or Parquet'],
  ['\x89HDF', 'an HDF5 file: save the table as CSV or Parquet'],
  ['SQLite format 3', 'an SQLite database: export the table as CSV'],
  ['\x7fELF', 'a program'],
];

function kindOf(head: Buffer): string | null {
  const start = head.toString('latin1', 0, 4096);
  if (start.startsWith('PK\x03\x04')) {
    const isWorkbook = /\[Content_Types\]\.xml|xl\/|_rels\//.test(head.toString('latin1'));
    return isWorkbook
      ? 'an Excel workbook (xlsx): save the sheet as CSV and give that'
      : 'a zip archive: unpack it and give the table inside, or pack it with gzip';
  }
  if (head[0] === 0x80 && head[1]! >= 2 && head[1]! <= 5 && /[\x8c\x95cq(}\]]/.test(start[2] ?? ''))
    return 'a Python pickle: save the table with to_csv or to_parquet';
  if (/^\s*<(?:!doctype|html|\?xml)/i.test(start.replace(/^\xef\xbb\xbf/, '')))
    return 'a page of HTML or XML: download the table itself, as CSV, JSON or Parquet';
  return KINDS.find(([bytes]) => start.startsWith(bytes))?.[1] ?? null;
}

const BINARY_SHARE = 0.05;

/** Text has few control characters. In UTF-16, there is a zero byte beside each ASCII letter. */
function isBinary(head: Buffer): boolean {
  const controls = head.reduce(
    (count, byte) => count + (byte !== 0 && byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d ? 1 : 0),
    0,
  );
  return controls > head.length * BINARY_SHARE;
}

const asFileError = (expected: string, got: string): AppError =>
  new AppError(ErrorCode.BAD_USER_INPUT, `File: expected ${expected}, got ${got}.`, { field: 'file', expected, got });

/** Errors: BAD_USER_INPUT for a file of another kind, or with bytes that are not valid in the encoding. */
export async function openFileText(
  path: string,
  format: DatasetFormat,
  encoding: string | undefined,
  maxBytes: number,
): Promise<FileText> {
  const compression =
    (await firstBytes(createReadStream(path, { end: 1 })))?.toString('latin1') === '\x1f\x8b' ? 'gzip' : null;
  const raw = (): Readable => {
    const file = createReadStream(path, { highWaterMark: 1 << 20 });
    return compression ? file.pipe(createGunzip({ chunkSize: 1 << 18 })).on('close', () => file.destroy()) : file;
  };
  const head = (await firstBytes(raw())) ?? Buffer.alloc(0);
  const kind = kindOf(head);
  if (kind) throw asFileError(`text of ${format}`, kind);
  if (isBinary(head)) throw asFileError('a well-formed file', `bytes that are no text, called ${format}`);
  const found = encoding === undefined ? await detect(head, raw, maxBytes) : labelled(encoding);
  return { encoding: found, compression, chunks: () => decoded(raw(), found, maxBytes) };
}

/** The first HEAD_BYTES of the file, or all of it when it is shorter; null when it is empty. */
async function firstBytes(stream: Readable): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      length += chunk.length;
      if (length >= HEAD_BYTES) break;
    }
  } catch (error) {
    throw unpackError(error);
  }
  return length === 0 ? null : Buffer.concat(chunks).subarray(0, HEAD_BYTES);
}

function unpackError(error: unknown): unknown {
  const code = error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? '') : '';
  return code.startsWith('Z_') ? asFileError('a sound gzip file', 'a damaged one') : error;
}

function labelled(label: string): string {
  try {
    return new TextDecoder(label).encoding;
  } catch {
    throw badInput('input.encoding', 'an encoding such as utf-8, utf-16le, windows-1252 or iso-8859-1', label);
  }
}

/**
 * UTF-8 when all bytes are valid. Otherwise, a few invalid bytes in much valid UTF-8 mean that the file is damaged;
 * without any multi-byte UTF-8 it is Windows-1252.
 */
async function detect(head: Buffer, raw: () => Readable, maxBytes: number): Promise<string> {
  if (head[0] === 0xff && head[1] === 0xfe) return 'utf-16le';
  if (head[0] === 0xfe && head[1] === 0xff) return 'utf-16be';
  const zeros = [0, 0];
  for (let i = 0; i < head.length; i++) if (head[i] === 0) zeros[i % 2]!++;
  if (zeros[1]! > head.length / 4 && zeros[0] === 0) return 'utf-16le';
  if (zeros[0]! > head.length / 4 && zeros[1] === 0) return 'utf-16be';
  let sequences = 0;
  let odd = 0;
  let firstOddLine = 0;
  let line = 1;
  let expected = 0;
  for await (const chunk of bounded(raw(), maxBytes)) {
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i]!;
      if (byte < 0x80) {
        if (byte === 0x0a) line++;
        if (expected === 0) continue;
      }
      if (expected > 0) {
        if (byte >= 0x80 && byte < 0xc0) {
          if (--expected === 0) sequences++;
          continue;
        }
        odd++;
        firstOddLine ||= line;
        expected = 0;
        if (byte < 0x80) continue;
      }
      if (byte >= 0xc2 && byte < 0xe0) expected = 1;
      else if (byte >= 0xe0 && byte < 0xf0) expected = 2;
      else if (byte >= 0xf0 && byte < 0xf5) expected = 3;
      else {
        odd++;
        firstOddLine ||= line;
      }
    }
  }
  if (odd === 0 && expected === 0) return 'utf-8';
  if (sequences > odd) {
    throw asFileError(
      'text of one encoding',
      `mostly UTF-8 with other bytes in line ${firstOddLine || line}: mend that line, or name the encoding ` +
        '(input.encoding)',
    );
  }
  return FALLBACK;
}

async function* bounded(stream: Readable, maxBytes: number): AsyncGenerator<Buffer> {
  let bytes = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBytes)
        throw new AppError(
          ErrorCode.RESOURCE_EXHAUSTED,
          `The unpacked file has more than the ${maxBytes} bytes that a dataset may have.`,
          {
            field: 'file',
            expected: `at most ${maxBytes} bytes`,
          },
        );
      yield chunk;
    }
  } catch (error) {
    throw unpackError(error);
  }
}

async function* decoded(stream: Readable, encoding: string, maxBytes: number): AsyncGenerator<Buffer> {
  const decoder = new TextDecoder(encoding, { fatal: true });
  const decode = (chunk?: Buffer): string => {
    try {
      return chunk ? decoder.decode(chunk, { stream: true }) : decoder.decode();
    } catch {
      throw asFileError(`text of the encoding ${encoding}`, 'bytes that have no meaning in it');
    }
  };
  for await (const chunk of bounded(stream, maxBytes)) {
    const text = decode(chunk);
    if (text !== '') yield Buffer.from(text);
  }
  const rest = decode();
  if (rest !== '') yield Buffer.from(rest);
}
