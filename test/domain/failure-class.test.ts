import { expect, it } from 'vitest';
import { ErrorCode } from '../../src/errors.js';
import {
  FAILURE_CLASSES,
  type FailureClass,
  failureClassOf,
  isRetried,
} from '../../src/modules/jobs/rules/failure-class.js';

it('every code has a class, and only what may pass by itself is retried', () => {
  const classes = Object.values(ErrorCode).map((code) => [code, failureClassOf(code)] as const);
  const retried = classes.filter(([, of]) => isRetried(of)).map(([code]) => code);
  expect(retried).toEqual([ErrorCode.UNAVAILABLE, ErrorCode.INTERNAL]);
  const known = new Set<FailureClass>([...classes.map(([, of]) => of), 'WORKER_LOST']);
  expect([...known].toSorted()).toEqual(Object.keys(FAILURE_CLASSES).toSorted());
  for (const [name, about] of Object.entries(FAILURE_CLASSES))
    expect(about.includes('It is not retried'), name).toBe(!isRetried(name as FailureClass));
});
