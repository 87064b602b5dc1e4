import { retentionOf, type Retention } from '../platform/index.js';
import { deleteOldMinutes } from './stores/old-minutes.js';

/** How long minutes of traffic are kept; 0 means for ever. */
export const retentionOfTraffic = (days: number): Retention => retentionOf(days, deleteOldMinutes);
