import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  encodeFrame,
  FrameReader,
  type Frame,
  type HostRequest,
  type OutgoingTensor,
} from '../../src/inference/onnx/wire.js';

const elements = fc.array(fc.integer({ min: 0, max: 100 }), { maxLength: 20 });
const tensor = fc.oneof(
  elements.map((values): OutgoingTensor => ({
    name: 'f',
    datatype: 'FP32',
    shape: [values.length],
    parts: [Float32Array.from(values)],
  })),
  elements.map((values): OutgoingTensor => ({
    name: 'b',
    datatype: 'UINT8',
    shape: [values.length],
    parts: [Uint8Array.from(values)],
  })),
  elements.map((values): OutgoingTensor => ({
    name: 'i',
    datatype: 'INT64',
    shape: [values.length],
    parts: [BigInt64Array.from(values, BigInt)],
  })),
  fc
    .array(fc.string({ unit: 'binary' }))
    .map((values): OutgoingTensor => ({ name: 's', datatype: 'BYTES', shape: [values.length], parts: [values] })),
);

describe('wire', () => {
  it('carries frames however the stream is divided', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(tensor, { maxLength: 4 }), { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 40 }),
        (frames, cut) => {
          const stream = Buffer.concat(
            frames.map((tensors, id) => encodeFrame({ id, kind: 'run', modelId: 'm' }, tensors)),
          );
          const read: Frame<HostRequest>[] = [];
          const reader = new FrameReader<HostRequest>(1024 ** 2, (frame) => read.push(frame));
          for (let at = 0; at < stream.length; at += cut) reader.push(stream.subarray(at, at + cut));
          expect(read).toEqual(
            frames.map((tensors, id) => ({
              header: { id, kind: 'run', modelId: 'm' },
              tensors: tensors.map(({ name, datatype, shape, parts }) => ({ name, datatype, shape, data: parts[0] })),
            })),
          );
        },
      ),
    );
  });

  it('joins parts', () => {
    const read: Frame<HostRequest>[] = [];
    const reader = new FrameReader<HostRequest>(1024, (frame) => read.push(frame));
    reader.push(
      encodeFrame({ id: 1, kind: 'run', modelId: 'm' }, [
        { name: 'x', datatype: 'FP64', shape: [3, 1], parts: [Float64Array.of(1), Float64Array.of(2, 3)] },
        { name: 's', datatype: 'BYTES', shape: [3, 1], parts: [['a'], ['ü', '']] },
      ]),
    );
    expect(read[0]!.tensors.map(({ data }) => data)).toEqual([Float64Array.of(1, 2, 3), ['a', 'ü', '']]);
  });

  it('refuses a frame above the limit before it holds it', () => {
    const reader = new FrameReader<HostRequest>(1000, () => undefined);
    expect(() => reader.push(Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]))).toThrow(RangeError);
  });
});
