export { LineageService } from './lineage.service.js';
export { defineLineage, properties, type LineageContribution, type LineageLinkType } from './contribution.js';
export { LINEAGE } from './lineage.js';
export { MAX_LINEAGE_DEPTH } from './rules/lineage.js';
