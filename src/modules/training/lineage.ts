import { ranLink } from '../jobs/index.js';
import { defineLineage } from '../lineage/index.js';
import { TRAINING } from './training.job-kind.js';

export const TRAINING_LINEAGE = defineLineage({ links: [ranLink(TRAINING)] });
