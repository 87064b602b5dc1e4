import { Arg, Ctx, FieldResolver, ID, Int, Mutation, Query, Resolver, Root } from 'type-graphql';
import { badInput } from '../../errors.js';
import { requireOneWay } from '../look-up.js';
import { JobType } from '../jobs/job.types.js';
import type { RequestContext } from '../request-context.js';
import { ArtifactType } from '../artifacts/artifact.types.js';
import { RunType } from '../experiments/run.types.js';
import { KeyValue, OrderDirection, toKeyValues } from '../types/common.types.js';
import { PageArgs, toConnection } from '../types/connection.js';
import { EvaluationType } from '../evaluation/evaluation.types.js';
import { GateResultType } from './gate.types.js';
import {
  DeleteModelVersionInput,
  ModelVersionConnection,
  ModelVersionFilterInput,
  ModelVersionOrderInput,
  ModelVersionPayload,
  ModelVersionType,
  NamedMetric,
  RegisterModelVersionInput,
  UpdateModelVersionInput,
} from './model-version.types.js';
import { DeletedPayload, ModelType, StageEnum, type StageName, StageTransitionType } from './model.types.js';
import { ArgsWithRanges, ArgumentRange } from '../types/range.js';
import { VERSION } from '../../modules/core/index.js';
import { checkLanguageModel } from '../../modules/registry/index.js';

@Resolver(() => ModelVersionType)
export class ModelVersionResolver {
  @ArgumentRange('version', VERSION)
  @Query(() => ModelVersionType, {
    description:
      'One model version: by its `id`, or by its model (`modelId` or `modelName`) with exactly one ' +
      'of `version`, `stage` and `alias`. NOT_FOUND when it does not exist.',
  })
  modelVersion(
    @Ctx() ctx: RequestContext,
    @Arg('id', () => ID, {
      nullable: true,
      description: 'Id (UUID) of the version. NOT_FOUND when it does not exist or belongs to another tenant.',
    })
    id?: string | null,
    @Arg('modelId', () => ID, {
      nullable: true,
      description: 'Id (UUID) of the model, instead of `id`. NOT_FOUND when it does not exist.',
    })
    modelId?: string | null,
    @Arg('modelName', () => String, {
      nullable: true,
      description: 'Exact name of the model, instead of `id`; case-sensitive.',
    })
    modelName?: string | null,
    @Arg('version', () => Int, { nullable: true, description: 'Version number within the model, from 1.' }) version?:
      | number
      | null,
    @Arg('stage', () => StageEnum, {
      nullable: true,
      description: 'Version in this stage; if there are several, the one with the highest number.',
    })
    stage?: StageName | null,
    @Arg('alias', () => String, {
      nullable: true,
      description: 'Version that this alias of the model points to; case-sensitive.',
    })
    alias?: string | null,
  ): Promise<ModelVersionType> {
    requireOneWay({ id, modelId, modelName });
    const { modelVersions, aliases } = ctx.services;
    if (id != null) {
      const beside = version ?? stage ?? alias;
      if (beside != null)
        throw badInput('id', 'an id alone: version, stage and alias go with modelId or modelName', beside);
      return ctx.run((session) => modelVersions.get(session, id));
    }
    requireOneWay({ version, stage, alias });
    const of = modelId == null ? { modelName: modelName! } : { modelId };
    if (alias != null) return ctx.run((session) => aliases.resolve(session, of, alias));
    return ctx.run((session) => modelVersions.ofModel(session, of, version == null ? { stage: stage! } : { version }));
  }

  @Query(() => ModelVersionConnection, {
    description: 'Model versions of the tenant, newest first by default.',
  })
  async modelVersions(
    @Ctx() ctx: RequestContext,
    @ArgsWithRanges(() => PageArgs) page: PageArgs,
    @Arg('filter', () => ModelVersionFilterInput, {
      nullable: true,
      description: 'Filter for versions; all when absent.',
    })
    filter?: ModelVersionFilterInput,
    @Arg('orderBy', () => ModelVersionOrderInput, {
      nullable: true,
      description: 'Sort order; newest first when absent.',
    })
    orderBy?: ModelVersionOrderInput,
  ): Promise<object> {
    const order = orderBy ?? { field: 'createdAt' as const, direction: OrderDirection.DESC };
    const result = await ctx.run((session) => ctx.services.modelVersions.list(session, filter ?? {}, page, order));
    return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
  }

  @Mutation(() => ModelVersionPayload, {
    description:
      'Registers the model of a run, an uploaded ONNX file, a logged model or a language model as the next version. A ' +
      'version with a model.onnx gets model.onnx, requirements.txt and model_card.md as its ' +
      'artifacts. Files of another framework stay where they were logged, for a conversion.',
  })
  async registerModelVersion(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => RegisterModelVersionInput, { description: 'Model, and the source of the file.' })
    input: RegisterModelVersionInput,
  ): Promise<ModelVersionPayload> {
    const { modelVersions } = ctx.services;
    const { id } = await this.registered(ctx, input);
    return { modelVersion: await modelVersions.settled(ctx, id) };
  }

  @Mutation(() => ModelVersionPayload, {
    description:
      'Changes the description, tags, semantic version, classes, decision threshold or input ' +
      'columns of a version. NOT_FOUND when it does not exist.',
  })
  async updateModelVersion(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => UpdateModelVersionInput, { description: 'Object and its changes.' })
    input: UpdateModelVersionInput,
  ): Promise<ModelVersionPayload> {
    return { modelVersion: await ctx.run((session) => ctx.services.modelVersions.update(session, input)) };
  }

  @Mutation(() => DeletedPayload, {
    description:
      'Deletes a version with its files. CONFLICT when it is not in DEVELOPMENT or STAGING, or ' +
      'while something uses it.',
  })
  async deleteModelVersion(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => DeleteModelVersionInput, { description: 'Version to delete, in DEVELOPMENT or STAGING.' })
    input: DeleteModelVersionInput,
  ): Promise<DeletedPayload> {
    await ctx.run((session) => ctx.services.modelVersions.delete(session, input.id));
    return { deletedId: input.id };
  }

  private registered(ctx: RequestContext, input: RegisterModelVersionInput): Promise<{ id: string }> {
    const { modelVersions, sourcedVersions } = ctx.services;
    const { runId, uploadId, loggedModelId, languageModel, artifactPath, ...rest } = input;
    // First, so that a wrong name is told whatever else is wrong.
    if (languageModel != null) checkLanguageModel(languageModel);
    const sources = { runId, uploadId, loggedModelId, languageModel };
    if (Object.values(sources).filter((source) => source != null).length !== 1)
      throw badInput('input', 'exactly one of runId, uploadId, loggedModelId and languageModel', sources);
    if (artifactPath != null && runId == null)
      throw badInput('input.artifactPath', 'a path together with runId', artifactPath);
    if (languageModel != null)
      return ctx.run((session) => modelVersions.registerLanguageModel(session, { ...rest, languageModel }));
    if (uploadId != null) return modelVersions.registerFromUpload(ctx, { ...rest, uploadId });
    if (loggedModelId != null) return sourcedVersions.registerLogged(ctx, { ...rest, logged: { loggedModelId } });
    const ofRun = { runId: runId as string };
    if (artifactPath == null)
      return ctx.run((session) => modelVersions.registerFromRun(session, { ...rest, ...ofRun }));
    return sourcedVersions.registerLogged(ctx, { ...rest, logged: { ...ofRun, path: artifactPath } });
  }

  @FieldResolver(() => ModelType, { description: 'Model that the version belongs to.' })
  model(@Root() version: ModelVersionType, @Ctx() ctx: RequestContext): Promise<ModelType | null> {
    return ctx.loaders.model.load(version.modelId);
  }

  @FieldResolver(() => RunType, {
    nullable: true,
    description: 'Run that trained the version; null for an uploaded file.',
  })
  run(@Root() version: ModelVersionType, @Ctx() ctx: RequestContext): Promise<RunType | null> | null {
    return version.runId ? ctx.loaders.run.load(version.runId) : null;
  }

  @FieldResolver(() => String, {
    description: 'Framework of the version, e.g. `sklearn`; the framework of its model unless given at registration.',
  })
  async framework(@Root() version: ModelVersionType, @Ctx() ctx: RequestContext): Promise<string> {
    return version.framework ?? (await ctx.loaders.model.load(version.modelId))?.framework ?? '';
  }

  @FieldResolver(() => [NamedMetric], {
    description: 'Metrics of its training, by name; empty for an uploaded file.',
  })
  metrics(@Root() version: ModelVersionType): NamedMetric[] {
    return Object.entries(version.metrics).map(([name, value]) => ({ name, value }));
  }

  @FieldResolver(() => [KeyValue], { description: 'Tags, each key once.' })
  tags(@Root() version: ModelVersionType): KeyValue[] {
    return toKeyValues(version.tags);
  }

  @FieldResolver(() => [GateResultType], { description: 'Newest result of each gate.' })
  gates(@Root() version: ModelVersionType, @Ctx() ctx: RequestContext): Promise<GateResultType[]> {
    return ctx.loaders.versionGates.load(version.id);
  }

  @FieldResolver(() => [StageTransitionType], { description: 'Stage changes of the version, newest first.' })
  stageHistory(@Root() version: ModelVersionType, @Ctx() ctx: RequestContext): Promise<StageTransitionType[]> {
    return ctx.loaders.versionTransitions.load(version.id);
  }

  @FieldResolver(() => [ArtifactType], {
    description:
      'Files of the version, by path: model.onnx, requirements.txt, model_card.md, and one report per evaluation.',
  })
  artifacts(@Root() version: ModelVersionType, @Ctx() ctx: RequestContext): Promise<ArtifactType[]> {
    return ctx.loaders.versionArtifacts.load(version.id);
  }

  @FieldResolver(() => [EvaluationType], { description: 'Evaluations of the version, newest first, at most twenty.' })
  evaluations(@Root() version: ModelVersionType, @Ctx() ctx: RequestContext): Promise<EvaluationType[]> {
    return ctx.loaders.versionEvaluations.load(version.id);
  }
}

/** The versions that jobs refer to. */
@Resolver(() => JobType)
export class JobModelVersionResolver {
  @FieldResolver(() => ModelVersionType, {
    nullable: true,
    description: 'Model version of the job; null for jobs without a version, and when the version has been deleted.',
  })
  modelVersion(@Root() job: JobType, @Ctx() ctx: RequestContext): Promise<ModelVersionType | null> | null {
    return job.modelVersionId ? ctx.loaders.modelVersion.load(job.modelVersionId) : null;
  }
}
