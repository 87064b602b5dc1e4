import { join } from 'node:path';
import { defineModule } from '../../define-module.js';
import { scriptJob } from '../../jobs/scripts/script.job.js';
import { ScriptResolver } from '../../resolvers/scripts/script.resolver.js';
import { cloneOfScript, ScriptService, SCRIPTS_LINEAGE } from './index.js';

interface ScriptsServices {
  scripts: ScriptService;
}

declare module '../../services.js' {
  interface Services extends ScriptsServices {}
}

export default defineModule({
  name: 'scripts',
  lineage: SCRIPTS_LINEAGE,
  createServices: ({ db, objects, scripts, config, services }): ScriptsServices => {
    const { uploads, scheduler } = services;
    const parts = { ...services, objects, scripts, workRoot: join(config.DATA_DIR, 'work') };
    const service = new ScriptService(db, uploads, scheduler, parts, config.ROLE !== 'api');
    services.jobCloner.add(cloneOfScript(service, services.jobs, services.runs, services.artifacts));
    return { scripts: service };
  },
  resolvers: [ScriptResolver],
  jobs: [scriptJob],
});
