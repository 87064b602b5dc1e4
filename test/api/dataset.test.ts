import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import {
  CARS_CONFIG,
  createExperiment,
  fixtureBytes,
  registerDataset,
  startTraining,
  vegaPath,
} from '../support/training.js';
import { SearchRunsDocument } from '../../schema/generated/operations.js';
import {
  DatasetDetailsDocument,
  DatasetForDataset2Document,
  DatasetForDatasetDocument,
  DatasetPreviewDocument,
  DatasetPreviewEncodingDocument,
  DatasetsDetailsDocument,
  DatasetsTotalCountNameVersionDocument,
  RegisterDatasetDetailsDocument,
  type RegisterDatasetDetailsMutation,
  type RegisterDatasetInput,
  RegisterDatasetReadingDocument,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;
let folder: string;
let outside: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'matih-datasets-'));
  outside = await mkdtemp(join(tmpdir(), 'matih-outside-'));
  service = await startTestService({ DATASET_DIRS: `${folder},${vegaPath('')}` });
  tess = await service.as();
});
afterAll(async () => {
  await service?.close();
  for (const path of [folder, outside]) await rm(path, { recursive: true, force: true });
});

type DatasetView = RegisterDatasetDetailsMutation['registerDataset']['dataset'];

async function register(input: RegisterDatasetInput): Promise<DatasetView> {
  return (await tess.ok(RegisterDatasetDetailsDocument, { input })).registerDataset.dataset;
}

const storedKey = (name: string, version: number, extension: string) =>
  `acme/datasets/${name}/${version}/data.${extension}`;
const stored = (name: string, version: number, extension: string): Promise<boolean> =>
  service.app.context.objects.sizeBytes(storedKey(name, version, extension)).then(
    () => true,
    () => false,
  );

describe('a registered dataset', () => {
  it('shows the columns, rows, size and hash of an uploaded CSV', async () => {
    const bytes = fixtureBytes('penguins.csv');
    const { uploadId } = await tess.upload('penguins.csv', bytes);
    const dataset = await register({ name: 'penguins', source: { uploadId } });
    expect(dataset).toMatchObject({
      version: 1,
      format: 'CSV',
      rowCount: 344,
      sizeBytes: bytes.length,
      source: 'upload penguins.csv',
    });
    expect(dataset.sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
    expect(dataset.columns.find(({ name }) => name === 'species')).toMatchObject({
      type: 'STRING',
      distinctCount: 3,
      min: 'Adelie',
      max: 'Gentoo',
    });
    expect(dataset.columns.find(({ name }) => name === 'body_mass')).toMatchObject({ type: 'NUMBER', missingCount: 2 });
    expect(dataset.preview).toHaveLength(2);
    expect(await stored('penguins', 1, 'csv')).toBe(true);
  });

  it('reads JSON and Parquet below an allowed folder', async () => {
    const cars = await register({ name: 'cars', source: { path: vegaPath('cars.json') } });
    expect(cars).toMatchObject({ format: 'JSON', rowCount: 406 });
    expect(cars.columns.find(({ name }) => name === 'Year')).toMatchObject({ type: 'TIMESTAMP' });
    const started = performance.now();
    const flights = await register({ name: 'flights', source: { path: vegaPath('flights-3m.parquet') } });
    expect(flights).toMatchObject({ format: 'PARQUET', rowCount: 3_000_000 });
    console.log(
      `flights-3m.parquet: ${flights.sizeBytes} bytes registered and profiled in ` +
        `${Math.round(performance.now() - started)} ms`,
    );
  });

  it('gets the next version under the same name, however many come at the same time', async () => {
    await writeFile(join(folder, 'numbers.csv'), 'a,b\n1,x\n2,y\n');
    await writeFile(join(folder, 'numbers.json'), '[{ "a": 1 }]');
    const files = ['numbers.csv', 'numbers.json', 'numbers.csv', 'numbers.csv', 'numbers.json', 'numbers.csv'];
    const many = [];
    for (let round = 0; round < 3; round++) {
      many.push(
        ...(await Promise.all(
          files.map((file) => register({ name: 'numbers', source: { path: join(folder, file) } })),
        )),
      );
    }
    expect(many.map(({ version }) => version).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 18 }, (_, i) => i + 1),
    );
    expect(new Set(many.map(({ sha256 }) => sha256)).size).toBe(2);
    const { datasets } = await tess.ok(DatasetsTotalCountNameVersionDocument, {
      filter: { name: 'numbers', latestOnly: true },
      orderBy: { field: 'NAME', direction: 'ASC' },
    });
    expect(datasets).toEqual({ totalCount: 1, nodes: [{ name: 'numbers', version: 18 }] });
    const { datasets: all } = await tess.ok(DatasetsDetailsDocument, {
      filter: { search: 'UMBER', format: ['CSV'] },
      orderBy: { field: 'NAME', direction: 'ASC' },
    });
    expect(all.totalCount).toBe(12);
    expect(
      (
        await tess.ok(DatasetsDetailsDocument, {
          filter: { search: '%' },
          orderBy: { field: 'NAME', direction: 'ASC' },
        })
      ).datasets.totalCount,
    ).toBe(0);
  });

  it('is a copy: later changes of the file do not affect it, and a changed copy is noticed', async () => {
    const path = join(folder, 'changing.csv');
    await writeFile(path, 'a\n1\n');
    const { id } = await register({ name: 'changing', source: { path } });
    await writeFile(path, 'a\n2\n');
    expect(await tess.ok(DatasetPreviewDocument, { id })).toEqual({ dataset: { preview: [{ a: 1 }] } });
    const { objects } = service.app.context;
    await objects.put(storedKey('changing', 1, 'csv'), Buffer.from('a\n3\n'));
    expect(await tess.fails(DatasetDetailsDocument, { id })).toMatchObject({
      message: expect.stringContaining('SHA-256'),
      extensions: { code: 'UNAVAILABLE' },
    });
    await objects.delete(storedKey('changing', 1, 'csv'));
    expect(await tess.fails(DatasetDetailsDocument, { id })).toMatchObject({
      message: expect.stringContaining('gone'),
      extensions: { code: 'UNAVAILABLE' },
    });
  });

  it('shows the runs that used it, and they show the dataset', async () => {
    const datasetId = await registerDataset(tess, { name: 'lineage', path: vegaPath('cars.json') });
    const { runId } = await startTraining(tess, {
      experimentId: await createExperiment(tess),
      datasetId,
      config: CARS_CONFIG,
    });
    const { dataset, run, runs } = await tess.ok(DatasetForDatasetDocument, { d: datasetId, r: runId });
    expect(dataset).toEqual({ runs: [{ role: 'TRAINING', run: { id: runId } }] });
    expect(run).toEqual({ datasets: [{ role: 'TRAINING', dataset: { id: datasetId, name: 'lineage', version: 1 } }] });
    expect(runs).toEqual({ nodes: [{ id: runId }] });
  });
});

describe('a dataset that cannot be registered leaves nothing behind', () => {
  const refused: [string, string, string, string, RegExp?][] = [
    ['an empty file', 'empty.csv', '', 'BAD_USER_INPUT'],
    ['a header alone', 'header.csv', 'a,b\n', 'BAD_USER_INPUT', /at least one row/],
    ['a row with too many values', 'broken.csv', 'a,b\n1,2\n3,4,5\n', 'BAD_USER_INPUT', /3/],
    ['JSON cut short', 'cut.json', '[{"a": 1}, {"a"', 'BAD_USER_INPUT'],
    ['text called Parquet', 'fake.parquet', 'PAR1 not really', 'BAD_USER_INPUT'],
    ['an extension that says nothing', 'data.xls', 'a\n1\n', 'BAD_USER_INPUT', /input\.format/],
  ];
  for (const [what, fileName, content, code, message] of refused) {
    it(what, async () => {
      const path = join(folder, fileName);
      await writeFile(path, content);
      const error = await tess.fails(RegisterDatasetDetailsDocument, { input: { name: 'refused', source: { path } } });
      expect(error.extensions.code).toBe(code);
      expect(error.message).not.toContain(service.app.context.config.DATA_DIR);
      if (message) expect(error.message).toMatch(message);
      const { datasets } = await tess.ok(DatasetsDetailsDocument, { filter: { name: 'refused' } });
      expect(datasets.totalCount).toBe(0);
      for (const extension of ['csv', 'json', 'parquet']) expect(await stored('refused', 1, extension)).toBe(false);
    });
  }

  it('with a name, a source or a path that is not allowed', async () => {
    await writeFile(join(outside, 'secret.csv'), 'password\nhunter2\n');
    await writeFile(join(folder, 'fine.csv'), 'a\n1\n');
    await symlink(join(outside, 'secret.csv'), join(folder, 'link.csv'));
    await symlink(outside, join(folder, 'linked-folder'));
    const paths = [
      join(outside, 'secret.csv'),
      `${folder}/../${outside.split('/').at(-1)}/secret.csv`,
      join(folder, 'link.csv'),
      join(folder, 'linked-folder/secret.csv'),
      join(folder, 'missing.csv'),
      folder,
      'fine.csv',
      `file://${folder}/fine.csv`,
      '/proc/self/environ',
      '/dev/zero',
      `${folder}/%2e%2e/fine.csv`,
    ];
    const messages = new Set<string>();
    for (const path of paths) {
      const error = await tess.fails(RegisterDatasetDetailsDocument, {
        input: { name: 'stolen', format: 'CSV', source: { path } },
      });
      expect(error.extensions, path).toMatchObject({ code: 'INVALID_PATH', field: 'input.source.path' });
      messages.add(error.message);
    }
    // An id that does not exist and a forbidden one give the same error.
    expect(messages.size).toBe(1);
    const path = join(folder, 'fine.csv');
    for (const name of ['', '..', 'a/b', 'ünder', ' x', 'a'.repeat(129), 'x\u200b', "x'; drop table dataset; --"]) {
      expect(
        (await tess.fails(RegisterDatasetDetailsDocument, { input: { name, source: { path } } })).extensions,
        name,
      ).toMatchObject({
        code: 'BAD_USER_INPUT',
        field: 'input.name',
      });
    }
    const { uploadId } = await tess.upload('fine.csv', 'a\n1\n');
    for (const source of [{}, { path, uploadId }, { path: null, uploadId: null }]) {
      expect(
        (await tess.fails(RegisterDatasetDetailsDocument, { input: { name: 'fine', source } })).extensions,
      ).toMatchObject({
        code: 'BAD_USER_INPUT',
        field: 'input.source',
      });
    }
    for (const first of [0, -1, 101, 2 ** 31 - 1]) {
      const { id } = await register({ name: 'fine', source: { path } });
      expect(
        (
          await tess.fails(DatasetForDataset2Document, {
            id,
            first,
          })
        ).extensions,
      ).toMatchObject({ field: 'first' });
    }
  });

  it('from an upload of another tenant, which gives the same error as an absent one', async () => {
    const other = await service.as({ tenant: 'other' });
    const { uploadId } = await other.upload('theirs.csv', 'a\n1\n');
    expect(
      (await tess.fails(RegisterDatasetDetailsDocument, { input: { name: 'theirs', source: { uploadId } } })).extensions
        .code,
    ).toBe('NOT_FOUND');
    const theirs = await registerDataset(other, { name: 'theirs', uploadId });
    const foreign = await tess.fails(DatasetDetailsDocument, { id: theirs });
    const absent = await tess.fails(DatasetDetailsDocument, {
      id: '00000000-0000-7000-8000-000000000000',
    });
    expect(foreign.extensions.code).toBe('NOT_FOUND');
    expect(foreign.message.replace(theirs, '')).toBe(
      absent.message.replace('00000000-0000-7000-8000-000000000000', ''),
    );
    expect((await tess.fails(SearchRunsDocument, { filter: { datasetIds: [theirs] } })).extensions.code).toBe(
      'NOT_FOUND',
    );
    const { datasets } = await tess.ok(DatasetsDetailsDocument, { filter: { name: 'theirs' } });
    expect(datasets.totalCount).toBe(0);
    const viewer = await service.as({ role: Role.VIEWER });
    expect(
      (await viewer.fails(RegisterDatasetDetailsDocument, { input: { name: 'x', source: { uploadId } } })).extensions
        .code,
    ).toBe('FORBIDDEN');
  });
});

describe('files that a crash left', () => {
  it('are swept, and those of rows are not', async () => {
    const { context } = service.app;
    const { objects } = context;
    const { staged } = context.services;
    const actor = { principal: await context.tokens.verify(tess.token), requestId: 'test' };
    const key = 'acme/datasets/crashed/1/data.csv';
    await context.db.transact(actor, (session) => staged.stage(session, key));
    await objects.put(key, Buffer.from('a\n1\n'));
    expect(await staged.sweep()).toBe(0);
    await context.db.asSystem((em) => em.execute(`update staged_object set created_at = now() - interval '25 hours'`));
    // The other keys belong to the refused registrations above.
    expect(await staged.sweep()).toBeGreaterThanOrEqual(1);
    await expect(objects.sizeBytes(key)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    // As after a commit whose answer was lost.
    await staged.discard('acme/datasets/penguins/1/data.csv');
    const { datasets } = await tess.ok(DatasetsDetailsDocument, { first: 1, filter: { name: 'penguins' } });
    expect(datasets.nodes[0]?.preview.length).toBeGreaterThan(0);
    // A caller that returns after the sweep gets an error.
    await expect(context.db.transact(actor, (session) => staged.settle(session, [key]))).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    });
  });
});

describe('how columns are read', () => {
  const upload = async (fileName: string, content: string | Buffer): Promise<{ source: { uploadId: string } }> => ({
    source: { uploadId: (await tess.upload(fileName, content)).uploadId },
  });
  const read = async (input: RegisterDatasetInput) =>
    (await tess.ok(RegisterDatasetReadingDocument, { input })).registerDataset.dataset;

  it('is shown: encoding, delimiter, words for "no value", formats and decisions', async () => {
    const text =
      'name;price;day;either\r\nÅsa;1.234,50 €;31/01/2024;01/02/2024\r\nBo;NA;01/02/2024;02/03/2024\r\n;12,5 ' +
      '€;;03/04/2024\r\n';
    const latin1 = Buffer.from(text.replace('€', '\x80').replace('€', '\x80'), 'latin1');
    const shown = await read({ name: 'shown', ...(await upload('shown.csv.gz', gzipSync(latin1))) });
    expect(shown.reading).toMatchObject({
      encoding: 'windows-1252',
      delimiter: ';',
      compression: 'gzip',
      skippedLines: 0,
    });
    expect(shown.reading!.notes).toEqual([
      expect.stringMatching(/^Column either may be .*%d\/%m\/%Y.*%m\/%d\/%Y.*kept as text until columns: \[/),
    ]);
    expect(shown.columns).toMatchObject([
      { name: 'name', type: 'STRING', nullValues: null, missingCount: 1, missingWords: [{ text: '', count: 1 }] },
      {
        name: 'price',
        type: 'NUMBER',
        decimalSeparator: ',',
        thousandsSeparator: '.',
        unit: '€',
        missingWords: [{ text: 'NA', count: 1 }],
      },
      { name: 'day', type: 'TIMESTAMP', format: '%d/%m/%Y', min: '2024-01-31T00:00:00.000Z' },
      { name: 'either', type: 'STRING' },
    ]);
    expect(shown.preview[0]).toEqual({
      name: 'Åsa',
      price: 1234.5,
      day: '2024-01-31T00:00:00.000Z',
      either: '01/02/2024',
    });
    const corrected = await read({
      name: 'shown',
      source: { datasetId: shown.id },
      columns: [
        { name: 'either', format: '%m/%d/%Y' },
        { name: 'name', nullValues: ['Bo'] },
      ],
    });
    expect(corrected).toMatchObject({ version: 2, rowCount: 3, reading: { notes: [] } });
    expect(corrected.columns).toMatchObject([
      { missingCount: 2 },
      { unit: '€' },
      {},
      { type: 'TIMESTAMP', min: '2024-01-02T00:00:00.000Z' },
    ]);
  });

  it('stays as in the version before, unless columns are given', async () => {
    await read({ name: 'versions', ...(await upload('a.csv', 'c,x\n1,a\n2,b\n')) });
    const second = await read({ name: 'versions', ...(await upload('b.csv', 'c,x,y\n-,a,true\n4,1,false\n')) });
    expect(second.columns.map(({ name, type }) => `${name} ${type}`)).toEqual(['c NUMBER', 'x STRING', 'y BOOLEAN']);
    const third = await upload('c.csv', 'c,x\n1,a\nmany,b\n');
    const error = await tess.fails(RegisterDatasetReadingDocument, { input: { name: 'versions', ...third } });
    expect(error.message).toMatch(/^Column c, row 2: expected a number, as in the version before, got "many"/);
    expect(error.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.columns', column: 'c', row: 2 });
    const corrected = await read({ name: 'versions', ...third, columns: [{ name: 'c', type: 'STRING' }] });
    expect(corrected).toMatchObject({ version: 3, columns: [{ name: 'c', type: 'STRING', distinctCount: 2 }, {}] });
  });

  it('is refused when it is impossible, naming the field', async () => {
    const given = await upload('given.csv', 'a,b\n1,x\n2,y\n');
    const cases: [object, string][] = [
      [{ columns: [{ name: 'none' }] }, 'input.columns[0].name'],
      [{ columns: [{ name: 'a' }, { name: 'a' }] }, 'input.columns[1].name'],
      [{ columns: [{ name: 'b', type: 'NUMBER' }] }, 'input.columns'],
      [{ columns: [{ name: 'a', type: 'NUMBER', format: '%Y' }] }, 'input.columns[0].format'],
      [{ columns: [{ name: 'a', format: '%d/%q' }] }, 'input.columns[0].format'],
      [{ columns: [{ name: 'a', decimalSeparator: ';' }] }, 'input.columns[0].decimalSeparator'],
      [
        { columns: [{ name: 'a', decimalSeparator: ',', thousandsSeparator: ',' }] },
        'input.columns[0].thousandsSeparator',
      ],
      [{ columns: [{ name: 'a', nullValues: ['a\0'] }] }, 'input.columns[0].nullValues[0]'],
      [{ nullValues: ['x'.repeat(201)] }, 'input.nullValues[0]'],
      [{ encoding: 'klingon' }, 'input.encoding'],
      [{ delimiter: ', ' }, 'input.delimiter'],
      [{ delimiter: '"' }, 'input.delimiter'],
    ];
    for (const [more, field] of cases) {
      const error = await tess.fails(RegisterDatasetReadingDocument, { input: { name: 'given', ...given, ...more } });
      expect(error.extensions, JSON.stringify(more)).toMatchObject({ code: 'BAD_USER_INPUT', field });
    }
  });

  it('is found at the first use of a file that was registered before this was recorded', async () => {
    const { id } = await read({ name: 'old', ...(await upload('old.csv', 'a,b\n1,yes\n2,no\n')) });
    const { db, objects } = service.app.context;
    await db.asSystem((em) =>
      em.execute(
        'update dataset set reading = null, table_key = null, table_size_bytes = null, table_sha256 = null ' +
          'where id = ?',
        [id],
      ),
    );
    await objects.delete('acme/datasets/old/1/table.parquet');
    const seen = () => tess.ok(DatasetPreviewEncodingDocument, { id });
    for (const { dataset } of await Promise.all([seen(), seen()])) {
      expect(dataset.preview).toEqual([
        { a: 1, b: 'yes' },
        { a: 2, b: 'no' },
      ]);
    }
    expect(await seen()).toMatchObject({ dataset: { reading: { encoding: 'utf-8' } } });
  });

  it('long texts are cut in previews, and marked', async () => {
    const { preview } = await read({
      name: 'long',
      ...(await upload('long.json', JSON.stringify([{ a: 'x'.repeat(50_000) }]))),
    });
    expect(preview).toEqual([{ a: `${'x'.repeat(1_000)}…` }]);
  });
});
