import type { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import type { ByteRange } from '../adapters/object-store/port.js';

interface SentFile {
  fileName: string;
  contentType: string;
  sizeBytes: number;
  /** Replaces the header that is made from the name. */
  disposition?: string;
}

/** Streams a stored file, or a range of it, as a download; a browser never displays it as a page. */
export async function sendFile(
  reply: FastifyReply,
  { fileName, contentType, sizeBytes, disposition = attachment(fileName) }: SentFile,
  range: ByteRange | 'UNSATISFIABLE' | undefined,
  read: (range?: ByteRange) => Promise<Readable>,
): Promise<FastifyReply> {
  reply.headers({
    'content-type': contentType,
    'content-disposition': disposition,
    'accept-ranges': 'bytes',
    'cache-control': 'private, no-cache',
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; sandbox",
  });
  if (range === 'UNSATISFIABLE') {
    return reply
      .code(416)
      .header('content-range', `bytes */${sizeBytes}`)
      .type('application/json')
      .send({ error: { code: 'BAD_USER_INPUT', message: `Range: the file has ${sizeBytes} bytes.` } });
  }
  const content = await read(range);
  if (range) reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${sizeBytes}`);
  reply.header('content-length', range ? range.end - range.start + 1 : sizeBytes);
  return reply.send(content);
}

/** One range of bytes. Several ranges, or another unit, are ignored, as RFC 9110 allows. */
export function rangeOf(header: string | undefined, sizeBytes: number): ByteRange | 'UNSATISFIABLE' | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '');
  const [, from = '', to = ''] = match ?? [];
  if (!match || (from === '' && to === '')) return undefined;
  const start = from === '' ? Math.max(0, sizeBytes - Number(to)) : Number(from);
  const end = from === '' || to === '' ? sizeBytes - 1 : Math.min(Number(to), sizeBytes - 1);
  if (from !== '' && to !== '' && Number(from) > Number(to)) return undefined;
  return start > end ? 'UNSATISFIABLE' : { start, end };
}

/** Writes names only in the forms of RFC 6266, so that no name can end the header or start another. */
function attachment(fileName: string): string {
  const plain = fileName.replace(/[^A-Za-z0-9._-]/g, '_');
  return `attachment; filename="${plain}"; filename*=UTF-8''${encodeURIComponent(fileName)}`;
}
