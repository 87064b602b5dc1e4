export { LineageService } from './lineage.service.js';
export type { LineageEdgeKind, LineageType } from './rules/lineage.js';
