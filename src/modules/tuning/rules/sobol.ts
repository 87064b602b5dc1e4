import { SOBOL_DIRECTIONS } from './sobol-directions.js';

const BITS = 32;
const DIRECTIONS = [
  Uint32Array.from({ length: BITS }, (_, bit) => 2 ** (BITS - 1 - bit)),
  ...SOBOL_DIRECTIONS.split(';').map((row) => {
    const [polynomial = 0, ...initial] = row.trim().split(' ').map(Number);
    return directionsOf(polynomial, initial);
  }),
];

/** The recurrence of Bratley and Fox (1988). */
function directionsOf(polynomial: number, initial: readonly number[]): Uint32Array {
  const degree = initial.length;
  const directions = new Uint32Array(BITS);
  for (let bit = 0; bit < BITS; bit++) {
    if (bit < degree) {
      directions[bit] = initial[bit]! << (BITS - 1 - bit);
      continue;
    }
    const oldest = directions[bit - degree]!;
    let value = oldest ^ (oldest >>> degree);
    for (let k = 1; k < degree; k++) {
      if ((polynomial >>> (degree - 1 - k)) & 1) value ^= directions[bit - k]!;
    }
    directions[bit] = value;
  }
  return directions;
}

/**
 * Coordinate `dimension` (from 0, below 100) of point `index` of the Sobol sequence, in [0, 1). With a seed, it has
 * Owen's nested scrambling by a hash (Burley 2020, Practical Hash-based Owen Scrambling): as even, without the point 0,
 * and different for each seed.
 */
export function sobol(index: number, dimension: number, seed?: number): number {
  const directions = DIRECTIONS[dimension]!;
  let point = 0;
  for (let rest = index ^ (index >>> 1), bit = 0; rest !== 0; rest >>>= 1, bit++) {
    if (rest & 1) point ^= directions[bit]!;
  }
  if (seed !== undefined) point = scrambled(point, hash(seed ^ hash(dimension + 1)));
  return (point >>> 0) / 2 ** BITS;
}

/** Each bit is flipped by a function of the higher bits: the Laine and Karras permutation on the reversed bits. */
function scrambled(point: number, seed: number): number {
  let x = reversed(point);
  x = (x + seed) | 0;
  x ^= Math.imul(x, 0x6c50b47c);
  x ^= Math.imul(x, 0xb82f1e52);
  x ^= Math.imul(x, 0xc7afe638);
  x ^= Math.imul(x, 0x8d22f6e6);
  return reversed(x);
}

function reversed(value: number): number {
  let x = value;
  x = ((x >>> 1) & 0x55555555) | ((x & 0x55555555) << 1);
  x = ((x >>> 2) & 0x33333333) | ((x & 0x33333333) << 2);
  x = ((x >>> 4) & 0x0f0f0f0f) | ((x & 0x0f0f0f0f) << 4);
  x = ((x >>> 8) & 0x00ff00ff) | ((x & 0x00ff00ff) << 8);
  return (x >>> 16) | (x << 16);
}

function hash(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
  return x ^ (x >>> 15);
}
