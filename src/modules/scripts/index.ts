export { SCRIPTS_LINEAGE } from './lineage.js';
export { cloneOfScript } from './script-clone.js';
export { SCRIPT } from './script.job-kind.js';
export { COMMAND, ScriptService } from './script.service.js';
