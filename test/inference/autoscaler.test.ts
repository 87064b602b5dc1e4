import fc from 'fast-check';
import { expect, it } from 'vitest';
import { DOWN_AFTER_MS, nextState, startState, UP_AFTER_MS } from '../../src/inference/onnx/autoscaler.js';

const STEP_MS = 500;

/** The replicas at the end of each phase of `[requests at the same time, seconds]`. */
function replicasAfter(phases: [number, number][], bounds = { min: 1, max: 8 }): number[] {
  let now = 0;
  let state = startState(bounds.min, now);
  return phases.map(([ongoing, seconds]) => {
    for (const end = now + seconds * 1_000; now < end;) {
      now += STEP_MS;
      state = nextState(state, ongoing, now, bounds);
    }
    return state.replicas;
  });
}

it('gives a replica for two requests at the same time, soon upwards and late downwards', () => {
  expect(
    replicasAfter([
      [6, 1],
      [6, 20],
      [6, 600],
      [0, DOWN_AFTER_MS / 1_000 - 5],
      [0, 20],
    ]),
  ).toEqual([1, 3, 3, 3, 1]);
});

it('a peak shorter than the delay starts nothing', () => {
  expect(
    replicasAfter([
      [40, UP_AFTER_MS / 1_000 - 1],
      [0, 60],
    ]),
  ).toEqual([1, 1]);
});

it('keeps between its bounds, and settles under constant traffic', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 4 }),
      fc.integer({ min: 0, max: 8 }),
      fc.array(fc.tuple(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 1, max: 40 })), { maxLength: 10 }),
      fc.integer({ min: 0, max: 100 }),
      (min, more, phases, last) => {
        const bounds = { min, max: Math.max(1, min + more) };
        const found = replicasAfter([...phases, [last, 120], [last, 1], [last, 30]], bounds);
        const [settled, ...later] = found.slice(-3);
        expect(found.every((count) => count >= Math.max(0, min) && count <= bounds.max)).toBe(true);
        expect(settled).toBe(Math.min(bounds.max, Math.max(1, min, Math.ceil(last / 2))));
        expect(later).toEqual([settled, settled]);
      },
    ),
  );
});
