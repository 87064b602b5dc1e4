import type { SeededRandom } from '../modules/statistics/index.js';

/** A draw is half a random word. */
const DRAWS = 2 ** 16;

/** Which hidden units stay. The rate is rounded to a multiple of 2⁻¹⁶. */
export class Dropout {
  private readonly dropped: number;
  /** Kept units are multiplied by this, so that their expected sum stays the same. */
  readonly keptFactor: number;

  constructor(rate: number) {
    this.dropped = Math.round(rate * DRAWS);
    this.keptFactor = DRAWS / (DRAWS - this.dropped);
  }

  /** 1 for a kept unit, 0 for a dropped one: steps × rows × units. Each step begins with a new random word. */
  draw(random: SeededRandom, steps: number, unitsPerStep: number): Uint8Array {
    const kept = new Uint8Array(steps * unitsPerStep);
    for (let at = 0; at < kept.length;) {
      const end = at + unitsPerStep;
      while (at < end) {
        const word = random.uint32();
        kept[at++] = (word & (DRAWS - 1)) >= this.dropped ? 1 : 0;
        if (at < end) kept[at++] = word >>> 16 >= this.dropped ? 1 : 0;
      }
    }
    return kept;
  }
}
