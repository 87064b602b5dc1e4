import { retentionOf, type Retention } from '../platform/index.js';
import { forgetMinutes } from './stores/old-minutes.js';

/** Minutes of traffic are kept so long; 0 for ever. */
export const retentionOfTraffic = (days: number): Retention => retentionOf(days, forgetMinutes);
