import { SeededRandom } from './random.js';

const DRAWS = 20_000;

/** For each variant the posterior of its mean. */
export type Posterior =
  | { kind: 'NORMAL'; mean: number; standardError: number }
  | { kind: 'BETA'; a: number; b: number };

export interface BestProbability {
  probability: number;
  /** Mean of what choosing this variant loses against the best one, in units of the metric. */
  expectedLoss: number;
}

/** Of a proportion with the uniform prior Beta(1, 1). */
export function betaPosterior(events: number, n: number): Posterior {
  return { kind: 'BETA', a: 1 + events, b: 1 + n - events };
}

/**
 * The probability of each variant to be the best, by 20,000 draws from the posteriors. The same seed gives the same
 * numbers.
 */
export function probabilityOfBest(
  posteriors: readonly Posterior[],
  { seed, smallerIsBetter = false }: { seed: number; smallerIsBetter?: boolean },
): BestProbability[] {
  const draw = new PosteriorDraws(seed);
  const wins = new Float64Array(posteriors.length);
  const losses = new Float64Array(posteriors.length);
  const values = new Float64Array(posteriors.length);
  for (let i = 0; i < DRAWS; i++) {
    let best = 0;
    for (let variant = 0; variant < values.length; variant++) {
      values[variant] = (smallerIsBetter ? -1 : 1) * draw.from(posteriors[variant]!);
      if (values[variant]! > values[best]!) best = variant;
    }
    wins[best]!++;
    for (let variant = 0; variant < values.length; variant++) losses[variant]! += values[best]! - values[variant]!;
  }
  return posteriors.map((_, i) => ({ probability: wins[i]! / DRAWS, expectedLoss: losses[i]! / DRAWS }));
}

/** Random values of posteriors, with a seed. */
export class PosteriorDraws {
  private readonly random: SeededRandom;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
  }

  from(posterior: Posterior): number {
    if (posterior.kind === 'NORMAL') return posterior.mean + posterior.standardError * this.normal();
    const x = this.gamma(posterior.a);
    return x / (x + this.gamma(posterior.b));
  }

  /** Box and Muller (1958). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.random.next())) * Math.cos(2 * Math.PI * this.random.next());
  }

  /** Marsaglia and Tsang (2000), for a shape of at least 1. */
  private gamma(shape: number): number {
    const d = shape - 1 / 3;
    const c = 1 / Math.sqrt(9 * d);
    for (;;) {
      const x = this.normal();
      const v = (1 + c * x) ** 3;
      if (v > 0 && Math.log(1 - this.random.next()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
    }
  }
}
