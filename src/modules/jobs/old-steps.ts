import type { Retention } from '../platform/index.js';
import { endedJobs, FIRST_ENDED, forgetSteps } from './store.js';

const JOBS_AT_ONCE = 100;

/** Of jobs that ended long ago, all but the last step goes, which ends what follows them. */
export function retentionOfSteps(days: number): Retention {
  /** Up to where this process has looked through ended jobs. */
  let looked = FIRST_ENDED;
  return {
    days,
    forget: async (em, before, limit) => {
      const jobs = await endedJobs(em, before, looked, JOBS_AT_ONCE);
      const last = jobs.at(-1);
      if (!last) return false;
      const ids = jobs.map(({ id }) => id);
      // The same jobs again.
      if ((await forgetSteps(em, ids, limit)) === limit) return true;
      looked = last;
      return jobs.length === JOBS_AT_ONCE;
    },
  };
}
