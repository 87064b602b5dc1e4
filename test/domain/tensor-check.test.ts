import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkTensors,
  plainValues,
  rowsToTensors,
  tensorFromValues,
  tensorsToRows,
} from '../../src/modules/model-contract/rules/tensor-check.js';
import type { Signature, Tensor } from '../../src/modules/model-contract/rules/tensor.js';
import { AppError, ErrorCode } from '../../src/errors.js';

const signature: Signature = {
  inputs: [
    { name: 'distance', datatype: 'FP32', shape: [-1, 1], semantic: 'NUMERIC' },
    { name: 'origin', datatype: 'BYTES', shape: [-1, 1], semantic: 'CATEGORICAL' },
    { name: 'date', datatype: 'INT64', shape: [-1, 1], semantic: 'TIMESTAMP_MS' },
    { name: 'embedding', datatype: 'FP32', shape: [-1, 3] },
  ],
  outputs: [],
};
const limits = { maxRows: 4 };

function good(): Tensor[] {
  return [
    { name: 'distance', datatype: 'FP32', shape: [2, 1], data: Float32Array.of(1, Number.NaN) },
    { name: 'origin', datatype: 'BYTES', shape: [2, 1], data: ['SFO', ''] },
    { name: 'date', datatype: 'INT64', shape: [2, 1], data: BigInt64Array.of(1n, 2n) },
    { name: 'embedding', datatype: 'FP32', shape: [2, 3], data: new Float32Array(6) },
  ];
}

function refusal(run: () => unknown): { field?: string; expected?: string; got?: string } {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(AppError);
    expect((error as AppError).code).toBe(ErrorCode.INVALID_TENSOR);
    return (error as AppError).details;
  }
  throw new Error('accepted');
}

const changed = (index: number, change: Partial<Tensor>): Tensor[] =>
  good().map((tensor, at) => (at === index ? { ...tensor, ...change } : tensor));

describe('checkTensors', () => {
  it('accepts what matches the signature, in any order', () => {
    expect(checkTensors(signature, good().reverse(), limits)).toEqual({ rows: 2 });
  });

  it.each<[string, Tensor[], string, RegExp | string, RegExp | string]>([
    ['rank', changed(0, { shape: [2] }), 'inputs[0].shape', /rank 2/, /rank 1/],
    ['dimension', changed(3, { shape: [2, 4] }), 'inputs[3].shape[1]', /^3/, '4'],
    ['no rows', changed(3, { shape: [0, 3] }), 'inputs[3].shape[0]', /at least 1/, '0'],
    ['fractional dimension', changed(3, { shape: [1.5, 3] }), 'inputs[3].shape[0]', /at least 1/, '1.5'],
    ['datatype', changed(0, { datatype: 'FP64' }), 'inputs[0].datatype', 'FP32', 'FP64'],
    ['data of another type', changed(0, { data: Float64Array.of(1, 2) }), 'inputs[0].data', /FP32/, 'Float64Array'],
    ['length', changed(3, { data: new Float32Array(5) }), 'inputs[3].data', /^6/, '5'],
    ['missing input', good().slice(1), 'inputs', /"distance"/, /none/],
    ['extra input', [...good(), { ...good()[0]!, name: 'extra' }], 'inputs[4].name', /distance/, 'extra'],
    ['input given twice', [...good(), good()[0]!], 'inputs[4].name', /once/, 'distance'],
    ['prototype key', [{ ...good()[0]!, name: '__proto__' }], 'inputs[0].name', /distance/, '__proto__'],
    [
      'too many rows',
      changed(0, { shape: [5, 1], data: new Float32Array(5) }),
      'inputs[0].shape[0]',
      'at most 4 rows',
      '5',
    ],
    ['unequal rows', changed(1, { shape: [1, 1], data: ['a'] }), 'inputs[1].shape[0]', /2 rows/, '1'],
    ['Infinity', changed(0, { data: Float32Array.of(1, Infinity) }), 'inputs[0].data[1]', /finite/, 'Infinity'],
    [
      'NaN that means nothing',
      changed(3, { data: Float32Array.of(0, 0, Number.NaN, 0, 0, 0) }),
      'inputs[3].data[2]',
      'a finite number',
      'NaN',
    ],
  ])('refuses %s', (_name, tensors, field, expected, got) => {
    const details = refusal(() => checkTensors(signature, tensors, limits));
    expect(details.field).toBe(field);
    expect(details.expected).toMatch(expected);
    expect(details.got).toMatch(got);
  });
});

describe('rowsToTensors', () => {
  const row = { distance: 100.5, origin: 'SFO', date: '2001-01-02T03:04:05Z', embedding: [1, 2, 3] };

  it('turns named rows into tensors; null means missing', () => {
    const tensors = rowsToTensors(signature, [row, { ...row, distance: null, origin: null, date: 5 }], limits);
    expect(tensors).toEqual([
      { name: 'distance', datatype: 'FP32', shape: [2, 1], data: Float32Array.of(100.5, Number.NaN) },
      { name: 'origin', datatype: 'BYTES', shape: [2, 1], data: ['SFO', ''] },
      { name: 'date', datatype: 'INT64', shape: [2, 1], data: BigInt64Array.of(978_404_645_000n, 5n) },
      { name: 'embedding', datatype: 'FP32', shape: [2, 3], data: Float32Array.of(1, 2, 3, 1, 2, 3) },
    ]);
    expect(checkTensors(signature, tensors, limits)).toEqual({ rows: 2 });
  });

  it.each([
    ['2001-01-02', 978_393_600_000n],
    ['2001-01-02 03:04', 978_404_640_000n],
    ['2001-01-02T03:04:05.25', 978_404_645_250n],
    ['2001-01-02T03:04:05+01:00', 978_401_045_000n],
  ])('reads the time %s', (date, ms) => {
    expect(rowsToTensors(signature, [{ ...row, date }], limits)[2]!.data).toEqual(BigInt64Array.of(ms));
  });

  it.each<[string, unknown[], string]>([
    ['no rows', [], 'rows'],
    ['too many rows', [row, row, row, row, row], 'rows'],
    ['a row that is no object', [row, 5], 'rows[1]'],
    ['a column that is not there', [row, row, row, { ...row, distance: undefined }], 'rows[3].distance'],
    ['an unknown column', [{ ...row, nonsense: 1 }], 'rows[0].nonsense'],
    ['a prototype key', [JSON.parse('{"__proto__": {"polluted": true}}')], 'rows[0].__proto__'],
    ['a constructor key', [{ ...row, constructor: 1 }], 'rows[0].constructor'],
    ['text for a number', [{ ...row, distance: '7' }], 'rows[0].distance'],
    ['Infinity', [{ ...row, distance: Infinity }], 'rows[0].distance'],
    ['a number beyond 32-bit floating point', [{ ...row, distance: 1e300 }], 'rows[0].distance'],
    ['an object for a category', [{ ...row, origin: {} }], 'rows[0].origin'],
    ['a time that is none', [{ ...row, date: 'yesterday' }], 'rows[0].date'],
    ['a time out of the calendar', [{ ...row, date: '2001-13-45' }], 'rows[0].date'],
    ['a fractional time', [{ ...row, date: 1.5 }], 'rows[0].date'],
    ['too few elements', [{ ...row, embedding: [1, 2] }], 'rows[0].embedding'],
    ['a wrong element', [{ ...row, embedding: [1, null, 3] }], 'rows[0].embedding[1]'],
  ])('refuses %s', (_name, rows, field) => {
    expect(refusal(() => rowsToTensors(signature, rows as Record<string, unknown>[], limits)).field).toBe(field);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

describe('plain values', () => {
  it.each<[Parameters<typeof tensorFromValues>[2], unknown]>([
    ['INT64', 2 ** 53],
    ['INT64', 1.5],
    ['INT64', 2n ** 63n],
    ['INT8', 128],
    ['UINT8', -1],
    ['INT32', 2 ** 31],
    ['BOOL', 2],
    ['FP32', '1'],
    ['FP64', null],
    ['BYTES', 1],
  ])('refuses a %s of %s', (datatype, value) => {
    expect(refusal(() => tensorFromValues('inputs[0].data', 'x', datatype, [1], [value])).field).toBe(
      'inputs[0].data[0]',
    );
  });

  it('keeps every value that fits, in both directions', () => {
    fc.assert(
      fc.property(fc.array(fc.maxSafeInteger()), (values) => {
        expect(plainValues(tensorFromValues('d', 'x', 'INT64', [values.length], values))).toEqual(values);
      }),
    );
    expect(plainValues({ name: 'x', datatype: 'INT64', shape: [1], data: BigInt64Array.of(2n ** 60n) })).toEqual([
      '1152921504606846976',
    ]);
    expect(plainValues(tensorFromValues('d', 'x', 'BOOL', [2], [true, false]))).toEqual([true, false]);
  });

  it('renders rows', () => {
    const outputs: Tensor[] = [
      { name: 'label', datatype: 'INT64', shape: [2], data: BigInt64Array.of(0n, 1n) },
      { name: 'probabilities', datatype: 'FP64', shape: [2, 2], data: Float64Array.of(0.75, 0.25, 0.5, 0.5) },
    ];
    expect(tensorsToRows(outputs)).toEqual([
      { label: 0, probabilities: [0.75, 0.25] },
      { label: 1, probabilities: [0.5, 0.5] },
    ]);
  });
});
