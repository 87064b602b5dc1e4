import { Arg, Ctx, FieldResolver, Mutation, Resolver, Root } from 'type-graphql';
import { CONTEXT_TAG } from '../../modules/experiments/index.js';
import type { RequestContext } from '../request-context.js';
import { KeyValue, toKeyValues } from '../types/common.types.js';
import { DatasetType } from '../datasets/dataset.types.js';
import { LoggedDataset, LogRunDatasetsInput } from './run-dataset.types.js';
import { RunPayload, RunType } from './run.types.js';

@Resolver(() => LoggedDataset)
export class LoggedDatasetResolver {
  @Mutation(() => RunPayload, { description: 'Records which data a run read and wrote.' })
  async logRunDatasets(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => LogRunDatasetsInput, { description: 'Run and data.' }) input: LogRunDatasetsInput,
  ): Promise<RunPayload> {
    return {
      run: await ctx.run(async (session) => {
        await ctx.services.runDatasets.log(session, input.runId, input.datasets);
        return ctx.services.runs.get(session, input.runId);
      }),
    };
  }

  @FieldResolver(() => String, {
    nullable: true,
    description: 'Purpose of the data, e.g. `training`; null when the client did not give it.',
  })
  context(@Root() logged: LoggedDataset): string | null {
    return logged.tags[CONTEXT_TAG] ?? null;
  }

  @FieldResolver(() => [KeyValue], {
    description: 'Tags of this record. The context has its own field and is not in this list.',
  })
  tags(@Root() logged: LoggedDataset): KeyValue[] {
    return toKeyValues(logged.tags).filter(({ key }) => key !== CONTEXT_TAG);
  }

  @FieldResolver(() => DatasetType, {
    nullable: true,
    description: 'The registered dataset with the same content; null when there is none.',
  })
  dataset(@Root() logged: LoggedDataset, @Ctx() ctx: RequestContext): Promise<DatasetType | null> | null {
    return logged.datasetId == null ? null : ctx.loaders.dataset.load(logged.datasetId);
  }
}

@Resolver(() => RunType)
export class RunDatasetsResolver {
  @FieldResolver(() => [LoggedDataset], {
    description: 'Data that the code recorded as read or written, in the order of logging.',
  })
  loggedDatasets(@Root() run: RunType, @Ctx() ctx: RequestContext): Promise<LoggedDataset[]> {
    return ctx.loaders.runLoggedDatasets.load(run.id);
  }
}
