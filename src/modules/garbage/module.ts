import { defineModule } from '../../define-module.js';
import { garbageCollectionJob } from '../../jobs/garbage/garbage-collection.job.js';
import { garbageCollectionOutcome } from '../../resolvers/garbage/garbage-collection-outcome.js';
import { GarbageResolver } from '../../resolvers/garbage/garbage.resolver.js';
import { GarbageService } from './index.js';

interface GarbageServices {
  garbage: GarbageService;
}

declare module '../../services.js' {
  interface Services extends GarbageServices {}
}

export default defineModule({
  name: 'garbage',
  createServices: ({ objects, services: { staged, jobs } }): GarbageServices => {
    return { garbage: new GarbageService({ objects, staged, jobs }) };
  },
  resolvers: [GarbageResolver],
  jobs: [garbageCollectionJob],
  jobOutcomes: [garbageCollectionOutcome],
});
