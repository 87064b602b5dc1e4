import { expect, it } from 'vitest';
import { AppError, badInput } from '../../src/errors.js';
import { checkRange } from '../../src/modules/core/rules/ranges.js';

function refusal(check: () => unknown): string {
  try {
    check();
  } catch (error) {
    if (error instanceof AppError) return error.message;
    throw error;
  }
  throw new Error('Nothing was refused.');
}

it('says how long a wrong list is, as a number, and of what is absent that it is nothing', () => {
  const steps = { min: 2, max: 3, unit: 'steps' };
  for (const [items, got] of [[[], 0] as const, [[1], 1] as const, [[1, 2, 3, 4], 4] as const])
    expect(refusal(() => checkRange(steps, items, null, 'input.steps'))).toMatch(new RegExp(`got ${got}\\.`));
  const absent = refusal(() => {
    throw badInput('inputs', 'a list of tensors', undefined);
  });
  expect(absent).toMatch(/got nothing\./);
  expect(absent).not.toContain('undefined');
});
