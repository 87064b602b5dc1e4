import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { combine, type Combination, type MemberAnswers } from '../../src/adapters/evaluator/ensemble/combination.js';
import { diversityOf, qStatistic, type Truth } from '../../src/adapters/evaluator/ensemble/diversity.js';
import { learnWeights } from '../../src/adapters/evaluator/ensemble/learn-weights.js';
import { learnMeta } from '../../src/adapters/evaluator/ensemble/meta-learner.js';
import { bootstrapMeanDifference } from '../../src/modules/statistics/rules/bootstrap.js';
import { logLossRows, mean, squaredErrorRows } from '../../src/modules/statistics/rules/metrics.js';
import { SeededRandom } from '../../src/modules/statistics/rules/random.js';

interface Answered {
  truth: number[];
  members: number[][];
}
interface Scores {
  accuracy?: number;
  logLoss?: number;
  rmse?: number;
}
interface DataSet {
  name: string;
  task: 'CLASSIFICATION' | 'REGRESSION';
  classCount: number;
  learn: Answered;
  judge: Answered;
  soft: Scores;
  hard?: Scores;
  stacked: Scores;
  errorCorrelation: number[];
}

/** Made by test/fixtures/ensembles/make.py. */
const { weights, sets } = JSON.parse(
  readFileSync(new URL('../fixtures/ensembles/scikit-learn.json', import.meta.url), 'utf8'),
) as { weights: number[]; sets: DataSet[] };

function answersOf({ task, classCount }: DataSet, { members }: Answered): MemberAnswers {
  if (task === 'REGRESSION') return { task, members: members.map((own) => Float64Array.from(own)) };
  const thresholds = members.map(() => undefined);
  return { task, classCount, thresholds, members: members.map((own) => Float32Array.from(own)) };
}

const truthOf = ({ task }: DataSet, { truth }: Answered): Truth =>
  task === 'REGRESSION' ? { values: Float64Array.from(truth) } : { labels: Int32Array.from(truth) };

function accuracyOf(answer: Float64Array, truth: readonly number[], classCount: number): number {
  const right = truth.filter((label, row) => {
    const own = answer.subarray(row * classCount, (row + 1) * classCount);
    return own.indexOf(own.reduce((a, b) => Math.max(a, b))) === label;
  });
  return right.length / truth.length;
}

function lossOf(set: DataSet, answer: Float64Array): number {
  const truth = truthOf(set, set.judge);
  if ('values' in truth) return Math.sqrt(mean(squaredErrorRows(truth.values, answer)));
  const { classCount } = set;
  return mean(logLossRows({ ...truth, probabilities: Float32Array.from(answer), classCount }));
}

/** At most 1 % worse or better. */
function expectAlike(own: number, theirs: number, what: string): void {
  expect(Math.abs(own - theirs) / theirs, `${what}: ${own}, scikit-learn ${theirs}`).toBeLessThan(0.01);
}

describe('ensembles of the same members score as those of scikit-learn', () => {
  for (const set of sets) {
    it(`on ${set.name}`, async () => {
      const answers = answersOf(set, set.judge);
      const meta = await learnMeta(answersOf(set, set.learn), truthOf(set, set.learn));
      const compared: [string, Combination, Scores][] = [
        ['mean', { kind: 'MEAN', weights }, set.soft],
        ['votes', { kind: 'VOTES', weights }, set.hard ?? {}],
        ['meta-learner', meta, set.stacked],
      ];
      for (const [what, combination, scores] of compared) {
        if (Object.keys(scores).length === 0) continue;
        const answer = combine(answers, combination);
        const loss = scores.rmse ?? scores.logLoss;
        if (loss !== undefined) expectAlike(lossOf(set, answer), loss, `${set.name}, ${what}`);
        if (scores.accuracy !== undefined)
          expectAlike(accuracyOf(answer, set.judge.truth, set.classCount), scores.accuracy, `${set.name}, ${what}`);
      }
      const pairs = diversityOf(answers, truthOf(set, set.judge));
      for (const [i, { errorCorrelation }] of pairs.entries())
        expect(errorCorrelation).toBeCloseTo(set.errorCorrelation[i]!, 4);
    });
  }
});

describe('learnt weights', () => {
  it('are weights, and lose nothing to equal ones on the rows that they are learnt from', () => {
    for (const set of sets) {
      const [answers, truth] = [answersOf(set, set.judge), truthOf(set, set.judge)];
      const learnt = learnWeights(answers, truth);
      expect(learnt.every((weight) => weight >= 0)).toBe(true);
      expect(learnt.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 6);
      const lossWith = (used: number[]): number => lossOf(set, combine(answers, { kind: 'MEAN', weights: used }));
      for (const other of [[1 / 3, 1 / 3, 1 / 3], weights, [1, 0, 0], [0, 1, 0], [0, 0, 1]])
        expect(lossWith(learnt), set.name).toBeLessThanOrEqual(lossWith(other) + 1e-4);
    }
  });
});

describe('a meta-learner of random labels', () => {
  it('is not better than chance on the rows that it has not learnt from', async () => {
    const set = sets.find(({ name }) => name === 'breast cancer')!;
    const rounds = 40;
    let provablyBetter = 0;
    for (let round = 0; round < rounds; round++) {
      const random = new SeededRandom(round);
      const drawn = (rows: number): Int32Array => Int32Array.from({ length: rows }, () => random.below(2));
      const meta = await learnMeta(answersOf(set, set.learn), { labels: drawn(set.learn.truth.length) });
      const labels = drawn(set.judge.truth.length);
      const probabilities = Float32Array.from(combine(answersOf(set, set.judge), meta));
      const losses = logLossRows({ labels, probabilities, classCount: 2 });
      const chance = logLossRows({ labels, probabilities: probabilities.map(() => 0.5), classCount: 2 });
      if (bootstrapMeanDifference(losses, chance, { seed: round })!.high < 0) provablyBetter++;
    }
    // Of 40 intervals of 95 %, one lies below 0 by chance; four or more would be seldom.
    expect(provablyBetter).toBeLessThan(4);
  });
});

it('Yule’s Q is 1 for the same errors, -1 for opposite ones, and undefined when nothing varies', () => {
  const errors = Float64Array.of(0, 0, 1, 1, 0, 1);
  expect(qStatistic(errors, errors)).toBe(1);
  expect(
    qStatistic(
      errors,
      errors.map((error) => 1 - error),
    ),
  ).toBe(-1);
  expect(qStatistic(Float64Array.of(0, 0), Float64Array.of(0, 1))).toBeNull();
  // Both right 3, only the first 1, only the second 2, both wrong 4: (12 - 2) / (12 + 2).
  const first = Float64Array.of(0, 0, 0, 0, 1, 1, 1, 1, 1, 1);
  const second = Float64Array.of(0, 0, 0, 1, 0, 0, 1, 1, 1, 1);
  expect(qStatistic(first, second)).toBeCloseTo(10 / 14, 12);
});
