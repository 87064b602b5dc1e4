import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import type { DatasetFormat } from '../../src/modules/model-contract/rules/dataset-schema.js';
import { readColumns } from '../../src/adapters/dataset-files/dataset-reader.js';
import { concatParquet, writeParquet } from '../../src/adapters/dataset-files/dataset-writer.js';
import { withDuckDb } from '../../src/adapters/dataset-files/duckdb.js';
import type { ImportRequest } from '../../src/adapters/dataset-files/port.js';
import { ReaderProcesses } from '../../src/adapters/dataset-files/reader-process.js';
import { importFile, type Imported } from '../support/tables.js';

const folder = mkdtempSync(path.join(tmpdir(), 'matih-files-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;

function written(content: string | Buffer): string {
  const target = path.join(folder, `${files++}.dat`);
  writeFileSync(target, content);
  return target;
}

const importText = (
  content: string | Buffer,
  format: DatasetFormat = 'CSV',
  given: Partial<ImportRequest> = {},
): Promise<Imported> => importFile(written(content), format, given);

async function rowsOf({ table }: Imported): Promise<(string | null)[][]> {
  const { columns, rowCount } = await readColumns(table, {
    columns: table.columns.map(({ name }) => ({ name, form: 'TEXT', reading: { name, type: 'STRING' } })),
  });
  return Array.from({ length: rowCount }, (_, row) => columns.map(({ values }) => values[row] as string | null));
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

describe('CSV', () => {
  const piece = fc.constantFrom(
    'a',
    'é',
    '€',
    '"',
    ',',
    ';',
    '\t',
    '|',
    '\n',
    '\r',
    '\r\n',
    ' ',
    '#',
    '-',
    'NA',
    '0',
    '1.5',
    "'",
    '\\',
    '日本',
  );
  const cell = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join(''));
  const table = fc.integer({ min: 1, max: 5 }).chain((columns) =>
    fc.record({
      rows: fc.array(fc.array(cell, { minLength: columns, maxLength: columns }), { minLength: 1, maxLength: 30 }),
      delimiter: fc.constantFrom(',', ';', '\t', '|'),
      lineEnd: fc.constantFrom('\n', '\r\n', '\r'),
      encoding: fc.constantFrom<'utf8' | 'utf16le' | 'bom'>('utf8', 'utf16le', 'bom'),
      quoteAll: fc.boolean(),
      isPacked: fc.boolean(),
      endsOpen: fc.boolean(),
    }),
  );

  it('any table of texts is read exactly, row for row, however it was written', async () => {
    await fc.assert(
      fc.asyncProperty(table, async ({ rows, delimiter, lineEnd, encoding, quoteAll, isPacked, endsOpen }) => {
        const field = (text: string): string => {
          // A field that begins or ends with spaces needs no quotes, but one whose first character after them is a
          // quote does.
          const needs =
            quoteAll || /["\r\n]/.test(text) || text.includes(delimiter) || (text.trim() === '' && text !== '');
          return needs ? `"${text.replaceAll('"', '""')}"` : text;
        };
        const header = rows[0]!.map((_, i) => `column ${i}`);
        const text =
          [header, ...rows].map((row) => row.map(field).join(delimiter)).join(lineEnd) +
          (endsOpen && rows.at(-1)!.join('') !== '' ? '' : lineEnd);
        const bytes =
          encoding === 'utf8'
            ? Buffer.from(text)
            : Buffer.from(`\ufeff${text}`, encoding === 'bom' ? 'utf8' : 'utf16le');
        // With one column, nothing shows the delimiter; with more, a line without any is not a row.
        const imported = await importText(isPacked ? gzipSync(bytes) : bytes, 'CSV', { delimiter });
        const expected = rows.map((row) => row.map((cellText) => (cellText === '' ? null : cellText)));
        expect(await rowsOf(imported)).toEqual(expected);
        expect(imported.profile.columns.every(({ distinctCount }) => distinctCount <= rows.length)).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  it.each<[string, string | Buffer, (string | null)[][]]>([
    ['a header with a line end in quotes', '"a\nb";c\n1;2\n', [['1', '2']]],
    ['a header with a line end in quotes and tabs', '"a\nb"\tc\n1\t2\n', [['1', '2']]],
    [
      'one line feed among carriage returns',
      'a,b\r\n1,2\n3,4\r\n',
      [
        ['1', '2'],
        ['3', '4'],
      ],
    ],
    ['a blank first line', '\n\na,b\n1,2\n', [['1', '2']]],
    ['a sep= line', 'sep=;\na;b\n1,5;2\n', [['1,5', '2']]],
    ['a comment first', '# made by, "hand\n# 2024\na,b\n1,2\n', [['1', '2']]],
    [
      'a header that begins with #',
      '#a,b\n#1,2\n3,4\n',
      [
        ['#1', '2'],
        ['3', '4'],
      ],
    ],
    [
      'blank lines between rows',
      'a,b\n1,2\n\n3,4\n\n',
      [
        ['1', '2'],
        ['3', '4'],
      ],
    ],
    ['a decimal comma that could be a delimiter', 'a;b\n1,5;2,5\n', [['1,5', '2,5']]],
    ['spaces before quotes', 'a, "b, c"\n1, "x, y"\n', [['1', 'x, y']]],
    ['Latin-1', Buffer.from('a,b\nÅsa,é\n', 'latin1'), [['Åsa', 'é']]],
    ['UTF-16, big end first', Buffer.from('\ufeffa,b\né,2\n', 'utf16le').swap16(), [['é', '2']]],
    ['UTF-16 without a mark', Buffer.from('a,b\né,2\n', 'utf16le'), [['é', '2']]],
  ])('reads %s', async (_, content, rows) => {
    expect(await rowsOf(await importText(content))).toEqual(rows);
  });

  it('reads carriage returns alone beyond any buffer', async () => {
    const lines = Array.from({ length: 60_000 }, (_, i) => `${i},text ${i}`);
    const imported = await importText(`a,b\r${lines.join('\r')}`);
    expect(imported.profile.rowCount).toBe(60_000);
    expect((await rowsOf(imported)).at(-1)).toEqual(['59999', 'text 59999']);
  });

  it('names columns that have no name, and says so', async () => {
    const { profile, reading } = await importText('a,,a,column_2,A\n1,2,3,4,5\n');
    expect(profile.columns.map(({ name }) => name)).toEqual(['a', 'column_2_2', 'a_2', 'column_2', 'A']);
    expect(reading.notes).toHaveLength(2);
  });

  it.each<[string, string | Buffer, RegExp]>([
    ['a row with a value too few', 'a,b,c\n1,2,3\n4,5\n', /3 values in each row.*got 2 in line 3/],
    ['a row with a value too many behind a quoted line end', 'a,b\n"x\ny",2\n3,4,5\n', /got 3 in line 4/],
    ['text behind a closing quote', 'a,b\n"x"y,2\n', /line 2/],
    [
      'a few broken bytes in UTF-8',
      Buffer.concat([Buffer.from('a,b\né,ü\nö,ß\n'), Buffer.from([0x78, 0xff, 0x2c, 0x31, 0x0a])]),
      /line 4.*input\.encoding/,
    ],
    [
      'an Excel workbook',
      Buffer.from('PK\x03\x04xxxx[Content_Types].xml'),
      /Excel workbook \(xlsx\): save the sheet as CSV/,
    ],
    ['a zip archive', Buffer.from('PK\x03\x04xxxxdata.csv'), /zip archive/],
    ['a pickle', Buffer.from('\x80\x04\x95\x00\x00', 'latin1'), /pickle/],
    ['a PDF', '%PDF-1.4\n', /PDF/],
    ['a page', '<!DOCTYPE html><html></html>', /HTML/],
    ['Parquet', Buffer.from('PAR1xxxx'), /PARQUET/],
    ['a damaged gzip file', Buffer.concat([gzipSync('a,b\n1,2\n').subarray(0, 15)]), /gzip/],
  ])('refuses %s with one sentence', async (_, content, message) => {
    expect(await refusal(content)).toMatch(message);
  });
});

describe('numbers and times', () => {
  const columnOf = (texts: readonly string[]): string => `c|n\n${texts.map((text, i) => `${text}|${i}\n`).join('')}`;
  it.each<[string, string[], object, (number | null)[] | null]>([
    [
      'words for "no value"',
      ['1', 'NA', '#N/A', '-', '?', 'NaN', 'null', 'None', ''],
      { type: 'NUMBER', missingCount: 8 },
      [1, null, null, null, null, null, null, null, null],
    ],
    ['decimal commas', ['1,5', '12,25', '-3'], { type: 'NUMBER', decimalSeparator: ',' }, [1.5, 12.25, -3]],
    [
      'thousands and decimal commas',
      ['1.234,5', '999', '1.234.567,89'],
      { type: 'NUMBER', decimalSeparator: ',', thousandsSeparator: '.' },
      [1234.5, 999, 1234567.89],
    ],
    [
      'thousands',
      ['1,234,567', '999', '12,345.5'],
      { type: 'NUMBER', thousandsSeparator: ',' },
      [1234567, 999, 12345.5],
    ],
    [
      'spaces between thousands',
      ['1 234', '12 345 678', '5'],
      { type: 'NUMBER', thousandsSeparator: ' ' },
      [1234, 12345678, 5],
    ],
    ['commas that may be either', ['1,234', '5,678'], { type: 'STRING' }, null],
    ['commas behind a zero', ['0,123', '5,678'], { type: 'NUMBER', decimalSeparator: ',' }, [0.123, 5.678]],
    ['dollars', ['$1,234.50', '-$5', '$ 7'], { type: 'NUMBER', unit: '$', thousandsSeparator: ',' }, [1234.5, -5, 7]],
    ['percent', ['12.5%', '3 %'], { type: 'NUMBER', unit: '%' }, [12.5, 3]],
    ['codes with zeros in front', ['00501', '10001'], { type: 'STRING' }, null],
    [
      'days first',
      ['31/12/2020', '01/02/2021'],
      { type: 'TIMESTAMP', format: '%d/%m/%Y' },
      [Date.UTC(2020, 11, 31), Date.UTC(2021, 1, 1)],
    ],
    [
      'months first',
      ['12/31/2020 10:30', '01/02/2021 00:00'],
      { type: 'TIMESTAMP', format: '%m/%d/%Y %H:%M' },
      [Date.UTC(2020, 11, 31, 10, 30), Date.UTC(2021, 0, 2)],
    ],
    ['days or months first', ['01/02/2020', '03/04/2020'], { type: 'STRING' }, null],
    ['days that are none', ['2020-02-30', '2020-02-28'], { type: 'STRING' }, null],
    [
      'instants with zones',
      ['2020-01-01T10:00:00+02:00', '2020-01-01T10:00Z', '2020-01-01 10:00:00.5'],
      { type: 'TIMESTAMP' },
      [Date.UTC(2020, 0, 1, 8), Date.UTC(2020, 0, 1, 10), Date.UTC(2020, 0, 1, 10) + 500],
    ],
    [
      'names of months',
      ['Jan 1 2000', 'Feb 29 2000'],
      { type: 'TIMESTAMP', format: '%b %d %Y' },
      [Date.UTC(2000, 0, 1), Date.UTC(2000, 1, 29)],
    ],
  ])('%s', async (_, texts, column, values) => {
    const imported = await importText(columnOf(texts));
    expect(imported.profile.columns[0]).toMatchObject(column);
    if (!values) return;
    const { columns } = await readColumns(imported.table, { columns: ['c'] });
    expect([...columns[0]!.values].map((value) => (Number.isNaN(value) ? null : value))).toEqual(values);
  });

  it('explains why a column with mostly numbers is text', async () => {
    const texts = [...Array.from({ length: 30 }, (_, i) => String(i)), 'unknown'];
    const { reading } = await importText(columnOf(texts));
    expect(reading.notes).toEqual([
      expect.stringMatching(
        /^Column c is kept as text: 1 of its 31 values .* "unknown" in row 31.*nullValues: \["unknown"\]/,
      ),
    ]);
  });

  it('the penguins as R writes them are numbers', async () => {
    const { profile } = await importText(
      'species,bill_length_mm,sex\nAdelie,39.1,male\nAdelie,NA,NA\nGentoo,50,female\n',
    );
    expect(profile.columns.map(({ type, missingCount }) => [type, missingCount])).toEqual([
      ['STRING', 0],
      ['NUMBER', 1],
      ['STRING', 0],
    ]);
  });
});

describe('Parquet', () => {
  async function parquet(select: string): Promise<string> {
    const target = path.join(folder, `${files++}.parquet`);
    await withDuckDb({ paths: [target] }, (connection) =>
      connection.run(`COPY (${select}) TO '${target}' (FORMAT parquet, USE_TMP_FILE false)`),
    );
    return target;
  }

  it.each<[string, string, RegExp]>([
    [
      'instants beyond JavaScript’s calendar',
      "SELECT TIMESTAMP '290000-01-01 00:00:00' AS late",
      /up to the year 275760.*late/,
    ],
    ['lists', 'SELECT [1, 2] AS vector', /vector of type INTEGER\[\]/],
    ['structs', "SELECT {'a': 1} AS parts", /parts of type STRUCT/],
    ['bytes', "SELECT 'x'::BLOB AS raw", /raw of type BLOB/],
  ])('with %s is refused, naming column and type', async (_, select, message) => {
    const error: unknown = await importFile(await parquet(select), 'PARQUET').catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'BAD_USER_INPUT', message: expect.stringMatching(message) });
  });

  it('spells categories by its own types', async () => {
    const file = await parquet(
      'SELECT 9007199254740993::BIGINT AS id, 1.0::DOUBLE AS d, 1.50::DECIMAL(10,2) AS dec, true AS b, DATE ' +
        "'2024-01-31' AS day, '1.0' AS text",
    );
    const imported = await importFile(file, 'PARQUET');
    expect(imported.profile.columns.map(({ type }) => type)).toEqual([
      'NUMBER',
      'NUMBER',
      'NUMBER',
      'BOOLEAN',
      'TIMESTAMP',
      'STRING',
    ]);
    expect(await rowsOf(imported)).toEqual([['9007199254740993', '1', '1.50', 'true', '2024-01-31', '1.0']]);
  });
});

it('keys of a batch result are returned bit for bit, with the type of the file', async () => {
  const typed = path.join(folder, 'typed.parquet');
  await withDuckDb({ paths: [typed] }, (connection) =>
    connection.run(`COPY (SELECT 9007199254740993::BIGINT AS a, 18446744073709551615::UBIGINT AS b,
      12345678901234567.89::DECIMAL(19,2) AS c,
      TIMESTAMPTZ '2024-01-01 10:00:00.123456+02' AS d, DATE '2024-01-31' AS e, true AS f,
        '007' AS g) TO '${typed}' (FORMAT parquet, USE_TMP_FILE false)`),
  );
  const part = path.join(folder, 'part.parquet');
  await writeParquet([{ name: 'row_number', type: 'INTEGER', values: BigInt64Array.of(0n) }], part);
  const keysOf = async ({ table }: Imported): Promise<unknown[]> => {
    const whole = path.join(folder, `${files++}.parquet`);
    const names = table.columns.map(({ name }) => name);
    expect(await concatParquet([part], whole, { table, names, rowNumberColumn: 'row_number' })).toBe(1);
    const shown = names.map((name) => `typeof(${name}) || ' ' || CAST(${name} AS VARCHAR)`).join(', ');
    return withDuckDb(
      { paths: [whole] },
      async (connection) =>
        (await connection.runAndReadAll(`SELECT ${shown} FROM read_parquet('${whole}')`)).getRowsJS()[0]!,
    );
  };
  expect(await keysOf(await importFile(typed, 'PARQUET'))).toEqual([
    'BIGINT 9007199254740993',
    'UBIGINT 18446744073709551615',
    'DECIMAL(19,2) 12345678901234567.89',
    'TIMESTAMP WITH TIME ZONE 2024-01-01 08:00:00.123456+00',
    'DATE 2024-01-31',
    'BOOLEAN true',
    'VARCHAR 007',
  ]);
  const csv = 'a,b,c,d,e,f\n9007199254740993,007,true,1.50,1.5,2024-01-31\n';
  expect(await keysOf(await importText(csv))).toEqual([
    'BIGINT 9007199254740993',
    'VARCHAR 007',
    'BOOLEAN true',
    'VARCHAR 1.50',
    'DOUBLE 1.5',
    'DATE 2024-01-31',
  ]);
});

it('no file at all causes an error of the service', async () => {
  const parquetFile = path.join(folder, 'sound.parquet');
  await withDuckDb({ paths: [parquetFile] }, (connection) =>
    connection.run(
      `COPY (SELECT i, 'text ' || i AS t, i / 3 AS d FROM range(500) r(i)) TO '${parquetFile}' (FORMAT ` +
        'parquet, USE_TMP_FILE false)',
    ),
  );
  const csv = Array.from({ length: 50 }, (_, i) => `${i},"text ""${i}""",${i / 3}`).join('\n');
  const sound: Record<DatasetFormat, Buffer> = {
    CSV: Buffer.from(`a,b,c\n${csv}\n`),
    JSON: Buffer.from(JSON.stringify(Array.from({ length: 50 }, (_, i) => ({ a: i, b: { c: `é ${i}`, d: null } })))),
    PARQUET: readFileSync(parquetFile),
  };
  const outcomes = new Map<string, number>();
  const readers = new ReaderProcesses({ silenceMs: 20_000 });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom<DatasetFormat>('CSV', 'JSON', 'PARQUET'),
      fc.constantFrom<DatasetFormat | null>(null, null, null, 'CSV', 'JSON', 'PARQUET'),
      fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { freq: 1 }),
      fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 0, max: 255 })), {
        maxLength: 4,
      }),
      fc.boolean(),
      async (kind, called, cutAt, flips, isPacked) => {
        const format = called ?? kind;
        const whole = sound[kind];
        const bytes = Buffer.from(cutAt === null ? whole : whole.subarray(0, Math.floor(whole.length * cutAt)));
        for (const [where, value] of flips)
          if (bytes.length > 0) bytes[Math.min(bytes.length - 1, Math.floor(where * bytes.length))] = value;
        const file = written(isPacked && kind !== 'PARQUET' ? gzipSync(bytes) : bytes);
        const outcome = await readers
          .import({ path: file, format, tablePath: path.join(folder, 'fuzzed.parquet') })
          .then(
            () => 'read',
            (error: { code?: string; message: string }) =>
              `${error.code} ${error.message.includes(folder) ? error.message : ''}`,
          );
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        expect(['read', 'BAD_USER_INPUT ']).toContain(outcome);
      },
    ),
    { numRuns: 60 },
  );
  console.log(`damaged files: ${JSON.stringify([...outcomes])}`);
}, 300_000);
