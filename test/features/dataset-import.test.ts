import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { DatasetFormat } from '../../src/modules/model-contract/rules/dataset-schema.js';
import { preview, readColumns } from '../../src/adapters/dataset-files/dataset-reader.js';
import type { ImportRequest } from '../../src/adapters/dataset-files/port.js';
import { importFile, type Imported } from '../support/tables.js';

const folder = mkdtempSync(path.join(tmpdir(), 'matih-import-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;

function importText(
  content: string | Buffer,
  format: DatasetFormat = 'CSV',
  given: Partial<ImportRequest> = {},
): Promise<Imported> {
  const target = path.join(folder, `${files++}.dat`);
  writeFileSync(target, content);
  return importFile(target, format, given);
}

const column = (name: string, texts: readonly string[]): string =>
  `${name},n\n${texts.map((text, i) => `${text},${i}\n`).join('')}`;

async function categoriesOf({ table }: Imported, name: string): Promise<unknown[]> {
  const { columns } = await readColumns(table, { columns: [{ name, form: 'TEXT' }] });
  return [...columns[0]!.values];
}

async function valuesOf({ table }: Imported, name: string): Promise<unknown[]> {
  return [...(await readColumns(table, { columns: [name] })).columns[0]!.values];
}

async function refusal(
  content: string | Buffer,
  format: DatasetFormat = 'CSV',
  given: Partial<ImportRequest> = {},
): Promise<string> {
  const error: unknown = await importText(content, format, given).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: 'BAD_USER_INPUT' });
  expect((error as Error).message).not.toContain(folder);
  return (error as Error).message;
}

describe('a column has one meaning everywhere', () => {
  it.each<[string[], string]>([
    [['t', 'f', 't'], 'STRING'],
    [['T', 'F'], 'STRING'],
    [['true', 'false'], 'BOOLEAN'],
    [['True', 'False'], 'BOOLEAN'],
    [['TRUE', 'FALSE', 'NA'], 'BOOLEAN'],
    [['yes', 'no'], 'STRING'],
    [['Yes', 'NO', 'yes'], 'STRING'],
    [['yes', 'no', 'unknown'], 'STRING'],
    [['t', 'f', '?'], 'STRING'],
    [['1.0', '1.50', '1E5', '1e3'], 'NUMBER'],
    [['1.1', '1.10'], 'NUMBER'],
    [['1.0', 'x'], 'STRING'],
    [['9007199254740993', '9007199254740992', '1234567890123456789'], 'NUMBER'],
    [['00501', '10001'], 'STRING'],
    [['2024-01-31', '2024-02-01'], 'TIMESTAMP'],
    [['2024-01-31', 'none'], 'STRING'],
    [['-inf', 'Infinity', '1'], 'NUMBER'],
    [['1_000', '2'], 'STRING'],
  ])('%j is %s, and every category keeps its spelling', async (texts, type) => {
    const imported = await importText(column('c', texts));
    expect(imported.profile.columns[0]).toMatchObject({ name: 'c', type });
    expect(await categoriesOf(imported, 'c')).toEqual(
      texts.map((text) => (type !== 'STRING' && text === 'NA' ? null : text)),
    );
  });

  it('reads another file by the given reading, or refuses naming column, row and value', async () => {
    const later = await importText(column('c', ['yes', 'no']));
    const boolean = { name: 'c', type: 'BOOLEAN' as const };
    const read = (imported: Imported, reading: { name: string; type: 'BOOLEAN' | 'NUMBER' }) =>
      readColumns(imported.table, { columns: [{ name: 'c', form: 'VALUE', reading }] });
    expect([...(await read(later, boolean)).columns[0]!.values]).toEqual([1, 0]);
    await expect(read(later, { name: 'c', type: 'NUMBER' })).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      message: 'Column c, row 1: expected a number, got "yes".',
      details: { column: 'c', row: 1, got: '"yes"' },
    });
  });

  it('reads a later version by the earlier schema, or says what to do', async () => {
    const first = await importText(column('c', ['1', '2', 'NA']));
    const earlier = first.profile.columns;
    const second = await importText(column('c', ['NA', '-']), 'CSV', { earlier });
    expect(second.profile.columns[0]).toMatchObject({ type: 'NUMBER', missingCount: 2 });
    const message = await refusal(column('c', ['1', 'x', 'y']), 'CSV', { earlier });
    expect(message).toMatch(
      /^Column c, row 2: expected a number, as in the version before, got "x" \(2 such values\).*columns: \[/,
    );
    const corrected = await importText(column('c', ['1', 'x']), 'CSV', {
      earlier,
      corrections: [{ name: 'c', nullValues: ['x'] }],
    });
    expect(await valuesOf(corrected, 'c')).toEqual([1, Number.NaN]);
  });
});

describe('no row is lost', () => {
  it('when cells begin with #', async () => {
    expect((await importText('a,b,c,d\n#1,2,3,4\n5,6,7,8\n')).profile.rowCount).toBe(2);
    const texts = Array.from({ length: 100 }, (_, i) => (i % 10 === 0 ? '#N/A' : String(i)));
    const { profile } = await importText(column('a', texts));
    expect(profile.rowCount).toBe(100);
    expect(profile.columns[0]).toMatchObject({
      type: 'NUMBER',
      missingCount: 10,
      missingWords: [{ text: '#N/A', count: 10 }],
    });
  });

  it('when a file has one column with empty lines', async () => {
    expect(await valuesOf(await importText('a\nx\n\ny\n'), 'a')).toEqual(['x', null, 'y']);
  });
});

describe('JSON', () => {
  it('keeps texts as they are beside numbers, and numbers as they are spelled', async () => {
    const mixed = await importText(
      '{"a": "A"}\n{"a": 1.50}\n{"a": 9007199254740993}\n{"a": null}\n{"b": true}',
      'JSON',
    );
    expect(await categoriesOf(mixed, 'a')).toEqual(['A', '1.50', '9007199254740993', null, null]);
    expect(await valuesOf(mixed, 'b')).toEqual([Number.NaN, Number.NaN, Number.NaN, Number.NaN, 1]);
  });

  it('makes a column of every key, however many and however rare', async () => {
    const row = (from: number) =>
      JSON.stringify(Object.fromEntries(Array.from({ length: 20 }, (_, i) => [String(from + i), i])));
    const { profile, table } = await importText(Array.from({ length: 10 }, (_, i) => row(i * 20)).join('\n'), 'JSON');
    expect(profile.columns.map(({ name, missingCount }) => [name, missingCount])).toEqual(
      Array.from({ length: 200 }, (_, i) => [String(i), 9]),
    );
    // Each column costs only a little memory: a preview has 1 GB for all of them.
    const [first] = await preview(table, 1);
    expect(Object.keys(first!)).toHaveLength(200);
    expect(first).toMatchObject({ '0': 0, '19': 19, '20': null });
  });

  it('flattens objects and refuses lists and columnar objects', async () => {
    const { profile } = await importText('[{"a": {"b": {"c": 1}, "d": "x"}}]', 'JSON');
    expect(profile.columns.map(({ name, type }) => `${name} ${type}`)).toEqual(['a.b.c NUMBER', 'a.d STRING']);
    expect(await refusal('[{"a": 1, "tags": [1, 2]}]', 'JSON')).toContain('a list in column tags, row 1');
    expect(await refusal('{"a":{"0":1},"b":{"0":2}}', 'JSON')).toContain('a list of objects');
    expect(await refusal(`${'{"a":'.repeat(600)}1${'}'.repeat(600)}`, 'JSON')).toContain('at most 100 levels');
  });
});
