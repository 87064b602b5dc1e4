// Trainings on more rows than fit in memory: seconds and peak memory (resident, of the training's process) on 5 and on
// 20 million rows of ten features, read in blocks. Memory must be flat: ratio is the peak on 20 million rows over that
// on 5 million, of the linear model or the network, whichever is worse. Boosted trees hold bins and scores of each row:
// bytesPerRow is what a row adds. `-- --rows 2` measures on 2 million rows instead of 20, and on a fourth of them.
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as duckDbModule from '../src/adapters/dataset-files/duckdb.ts';
import type * as importModule from '../src/adapters/dataset-files/dataset-import.ts';
import type { Table } from '../src/adapters/dataset-files/port.ts';
import type * as configModule from '../src/modules/algorithms/rules/training-config.ts';
import type * as backendModule from '../src/training/local-backend.ts';
import { fromDist } from './support/dist.ts';
import { report } from './support/report.ts';

const GOAL = 1.25;
const MOST_BYTES_PER_ROW = 64;
const given = process.argv.indexOf('--rows');
const MOST_ROWS = (given > 0 ? Number(process.argv[given + 1]) : 20) * 1_000_000;
const SIZES = [MOST_ROWS / 4, MOST_ROWS];
const LOOK_MS = 50;

const { literal, withDuckDb } = await fromDist<typeof duckDbModule>('adapters/dataset-files/duckdb.js');
const { importDataset } = await fromDist<typeof importModule>('adapters/dataset-files/dataset-import.js');
const { trainingConfigSchema } = await fromDist<typeof configModule>('modules/algorithms/rules/training-config.js');
const { LocalTrainingBackend } = await fromDist<typeof backendModule>('training/local-backend.js');

const NUMBERS = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
const TRAININGS = [
  { name: 'linear', algorithm: 'LINEAR_REGRESSION', hyperparameters: {} },
  { name: 'network', algorithm: 'MLP_REGRESSOR', hyperparameters: { hiddenLayers: [32], epochs: 1, batchSize: 256 } },
  { name: 'trees', algorithm: 'BOOSTED_TREES_REGRESSOR', hyperparameters: { epochs: 5 } },
] as const;

/** Sorted by time, in Parquet with row groups of the usual size. */
async function writeRows(path: string, rows: number): Promise<Table> {
  const numbers = NUMBERS.map((name, i) => `hash(i, ${i}) % 1000003 / 1000003.0 AS ${name}`).join(', ');
  await withDuckDb({ paths: [path], memoryLimit: '1GB' }, (connection) =>
    connection.run(
      `COPY (SELECT *, 3 * a - 2 * b + a * c + CASE WHEN place = 'p3' THEN 1 ELSE 0 END + ` +
        `hash(i, 99) % 1000 / 1000.0 AS target FROM (SELECT i, make_timestamp(1700000000000000 + i * 1000000) AS moment, ` +
        `${numbers}, 'p' || (hash(i, 50) % 20) AS place, 'q' || (hash(i, 51) % 400) AS product ` +
        `FROM range(${rows}) AS t(i))) TO ${literal(path)} (FORMAT parquet)`,
    ),
  );
  const { profile } = await importDataset({ path, format: 'PARQUET', tablePath: `${path}.table` });
  return { path, columns: profile.columns };
}

function peakBytes(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

const folder = await mkdtemp(join(tmpdir(), 'matih-large-'));
try {
  const measured: Record<string, { seconds: number; readSeconds: number; peakMiB: number; r2: number }[]> = {};
  for (const rows of SIZES) {
    const path = join(folder, `${rows}.parquet`);
    const table = await writeRows(path, rows);
    process.stderr.write(`${rows} rows: ${Math.round((await stat(path)).size / 2 ** 20)} MiB of Parquet\n`);
    for (const { name, algorithm, hyperparameters } of TRAININGS) {
      const config = trainingConfigSchema.parse({
        algorithm,
        hyperparameters,
        target: { column: 'target' },
        features: [
          { column: 'moment', kind: 'TIMESTAMP' },
          ...NUMBERS.map((column) => ({ column, kind: 'NUMERIC' })),
          ...['place', 'product'].map((column) => ({ column, kind: 'CATEGORICAL' })),
        ],
        split: { by: 'RATIO', validation: 0.1, holdout: 0.1 },
        reading: 'BLOCKS',
      });
      const workDir = await mkdtemp(join(folder, `${name}-`));
      const backend = new LocalTrainingBackend({ limits: { silenceMs: 120_000 }, usageIntervalMs: 0 });
      const startedMs = performance.now();
      let [peak, readMs] = [0, 0];
      const running = backend.start(
        { config, data: table, workDir },
        {
          onProgress: (_, message) => {
            if (message.includes(' of ') && message.includes('rows')) readMs = performance.now() - startedMs;
          },
          onEpoch: async () => undefined,
          onCheckpoint: async () => undefined,
          onFold: async () => undefined,
          onWarning: async () => undefined,
        },
      );
      const timer = setInterval(() => (peak = Math.max(peak, peakBytes(running.pid!))), LOOK_MS);
      const { metrics } = await running.outcome.finally(() => clearInterval(timer));
      const result = {
        seconds: (performance.now() - startedMs) / 1_000,
        readSeconds: readMs / 1_000,
        peakMiB: peak / 2 ** 20,
        r2: metrics['holdout.r2']!,
      };
      process.stderr.write(`${name}: ${JSON.stringify(result)}\n`);
      (measured[name] ??= []).push(result);
      await rm(workDir, { recursive: true, force: true });
    }
    await rm(path);
  }
  const growth = (name: string): number => measured[name]![1]!.peakMiB / measured[name]![0]!.peakMiB;
  const [few, many] = measured.trees!;
  const bytesPerRow = ((many!.peakMiB - few!.peakMiB) * 2 ** 20) / (SIZES[1]! - SIZES[0]!);
  const ratio = Math.max(growth('linear'), growth('network'));
  const isGood = bytesPerRow <= MOST_BYTES_PER_ROW;
  report('large', isGood ? ratio : Infinity, GOAL, 'lower', {
    rows: MOST_ROWS,
    flatness: { linear: growth('linear'), network: growth('network') },
    bytesPerRowOfTrees: bytesPerRow,
    ...Object.fromEntries(TRAININGS.map(({ name }) => [name, measured[name]![1]!])),
  });
} finally {
  await rm(folder, { recursive: true, force: true });
}
