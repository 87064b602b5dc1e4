import { ranLink } from '../jobs/index.js';
import { defineLineage } from '../lineage/index.js';
import { SCRIPT } from './script.job-kind.js';

export const SCRIPTS_LINEAGE = defineLineage({ links: [ranLink(SCRIPT)] });
