import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Client } from 'minio';
import { Meter } from './meter.js';
import type { StoredObject } from './port.js';

/** The part of each upload that is held in memory. */
const PART_BYTES = 8 * 1024 ** 2;
/** The limit of S3. */
const MAX_PARTS = 10_000;

interface Target {
  bucket: string;
  key: string;
}

/**
 * Streams `content` in, part by part, and completes the upload only when everything arrived. The minio client's own
 * putObject would hold parts of half a gigabyte when the size is unknown, and would never end when the stream fails.
 */
export async function upload(
  client: Client,
  target: Target,
  content: Readable | Buffer,
  maxBytes: number,
): Promise<StoredObject> {
  const meter = new Meter(maxBytes);
  // All parts have the same size, which some stores demand, and there are few enough of them.
  const partBytes = Math.max(PART_BYTES, Number.isFinite(maxBytes) ? Math.ceil(maxBytes / MAX_PARTS) : 0);
  // A failure at either end destroys the streams and reaches the other end.
  await pipeline(
    Buffer.isBuffer(content) ? Readable.from([content]) : content,
    meter,
    async (bytes: AsyncIterable<Buffer>) => {
      const parts = inParts(bytes, partBytes);
      const { value: first = Buffer.alloc(0) } = await parts.next();
      if (first.length < partBytes) await client.putObject(target.bucket, target.key, first, first.length);
      else await multipart(client, target, first, parts);
    },
  );
  return meter.result();
}

async function multipart(
  client: Client,
  { bucket, key }: Target,
  first: Buffer,
  rest: AsyncIterable<Buffer>,
): Promise<void> {
  const uploadId = await client.initiateNewMultipartUpload(bucket, key, {});
  const stored: { part: number; etag: string }[] = [];
  const store = async (chunk: Buffer) => {
    const part = stored.length + 1;
    const query = `partNumber=${part}&uploadId=${encodeURIComponent(uploadId)}`;
    const headers = { 'content-length': String(chunk.length) };
    const response = await client.makeRequestAsyncOmit(
      { method: 'PUT', bucketName: bucket, objectName: key, query, headers },
      chunk,
    );
    stored.push({ part, etag: (response.headers.etag ?? '').replaceAll('"', '') });
  };
  try {
    await store(first);
    for await (const chunk of rest) await store(chunk);
    await client.completeMultipartUpload(bucket, key, uploadId, stored);
  } catch (error) {
    // If it cannot be aborted now, a later start aborts it as abandoned.
    await client.abortMultipartUpload(bucket, key, uploadId).catch(() => undefined);
    throw error;
  }
}

/** Regroups a stream into buffers of one size; the last may be shorter. */
async function* inParts(stream: AsyncIterable<Buffer>, partBytes: number): AsyncGenerator<Buffer, undefined> {
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  for await (const chunk of stream) {
    let rest = chunk;
    while (waitingBytes + rest.length >= partBytes) {
      const taken = partBytes - waitingBytes;
      yield Buffer.concat([...waiting, rest.subarray(0, taken)], partBytes);
      rest = rest.subarray(taken);
      waiting = [];
      waitingBytes = 0;
    }
    waiting.push(rest);
    waitingBytes += rest.length;
  }
  if (waitingBytes > 0) yield Buffer.concat(waiting, waitingBytes);
}
