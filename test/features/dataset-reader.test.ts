import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import type { DatasetFormat } from '../../src/modules/model-contract/rules/dataset-schema.js';
import { countRows, preview, readChunks, readColumns } from '../../src/adapters/dataset-files/dataset-reader.js';
import { concatParquet, writeParquet } from '../../src/adapters/dataset-files/dataset-writer.js';
import { withDuckDb } from '../../src/adapters/dataset-files/duckdb.js';
import { importFile, parquetTable, tableOf } from '../support/tables.js';

const vega = (name: string): string =>
  fileURLToPath(new URL(`../../node_modules/vega-datasets/data/${name}`, import.meta.url));
const flights = vega('flights-3m.parquet');
/** A folder whose name would break careless quoting, or would match as a pattern. */
const folder = mkdtempSync(path.join(tmpdir(), "matih-it's [a] "));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, text: string | Buffer): string {
  const target = path.join(folder, name);
  writeFileSync(target, text);
  return target;
}

describe('importDataset', () => {
  it('describes Parquet', async () => {
    const { profile } = await importFile(flights, 'PARQUET');
    expect(profile.rowCount).toBe(3_000_000);
    expect(profile.columns.map(({ name, type }) => `${name} ${type}`)).toEqual([
      'date TIMESTAMP',
      'delay NUMBER',
      'distance NUMBER',
      'origin STRING',
      'destination STRING',
    ]);
    expect(profile.columns[0]).toMatchObject({
      min: '2001-01-01T00:01:00.000Z',
      max: '2001-07-01T00:00:00.000Z',
      missingCount: 0,
    });
    expect(profile.columns[3]).toMatchObject({ distinctCount: 229, min: 'ABE', max: 'YAK' });
  });

  it('describes JSON, as an array and as lines', async () => {
    const { rowCount, columns } = (await importFile(vega('cars.json'), 'JSON')).profile;
    expect(rowCount).toBe(406);
    expect(columns.find(({ name }) => name === 'Miles_per_Gallon')).toMatchObject({
      name: 'Miles_per_Gallon',
      type: 'NUMBER',
      missingCount: 8,
      distinctCount: 129,
      min: '9',
      max: '46.6',
      missingWords: [{ text: '', count: 8 }],
    });
    expect(columns.find(({ name }) => name === 'Miles_per_Gallon')).not.toHaveProperty('meanWords');
    expect(columns.find(({ name }) => name === 'Origin')).toHaveProperty('meanWords', 1);
    expect(columns.find(({ name }) => name === 'Name')!.meanWords).toBeCloseTo(2.6, 0);
    expect(columns.find(({ name }) => name === 'Year')).toMatchObject({
      type: 'TIMESTAMP',
      max: '1982-01-01T00:00:00.000Z',
    });
    const lines = file('lines.json', '{"a": 1, "b": {"c": "x"}}\n{"a": null, "b": null}\n');
    const nested = (await importFile(lines, 'JSON')).profile.columns;
    expect(nested.map(({ name, type, missingCount }) => [name, type, missingCount])).toEqual([
      ['a', 'NUMBER', 1],
      ['b.c', 'STRING', 1],
    ]);
  });

  it('describes CSV with other delimiters, quotes, missing values and NaN', async () => {
    const text =
      'an id;"a ""quoted""; name";flag;day;value\n1;"x;y";true;2024-02-03;1.5\n2;;false;;nan\n3;z;;2024-02-01;\n';
    const { rowCount, columns } = (await importFile(file('odd.csv', text), 'CSV')).profile;
    expect(rowCount).toBe(3);
    expect(
      columns.map(({ name, type, missingCount, distinctCount }) => [name, type, missingCount, distinctCount]),
    ).toEqual([
      ['an id', 'NUMBER', 0, 3],
      ['a "quoted"; name', 'STRING', 1, 2],
      ['flag', 'BOOLEAN', 1, 2],
      ['day', 'TIMESTAMP', 1, 2],
      ['value', 'NUMBER', 2, 1],
    ]);
    expect(columns[4]).toMatchObject({ min: '1.5', max: '1.5' });
  });

  it.each<[string, DatasetFormat, string | Buffer, string]>([
    ['a row with a value too many', 'CSV', 'a,b\n1,2\n3,4,5\n6,7\n', 'line 3'],
    ['a quote without an end', 'CSV', 'a,b\n1,"x\n2,y\n', 'line 2'],
    ['an empty CSV', 'CSV', '', 'at least one row'],
    ['a header alone', 'CSV', 'a,b\n', 'at least one row'],
    ['broken JSON', 'JSON', '[{"a": 1}, {"a": 2]', 'Malformed JSON'],
    ['a broken JSON line', 'JSON', '{"a": 1}\n{"a": \n', 'line 3'],
    ['no Parquet at all', 'PARQUET', 'PAR1 and nothing more', 'No magic bytes'],
    ['a truncated Parquet', 'PARQUET', Buffer.from('PAR1xxxxxxPAR1'), 'Footer'],
  ])('refuses %s', async (name, format, text, problem) => {
    const broken = file(`${name}.dat`, text);
    const error: unknown = await importFile(broken, format).catch((caught: unknown) => caught);
    expect(error).toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { field: 'file' },
      message: expect.stringContaining(problem),
    });
    expect((error as Error).message).not.toContain(folder);
  });

  it('reports that the file does not exist', async () => {
    await expect(importFile(path.join(folder, 'none.csv'), 'CSV')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('the database that reads files', () => {
  it('reads JSON and Parquet without loading or installing anything, and no other file', async () => {
    await withDuckDb({ paths: [flights] }, async (connection) => {
      const rows = async (sql: string): Promise<unknown[][]> =>
        (await connection.runAndReadAll(sql)).getRowsJS() as unknown[][];
      // The folder of extensions cannot be used: files are read only by what is built into DuckDB.
      await expect(rows('SELECT * FROM duckdb_extensions()')).rejects.toThrow('Permission Error');
      expect(await rows(`SELECT count(*) FROM read_parquet('${flights}')`)).toEqual([[3_000_000n]]);
      expect(await rows(`SELECT CAST(json('[1, 2]')->>1 AS INTEGER)`)).toEqual([[2]]);
      expect(await rows("SELECT name, value FROM duckdb_settings() WHERE name LIKE 'auto%known%' ORDER BY 1")).toEqual([
        ['autoinstall_known_extensions', 'false'],
        ['autoload_known_extensions', 'false'],
      ]);
      await expect(rows(`SELECT * FROM read_text('${vega('cars.json')}')`)).rejects.toThrow('Permission Error');
      await expect(rows(`COPY (SELECT 1) TO '${folder.replaceAll("'", "''")}/out.csv'`)).rejects.toThrow(
        'Permission Error',
      );
      await expect(rows('INSTALL httpfs')).rejects.toThrow();
      await expect(rows('SET enable_external_access = true')).rejects.toThrow('locked');
    });
  });
});

describe('readColumns', () => {
  it('gives typed columns with NaN and null for what is missing', async () => {
    const source = await tableOf(
      file('types.csv', 'n,b,t,s\n1,true,2024-01-01 00:00:00,x\n,,,\n-2.5,false,1969-12-31T23:59:59Z,""\n'),
      'CSV',
    );
    const { columns, rowNumbers } = await readColumns(source, { columns: ['n', 'b', 't', 's'] });
    expect([...rowNumbers]).toEqual([0, 1, 2]);
    expect(columns).toEqual([
      { name: 'n', type: 'NUMBER', values: Float64Array.of(1, Number.NaN, -2.5) },
      { name: 'b', type: 'BOOLEAN', values: Float64Array.of(1, Number.NaN, 0) },
      { name: 't', type: 'TIMESTAMP', values: Float64Array.of(Date.UTC(2024, 0, 1), Number.NaN, -1000) },
      { name: 's', type: 'STRING', values: ['x', null, null] },
    ]);
  });

  it('filters, orders, pages and samples, the same each time', async () => {
    const window = { column: 'date', from: '2001-02-01T00:00:00Z', to: '2001-02-02T00:00:00Z' };
    const day = await readColumns(await parquetTable(flights), { columns: ['date', 'delay'], window });
    expect(day.rowCount).toBe(await countRows(await parquetTable(flights), { window }));
    const [dates] = day.columns;
    const instants = dates!.values as Float64Array;
    expect(Math.min(...instants)).toBeGreaterThanOrEqual(Date.UTC(2001, 1, 1));
    expect(Math.max(...instants)).toBeLessThan(Date.UTC(2001, 1, 2));

    const byDelay = await readColumns(await parquetTable(flights), {
      columns: ['delay'],
      window,
      orderBy: 'delay',
      offset: 10,
      limit: 500,
    });
    const delays = [...(byDelay.columns[0]!.values as Float64Array)];
    expect(delays).toHaveLength(500);
    expect(delays.every((delay, i) => i === 0 || delay >= delays[i - 1]!)).toBe(true);

    const table = await parquetTable(flights);
    const sampled = (seed: number) => readColumns(table, { columns: ['delay'], window, sample: { rows: 1000, seed } });
    const [first, again, other] = [await sampled(1), await sampled(1), await sampled(2)];
    expect(first.rowCount).toBe(1000);
    expect(again).toEqual(first);
    expect(other.rowNumbers).not.toEqual(first.rowNumbers);
    expect([...first.rowNumbers].every((row, i, rows) => i === 0 || row > rows[i - 1]!)).toBe(true);
  });

  it('leaves out rows without a required value', async () => {
    const source = await tableOf(file('present.csv', 'x,y\n1,a\n,b\ninf,c\n4,\n5,e\n'), 'CSV');
    const { rowNumbers } = await readColumns(source, { columns: ['x'], present: ['x', 'y'] });
    expect([...rowNumbers]).toEqual([0, 4]);
  });

  it('quotes column names and names unknown ones', async () => {
    const names = file('names.json', JSON.stringify([{ 'a"; DROP TABLE x; --': 1, "b'": 'v', __proto__x: 2 }]));
    const source = await tableOf(names, 'JSON');
    const { columns } = await readColumns(source, {
      columns: ['a"; DROP TABLE x; --', "b'"],
      present: ["b'"],
      orderBy: 'a"; DROP TABLE x; --',
    });
    expect(columns.map(({ values }) => values[0])).toEqual([1, 'v']);
    await expect(readColumns(source, { columns: ['c'] })).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { got: '"c"' },
    });
  });
});

describe('readChunks', () => {
  it('reads millions of rows in file order without using more memory, and continues from any row', async () => {
    let rows = 0;
    let inOrder = true;
    let before = 0;
    let largest = 0;
    for await (const { rowCount, rowNumbers, columns } of readChunks(await parquetTable(flights), {
      columns: ['distance', 'origin'],
      chunkRows: 20_000,
    })) {
      if (rows === 0) before = process.memoryUsage().rss;
      inOrder &&=
        rowNumbers[0] === rows &&
        rowNumbers[rowCount - 1] === rows + rowCount - 1 &&
        columns[1]!.values.length === rowCount;
      rows += rowCount;
      largest = Math.max(largest, process.memoryUsage().rss);
    }
    expect(rows).toBe(3_000_000);
    expect(inOrder).toBe(true);
    console.log(`3,000,000 rows in chunks: memory grew by ${Math.round((largest - before) / 2 ** 20)} MiB`);
    expect(largest - before).toBeLessThan(256 * 2 ** 20);

    const rest = readChunks(await parquetTable(flights), { columns: ['delay'], startRow: 2_999_990 });
    const { value } = await rest.next();
    expect(value!.rowNumbers[0]).toBe(2_999_990);
    expect(value!.rowCount).toBe(10);
    await rest.return(undefined);
  });
});

describe('preview', () => {
  it('gives rows as JSON', async () => {
    expect(await preview(await parquetTable(flights), 1)).toEqual([
      { date: '2001-01-01T00:01:00.000Z', delay: 33, distance: 2176, origin: 'LAS', destination: 'PHL' },
    ]);
    expect(await preview(await tableOf(file('preview.csv', 'a,b\ntrue,\n'), 'CSV'), 5)).toEqual([{ a: true, b: null }]);
  });
});

describe('writeParquet and concatParquet', () => {
  it('write what readColumns reads, in the order of the parts', async () => {
    const parts = [path.join(folder, 'part-0.parquet'), path.join(folder, 'part-1.parquet')];
    for (const [part, target] of parts.entries()) {
      const rows = 5000;
      await writeParquet(
        [
          {
            name: 'row "id"',
            type: 'INTEGER',
            values: BigInt64Array.from({ length: rows }, (_, i) => BigInt(part * rows + i)),
          },
          {
            name: 'score',
            type: 'NUMBER',
            values: Float32Array.from({ length: rows }, (_, i) => (i === 3 ? Number.NaN : i / 4)),
          },
          { name: 'label', type: 'STRING', values: Array.from({ length: rows }, (_, i) => (i === 4 ? null : `l${i}`)) },
          { name: 'at', type: 'TIMESTAMP', values: Float64Array.from({ length: rows }, (_, i) => i * 1000 - 500) },
          { name: 'ok', type: 'BOOLEAN', values: Float64Array.from({ length: rows }, (_, i) => i % 2) },
        ],
        target,
      );
    }
    const whole = path.join(folder, 'whole.parquet');
    await concatParquet(parts, whole);
    const { rowCount, columns } = await readColumns(await parquetTable(whole), {
      columns: ['row "id"', 'score', 'label', 'at', 'ok'],
    });
    expect(rowCount).toBe(10_000);
    expect([...(columns[0]!.values as Float64Array)].every((id, i) => id === i)).toBe(true);
    expect(columns.slice(1).map(({ type, values }) => [type, ...values.slice(2, 5)])).toEqual([
      ['NUMBER', 0.5, Number.NaN, 1],
      ['STRING', 'l2', 'l3', null],
      ['TIMESTAMP', 1500, 2500, 3500],
      ['BOOLEAN', 0, 1, 0],
    ]);
  });

  it('leave no incomplete file', async () => {
    const target = path.join(folder, 'failed.parquet');
    await expect(concatParquet([path.join(folder, 'none.parquet')], target)).rejects.toThrow();
    await expect(readColumns({ path: target, columns: [] }, { columns: [] })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });
});
