import { Model } from '../../db/entities/registry/model.entity.js';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import { ModelAlias } from '../../db/entities/registry/model-alias.entity.js';
import { Approval } from '../../db/entities/registry/approval.entity.js';
import { ModelComment } from '../../db/entities/registry/model-comment.entity.js';
import { StageTransition } from '../../db/entities/registry/stage-transition.entity.js';
import { GateResult } from '../../db/entities/registry/gate-result.entity.js';
import { defineModule } from '../../define-module.js';
import { conversionJob } from '../../jobs/registry/conversion.job.js';
import { conversionOutcome } from '../../resolvers/registry/conversion-outcome.js';
import { aliasEndpoints } from '../../protocols/mlflow/registry/aliases.js';
import { modelEndpoints } from '../../protocols/mlflow/registry/models.js';
import { versionEndpoints } from '../../protocols/mlflow/registry/versions.js';
import {
  LoggedModelVersionsResolver,
  VersionOriginResolver,
  VersionSourceResolver,
} from '../../resolvers/registry/version-source.resolver.js';
import { ApprovalResolver, VersionApprovalsResolver } from '../../resolvers/registry/approval.resolver.js';
import { GatePolicyResolver, GateResultResolver } from '../../resolvers/registry/gate-policy.resolver.js';
import { RegistryTagResolver } from '../../resolvers/registry/registry-tag.resolver.js';
import { CommentResolver } from '../../resolvers/registry/comment.resolver.js';
import {
  AliasResolver,
  ModelAliasesResolver,
  VersionAliasesResolver,
} from '../../resolvers/registry/alias.resolver.js';
import { ConversionResolver } from '../../resolvers/registry/conversion.resolver.js';
import { JobModelVersionResolver, ModelVersionResolver } from '../../resolvers/registry/model-version.resolver.js';
import { ModelResolver, StageTransitionResolver } from '../../resolvers/registry/model.resolver.js';
import { StageResolver } from '../../resolvers/registry/stage.resolver.js';
import {
  REGISTRY_LINEAGE,
  REGISTRY_EVENTS,
  AliasService,
  ApprovalService,
  CommentService,
  ConversionService,
  GateService,
  ModelService,
  ModelVersionService,
  RegistryTagService,
  SourcedVersionService,
  StageMoves,
  StageService,
  VersionFollowers,
  VersionRemoval,
  VersionStorage,
  createRegistryLoaders,
} from './index.js';

interface RegistryServices {
  aliases: AliasService;
  approvals: ApprovalService;
  comments: CommentService;
  conversions: ConversionService;
  gates: GateService;
  models: ModelService;
  modelVersions: ModelVersionService;
  registryTags: RegistryTagService;
  sourcedVersions: SourcedVersionService;
  stageMoves: StageMoves;
  stages: StageService;
  versionFollowers: VersionFollowers;
  versionStorage: VersionStorage;
}

type RegistryLoaders = ReturnType<typeof createRegistryLoaders>;

declare module '../../services.js' {
  interface Services extends RegistryServices {}
}
declare module '../../loaders.js' {
  interface Loaders extends RegistryLoaders {}
}

const MINUTE_MS = 60_000;

export default defineModule({
  name: 'registry',
  events: REGISTRY_EVENTS,
  lineage: REGISTRY_LINEAGE,
  entities: [Model, ModelVersion, ModelAlias, Approval, ModelComment, StageTransition, GateResult],
  createServices: ({ db, live, objects, files, logger, config, checkModel, converter, services }): RegistryServices => {
    const { jobs, staged, uploads, artifacts, artifactFolders, datasets } = services;
    const versionFollowers = new VersionFollowers();
    const removal = new VersionRemoval(staged, live);
    const models = new ModelService(live, removal);
    const versionStorage = new VersionStorage(db, live, objects, staged, artifacts, versionFollowers, logger);
    const modelVersions = new ModelVersionService({
      db,
      live,
      objects,
      uploads,
      models,
      removal,
      storage: versionStorage,
      checkModel,
    });
    const gates = new GateService();
    const approvals = new ApprovalService(live, models, modelVersions);
    const stages = new StageService(live, models, modelVersions, gates, approvals, versionFollowers);
    const conversions = new ConversionService({
      live,
      jobs,
      objects,
      staged,
      artifacts,
      datasets,
      files,
      models,
      versions: modelVersions,
      converter,
      checkModel,
      follower: versionFollowers,
      automatic: config.PYTHON_PATH !== undefined,
    });
    return {
      aliases: new AliasService(live, models, versionFollowers),
      approvals,
      comments: new CommentService(live, models, modelVersions),
      conversions,
      gates,
      models,
      modelVersions,
      registryTags: new RegistryTagService(live, models, modelVersions),
      sourcedVersions: new SourcedVersionService({
        db,
        objects,
        folders: artifactFolders,
        models,
        versions: modelVersions,
        conversions,
      }),
      stageMoves: new StageMoves(modelVersions, stages),
      stages,
      versionFollowers,
      versionStorage,
    };
  },
  createLoaders: createRegistryLoaders,
  resolvers: [
    LoggedModelVersionsResolver,
    VersionOriginResolver,
    VersionSourceResolver,
    ApprovalResolver,
    VersionApprovalsResolver,
    GatePolicyResolver,
    GateResultResolver,
    RegistryTagResolver,
    CommentResolver,
    AliasResolver,
    ModelAliasesResolver,
    VersionAliasesResolver,
    ConversionResolver,
    JobModelVersionResolver,
    ModelVersionResolver,
    ModelResolver,
    StageTransitionResolver,
    StageResolver,
  ],
  jobs: [conversionJob],
  jobOutcomes: [conversionOutcome],
  createTicks: ({ services: { versionStorage } }) => [
    { name: 'sweep-versions', intervalMs: MINUTE_MS, run: () => versionStorage.sweep() },
  ],
  createBackgroundWork: ({ services: { versionStorage } }) => [{ in: 'all', close: () => versionStorage.idle() }],
  mlflowEndpoints: [...modelEndpoints, ...versionEndpoints, ...aliasEndpoints],
});
