/** How many hosts a model gets, by the requests that it has at the same time. Pure: time is an argument. */
import { TARGET_ONGOING } from '../../modules/model-contract/index.js';

export interface ReplicaBounds {
  min: number;
  max: number;
}

export interface ScaleState {
  replicas: number;
  /** Average of the requests at the same time, of the last seconds. */
  ongoing: number;
  sampledAtMs: number;
  /** Since when more, or fewer, hosts would be right; null when these are. */
  aboveSinceMs: number | null;
  belowSinceMs: number | null;
}

/** A peak that is shorter starts no host, a pause that is shorter ends none. */
export const UP_AFTER_MS = 2_000;
export const DOWN_AFTER_MS = 30_000;
/** Time constant of the average. */
const AVERAGED_MS = 2_000;

export function startState(replicas: number, nowMs: number): ScaleState {
  return { replicas, ongoing: 0, sampledAtMs: nowMs, aboveSinceMs: null, belowSinceMs: null };
}

/** The next state, after a sample of the requests that wait or run. Never below one: zero is another decision. */
export function nextState(state: ScaleState, ongoingNow: number, nowMs: number, bounds: ReplicaBounds): ScaleState {
  const passedMs = Math.max(0, nowMs - state.sampledAtMs);
  const kept = Math.exp(-passedMs / AVERAGED_MS);
  const ongoing = state.ongoing * kept + ongoingNow * (1 - kept);
  const right = Math.min(bounds.max, Math.max(1, bounds.min, Math.ceil(ongoing / TARGET_ONGOING - 1e-9)));
  const aboveSinceMs = right > state.replicas ? (state.aboveSinceMs ?? nowMs) : null;
  const belowSinceMs = right < state.replicas ? (state.belowSinceMs ?? nowMs) : null;
  const isDue =
    (aboveSinceMs !== null && nowMs - aboveSinceMs >= UP_AFTER_MS) ||
    (belowSinceMs !== null && nowMs - belowSinceMs >= DOWN_AFTER_MS);
  if (!isDue) return { replicas: state.replicas, ongoing, sampledAtMs: nowMs, aboveSinceMs, belowSinceMs };
  return { replicas: right, ongoing, sampledAtMs: nowMs, aboveSinceMs: null, belowSinceMs: null };
}
