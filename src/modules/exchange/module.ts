import { ExternalRef } from '../../db/entities/exchange/external-ref.entity.js';
import { MirrorTask } from '../../db/entities/exchange/mirror-task.entity.js';
import { defineModule } from '../../define-module.js';
import { experimentExportJob } from '../../jobs/exchange/experiment-export.job.js';
import { experimentImportJob } from '../../jobs/exchange/experiment-import.job.js';
import { mlflowImportJob } from '../../jobs/exchange/mlflow-import.job.js';
import {
  experimentExportOutcome,
  experimentImportOutcome,
} from '../../resolvers/exchange/experiment-archive-outcomes.js';
import { mlflowImportOutcome } from '../../resolvers/exchange/mlflow-import-outcome.js';
import { ArchiveResolver } from '../../resolvers/exchange/archive.resolver.js';
import { MirrorResolver } from '../../resolvers/exchange/mirror.resolver.js';
import { MlflowImportResolver } from '../../resolvers/exchange/mlflow-import.resolver.js';
import {
  ArchiveExportService,
  ArchiveImportService,
  mirrorSubscriber,
  MirrorService,
  MlflowImportService,
} from './index.js';

interface ExchangeServices {
  archiveExports: ArchiveExportService;
  archiveImports: ArchiveImportService;
  mirror: MirrorService;
  mlflowImports: MlflowImportService;
}

declare module '../../services.js' {
  interface Services extends ExchangeServices {}
}

export default defineModule({
  name: 'exchange',
  entities: [ExternalRef, MirrorTask],
  createServices: ({ db, objects, logger, mirrorTarget, connectMlflow, importPolicy, services }): ExchangeServices => {
    const { jobs, staged, uploads, artifacts, artifactFolders, experiments, runs, runLifecycle } = services;
    const { runDatasets, loggedModels, models, modelVersions, sourcedVersions, registryTags, aliases, stages } =
      services;
    if (mirrorTarget) services.events.subscribe(mirrorSubscriber);
    return {
      archiveExports: new ArchiveExportService({ objects, staged, jobs, artifacts, experiments }),
      archiveImports: new ArchiveImportService({ db, objects, staged, jobs, artifacts, experiments, uploads }),
      mirror: new MirrorService(db, logger, mirrorTarget),
      mlflowImports: new MlflowImportService({
        jobs,
        experiments,
        runs,
        lifecycle: runLifecycle,
        datasets: runDatasets,
        loggedModels,
        folders: artifactFolders,
        models,
        modelVersions,
        sourcedVersions,
        registryTags,
        aliases,
        stages,
        policy: importPolicy,
        connect: connectMlflow,
      }),
    };
  },
  resolvers: [ArchiveResolver, MirrorResolver, MlflowImportResolver],
  jobs: [experimentExportJob, experimentImportJob, mlflowImportJob],
  jobOutcomes: [experimentExportOutcome, experimentImportOutcome, mlflowImportOutcome],
  createBackgroundWork: ({ services: { mirror } }) => [
    { in: 'worker', start: () => mirror.start(), stop: () => mirror.stop() },
  ],
});
