import { promisify } from 'node:util';
import { deflate, gunzip, gzip, inflate } from 'node:zlib';
import { AppError, badInput, ErrorCode } from '../../errors.js';

const unpack = { gzip: promisify(gunzip), deflate: promisify(inflate) };
const pack = { gzip: promisify(gzip), deflate: promisify(deflate) };
type Coding = keyof typeof pack;

/** The most that deflate makes of one byte, and what it makes of none. */
const MAX_EXPANSION = 1_032;
const LEAST_BYTES = 1_024;
/** A smaller answer is sent as it is: packing costs more than it saves. */
const WORTH_PACKING_BYTES = 1_024;

/** The coding of a body; null for a plain one. BAD_USER_INPUT for one that this service does not read. */
export function codingOf(header: string | undefined): Coding | null {
  if (header === undefined || header === '' || header === 'identity') return null;
  if (header === 'gzip' || header === 'deflate') return header;
  throw badInput('content-encoding', 'gzip, deflate or none', header);
}

/** The most bytes that a body can have when it is unpacked. */
export function mostBytes(packedBytes: number, maxBytes: number): number {
  return Math.min(maxBytes, packedBytes * MAX_EXPANSION + LEAST_BYTES);
}

/** Unpacks a body. RESOURCE_EXHAUSTED beyond `maxBytes`, without making more; BAD_USER_INPUT when it is broken. */
export async function unpacked(body: Buffer, coding: Coding, maxBytes: number): Promise<Buffer> {
  try {
    return await unpack[coding](body, { maxOutputLength: maxBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_BUFFER_TOO_LARGE')
      throw badInput('body', `a body packed by ${coding}, as content-encoding says`, 'other bytes');
    throw new AppError(
      ErrorCode.RESOURCE_EXHAUSTED,
      `The unpacked body is larger than ${maxBytes} bytes (the setting MAX_INFERENCE_BYTES): send fewer rows.`,
      { field: 'body', expected: `at most ${maxBytes} bytes` },
    );
  }
}

/** The coding in which the client wants the answer; null for none, and for an answer that is too small for it. */
export function answerCoding(accepted: string | undefined, bytes: number): Coding | null {
  if (accepted === undefined || bytes < WORTH_PACKING_BYTES) return null;
  if (/\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/.test(accepted)) return 'gzip';
  return /\bdeflate\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/.test(accepted) ? 'deflate' : null;
}

export function packed(body: Buffer | string, coding: Coding): Promise<Buffer> {
  return pack[coding](body);
}
