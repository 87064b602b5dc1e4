import { SCRIPT, type ScriptService } from '../../modules/scripts/index.js';
import { defineJob } from '../engine/define-job.js';

export const scriptJob = defineJob({
  ...SCRIPT,
  run: ({ scripts }: { scripts: ScriptService }, attempt) => scripts.execute(attempt),
});
