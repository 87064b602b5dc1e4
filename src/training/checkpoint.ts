import { createHash } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';
import type { LossCurve } from '../modules/algorithms/index.js';
import { AppError, ErrorCode } from '../errors.js';
import type { Plateau } from './learning-rate.js';

/**
 * State of a training after an epoch. Weights and optimiser state are vectors with the same layout for the same config.
 */
export interface TrainingState {
  epoch: number;
  /**
   * Optimiser steps so far. Shuffles and dropped units depend only on (seed, epoch), so this and `epoch` are the whole
   * random state.
   */
  step: number;
  bestEpoch: number;
  bestLoss: number | null;
  epochsSinceBest: number;
  finished: boolean;
  curve?: LossCurve;
  /** Of a learning rate that falls on a plateau. */
  plateau?: Plateau;
  vectors: Record<string, Float32Array>;
  /** The state of a solver, in double precision. */
  doubles?: Record<string, Float64Array>;
}

const MAGIC = Buffer.from('MATIHCK1');
const DIGEST_BYTES = 32;
const LENGTH_BYTES = 4;

interface Header extends Omit<TrainingState, 'vectors' | 'doubles'> {
  /** Of the config and the encoded data: a checkpoint can continue only the training that wrote it. */
  fingerprint: string;
  vectors: VectorEntry[];
  doubles?: VectorEntry[];
}

interface VectorEntry {
  name: string;
  length: number;
}

function sha256(...parts: Uint8Array[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/**
 * Writes one file: magic, header length, header, vectors, SHA-256 of all before. It appears under its name only when it
 * is complete and on disk.
 */
export async function writeCheckpoint(
  path: string,
  fingerprint: string,
  state: TrainingState,
): Promise<{ sizeBytes: number; sha256: string }> {
  const { vectors, doubles, ...progress } = state;
  const header: Header = {
    ...progress,
    fingerprint,
    vectors: entriesOf(vectors),
    ...(doubles && { doubles: entriesOf(doubles) }),
  };
  const headerBytes = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32LE(headerBytes.length);
  const parts = [
    MAGIC,
    length,
    headerBytes,
    ...[...Object.values(vectors), ...Object.values(doubles ?? {})].map(
      (v) => new Uint8Array(v.buffer, v.byteOffset, v.byteLength),
    ),
  ];
  const bytes = Buffer.concat([...parts, sha256(...parts)]);
  const unfinished = `${path}.unfinished`;
  const file = await open(unfinished, 'w');
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(unfinished, path);
  return { sizeBytes: bytes.length, sha256: sha256(bytes).toString('hex') };
}

function entriesOf(vectors: Record<string, Float32Array | Float64Array>): VectorEntry[] {
  return Object.entries(vectors).map(([name, { length }]) => ({ name, length }));
}

function unusable(reason: string): AppError {
  return new AppError(ErrorCode.BAD_USER_INPUT, `The checkpoint cannot be continued from: ${reason}.`, {
    field: 'checkpoint',
    expected: 'a whole checkpoint of this training',
    got: reason,
  });
}

/** Errors: BAD_USER_INPUT for an incomplete or changed file, and for a file of another config or dataset. */
export async function readCheckpoint(path: string, fingerprint: string): Promise<TrainingState> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch {
    throw unusable('the file is not there');
  }
  if (bytes.length < MAGIC.length + LENGTH_BYTES + DIGEST_BYTES) throw unusable('the file is truncated');
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw unusable('the file is no checkpoint');
  const body = bytes.subarray(0, -DIGEST_BYTES);
  if (!sha256(body).equals(bytes.subarray(-DIGEST_BYTES)))
    throw unusable('the file is truncated or altered, its SHA-256 does not match');
  const headerStart = MAGIC.length + LENGTH_BYTES;
  const headerEnd = headerStart + bytes.readUInt32LE(MAGIC.length);
  const header = JSON.parse(body.toString('utf8', headerStart, headerEnd)) as Header;
  if (header.fingerprint !== fingerprint) throw unusable('it belongs to another configuration or dataset');
  let offset = headerEnd;
  const take = (bytesEach: number, { length }: VectorEntry): ArrayBuffer => {
    const start = offset;
    offset += length * bytesEach;
    return new Uint8Array(body.subarray(start, offset)).buffer;
  };
  const { fingerprint: _, vectors, doubles, ...progress } = header;
  return {
    ...progress,
    vectors: Object.fromEntries(
      vectors.map((entry) => [entry.name, new Float32Array(take(Float32Array.BYTES_PER_ELEMENT, entry))]),
    ),
    ...(doubles && {
      doubles: Object.fromEntries(
        doubles.map((entry) => [entry.name, new Float64Array(take(Float64Array.BYTES_PER_ELEMENT, entry))]),
      ),
    }),
  };
}
