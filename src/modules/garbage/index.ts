export { GarbageService, MAX_DAYS, MAX_IDS } from './garbage.service.js';
export { GARBAGE_COLLECTION } from './garbage-collection.job-kind.js';
