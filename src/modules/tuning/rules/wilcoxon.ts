import { upperTail } from './mixture.js';

/** Up to so many differences, with ties or zeros, every assignment of signs is counted. */
const COUNTED_WITH_TIES = 13;
const COUNTED = 50;

/**
 * The p-value of Wilcoxon's signed-rank test that differences are greater than 0, zeros split between both signs, as
 * scipy.stats.wilcoxon(zero_method='zsplit', alternative='greater'): exact for up to 50 differences, or 13 when some
 * are 0 or equal; else the normal approximation, corrected for ties.
 */
export function wilcoxonGreater(differences: readonly number[]): number {
  const sizes = differences.map(Math.abs);
  const { ranks, ties } = averageRanks(sizes);
  const zeros = differences.filter((difference) => difference === 0).length;
  const positive = differences.reduce(
    (sum, difference, i) => sum + (difference > 0 ? ranks[i]! : difference === 0 ? ranks[i]! / 2 : 0),
    0,
  );
  const n = differences.length;
  const hasTies = zeros > 0 || ties > 0;
  if (n <= (hasTies ? COUNTED_WITH_TIES : COUNTED)) return exactTail(differences, ranks, positive);
  const deviation = Math.sqrt((n * (n + 1) * (2 * n + 1) - ties / 2) / 24);
  const z = (positive - (n * (n + 1)) / 4) / deviation;
  return z >= 0 ? upperTail(z) : 1 - upperTail(-z);
}

/** Each sign is + or − with equal chance; a zero stays half and half. */
function exactTail(differences: readonly number[], ranks: readonly number[], positive: number): number {
  // Averages of ranks are multiples of one half, so doubled ones are whole numbers.
  const free = ranks.filter((_, i) => differences[i] !== 0).map((rank) => Math.round(2 * rank));
  const fixed = ranks.reduce((sum, rank, i) => sum + (differences[i] === 0 ? rank / 2 : 0), 0);
  const total = free.reduce((sum, rank) => sum + rank, 0);
  const counts = new Float64Array(total + 1);
  counts[0] = 1;
  let reach = 0;
  for (const rank of free) {
    reach += rank;
    for (let sum = reach; sum >= rank; sum--) counts[sum]! += counts[sum - rank]!;
  }
  const wanted = Math.round(2 * (positive - fixed));
  return counts.slice(wanted).reduce((sum, count) => sum + count, 0) / 2 ** free.length;
}

function averageRanks(values: readonly number[]): { ranks: number[]; ties: number } {
  const order = [...values.keys()].sort((a, b) => values[a]! - values[b]!);
  const ranks = new Array<number>(values.length);
  let ties = 0;
  for (let from = 0; from < order.length;) {
    let to = from + 1;
    while (to < order.length && values[order[to]!] === values[order[from]!]) to++;
    const size = to - from;
    ties += size ** 3 - size;
    for (let i = from; i < to; i++) ranks[order[i]!] = (from + to + 1) / 2;
    from = to;
  }
  return { ranks, ties };
}
