import { type GarbageService, GARBAGE_COLLECTION } from '../../modules/garbage/index.js';
import { defineJob } from '../engine/define-job.js';

export const garbageCollectionJob = defineJob({
  ...GARBAGE_COLLECTION,
  run: ({ garbage }: { garbage: GarbageService }, attempt) => garbage.execute(attempt),
});
