import { text } from 'node:stream/consumers';
import type { Client } from 'minio';
import type { StoredPart } from './port.js';

/**
 * Keys that begin with `prefix`, page by page. The minio client's own listing treats every key as URL-encoded, because
 * it asks for that. A server that does not encode (versitygw) says so in its answer, and the client would turn `+` into
 * a space.
 */
export async function* listKeys(client: Client, bucket: string, prefix: string): AsyncGenerator<string> {
  let token: string | undefined;
  do {
    const query = new URLSearchParams({
      'list-type': '2',
      'encoding-type': 'url',
      prefix,
      ...(token && { 'continuation-token': token }),
    });
    // Signatures use %20 for a space, but URLSearchParams writes +.
    const response = await client.makeRequestAsync({
      method: 'GET',
      bucketName: bucket,
      query: query.toString().replaceAll('+', '%20'),
    });
    const page = await text(response);
    const isEncoded = /<EncodingType>url<\/EncodingType>/i.test(page);
    for (const [, key = ''] of page.matchAll(/<Key>([^<]*)<\/Key>/g)) {
      const name = unescapeXml(key);
      yield isEncoded ? decodeURIComponent(name.replaceAll('+', ' ')) : name;
    }
    token = /<IsTruncated>true</.test(page)
      ? unescapeXml(/<NextContinuationToken>([^<]+)</.exec(page)?.[1] ?? '')
      : undefined;
  } while (token);
}

/** The parts of an open upload by their numbers; the minio client's own listing of them is private. */
export async function listParts(
  client: Client,
  bucketName: string,
  objectName: string,
  uploadId: string,
): Promise<StoredPart[]> {
  const parts: StoredPart[] = [];
  let marker = '0';
  do {
    const query = `uploadId=${encodeURIComponent(uploadId)}&part-number-marker=${marker}`;
    const page = await text(await client.makeRequestAsync({ method: 'GET', bucketName, objectName, query }));
    for (const [, part = ''] of page.matchAll(/<Part>(.*?)<\/Part>/gs)) {
      const field = (name: string) => unescapeXml(new RegExp(`<${name}>([^<]*)</${name}>`).exec(part)?.[1] ?? '');
      const etag = field('ETag').replaceAll('"', '');
      parts.push({ partNumber: Number(field('PartNumber')), etag, sizeBytes: Number(field('Size')) });
    }
    const next = /<NextPartNumberMarker>(\d+)</.exec(page)?.[1];
    marker = /<IsTruncated>true</.test(page) && next ? next : '';
  } while (marker);
  return parts.toSorted((a, b) => a.partNumber - b.partNumber);
}

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function unescapeXml(escaped: string): string {
  return escaped.replace(
    /&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi,
    (whole, hex?: string, decimal?: string, name?: string) => {
      if (name) return ENTITIES[name] ?? whole;
      return String.fromCodePoint(hex ? Number.parseInt(hex, 16) : Number(decimal));
    },
  );
}
