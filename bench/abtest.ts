// Simulates A/B tests without and with the planned effect, decided by the service's own rules. A key has a lasting
// level and many predictions, half of them after the look at which it came. Printed per design: how often a difference
// is claimed without one (looking 20 times), power at the planned size, and the mean number of keys at the end. Beside
// them what looking 20 times at p < 0.05 does, and a test that takes each prediction for independent. ratio is the
// highest false-positive rate of the sequential designs; ok also needs the power and the order of the stopping times.
import type * as analysisModule from '../src/modules/ab-tests/rules/analysis.ts';
import type { TestRules } from '../src/modules/ab-tests/rules/design.ts';
import type * as statisticsModule from '../src/modules/statistics/index.ts';
import type { KeyMoments } from '../src/modules/statistics/index.ts';
import { fromDist } from './support/dist.ts';

const TESTS = 2_000;
const LOOKS = 20;
const ALPHA = 0.05;
const POWER = 0.8;
/** The effect in standard deviations of the level of a key. */
const EFFECT = 0.2;
const MOST_PREDICTIONS = 16;
const NOISE = 1;
const GOALS = { falsePositives: 0.06, naive: 0.15, power: 0.78 };

const { analyse } = await fromDist<typeof analysisModule>('modules/ab-tests/rules/analysis.js');
const { keyMoments, keysForMeans, planDesign, PosteriorDraws, SeededRandom, normalCdf } =
  await fromDist<typeof statisticsModule>('modules/statistics/index.js');

type Design = TestRules['design'];
const DESIGNS: readonly Design[] = ['FIXED', 'GROUP_SEQUENTIAL', 'CONFIDENCE_SEQUENCE'];

/** The variance of a key's mean: its level, and the noise of its predictions (the mean of 1/n for n from 2 to 16). */
function deviation(): number {
  let inverse = 0;
  for (let n = 2; n <= MOST_PREDICTIONS; n++) inverse += 1 / n / (MOST_PREDICTIONS - 1);
  return Math.sqrt(1 + NOISE ** 2 * inverse);
}

function plannedKeys(design: Design): number {
  const plan = planDesign(design, { alpha: ALPHA, power: POWER, looks: LOOKS });
  const spread = { controlDeviation: deviation(), treatmentDeviation: deviation() };
  const keys = keysForMeans({ difference: EFFECT, ...spread, controlShare: 0.5, treatmentShare: 0.5 }, ALPHA, POWER);
  return Math.ceil((keys * plan.inflation) / LOOKS) * LOOKS;
}

function rulesOf(design: Design): TestRules {
  const variant = (name: string) => ({ name, deploymentId: name, modelVersionId: name, weightBps: 5_000 });
  return {
    ...{ design, alpha: ALPHA, plannedKeys: plannedKeys(design), looks: LOOKS, correction: 'HOLM', cuped: false },
    variants: [variant('control'), variant('treatment')],
    metrics: [{ name: 'value', role: 'PRIMARY', source: 'OUTCOME', aggregation: 'SUM', wanted: 'INCREASE', margin: 0 }],
  };
}

/** The means of the keys of both variants, look by look, as they grow. */
class Experiment {
  private readonly effect: number;
  private readonly random: InstanceType<typeof SeededRandom>;
  private readonly draws: InstanceType<typeof PosteriorDraws>;
  private readonly arms: { level: number; sum: number; squares: number; count: number; open: number }[][] = [[], []];

  constructor(seed: number, effect: number) {
    this.effect = effect;
    this.random = new SeededRandom(seed);
    this.draws = new PosteriorDraws(seed + 1_000_000);
  }

  /** The keys that came before make their other predictions; new ones make their first. */
  grow(keys: number): void {
    for (const arm of this.arms) for (const key of arm) this.predict(key, key.open);
    for (let i = 0; i < keys; i++) {
      const arm = this.random.next() < 0.5 ? 0 : 1;
      const level = this.draws.normal() + arm * this.effect;
      const all = 2 + this.random.below(MOST_PREDICTIONS - 1);
      const key = { level, sum: 0, squares: 0, count: 0, open: all };
      this.predict(key, Math.ceil(all / 2));
      this.arms[arm]!.push(key);
    }
  }

  private predict(key: (typeof this.arms)[number][number], count: number): void {
    for (let i = 0; i < count; i++) {
      const value = key.level + NOISE * this.draws.normal();
      key.sum += value;
      key.squares += value * value;
    }
    key.count += count;
    key.open -= count;
  }

  moments(): KeyMoments[] {
    return this.arms.map((arm) =>
      keyMoments({
        numerator: arm.map(({ sum, count }) => sum / count),
        denominator: new Float64Array(arm.length).fill(1),
      }),
    );
  }

  /** p when each prediction counts as independent of the others of its key. */
  predictionP(): number {
    const [a, b] = this.arms.map((arm) => {
      const n = arm.reduce((total, { count }) => total + count, 0);
      const mean = arm.reduce((total, { sum }) => total + sum, 0) / n;
      const squares = arm.reduce((total, one) => total + one.squares, 0);
      return { mean, error: (squares / n - mean * mean) / n };
    });
    return 2 * normalCdf(-Math.abs((b!.mean - a!.mean) / Math.sqrt(a!.error + b!.error)));
  }
}

interface Outcome {
  claimed: boolean;
  keys: number;
  peeked: boolean;
  perPrediction: boolean;
}

function simulate(rules: TestRules, seed: number, effect: number): Outcome {
  const experiment = new Experiment(seed, effect);
  const information: number[] = [];
  let peeked = false;
  for (let look = 1; look <= LOOKS; look++) {
    experiment.grow(rules.plannedKeys / LOOKS);
    const moments = experiment.moments();
    const isLast = look === LOOKS;
    const data = { keys: moments.map(({ keys }) => keys), mixedKeys: 0, moments: [moments] };
    information.push(look / LOOKS);
    if (rules.design === 'FIXED') {
      // The rules give no p between the looks of such a test, so that every look is asked for as the last one.
      const { decision } = analyse(rules, data, { information, isDecisive: true, isLast: true });
      const isProved = decision!.kind === 'WINNER';
      peeked ||= isProved;
      if (isLast)
        return { claimed: isProved, keys: rules.plannedKeys, peeked, perPrediction: experiment.predictionP() <= ALPHA };
      continue;
    }
    const { decision } = analyse(rules, data, { information, isDecisive: true, isLast });
    if (decision) {
      const keys = (rules.plannedKeys / LOOKS) * look;
      return { claimed: decision.kind === 'WINNER', keys, peeked: false, perPrediction: false };
    }
  }
  throw new Error('The last look decides.');
}

const startedAt = performance.now();
const results = DESIGNS.map((design) => {
  const rules = rulesOf(design);
  const run = (effect: number) => Array.from({ length: TESTS }, (_, i) => simulate(rules, i + 1, effect));
  const [without, withEffect] = [run(0), run(EFFECT)];
  const share = (outcomes: Outcome[], of: (outcome: Outcome) => boolean) =>
    outcomes.filter(of).length / outcomes.length;
  const meanKeys = (outcomes: Outcome[]) => outcomes.reduce((sum, { keys }) => sum + keys, 0) / outcomes.length;
  return {
    ...{ design, plannedKeys: rules.plannedKeys },
    falsePositives: share(without, ({ claimed }) => claimed),
    power: share(withEffect, ({ claimed }) => claimed),
    meanKeysWithEffect: meanKeys(withEffect),
    meanKeysWithoutEffect: meanKeys(without),
    naivePeeking: share(without, ({ peeked }) => peeked),
    perPrediction: share(without, ({ perPrediction }) => perPrediction),
  };
});
const [fixed, group, sequence] = results as [(typeof results)[0], (typeof results)[0], (typeof results)[0]];
const ratio = Math.max(group.falsePositives, sequence.falsePositives);
const ok =
  ratio <= GOALS.falsePositives &&
  fixed.naivePeeking > GOALS.naive &&
  results.every(({ power }) => power >= GOALS.power) &&
  group.meanKeysWithEffect < fixed.meanKeysWithEffect;
const seconds = (performance.now() - startedAt) / 1_000;
const lines = results.map(
  ({ design, plannedKeys: planned, falsePositives, power, meanKeysWithEffect, meanKeysWithoutEffect }) =>
    `${design.padEnd(20)} planned ${String(planned).padStart(5)} keys, false positives ${falsePositives.toFixed(4)}, ` +
    `power ${power.toFixed(4)}, mean keys ${meanKeysWithEffect.toFixed(0)} with the effect, ` +
    `${meanKeysWithoutEffect.toFixed(0)} without`,
);
lines.push(
  `naive: ${LOOKS} looks at p < ${ALPHA}: false positives ${fixed.naivePeeking.toFixed(4)}; each prediction taken for ` +
    `independent, one look: ${fixed.perPrediction.toFixed(4)}`,
  `${TESTS} tests of each kind and design in ${seconds.toFixed(0)} s`,
);
process.stdout.write(
  process.argv.includes('--json')
    ? `${JSON.stringify({ bench: 'abtest', ratio, goal: GOALS.falsePositives, better: 'lower', ok, results })}\n`
    : `${lines.join('\n')}\nratio ${ratio}, goal ${GOALS.falsePositives}, ok ${ok}\n`,
);
