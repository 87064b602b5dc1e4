// The TPE sampler beside Optuna's default one, on standard functions (100 trials, 50 seeds) and real trainings (30
// trials, 10 seeds). Both begin with the same ten points, so that seeds are pairs. For each: the normalised area
// under the best value so far, its mean difference to Optuna's, and the one-sided 95 % bound of that mean; ratio is
// the greatest bound. Also the sampler's own CPU time per trial of 10 parameters after 1,000 and 50,000 trials, and
// the time of askTrial and tellTrial in the whole service with the database's part of it. --quick takes 5 seeds, and
// 3 for trainings; --only=<names> takes some of the problems, and SEEDS=<number> sets the seeds of functions.
// --hebo also prints the area of HEBO on three functions, with three seeds and 40 trials, as one of its trials takes
// seconds; it decides nothing.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type * as samplersModule from '../src/modules/tuning/rules/samplers.ts';
import type { TrialRecord } from '../src/modules/tuning/rules/study.ts';
import { fromDist } from './support/dist.ts';
import { pythonWith } from './support/python.ts';
import { type Figures, report } from './support/report.ts';
import { FUNCTIONS, type Problem } from './tune/functions.ts';
import { costPerTrial } from './tune/service.ts';
import { trainings } from './tune/trainings.ts';
import { areaUnder, bestSoFar, ours, Peer, typicalValue } from './tune/studies.ts';

const GOAL = 0.02;
const isQuick = process.argv.includes('--quick');
const only = process.argv.find((argument) => argument.startsWith('--only='))?.slice(7);
const SEEDS = Number(process.env.SEEDS ?? (isQuick ? 5 : 50));
const TRIALS = 100;
const TRAININGS = 30;
const TRAINING_SEEDS = isQuick ? 3 : 10;
const TYPICAL_POINTS = 2_000;
/** HEBO needs numpy below 1.25, for which pip does not find the others by itself. */
const HEBO_PACKAGES = [
  ...['HEBO==0.3.6', 'numpy==1.24.4', 'pandas==2.0.3', 'scikit-learn==1.3.2', 'scipy==1.10.1', 'torch==2.2.2'],
  ...['gpytorch==1.11', 'linear-operator==0.5.2', 'GPy==1.13.2', 'catboost==1.2.2', 'pymoo==0.6.0'],
  ...['matplotlib==3.7.5'],
];
const HEBO = { problems: ['Branin', 'Hartmann 6', 'mixed kinds'], seeds: 3, trials: 40 };
const NORMAL_95 = 1.644_854;

const { createSampler } = await fromDist<typeof samplersModule>('modules/tuning/rules/samplers.js');
const python = await pythonWith('tune', ['optuna==5.0.0']);

/** The 95 % quantile of Student's t by its expansion in 1/degrees (Fisher and Cornish 1960). */
function studentT95(degrees: number): number {
  const z = NORMAL_95;
  return z + (z ** 3 + z) / (4 * degrees) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * degrees ** 2);
}

const script = (name: string): string => fileURLToPath(new URL(`tune/${name}`, import.meta.url));

function compare(own: number[], other: number[]): Figures {
  const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const differences = own.map((value, i) => value - other[i]!);
  const center = mean(differences);
  const variance = differences.reduce((sum, value) => sum + (value - center) ** 2, 0) / (differences.length - 1);
  const bound = center + studentT95(differences.length - 1) * Math.sqrt(variance / differences.length);
  return { area: mean(own), areaOfPeer: mean(other), difference: center, bound };
}

const usualSize = ({ kind }: Problem): { trials: number; seeds: number } =>
  kind === 'training' ? { trials: TRAININGS, seeds: TRAINING_SEEDS } : { trials: TRIALS, seeds: SEEDS };

async function measure(peer: Peer, problem: Problem, { trials, seeds } = usualSize(problem)): Promise<Figures> {
  const isTraining = problem.kind === 'training';
  const typical = problem.front ? 1 : await typicalValue(problem, isTraining ? TRAININGS : TYPICAL_POINTS);
  const [own, other]: [number[][], number[][]] = [[], []];
  for (let seed = 0; seed < seeds; seed++) {
    own.push(await bestSoFar(problem, ours(problem, seed), trials));
    other.push(await bestSoFar(problem, await peer.study(problem, seed), trials));
  }
  const ideal = problem.front ? 0 : (problem.ideal ?? Math.min(...[...own, ...other].map((curve) => curve.at(-1)!)));
  const areas = (curves: number[][]): number[] => curves.map((curve) => areaUnder(curve, ideal, typical));
  return compare(areas(own), areas(other));
}

function cpuMsPerTrial(count: number): number {
  const space = {
    parameters: Array.from({ length: 10 }, (_, i) => ({ name: `x${i}`, kind: 'FLOAT' as const, low: 0, high: 1 })),
    constraints: [],
  };
  const sampler = createSampler('TPE');
  const random = createSampler('RANDOM');
  const trials: TrialRecord[] = [];
  const add = (params: TrialRecord['params']): void => {
    const value = Object.values(params).reduce<number>((sum, x) => sum + (Number(x) - 0.3) ** 2, 0);
    trials.push({ number: trials.length, state: 'COMPLETE', params, values: [value], curve: [] });
  };
  const history = { space, objectives: 1, seed: 1, trials };
  while (trials.length < count) add(random.suggest({ ...history, trials: [] }, trials.length));
  for (let i = 0; i < 30; i++) add(sampler.suggest(history, trials.length));
  const before = process.cpuUsage();
  for (let i = 0; i < 100; i++) add(sampler.suggest(history, trials.length));
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000 / 100;
}

const folder = await mkdtemp(join(tmpdir(), 'matih-tune-'));
const peer = new Peer(python, script('peer.py'));
try {
  const figures: Figures = {};
  let worst = -Infinity;
  for (const problem of [...FUNCTIONS, ...(await trainings(folder))]) {
    if (only && !only.split(',').includes(problem.name)) continue;
    const started = performance.now();
    const result = await measure(peer, problem);
    worst = Math.max(worst, result['bound'] as number);
    figures[problem.name] = result;
    process.stderr.write(
      `${problem.name}: ${JSON.stringify(result)} ${((performance.now() - started) / 1000).toFixed(1)} s\n`,
    );
  }
  if (process.argv.includes('--hebo')) {
    const hebo = new Peer(await pythonWith('hebo', HEBO_PACKAGES), script('hebo-peer.py'));
    const ofHebo: Figures = {};
    for (const problem of FUNCTIONS.filter(({ name }) => HEBO.problems.includes(name)))
      ofHebo[problem.name] = await measure(hebo, problem, HEBO);
    hebo.end();
    figures['hebo'] = ofHebo;
  }
  const [few, many] = [cpuMsPerTrial(1_000), cpuMsPerTrial(50_000)];
  const [atFew, atMany] = await costPerTrial([1_000, 50_000]);
  const perTrial = { cpuMsAt1000: few, cpuMsAt50000: many, cpuGrowth: many / few };
  const ofService = {
    ...{ serviceMsAt1000: atFew!.serviceMs, serviceMsAt50000: atMany!.serviceMs },
    ...{ databaseMsAt1000: atFew!.databaseMs, databaseMsAt50000: atMany!.databaseMs },
  };
  report('tune', worst, GOAL, 'lower', { ...perTrial, ...ofService, ...figures });
} finally {
  peer.end();
  await rm(folder, { recursive: true, force: true });
}
