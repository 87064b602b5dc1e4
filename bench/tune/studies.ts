// Runs of one problem with one sampler, and how good they were.
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type * as paretoModule from '../../src/modules/tuning/rules/pareto.ts';
import type * as samplersModule from '../../src/modules/tuning/rules/samplers.ts';
import type { Params } from '../../src/modules/tuning/rules/space.ts';
import type { TrialRecord } from '../../src/modules/tuning/rules/study.ts';
import { fromDist } from '../support/dist.ts';
import type { Outcome, Problem } from './functions.ts';

/** Of both samplers. */
const STARTUP_TRIALS = 10;

const { createSampler } = await fromDist<typeof samplersModule>('modules/tuning/rules/samplers.js');
const { hypervolume } = await fromDist<typeof paretoModule>('modules/tuning/rules/pareto.js');

/** One study that is asked for parameters and told their outcome. */
export interface Asked {
  ask(): Promise<Params>;
  tell(params: Params, outcome: Outcome): Promise<void>;
}

export function ours(problem: Problem, seed: number): Asked {
  const sampler = createSampler('TPE');
  const trials: TrialRecord[] = [];
  const history = { space: problem.space, objectives: objectivesOf(problem), seed, trials };
  return {
    ask: () => Promise.resolve(sampler.suggest(history, trials.length)),
    tell: (params, { values, violations }) => {
      trials.push({ number: trials.length, state: 'COMPLETE', params, values, violations, curve: [] });
      return Promise.resolve();
    },
  };
}

/** The first ten points of a study, which do not depend on their outcomes. Both samplers begin with them. */
async function startOf(problem: Problem, seed: number): Promise<Params[]> {
  const study = ours(problem, seed);
  const points: Params[] = [];
  while (points.length < STARTUP_TRIALS) {
    points.push(await study.ask());
    await study.tell(points.at(-1)!, { values: Array.from({ length: objectivesOf(problem) }, () => 0) });
  }
  return points;
}

function objectivesOf({ front }: Problem): number {
  return front?.reference.length ?? 1;
}

/** Optuna in a process of its own. */
export class Peer {
  private readonly child: ChildProcess;
  private readonly lines: AsyncIterator<string>;

  constructor(python: string, script: string) {
    this.child = spawn(python, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.lines = createInterface({ input: this.child.stdout! })[Symbol.asyncIterator]();
  }

  private async call(message: object): Promise<Params> {
    this.child.stdin!.write(`${JSON.stringify(message)}\n`);
    const line = await this.lines.next();
    if (line.done) throw new Error('The Python process of bench:tune has ended.');
    return JSON.parse(line.value) as Params;
  }

  async study(problem: Problem, seed: number): Promise<Asked> {
    const start = await startOf(problem, seed);
    await this.call({ open: { parameters: problem.space.parameters, objectives: objectivesOf(problem), seed, start } });
    return {
      ask: () => this.call({ ask: true }),
      tell: async (_params, { values, violations }) => {
        await this.call({ tell: { values, violations } });
      },
    };
  }

  end(): void {
    this.child.kill();
  }
}

/**
 * After each trial, the least value so far; with several objectives, the share of the hypervolume of the true front
 * that is not covered. Trials that break a constraint do not count; Infinity before the first that does.
 */
export async function bestSoFar(problem: Problem, study: Asked, trials: number): Promise<number[]> {
  const points: number[][] = [];
  const curve: number[] = [];
  for (let number = 0; number < trials; number++) {
    const params = await study.ask();
    const outcome = await problem.evaluate(params);
    await study.tell(params, outcome);
    const { values, violations = [] } = outcome;
    let least = curve.at(-1) ?? Infinity;
    if (violations.every((violation) => violation <= 0)) {
      points.push(values);
      least = Math.min(least, problem.front ? uncovered(problem.front, points) : values[0]!);
    }
    curve.push(least);
  }
  return curve;
}

function uncovered({ reference, hypervolume: whole }: NonNullable<Problem['front']>, points: number[][]): number {
  return Math.max(0, 1 - hypervolume(points, reference) / whole);
}

/**
 * The mean of a curve where 0 is the ideal value, and 1 that of a typical random point or worse.
 */
export function areaUnder(curve: readonly number[], ideal: number, typical: number): number {
  const gaps = curve.map((value) => Math.min(1, Math.max(0, (value - ideal) / (typical - ideal))));
  return gaps.reduce((sum, gap) => sum + gap, 0) / curve.length;
}

/** The median value of random points that break no constraint. */
export async function typicalValue(problem: Problem, count: number): Promise<number> {
  const sampler = createSampler('RANDOM');
  const values: number[] = [];
  for (let number = 0; number < count; number++) {
    const history = { space: problem.space, objectives: 1, seed: 99, trials: [] };
    const { values: own, violations } = await problem.evaluate(sampler.suggest(history, number));
    if (violations?.every((violation) => violation <= 0) ?? true) values.push(own[0]!);
  }
  return values.sort((a, b) => a - b)[values.length >> 1]!;
}
