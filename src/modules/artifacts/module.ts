import { Artifact } from '../../db/entities/artifacts/artifact.entity.js';
import { defineModule } from '../../define-module.js';
import { runArchiveJob } from '../../jobs/artifacts/run-archive.job.js';
import { runArchiveOutcome } from '../../resolvers/artifacts/run-archive-outcome.js';
import { proxyEndpoints } from '../../protocols/mlflow/artifacts/proxy.js';
import { multipartEndpoints } from '../../protocols/mlflow/artifacts/multipart.js';
import { listingEndpoints } from '../../protocols/mlflow/artifacts/listing.js';
import { ArtifactResolver, RunFilesResolver } from '../../resolvers/artifacts/artifact.resolver.js';
import {
  ARTIFACTS_LINEAGE,
  ArtifactFolderService,
  ArtifactService,
  RunArchiveService,
  createArtifactLoaders,
} from './index.js';

interface ArtifactsServices {
  artifactFolders: ArtifactFolderService;
  artifacts: ArtifactService;
  runArchive: RunArchiveService;
}

type ArtifactsLoaders = ReturnType<typeof createArtifactLoaders>;

declare module '../../services.js' {
  interface Services extends ArtifactsServices {}
}
declare module '../../loaders.js' {
  interface Loaders extends ArtifactsLoaders {}
}

export default defineModule({
  name: 'artifacts',
  lineage: ARTIFACTS_LINEAGE,
  entities: [Artifact],
  createServices: ({ db, objects, config, services }): ArtifactsServices => {
    const { staged, uploads, directUploads, jobs, runs, runLifecycle } = services;
    const artifacts = new ArtifactService(db, objects, staged, uploads, runs);
    const runArchive = new RunArchiveService({ objects, staged, artifacts, jobs });
    runLifecycle.onEnd((session, runId) => runArchive.request(session, runId));
    return {
      artifactFolders: new ArtifactFolderService({
        db,
        objects,
        staged,
        artifacts,
        uploads: directUploads,
        maxBytes: config.MAX_UPLOAD_BYTES,
      }),
      artifacts,
      runArchive,
    };
  },
  createLoaders: createArtifactLoaders,
  resolvers: [ArtifactResolver, RunFilesResolver],
  jobs: [runArchiveJob],
  jobOutcomes: [runArchiveOutcome],
  mlflowEndpoints: [...proxyEndpoints, ...multipartEndpoints, ...listingEndpoints],
});
