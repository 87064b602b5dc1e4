import fc from 'fast-check';
import { expect, it } from 'vitest';
import { requireMapped, withColumns, withKnownColumns } from '../../src/modules/model-contract/rules/input-columns.js';
import type { Signature } from '../../src/modules/model-contract/rules/tensor.js';
import { rowsToTensors } from '../../src/modules/model-contract/rules/tensor-check.js';
import { type Column, toTensors } from '../../src/modules/model-contract/rules/dataset-column.js';

const limits = { maxRows: 100 };

/** A matrix of numbers, one of texts, and a separate number. */
const signatureOf = (numbers: number, texts: number): Signature => ({
  inputs: [
    { name: 'X', datatype: 'FP64', shape: [-1, numbers], acceptsMissing: true },
    { name: 'alone', datatype: 'FP64', shape: [-1, 1] },
    { name: 'T', datatype: 'BYTES', shape: [-1, texts] },
  ],
  outputs: [],
});

it('named rows and columns of a dataset fill the same elements, whatever their order', () => {
  const name = fc
    .string({ minLength: 1, maxLength: 8, unit: 'grapheme' })
    .filter((text) => !['X', 'alone', 'T'].includes(text) && !text.includes('\0'));
  const cases = fc
    .record({
      names: fc.uniqueArray(fc.oneof(name, fc.constantFrom('__proto__', 'constructor', 'toString')), {
        minLength: 4,
        maxLength: 8,
      }),
      cut: fc.integer({ min: 2, max: 3 }),
      rows: fc.integer({ min: 1, max: 5 }),
      seed: fc.integer({ min: 1, max: 1_000 }),
    })
    .filter(({ names, cut }) => names.length - cut >= 2);
  fc.assert(
    fc.property(cases, ({ names, cut, rows: rowCount, seed }) => {
      const [numbers, texts] = [names.slice(0, cut), names.slice(cut)];
      const signature = withColumns(signatureOf(numbers.length, texts.length), 'f', [
        { input: 'X', columns: numbers },
        { input: 'T', columns: texts },
      ]);
      const valueAt = (column: number, row: number) =>
        (column * 7 + row * 3 + seed) % 5 === 0 ? NaN : column * 100 + row;
      const columns = new Map<string, Column>([
        ['alone', { name: 'alone', type: 'NUMBER', values: new Float64Array(rowCount).fill(seed) }],
      ]);
      names.forEach((column, i) => {
        if (i < cut)
          columns.set(column, {
            name: column,
            type: 'NUMBER',
            values: Float64Array.from({ length: rowCount }, (_, row) => valueAt(i, row)),
          });
        else
          columns.set(column, {
            name: column,
            type: 'STRING',
            values: Array.from({ length: rowCount }, (_, row) => `${i} of ${row}`),
          });
      });
      const rows = Array.from({ length: rowCount }, (_, row) => {
        const entries = names.map((column, i): [string, unknown] => [
          column,
          i < cut ? valueAt(i, row) : `${i} of ${row}`,
        ]);
        return Object.fromEntries(
          [['alone', seed] as const, ...entries.reverse()].map(([key, value]) => [
            key,
            Number.isNaN(value) ? null : value,
          ]),
        );
      });
      const tensors = rowsToTensors(signature, rows, limits);
      expect(tensors).toEqual(toTensors(columns, signature));
      expect(tensors[0]!.shape).toEqual([rowCount, cut]);
      const flat = rows.map((row) => ({ ...row, X: numbers.map((column) => row[column]) }));
      for (const column of numbers) for (const row of flat) Reflect.deleteProperty(row, column);
      expect(rowsToTensors(signature, flat, limits)).toEqual(tensors);
    }),
  );
});

it('the columns of a training go to the only matrix that they fill, and to none by guess', () => {
  const column = (name: string, type: 'NUMBER' | 'STRING' = 'NUMBER') => ({ name, type });
  const signature = signatureOf(2, 1);
  const known = withKnownColumns(signature, [column('b'), column('alone'), column('a')]);
  expect(known.inputs.map(({ columns }) => columns?.map(({ name }) => name))).toEqual([
    ['b', 'a'],
    undefined,
    undefined,
  ]);
  for (const others of [
    [column('a')],
    [column('a'), column('b'), column('c')],
    [column('a'), column('b', 'STRING')],
    [column('a'), column('a')],
  ])
    expect(withKnownColumns(signature, others)).toBe(signature);
  const both = signatureOf(2, 2);
  expect(withKnownColumns(both, [column('a'), column('b')])).toBe(both);
});

it('a refusal names the call, with the columns of the dataset when their number is right', () => {
  const versionId = 'v';
  const refuse = (candidates: string[]) => () => requireMapped(signatureOf(3, 1), { versionId, candidates });
  expect(refuse(['a', 'b', 'c'])).toThrow(
    'updateModelVersion(input: {id: "v", inputColumns: [{input: "X", columns: ["a", "b", "c"]}]})',
  );
  expect(refuse(['a', 'b'])).toThrow('columns: ["…"]');
  const image: Signature = { inputs: [{ name: 'image', datatype: 'FP32', shape: [-1, 3, -1, -1] }], outputs: [] };
  expect(() => requireMapped(image, { versionId, candidates: [] })).toThrow('predict with tensors');
});
