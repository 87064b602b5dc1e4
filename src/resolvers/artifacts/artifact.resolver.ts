import { Arg, Ctx, FieldResolver, Mutation, Resolver, Root } from 'type-graphql';
import type { RequestContext } from '../request-context.js';
import { ArtifactPayload, ArtifactType, LogArtifactInput } from './artifact.types.js';
import { RunDatasetUse } from '../datasets/dataset.types.js';
import { RunType } from '../experiments/run.types.js';

@Resolver(() => ArtifactType)
export class ArtifactResolver {
  @Mutation(() => ArtifactPayload, {
    description: 'Stores an uploaded file with a run. The same content under the same path once more changes nothing.',
  })
  async logArtifact(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => LogArtifactInput, { description: 'Run, path and upload.' }) input: LogArtifactInput,
  ): Promise<ArtifactPayload> {
    return { artifact: await ctx.services.artifacts.log(ctx, input) };
  }

  @FieldResolver(() => String, {
    description:
      'Path on this service from which to GET the content, with the same bearer token. Range ' +
      'requests are supported.',
  })
  downloadUrl(@Root() artifact: ArtifactType): string {
    return `/artifacts/${artifact.id}`;
  }
}

/** The artifacts of a run. */
@Resolver(() => RunType)
export class RunFilesResolver {
  @FieldResolver(() => [ArtifactType], { description: 'Files of the run, by path.' })
  artifacts(@Root() run: RunType, @Ctx() ctx: RequestContext): Promise<ArtifactType[]> {
    return ctx.loaders.runArtifacts.load(run.id);
  }

  @FieldResolver(() => [RunDatasetUse], { description: 'Datasets that the run used, in the order of their first use.' })
  async datasets(@Root() run: RunType, @Ctx() ctx: RequestContext): Promise<RunDatasetUse[]> {
    const uses = await ctx.loaders.runDatasets.load(run.id);
    const datasets = await ctx.loaders.dataset.loadMany(uses.map(({ datasetId }) => datasetId));
    return uses.flatMap(({ role }, i) => {
      const dataset = datasets[i];
      return dataset && !(dataset instanceof Error) ? [{ role, dataset }] : [];
    });
  }
}
