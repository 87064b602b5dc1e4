import { Ctx, FieldResolver, Resolver, Root } from 'type-graphql';
import type { RequestContext } from '../request-context.js';
import { ArtifactType } from '../artifacts/artifact.types.js';
import { LoggedModelType } from '../logged-models/logged-model.types.js';
import { RunType } from '../experiments/run.types.js';
import { ModelVersionType } from './model-version.types.js';
import { VersionSourceType } from './version-source.types.js';

@Resolver(() => VersionSourceType)
export class VersionSourceResolver {
  @FieldResolver(() => RunType, {
    nullable: true,
    description: 'Run with the folder; null when the folder belongs to a logged model.',
  })
  run(@Root() { runId }: VersionSourceType, @Ctx() ctx: RequestContext): Promise<RunType | null> | null {
    return runId === null ? null : ctx.loaders.run.load(runId);
  }

  @FieldResolver(() => LoggedModelType, {
    nullable: true,
    description: 'Logged model with the folder; null when the folder belongs to a run.',
  })
  loggedModel(
    @Root() { loggedModelId }: VersionSourceType,
    @Ctx() ctx: RequestContext,
  ): Promise<LoggedModelType | null> | null {
    return loggedModelId === null ? null : ctx.loaders.loggedModel.load(loggedModelId);
  }

  @FieldResolver(() => [ArtifactType], {
    description: 'Current files in the folder, by their path in the run or logged model.',
  })
  async artifacts(
    @Root() { runId, loggedModelId, path }: VersionSourceType,
    @Ctx() { loaders }: RequestContext,
  ): Promise<ArtifactType[]> {
    const files =
      runId === null
        ? await loaders.loggedModelArtifacts.load(loggedModelId ?? '')
        : await loaders.runArtifacts.load(runId);
    return path === '' ? files : files.filter((file) => file.path.startsWith(`${path}/`));
  }
}

/** The source of a version. */
@Resolver(() => ModelVersionType)
export class VersionOriginResolver {
  @FieldResolver(() => LoggedModelType, {
    nullable: true,
    description:
      'Logged model from which the version was registered; null when it came from a run, an upload or elsewhere.',
  })
  loggedModel(@Root() version: ModelVersionType, @Ctx() ctx: RequestContext): Promise<LoggedModelType | null> | null {
    return version.loggedModelId ? ctx.loaders.loggedModel.load(version.loggedModelId) : null;
  }

  @FieldResolver(() => VersionSourceType, {
    nullable: true,
    description:
      'Folder with the files from which the version was registered; null when the files are not ' +
      'stored in this service, and for a training or an upload in this service.',
  })
  sourceFolder(@Root() { sourceFolder }: ModelVersionType): VersionSourceType | null {
    return sourceFolder ? { path: sourceFolder.path, runId: null, loggedModelId: null, ...sourceFolder.owner } : null;
  }
}

/** The versions made from a logged model. */
@Resolver(() => LoggedModelType)
export class LoggedModelVersionsResolver {
  @FieldResolver(() => [ModelVersionType], {
    description: 'The newest hundred versions that were registered from this logged model, in any model, newest first.',
  })
  versions(@Root() model: LoggedModelType, @Ctx() ctx: RequestContext): Promise<ModelVersionType[]> {
    return ctx.loaders.loggedModelVersions.load(model.id);
  }
}
