import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { unknownCategories } from '../../src/modules/model-contract/rules/categories.js';
import { MISSING_TIMESTAMP_MS } from '../../src/modules/model-contract/rules/element.js';
import { rowsToTensors } from '../../src/modules/model-contract/rules/tensor-check.js';
import {
  DATATYPES,
  type Signature,
  type TensorData,
  type TensorSpec,
} from '../../src/modules/model-contract/rules/tensor.js';
import { type Column, toTensors } from '../../src/modules/model-contract/rules/dataset-column.js';
import { AppError, ErrorCode } from '../../src/errors.js';

type Plain = string | number | boolean | null;

/** The column of a dataset with this one value. */
function columnOf(name: string, value: Plain): Column {
  if (typeof value === 'string') return { name, type: 'STRING', values: [value] };
  if (typeof value === 'boolean') return { name, type: 'BOOLEAN', values: Float64Array.of(value ? 1 : 0) };
  return { name, type: 'NUMBER', values: Float64Array.of(value ?? NaN) };
}

/** The element that was made from it, or the code of the refusal. */
function outcome(make: () => { data: TensorData }[]): unknown {
  try {
    return Array.from(make()[0]!.data as ArrayLike<unknown>);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return error.code;
  }
}

const spec = fc.record({
  name: fc.constantFrom('x', 'constructor', 'prototype', '__proto__', 'toString'),
  datatype: fc.constantFrom(...DATATYPES),
  shape: fc.constant<number[]>([-1, 1]),
  semantic: fc.constantFrom(undefined, 'NUMERIC' as const, 'TIMESTAMP_MS' as const),
  acceptsMissing: fc.constantFrom(undefined, true, false),
});

const value = fc.oneof(
  fc.constantFrom<Plain[]>(
    null,
    true,
    false,
    0,
    1,
    1.5,
    -0,
    255,
    256,
    -129,
    2 ** 31,
    3e9,
    2 ** 53,
    1e19,
    1e39,
    -1e39,
    1e300,
    3.4e38,
    'x',
    '7',
    '',
  ),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);

describe('a value of a row and of a dataset', () => {
  it('is accepted by both or refused by both, and becomes the same element', () => {
    fc.assert(
      fc.property(spec, value, (input: TensorSpec, plain) => {
        // A text input reads any column as text.
        if (input.datatype === 'BYTES' && typeof plain !== 'string') return;
        const signature: Signature = { inputs: [input], outputs: [] };
        const row = Object.fromEntries([[input.name, plain]]);
        const online = outcome(() => rowsToTensors(signature, [row], { maxRows: 1 }));
        const batch = outcome(() => toTensors(new Map([[input.name, columnOf(input.name, plain)]]), signature));
        expect(batch).toEqual(online);
        if (typeof plain === 'string' && input.datatype !== 'BYTES') expect(online).toBe(ErrorCode.INVALID_TENSOR);
      }),
      { numRuns: 5_000 },
    );
  });

  it.each<[TensorSpec['datatype'], TensorSpec['semantic'], Plain[], string]>([
    ['INT32', 'NUMERIC', [null, 1.5, 3e9, -3e9], 'an integer from -2147483648 to 2147483647'],
    ['INT64', undefined, [null, 1.5, 1e19, 2 ** 53], 'an integer from'],
    ['UINT8', undefined, [300, -1, null], 'an integer from 0 to 255'],
    ['INT8', undefined, [128], 'an integer from -128 to 127'],
    ['INT16', undefined, [40_000], 'an integer from -32768 to 32767'],
    ['FP32', 'NUMERIC', [1e39, -1e39], 'fits 32-bit floating point'],
    ['FP32', undefined, [null, 'seven'], 'a finite number'],
    ['BOOL', undefined, [2, null, 0.5], 'true or false'],
  ])(
    '%s %s: none wraps or is cut, and the refusal names column, row and value',
    (datatype, semantic, values, expected) => {
      const signature: Signature = { inputs: [{ name: 'x', datatype, shape: [-1, 1], semantic }], outputs: [] };
      for (const plain of values) {
        const { values: one, ...column } = columnOf('x', plain);
        const wrong = {
          ...column,
          values: typeof plain === 'string' ? [...(one as string[])] : Float64Array.of(0, 0, (one as Float64Array)[0]!),
        } as Column;
        const row = typeof plain === 'string' ? 1 : 3;
        expect(() => toTensors(new Map([['x', wrong]]), signature), `${plain}`).toThrow(
          new RegExp(
            `^Column x, row ${row}: expected .*${expected}.*, got ` +
              `${plain === null ? 'null' : JSON.stringify(plain).replaceAll('+', '\\+')}\\.$`,
          ),
        );
      }
      const numbered = { name: 'x', type: 'NUMBER' as const, values: Float64Array.of(0, NaN) };
      if (semantic === undefined || datatype === 'INT32')
        expect(() => toTensors(new Map([['x', numbered]]), signature, Float64Array.of(10, 41))).toThrow(
          /^Column x, row 42: /,
        );
    },
  );

  it('passes 64-bit integers exactly, and an infinite number of a dataset as a missing one', () => {
    const wide: Signature = { inputs: [{ name: 'id', datatype: 'INT64', shape: [-1, 1] }], outputs: [] };
    const digits = ['9007199254740993', '-9223372036854775808', '9223372036854775807'];
    expect(
      rowsToTensors(
        wide,
        digits.map((id) => ({ id })),
        { maxRows: 3 },
      )[0]!.data,
    ).toEqual(BigInt64Array.from(digits, BigInt));
    for (const id of ['7', '9223372036854775808', '9007199254740993.0', ' 9007199254740993', '1e19', ''])
      expect(() => rowsToTensors(wide, [{ id }], { maxRows: 1 }), id).toThrow(/decimal digits/);
    const ids: Column = { name: 'id', type: 'NUMBER', values: Float64Array.from(digits, Number), texts: digits };
    expect(toTensors(new Map([['id', ids]]), wide)[0]!.data).toEqual(BigInt64Array.from(digits, BigInt));
    const beyond: Column = {
      name: 'id',
      type: 'NUMBER',
      values: Float64Array.of(1e19),
      texts: ['10000000000000000000'],
    };
    expect(() => toTensors(new Map([['id', beyond]]), wide)).toThrow(/^Column id, row 1: .*got "10000000000000000000"/);
    const float: Signature = {
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1], semantic: 'NUMERIC' }],
      outputs: [],
    };
    const column: Column = { name: 'x', type: 'NUMBER', values: Float64Array.of(Infinity, -Infinity, NaN, 1) };
    expect(toTensors(new Map([['x', column]]), float)[0]!.data).toEqual(Float32Array.of(NaN, NaN, NaN, 1));
    const time: Signature = {
      inputs: [{ name: 't', datatype: 'INT64', shape: [-1, 1], semantic: 'TIMESTAMP_MS' }],
      outputs: [],
    };
    expect(rowsToTensors(time, [{ t: null }, { t: '1970-01-01' }], { maxRows: 2 })[0]!.data).toEqual(
      BigInt64Array.of(MISSING_TIMESTAMP_MS, 0n),
    );
  });
});

const knowing = (categories: string[], reading = {}): Signature => ({
  inputs: [
    {
      name: 'c',
      datatype: 'BYTES',
      shape: [-1, 1],
      semantic: 'CATEGORICAL',
      columns: [{ name: 'c', type: 'STRING', categories, ...reading }],
    },
  ],
  outputs: [],
});

/** What the model gets for a value, and whether it knows the category. */
function given(signature: Signature, plain: Plain): [string, boolean] {
  const tensors = rowsToTensors(signature, [{ c: plain }], { maxRows: 1 });
  let isKnown = true;
  unknownCategories(signature, tensors, (found) => {
    expect(found).toEqual({ row: 0, column: 'c', value: (tensors[0]!.data as string[])[0] });
    isKnown = false;
  });
  return [(tensors[0]!.data as string[])[0]!, isKnown];
}

describe('a category', () => {
  it.each<[string[], Plain, string, boolean]>([
    // A text is used as the category without changes.
    [['Yes', 'yes'], 'yes', 'yes', true],
    [['Yes', 'yes'], 'YES', 'YES', false],
    [['1.1', '1.10'], '1.10', '1.10', true],
    [['t', 'f'], 't', 't', true],
    [['1.0'], '1', '1', false],
    [['9007199254740993'], '9007199254740993', '9007199254740993', true],
    // A number means the category with its spelling, else the only one that is equal.
    [['1', '1.0'], 1, '1', true],
    [['1.0', '2.0'], 1, '1.0', true],
    [['1.0', '1.00'], 1, '1', false],
    [['1.50', 'x'], 1.5, '1.50', true],
    [['1.1', '1.10'], 1.1, '1.1', true],
    [['1E5'], 100_000, '1E5', true],
    [['007'], 7, '007', true],
    [['0x10', '1 2', ''], 16, '16', false],
    [['1', '2'], 3, '3', false],
    // The same for a boolean; upper or lower case does not matter.
    [['true', 'TRUE'], true, 'true', true],
    [['True', 'False'], true, 'True', true],
    [['TRUE', 'True'], true, 'true', false],
    [['yes', 'no'], true, 'true', false],
    [['yes', 'no'], null, '', true],
    [['yes', 'no'], '', '', true],
    [['constructor', '__proto__'], '__proto__', '__proto__', true],
    [['a'], '__proto__', '__proto__', false],
  ])('of %j: %j is %j, known: %j', (categories, plain, text, isKnown) => {
    expect(given(knowing(categories), plain)).toEqual([text, isKnown]);
  });

  it('with a decimal comma is found by its number', () => {
    const reading = { type: 'NUMBER', decimalSeparator: ',', thousandsSeparator: '.', unit: '€' };
    expect(given(knowing(['1.234,5 €', '2,0 €'], reading), 1234.5)).toEqual(['1.234,5 €', true]);
    expect(given(knowing(['1.234,5 €', '2,0 €'], reading), 2)).toEqual(['2,0 €', true]);
  });

  it('that means "no value" in the file is a missing one', () => {
    const reading = { type: 'BOOLEAN', nullValues: ['NA', '?'] };
    expect(given(knowing(['TRUE', 'FALSE'], reading), 'NA')).toEqual(['', true]);
    expect(given(knowing(['TRUE', 'FALSE'], reading), ' ? ')).toEqual(['', true]);
    expect(given(knowing(['TRUE', 'FALSE'], reading), 'na')).toEqual(['na', false]);
    expect(given(knowing(['x'], { type: 'STRING', nullValues: ['NA'] }), ' NA')).toEqual([' NA', false]);
  });

  it('of more digits than a JSON number holds must be a text', () => {
    expect(() => given(knowing(['9007199254740993']), Number('9007199254740993'))).toThrow(
      /a category of so many digits as text/,
    );
  });

  it('is known for every text of the known categories, and for no other', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1 })), fc.string({ minLength: 1 }), (categories, text) => {
        expect(given(knowing(categories), text)).toEqual([text, categories.includes(text)]);
        for (const category of categories) expect(given(knowing(categories), category)).toEqual([category, true]);
      }),
    );
  });
});
