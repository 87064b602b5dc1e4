import { FULL_WEIGHT_BPS } from '../../core/index.js';
import { badInput } from '../../../errors.js';

export interface WeightedDeployment {
  id: string;
  weightBps: number;
}

/** The weights of the LIVE deployments of an endpoint must add up to all of its traffic. */
export function requireFullWeights(deployments: readonly WeightedDeployment[], field = 'input.deployments'): void {
  for (const [index, { weightBps }] of deployments.entries()) {
    if (!Number.isInteger(weightBps) || weightBps < 0 || weightBps > FULL_WEIGHT_BPS) {
      throw badInput(`${field}[${index}].weightBps`, `an integer from 0 to ${FULL_WEIGHT_BPS} basis points`, weightBps);
    }
  }
  const total = deployments.reduce((sum, { weightBps }) => sum + weightBps, 0);
  if (total !== FULL_WEIGHT_BPS) throw badInput(field, `weights that sum to ${FULL_WEIGHT_BPS} basis points`, total);
}

/**
 * Weights in the same proportions that add up to `total` basis points; equal ones when all were 0. What rounding leaves
 * goes to the largest remainders.
 */
export function rescaleWeights(weightsBps: readonly number[], total: number): number[] {
  if (weightsBps.length === 0) return [];
  const sum = weightsBps.reduce((a, b) => a + b, 0);
  const exact = weightsBps.map((weight) => (sum > 0 ? (weight * total) / sum : total / weightsBps.length));
  const scaled = exact.map(Math.floor);
  const byRemainder = exact
    .map((weight, i) => ({ i, remainder: weight - scaled[i]! }))
    .sort((a, b) => b.remainder - a.remainder || a.i - b.i);
  const left = total - scaled.reduce((a, b) => a + b, 0);
  for (const { i } of byRemainder.slice(0, left)) scaled[i]!++;
  return scaled;
}

/**
 * The deployment that serves a routing key; null when none has weight. The same key gets the same deployment while the
 * weights do not change, and a higher weight of one deployment only moves keys to it: weighted rendezvous hashing (the
 * highest −weight / ln(hash) wins).
 */
export function pickDeployment<D extends WeightedDeployment>(deployments: readonly D[], routingKey: string): D | null {
  let picked: D | null = null;
  let highest = -Infinity;
  for (const deployment of deployments) {
    if (deployment.weightBps <= 0) continue;
    const score = -deployment.weightBps / Math.log(unitHash(`${deployment.id}\u0000${routingKey}`));
    if (score > highest || (score === highest && picked !== null && deployment.id < picked.id)) {
      picked = deployment;
      highest = score;
    }
  }
  return picked;
}

/**
 * Whether a key is in a sample with this fraction of all keys, e.g. of requests to log. Keys in a small sample are also
 * in every larger one.
 */
export function inSample(share: number, key: string): boolean {
  return unitHash(key) < share;
}

/**
 * A 52-bit hash of a text as a number strictly between 0 and 1: two FNV-1a lanes, each finished with MurmurHash3's
 * mixer.
 */
function unitHash(text: string): number {
  let low = 0x811c9dc5;
  let high = 0x01000193;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    low = Math.imul(low ^ unit, 0x01000193);
    high = Math.imul(high ^ unit, 0x85ebca6b);
  }
  const hash = (mix(high) >>> 6) * 2 ** 26 + (mix(low ^ Math.imul(high, 0x9e3779b1)) >>> 6);
  return (hash + 0.5) / 2 ** 52;
}

function mix(value: number): number {
  let h = value ^ (value >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
