import { expect, it } from 'vitest';
import { isEnded, RUN_STATUS, RUN_STATUSES, UNFINISHED } from '../../src/modules/experiments/rules/run-status.js';

it('lets code outside this service report every status of its run after every other', () => {
  for (const from of RUN_STATUSES) {
    expect(RUN_STATUS.after(from)).toEqual(RUN_STATUSES.filter((to) => to !== from));
  }
});

it('counts a run as ended or unfinished, never both', () => {
  for (const status of RUN_STATUSES) expect(UNFINISHED.includes(status)).toBe(!isEnded(status));
});
