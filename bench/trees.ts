// Gradient-boosted trees on six real data sets with equal settings and equal threads: seconds of the fit, holdout loss
// (log loss or RMSE) and peak memory, beside scikit-learn, LightGBM and XGBoost. ratio is the speed on flights (1M
// training rows), scikit-learn's being 1; ok also needs every loss within 1 % of scikit-learn's and the peak memory on
// flights at most 1.5 times its.
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Table } from '../src/adapters/dataset-files/port.ts';
import type * as importModule from '../src/adapters/dataset-files/dataset-import.ts';
import { fromDist } from './support/dist.ts';
import { pythonWith } from './support/python.ts';
import { type Figures, median, report } from './support/report.ts';

const GOAL = 0.5;
const WORST_LOSS = 1.01;
const MOST_MEMORY = 1.5;
const REQUIREMENTS = [
  'scikit-learn==1.9.1',
  'numpy==2.4.6',
  'pandas==3.1.1',
  'pyarrow',
  'lightgbm==4.7.0',
  'xgboost-cpu==3.2.0',
];
const VEGA = fileURLToPath(new URL('../node_modules/vega-datasets/data', import.meta.url));
const PEERS = ['scikit-learn', 'LightGBM', 'XGBoost'];

interface DataSet {
  name: string;
  path: string;
  task: 'CLASSIFICATION' | 'REGRESSION';
  target: string;
  numeric: string[];
  categorical: string[];
  splits: number;
  rows: number;
}

/** A file as it is readable after registration. */
export interface ReadySet extends DataSet {
  table: Table;
}

interface Outcome {
  results: { seconds: number; score: number }[];
  peakMiB: number;
}

const run = async (program: string, args: string[]): Promise<string> => {
  const threads = String(availableParallelism());
  const env = { ...process.env, OMP_NUM_THREADS: threads, OPENBLAS_NUM_THREADS: threads };
  return (await promisify(execFile)(program, args, { maxBuffer: 2 ** 26, env })).stdout;
};
const python = await pythonWith('trees', REQUIREMENTS);
const script = fileURLToPath(new URL('trees/peers.py', import.meta.url));
const ours = fileURLToPath(new URL('trees/ours.ts', import.meta.url));
const { importDataset } = await fromDist<typeof importModule>('adapters/dataset-files/dataset-import.js');
const folder = await mkdtemp(join(tmpdir(), 'matih-trees-'));
try {
  const sets = JSON.parse(await run(python, [script, 'sets', VEGA, folder])) as DataSet[];
  const figures: Figures = {};
  let [ratio, isGood] = [0, true];
  for (const set of sets) {
    const tablePath = `${set.path}.parquet`;
    const { hasTable, profile } = await importDataset({ path: set.path, format: 'CSV', tablePath });
    const table = { path: hasTable ? tablePath : set.path, columns: profile.columns };
    const outcomes: Record<string, Outcome> = {
      here: JSON.parse(await run(process.execPath, [ours, JSON.stringify({ ...set, table })])) as Outcome,
    };
    for (const peer of PEERS) {
      const args = [script, 'fit', peer, JSON.stringify(set), String(availableParallelism())];
      outcomes[peer] = JSON.parse(await run(python, args)) as Outcome;
    }
    const lossOf = ({ results }: Outcome): number =>
      results.reduce((sum, { score }) => sum + score, 0) / results.length;
    const secondsOf = ({ results }: Outcome): number => median(results.map(({ seconds }) => seconds));
    const [mine, theirs] = [outcomes.here!, outcomes['scikit-learn']!];
    const lossRatio = lossOf(mine) / lossOf(theirs);
    isGood &&= lossRatio <= WORST_LOSS;
    if (set.name === 'flights') {
      ratio = secondsOf(theirs) / secondsOf(mine);
      isGood &&= mine.peakMiB <= MOST_MEMORY * theirs.peakMiB;
    }
    figures[set.name] = {
      rows: set.rows,
      lossRatio,
      ...Object.fromEntries(
        Object.entries(outcomes).map(([name, outcome]) => [
          name,
          { seconds: secondsOf(outcome), loss: lossOf(outcome), peakMiB: outcome.peakMiB },
        ]),
      ),
    };
    process.stderr.write(`${set.name}: ${JSON.stringify(figures[set.name])}\n`);
  }
  report('trees', isGood ? ratio : 0, GOAL, 'higher', {
    speedOfScikitLearn: ratio,
    isLossAndMemoryGood: isGood,
    ...figures,
  });
} finally {
  await rm(folder, { recursive: true, force: true });
}
