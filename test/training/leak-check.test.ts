import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Table } from '../../src/adapters/dataset-files/port.js';
import { defaultFeatures } from '../../src/modules/algorithms/rules/default-features.js';
import { trainingConfigSchema } from '../../src/modules/algorithms/rules/training-config.js';
import type { TrainingWarning } from '../../src/modules/algorithms/rules/training-warnings.js';
import type { Column } from '../../src/modules/model-contract/rules/dataset-column.js';
import { SeededRandom } from '../../src/modules/statistics/rules/random.js';
import { checkLeaks } from '../../src/training/leak-check.js';
import { oneColumnScore } from '../../src/training/one-column-score.js';
import type { Target } from '../../src/training/port.js';
import { repeatedRows } from '../../src/training/repeated-rows.js';
import { loadRows } from '../../src/training/rows.js';
import { importFile, tableOf } from '../support/tables.js';
import { type ConfigInput, fixturePath, temporaryFolder, vegaPath } from './support.js';

const range = (from: number, to: number): Int32Array => Int32Array.from({ length: to - from }, (_, i) => from + i);
const numbers = (values: ArrayLike<number>) => ({ kind: 'NUMBER', at: (row: number) => values[row]! }) as const;

const twoClasses = (labels: Int32Array): Target => ({
  kind: 'CLASSES',
  classes: ['0', '1'],
  datatype: 'INT64',
  labels,
});

describe('the score of one column', () => {
  const rows = 900;
  const random = new SeededRandom(5);
  const x = Float64Array.from({ length: rows }, () => random.next() * 100);
  const noise = Float64Array.from({ length: rows }, () => random.next() * 100);
  const [fit, measured] = [range(0, 600), range(600, rows)];

  it('is near 1 for a threshold, a transformed value and a code, and near 0 for noise', () => {
    const labels = Int32Array.from(x, (value) => (value > 83.21 ? 1 : 0));
    const classes = twoClasses(labels);
    const skewed: Target = { kind: 'VALUES', values: x.map((value) => Math.exp(value / 20)) };
    const code = { kind: 'CATEGORY', at: (row: number) => (labels[row] === 1 ? 'yes' : 'no') } as const;
    expect(oneColumnScore(numbers(x), classes, fit, measured)).toBeGreaterThan(0.95);
    expect(oneColumnScore(code, classes, fit, measured)).toBeGreaterThan(0.98);
    expect(oneColumnScore(numbers(x), skewed, fit, measured)).toBeGreaterThan(0.98);
    expect(oneColumnScore(numbers(noise), classes, fit, measured)).toBeLessThan(0.1);
    expect(oneColumnScore(numbers(noise), skewed, fit, measured)).toBeLessThan(0.1);
  });

  it('sees a missing value that tells the target, and nothing in names', () => {
    const labels = Int32Array.from(noise, (value) => (value > 60 ? 1 : 0));
    const classes = twoClasses(labels);
    const closedAt = x.map((value, row) => (labels[row] === 1 ? value : Number.NaN));
    expect(oneColumnScore(numbers(closedAt), classes, fit, measured)).toBeGreaterThan(0.98);
    const name = { kind: 'CATEGORY', at: (row: number) => `name ${row}` } as const;
    expect(oneColumnScore(name, classes, fit, measured)).toBeCloseTo(0, 6);
  });
});

describe('repeated rows', () => {
  it('are exactly those with an equal training row', () => {
    const cell = fc.constantFrom(0, 1, 2, Number.NaN);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(cell, cell, fc.constantFrom('a', 'b', null)), { minLength: 2, maxLength: 40 }),
        (table) => {
          const columns: Column[] = [
            { name: 'a', type: 'NUMBER', values: Float64Array.from(table, ([a]) => a) },
            { name: 'b', type: 'TIMESTAMP', values: Float64Array.from(table, ([, b]) => b) },
            { name: 'c', type: 'STRING', values: table.map(([, , c]) => c) },
          ];
          const middle = table.length >> 1;
          const { pairs, agreement } = repeatedRows(columns, range(0, middle), range(middle, table.length));
          const key = (row: number): string => JSON.stringify(table[row]!.map(String));
          const known = new Set(Array.from(range(0, middle), key));
          expect(pairs.map(({ row }) => row)).toEqual(
            [...range(middle, table.length)].filter((row) => known.has(key(row))),
          );
          for (const { row, trainingRow } of pairs) expect(key(row)).toBe(key(trainingRow));
          expect(agreement).toBeGreaterThanOrEqual(0);
          expect(agreement).toBeLessThanOrEqual(1);
        },
      ),
    );
  });

  it('are found among many rows that are all the same, without comparing each with each', () => {
    const rows = 400_000;
    const flag: Column = { name: 'flag', type: 'NUMBER', values: new Float64Array(rows) };
    const other: Column = { name: 'other', type: 'NUMBER', values: new Float64Array(rows).fill(1) };
    const { pairs, agreement } = repeatedRows([flag, other], range(0, rows / 2), range(rows / 2, rows));
    expect(pairs).toHaveLength(rows / 2);
    expect(pairs.every(({ trainingRow }) => trainingRow === 0)).toBe(true);
    expect(agreement).toBe(1);
  });
});

let slowestMs = 0;

async function warningsOf(table: Table, input: ConfigInput): Promise<TrainingWarning[]> {
  const config = trainingConfigSchema.parse(input);
  const rows = await loadRows(table, config);
  const startedAt = performance.now();
  const warnings = checkLeaks(config, rows);
  slowestMs = Math.max(slowestMs, performance.now() - startedAt);
  return warnings;
}

/** All columns that `startTraining` would choose. */
async function ordinary(
  file: string,
  format: 'CSV' | 'JSON' | 'PARQUET',
  algorithm: ConfigInput['algorithm'],
  target: NonNullable<ConfigInput['target']>,
): Promise<TrainingWarning[]> {
  const split = { by: 'RATIO', validation: 0.1, holdout: 0.2 } as const;
  const { profile } = await importFile(file, format);
  const { features } = defaultFeatures({ algorithm, target, split }, profile);
  return warningsOf(await tableOf(file, format), { algorithm, target, split, features });
}

/** The penguins with more columns, or more rows. */
async function penguinsWith(change: (lines: string[][], header: string[]) => void): Promise<string> {
  const [header, ...lines] = readFileSync(fixturePath('penguins.csv'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => line.split(','));
  change(lines, header!);
  const file = path.join(temporaryFolder(), 'penguins.csv');
  writeFileSync(file, [header!, ...lines].map((line) => line.join(',')).join('\n'));
  return file;
}

describe('the check for leaks', () => {
  it('says nothing about ordinary data', async () => {
    const found = await Promise.all([
      ordinary(fixturePath('penguins.csv'), 'CSV', 'LOGISTIC_REGRESSION', { column: 'species' }),
      ordinary(fixturePath('penguins.csv'), 'CSV', 'LOGISTIC_REGRESSION', { column: 'sex' }),
      ordinary(fixturePath('penguins.csv'), 'CSV', 'LINEAR_REGRESSION', { column: 'body_mass' }),
      ordinary(fixturePath('iris.csv'), 'CSV', 'LOGISTIC_REGRESSION', { column: 'target' }),
      ordinary(fixturePath('breast-cancer.csv'), 'CSV', 'LOGISTIC_REGRESSION', { column: 'target' }),
      ordinary(fixturePath('diabetes.csv'), 'CSV', 'LINEAR_REGRESSION', { column: 'target' }),
      ordinary(vegaPath('cars.json'), 'JSON', 'LINEAR_REGRESSION', { column: 'Miles_per_Gallon' }),
      ordinary(vegaPath('cars.json'), 'JSON', 'LOGISTIC_REGRESSION', { column: 'Origin' }),
      ordinary(vegaPath('seattle-weather.csv'), 'CSV', 'LOGISTIC_REGRESSION', { column: 'weather' }),
      ordinary(vegaPath('seattle-weather.csv'), 'CSV', 'LINEAR_REGRESSION', { column: 'temp_max' }),
      ordinary(vegaPath('movies.json'), 'JSON', 'LINEAR_REGRESSION', { column: 'IMDB Rating' }),
      ordinary(vegaPath('flights-20k.json'), 'JSON', 'LOGISTIC_REGRESSION', { column: 'delay', greaterThan: 15 }),
      ordinary(vegaPath('flights-20k.json'), 'JSON', 'LINEAR_REGRESSION', { column: 'delay' }),
      ordinary(vegaPath('flights-200k.json'), 'JSON', 'LINEAR_REGRESSION', { column: 'delay' }),
    ]);
    expect(found.flat()).toEqual([]);
    console.log(`${found.length} ordinary sets without a warning; the slowest check took ${Math.round(slowestMs)} ms`);
  });

  it('names a column of penguins that is the species in other words', async () => {
    const file = await penguinsWith((lines, header) => {
      header.push('ring_colour', 'weight_class');
      const colours: Record<string, string> = { Adelie: 'red', Gentoo: 'blue', Chinstrap: 'green' };
      const mass = header.indexOf('body_mass');
      for (const line of lines) line.push(colours[line[1]!]!, String(Math.round(Number(line[mass]) / 1000)));
    });
    const warnings = await ordinary(file, 'CSV', 'LOGISTIC_REGRESSION', { column: 'species' });
    expect(warnings).toMatchObject([{ code: 'TARGET_LEAK', column: 'ring_colour' }]);
    const { message, figures } = warnings[0]!;
    expect(message).toMatch(/^Column "ring_colour" alone explains 9\d\.\d+ % of the log loss of the target, .*\.$/);
    expect(figures.find(({ name }) => name === 'score')!.value).toBeGreaterThan(0.95);
    console.log(message);
  });

  it('names columns of flights that are known only after the landing', async () => {
    const flights = JSON.parse(readFileSync(vegaPath('flights-20k.json'), 'utf8')) as { delay: number }[];
    const random = new SeededRandom(3);
    const file = path.join(temporaryFolder(), 'flights.json');
    const rows = flights.map((flight) => ({
      ...flight,
      delay_seconds: flight.delay * 60 + Math.floor(random.next() * 60),
      compensation: flight.delay > 15 ? Math.round(random.next() * 400) : null,
      rating: Math.round(random.next() * 5 - flight.delay / 60),
    }));
    writeFileSync(file, JSON.stringify(rows));
    const late = await ordinary(file, 'JSON', 'LOGISTIC_REGRESSION', { column: 'delay', greaterThan: 15 });
    expect(late.map(({ code, column }) => [code, column])).toEqual([
      ['TARGET_LEAK', 'delay_seconds'],
      ['TARGET_LEAK', 'compensation'],
    ]);
    const minutes = await ordinary(file, 'JSON', 'LINEAR_REGRESSION', { column: 'delay' });
    expect(minutes.map(({ code, column }) => [code, column])).toEqual([['TARGET_LEAK', 'delay_seconds']]);
  });

  it('shows copies of training rows, with their positions', async () => {
    const copies = 60;
    const file = await penguinsWith((lines) => lines.push(...lines.slice(0, copies)));
    const warnings = await ordinary(file, 'CSV', 'LOGISTIC_REGRESSION', { column: 'species' });
    // With the column `moment`, which the copies share.
    expect(warnings).toMatchObject([{ code: 'COPIED_ROWS' }]);
    const [{ message, copies: shown, figures }] = warnings as [TrainingWarning];
    const originals = 344;
    expect(shown!.length).toBeGreaterThan(2);
    for (const { row, trainingRow } of shown!) expect(Math.abs(row - trainingRow)).toBe(originals);
    const value = (name: string) => figures.find((figure) => figure.name === name)!.value;
    expect(value('copiedRows') / value('checkedRows')).toBe(value('share'));
    expect(message).toContain(`${value('copiedRows')} of ${value('checkedRows')} rows of validation and holdout`);
    console.log(message);
  });
});
