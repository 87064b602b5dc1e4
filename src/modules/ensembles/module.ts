import { Ensemble } from '../../db/entities/ensembles/ensemble.entity.js';
import { EnsembleMember } from '../../db/entities/ensembles/ensemble-member.entity.js';
import { defineModule } from '../../define-module.js';
import { ensembleJob } from '../../jobs/ensembles/ensemble.job.js';
import { ensembleOutcome } from '../../resolvers/ensembles/ensemble-outcome.js';
import { EnsembleResolver, VersionEnsembleResolver } from '../../resolvers/ensembles/ensemble.resolver.js';
import { createEnsembleLoaders, ENSEMBLES_LINEAGE, EnsembleService } from './index.js';

interface EnsembleServices {
  ensembles: EnsembleService;
}

type EnsembleLoaders = ReturnType<typeof createEnsembleLoaders>;

declare module '../../services.js' {
  interface Services extends EnsembleServices {}
}
declare module '../../loaders.js' {
  interface Loaders extends EnsembleLoaders {}
}

export default defineModule({
  name: 'ensembles',
  lineage: ENSEMBLES_LINEAGE,
  entities: [Ensemble, EnsembleMember],
  createServices: ({ objects, evaluator, services }): EnsembleServices => {
    const { jobs, staged, datasets, models, modelVersions: versions } = services;
    return { ensembles: new EnsembleService({ jobs, objects, staged, datasets, models, versions, evaluator }) };
  },
  createLoaders: createEnsembleLoaders,
  resolvers: [EnsembleResolver, VersionEnsembleResolver],
  jobs: [ensembleJob],
  jobOutcomes: [ensembleOutcome],
});
