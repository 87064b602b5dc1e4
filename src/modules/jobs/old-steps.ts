import type { Retention } from '../platform/index.js';
import { endedJobs, FIRST_ENDED, deleteOldSteps } from './old-steps-store.js';

const JOBS_AT_ONCE = 100;

/** Deletes the steps of jobs that ended long ago, except the last step of each, because followers end with it. */
export function retentionOfSteps(days: number): Retention {
  /** The last ended job whose steps this process has checked. */
  let looked = FIRST_ENDED;
  return {
    days,
    deleteBatch: async (em, before, limit) => {
      const jobs = await endedJobs(em, before, looked, JOBS_AT_ONCE);
      const last = jobs.at(-1);
      if (!last) return false;
      const ids = jobs.map(({ id }) => id);
      // The next call checks the same jobs again.
      if ((await deleteOldSteps(em, ids, limit)) === limit) return true;
      looked = last;
      return jobs.length === JOBS_AT_ONCE;
    },
  };
}
