// What LINEAR_REGRESSION and LOGISTIC_REGRESSION learn without hyperparameters, and tuned, from eight real data sets
// that nothing else here uses, compared with scikit-learn (median imputation, StandardScaler, OneHotEncoder, Ridge()
// and LogisticRegression(max_iter=1000)) on the same ten splits. ratio is the largest shortfall of the means: of
// accuracy or R², or of log loss with the opposite sign. `--markdown` prints the table of docs/training.md.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type * as configModule from '../src/modules/algorithms/rules/training-config.ts';
import type * as importModule from '../src/adapters/dataset-files/dataset-import.ts';
import type { Table } from '../src/adapters/dataset-files/port.ts';
import type * as trainModule from '../src/training/train.ts';
import { fromDist } from './support/dist.ts';
import { pythonWith } from './support/python.ts';
import { type Figures, report } from './support/report.ts';

const GOAL = 0.005;
const REQUIREMENTS = ['scikit-learn==1.9.1', 'numpy==2.4.6'];
const VEGA = fileURLToPath(new URL('../node_modules/vega-datasets/data', import.meta.url));

interface Scores {
  accuracy?: number;
  log_loss?: number;
  r2?: number;
}

interface DataSet {
  name: string;
  path: string;
  rows: number;
  task: 'CLASSIFICATION' | 'REGRESSION';
  target: string;
  numeric: string[];
  categorical: string[];
  splits: { default: Scores; tuned: Scores }[];
}

/** A file as it is readable after registration. */
interface ReadySet extends DataSet {
  table: Table;
}

async function ready(set: DataSet): Promise<ReadySet> {
  const tablePath = `${set.path}.parquet`;
  const { hasTable, profile } = await importDataset({ path: set.path, format: 'CSV', tablePath });
  return { ...set, table: { path: hasTable ? tablePath : set.path, columns: profile.columns } };
}

const { trainingConfigSchema } = await fromDist<typeof configModule>('modules/algorithms/rules/training-config.js');
const { importDataset } = await fromDist<typeof importModule>('adapters/dataset-files/dataset-import.js');
const { train } = await fromDist<typeof trainModule>('training/train.js');

type Hyperparameters = { l2?: number };

async function trained(
  set: ReadySet,
  split: number,
  algorithm: string,
  hyperparameters: Hyperparameters,
  workDir: string,
) {
  const config = trainingConfigSchema.parse({
    algorithm,
    target: { column: set.target },
    features: [
      ...set.numeric.map((column) => ({ column, kind: 'NUMERIC' })),
      ...set.categorical.map((column) => ({ column, kind: 'CATEGORICAL' })),
    ],
    split: { by: 'COLUMN', column: `split ${split}` },
    hyperparameters,
    // Nothing is resumed in this benchmark.
    checkpointEveryEpochs: 10_000,
  });
  await rm(workDir, { recursive: true, force: true });
  await mkdir(workDir);
  let validationLoss = Infinity;
  const outcome = await train(
    { config, data: set.table, workDir },
    {
      onProgress: () => undefined,
      async onEpoch({ metrics }) {
        // Networks keep their best epoch; solvers use their last one.
        const loss = metrics['validation.loss'] ?? Infinity;
        validationLoss = algorithm.startsWith('MLP') ? Math.min(validationLoss, loss) : loss;
      },
      onCheckpoint: async () => undefined,
      onFold: async () => undefined,
      onWarning: async () => undefined,
    },
  );
  const of = (name: string): number | undefined => outcome.metrics[`holdout.${name}`];
  const scores: Scores = { accuracy: of('accuracy'), log_loss: of('log_loss'), r2: of('r2') };
  return { validationLoss, scores, trainRows: outcome.rows.train };
}

/**
 * Default: no hyperparameters. Tuned: the penalty, which scikit-learn may choose too, or a network, by the validation
 * loss.
 */
async function measure(
  set: ReadySet,
  strengths: readonly number[],
  workDir: string,
): Promise<{ default: Scores; tuned: Scores }[]> {
  const results: { default: Scores; tuned: Scores }[] = [];
  const [linear, network] =
    set.task === 'REGRESSION' ? ['LINEAR_REGRESSION', 'MLP_REGRESSOR'] : ['LOGISTIC_REGRESSION', 'MLP_CLASSIFIER'];
  for (let split = 0; split < set.splits.length; split++) {
    const plain = await trained(set, split, linear, {}, workDir);
    let best = plain;
    // For two classes there are two columns, and each has half of scikit-learn's only coefficient.
    const isBinary = set.name === 'breast cancer';
    for (const strength of strengths.filter((one) => one !== 1)) {
      const tried = await trained(
        set,
        split,
        linear,
        { l2: Math.min(10, ((isBinary ? 2 : 1) * strength) / plain.trainRows) },
        workDir,
      );
      if (tried.validationLoss < best.validationLoss) best = tried;
    }
    const tried = await trained(set, split, network, {}, workDir);
    if (tried.validationLoss < best.validationLoss) best = tried;
    results.push({ default: plain.scores, tuned: best.scores });
  }
  return results;
}

function meanOf(scores: readonly Scores[], name: keyof Scores): number | undefined {
  const values = scores.map((one) => one[name]).filter((value) => value !== undefined);
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
}

interface Row {
  set: DataSet;
  metric: keyof Scores;
  ours: number;
  theirs: number;
  oursTuned: number;
  theirsTuned: number;
  /** Above 0 when ours is worse. */
  shortfall: number;
}

function rowsOf(set: DataSet, ours: { default: Scores; tuned: Scores }[]): Row[] {
  const of = (results: { default: Scores; tuned: Scores }[], kind: 'default' | 'tuned', metric: keyof Scores): number =>
    meanOf(
      results.map((result) => result[kind]),
      metric,
    ) ?? NaN;
  const metrics: (keyof Scores)[] = set.task === 'REGRESSION' ? ['r2'] : ['accuracy', 'log_loss'];
  return metrics.map((metric) => {
    const [mine, theirs] = [of(ours, 'default', metric), of(set.splits, 'default', metric)];
    const shortfall = metric === 'log_loss' ? mine - theirs : theirs - mine;
    return {
      set,
      metric,
      ours: mine,
      theirs,
      oursTuned: of(ours, 'tuned', metric),
      theirsTuned: of(set.splits, 'tuned', metric),
      shortfall,
    };
  });
}

function markdown(rows: readonly Row[]): string {
  const shown = (value: number): string => value.toFixed(4);
  return [
    '| Data set | Rows | Metric | Here | scikit-learn | Here, tuned | scikit-learn, tuned |',
    '|---|---|---|---|---|---|---|',
    ...rows.map(
      ({ set, metric, ours, theirs, oursTuned, theirsTuned }) =>
        `| ${set.name} | ${set.rows.toLocaleString('en')} | ` +
        `${{ r2: 'R²', accuracy: 'accuracy', log_loss: 'log loss' }[metric]} | ${shown(ours)} | ` +
        `${shown(theirs)} | ${shown(oursTuned)} | ${shown(theirsTuned)} |`,
    ),
  ].join('\n');
}

const python = await pythonWith('scikit-learn', REQUIREMENTS);
const folder = await mkdtemp(join(tmpdir(), 'matih-quality-'));
try {
  const script = fileURLToPath(new URL('quality/scikit_learn.py', import.meta.url));
  const { stdout } = await promisify(execFile)(python, [script, VEGA, folder], {
    maxBuffer: 2 ** 26,
    // The matrices are small, and more threads would wait for each other.
    env: { ...process.env, OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1' },
  });
  const { strengths, sets } = JSON.parse(stdout) as { strengths: number[]; sets: DataSet[] };
  const rows: Row[] = [];
  for (const set of sets) {
    const measured = rowsOf(set, await measure(await ready(set), strengths, join(folder, 'work')));
    rows.push(...measured);
    for (const { metric, ours, theirs } of measured)
      process.stderr.write(`${set.name}: ${metric} ${ours.toFixed(4)}, scikit-learn ${theirs.toFixed(4)}\n`);
  }
  if (process.argv.includes('--markdown')) process.stdout.write(`${markdown(rows)}\n`);
  const figures: Figures = {};
  for (const { set, metric, shortfall: _, ...of } of rows) figures[`${set.name} ${metric}`] = { ...of };
  for (const { set, metric, shortfall } of rows) (figures[`${set.name} ${metric}`] as Figures)['shortfall'] = shortfall;
  report('quality', Math.max(...rows.map(({ shortfall }) => shortfall)), GOAL, 'lower', {
    splits: sets[0]?.splits.length ?? 0,
    ...figures,
  });
} finally {
  await rm(folder, { recursive: true, force: true });
}
