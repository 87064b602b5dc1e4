import { type Retention, retentionOf } from '../platform/index.js';
import { deleteOldStarts } from './stores/schedules.js';

/** Deletes what became of starts long ago. */
export const retentionOfStarts = (days: number): Retention => retentionOf(days, deleteOldStarts);
