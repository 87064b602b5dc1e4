import { expect, it } from 'vitest';
import { hasJobEnded, JOB_STATUS } from '../../src/modules/jobs/rules/job-status.js';

it('lets a job wait, run and end, and continue after an end without success', () => {
  const allowed = JOB_STATUS.states.flatMap((from) => JOB_STATUS.after(from).map((to) => `${from} → ${to}`));
  expect(allowed).toEqual([
    'QUEUED → RUNNING',
    'QUEUED → CANCELLED',
    'RUNNING → QUEUED',
    'RUNNING → SUCCEEDED',
    'RUNNING → FAILED',
    'RUNNING → CANCELLED',
    'FAILED → QUEUED',
    'CANCELLED → QUEUED',
  ]);
});

it('counts a job as ended when no attempt runs or waits', () => {
  expect(JOB_STATUS.states.filter(hasJobEnded)).toEqual(['SUCCEEDED', 'FAILED', 'CANCELLED']);
});
