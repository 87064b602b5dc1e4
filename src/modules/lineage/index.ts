export { LineageService } from './lineage.service.js';
export type { LineageEdgeKind, LineageType } from './rules/lineage.js';
export { MAX_LINEAGE_DEPTH } from './rules/lineage.js';
