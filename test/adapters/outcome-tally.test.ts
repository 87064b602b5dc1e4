import { Counter, Histogram, Registry } from '@prometheus-io/client';
import { expect, it } from 'vitest';
import { OutcomeTally } from '../../src/adapters/metrics/outcome-tally.js';

const BOUNDS_SECONDS = [0.0025, 0.5, 10];
const counter = { name: 'things_total', help: 'How things ended.' };
const histogram = { name: 'thing_duration_seconds', help: 'How long things took.' };

it('shows the same as the client library', async () => {
  const tally = new OutcomeTally('kind', BOUNDS_SECONDS);
  const ours = new Registry();
  tally.register(ours, counter, histogram);
  const theirs = new Registry();
  const counts = new Counter({ ...counter, labelNames: ['kind', 'code'], registers: [theirs] });
  const durations = new Histogram({ ...histogram, labelNames: ['kind'], buckets: BOUNDS_SECONDS, registers: [theirs] });
  expect(await ours.metrics()).toBe(await theirs.metrics());

  const things: [kind: string, code: string, seconds: number][] = [
    ['a', 'OK', 0],
    ['a', 'OK', 0.0025],
    ['b"\n', 'NOT_FOUND', 0.3],
    ['a', 'NOT_FOUND', 11],
    ['a', 'OK', 10],
    ['b"\n', 'NOT_FOUND', 0.0026],
  ];
  for (const [kind, code, seconds] of things) {
    tally.add(kind, code, seconds);
    counts.inc({ kind, code });
    durations.observe({ kind }, seconds);
    expect(sorted(await ours.metrics())).toEqual(sorted(await theirs.metrics()));
  }
  expect(await ours.metrics()).toContain('thing_duration_seconds_bucket{le="10",kind="a"} 3\n');
});

/** The library lists counts in the order of first use, the tally in the order of names. */
function sorted(text: string): string[] {
  return text.split('\n').toSorted();
}
