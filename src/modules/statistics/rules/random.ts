/**
 * Random numbers with a seed: xoshiro128** (Blackman and Vigna), seeded by SplitMix32. The same seed gives the same
 * numbers on every machine. Not for secrets.
 */
export class SeededRandom {
  private a: number;
  private b: number;
  private c: number;
  private d: number;

  constructor(seed: number) {
    let state = seed >>> 0;
    const mix = (): number => {
      state = (state + 0x9e3779b9) >>> 0;
      let z = state;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      return z ^ (z >>> 15); // A signed integer: fields of one machine word stay unboxed in V8.
    };
    this.a = mix();
    this.b = mix();
    this.c = mix();
    this.d = mix() | 1; // An all-zero state would stay zero.
  }

  uint32(): number {
    const scrambled = Math.imul(this.b, 5);
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0;
    const shifted = this.b << 9;
    this.c ^= this.a;
    this.d ^= this.b;
    this.b ^= this.c;
    this.a ^= this.d;
    this.c ^= shifted;
    this.d = (this.d << 11) | (this.d >>> 21);
    return result;
  }

  /** Uniform in [0, 1). */
  next(): number {
    return this.uint32() / 4_294_967_296;
  }

  /** A uniform integer in [0, bound). The bias, less than bound / 2^32, is accepted. */
  below(bound: number): number {
    return Math.floor(this.next() * bound);
  }
}

/** `count` different indices out of [0, size), ascending. Every subset is equally likely. */
export function sampleIndices(size: number, count: number, seed: number): Int32Array {
  const random = new SeededRandom(seed);
  const wanted = Math.min(size, count);
  const picked = new Int32Array(wanted);
  // Selection sampling (Knuth, algorithm S).
  let taken = 0;
  for (let index = 0; taken < wanted; index++) {
    if (random.next() * (size - index) < wanted - taken) picked[taken++] = index;
  }
  return picked;
}
