import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HOST_WIRE, type Outgoing, type HostRequest, type OutgoingTensor } from '../../src/inference/onnx/wire.js';

const running = (modelId: string, tensors: OutgoingTensor[]) =>
  HOST_WIRE.encode({
    kind: 'ask',
    request: { header: { kind: 'run', modelId }, tensors } satisfies Outgoing<HostRequest>,
  });

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
          const stream = Buffer.concat(frames.map((tensors, index) => running(`m${index}`, tensors)));
          const read: unknown[] = [];
          const reader = HOST_WIRE.reader(1024 ** 2);
          for (let at = 0; at < stream.length; at += cut) read.push(...reader.push(stream.subarray(at, at + cut)));
          expect(read).toEqual(
            frames.map((tensors, index) => ({
              kind: 'ask',
              request: {
                header: { kind: 'run', modelId: `m${index}` },
                tensors: tensors.map(({ name, datatype, shape, parts }) => ({ name, datatype, shape, data: parts[0] })),
              },
            })),
          );
        },
      ),
    );
  });

  it('joins parts', () => {
    const read = HOST_WIRE.reader(1024).push(
      running('m', [
        { name: 'x', datatype: 'FP64', shape: [3, 1], parts: [Float64Array.of(1), Float64Array.of(2, 3)] },
        { name: 's', datatype: 'BYTES', shape: [3, 1], parts: [['a'], ['ü', '']] },
      ]),
    );
    const tensors = [{ data: Float64Array.of(1, 2, 3) }, { data: ['a', 'ü', ''] }];
    expect(read).toMatchObject([{ request: { tensors } }]);
  });

  it('refuses a frame over the limit before it holds it', () => {
    const reader = HOST_WIRE.reader(1000);
    expect(() => reader.push(Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]))).toThrow(RangeError);
  });
});
