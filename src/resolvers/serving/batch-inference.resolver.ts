import { Arg, Args, Ctx, ID, Mutation, Query, Resolver } from 'type-graphql';
import { listJobs } from '../jobs/job.resolver.js';
import { JobConnection, JobFilterInput, JobOrderInput, JobPayload, JobType } from '../jobs/job.types.js';
import { BATCH_INFERENCE } from '../../modules/serving/index.js';
import type { RequestContext } from '../request-context.js';
import { PageArgs } from '../types/connection.js';
import { StartBatchInferenceInput } from './batch-inference.types.js';

@Resolver(() => JobType)
export class BatchInferenceResolver {
  @Query(() => JobType, {
    description:
      'One batch inference. Its `result`: artifactId, objectKey, rows, sizeBytes, sha256, parts, downloadUrl ' +
      '(GET it with your token). NOT_FOUND when there is none.',
  })
  batchInferenceJob(
    @Ctx() ctx: RequestContext,
    @Arg('id', () => ID, {
      description: 'Id (UUID) of the job; NOT_FOUND for one of another tenant, as for one that never was.',
    })
    id: string,
  ): Promise<JobType> {
    return ctx.run((session) => ctx.services.jobs.get(session, id, BATCH_INFERENCE));
  }

  @Query(() => JobConnection, { description: 'Batch inferences of the tenant, newest first unless ordered otherwise.' })
  batchInferenceJobs(
    @Ctx() ctx: RequestContext,
    @Args(() => PageArgs) page: PageArgs,
    @Arg('filter', () => JobFilterInput, {
      nullable: true,
      description: 'Which of them; all when absent. Its `kind` is ignored.',
    })
    filter?: JobFilterInput,
    @Arg('orderBy', () => JobOrderInput, { nullable: true, description: 'Order; newest first when absent.' })
    orderBy?: JobOrderInput,
  ): Promise<object> {
    return listJobs(ctx, page, { ...filter, kind: BATCH_INFERENCE.kind }, orderBy);
  }

  @Mutation(() => JobPayload, {
    description:
      'Predicts for every row of a dataset in the background. The result is one Parquet file with ' +
      '`row_number`, the key columns and the predictions: `prediction_label` and ' +
      '`prediction_probability_<class>` …, numbered from 0 for a model whose classes nobody has named; ' +
      '`prediction_value`, null where it is not finite, or `prediction_cluster` and `prediction_distance_0` ' +
      '…; other outputs by their names. `prediction_unknown_columns` names the columns of a row whose ' +
      'category the model never saw, separated by commas, and is null where it knows all. A value that ' +
      '`predict` would refuse ends the job with its column and row. `jobProgress` follows it, `cancelJob` ' +
      'ends it; a lost worker costs one part.',
  })
  async startBatchInference(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => StartBatchInferenceInput, { description: 'The version and the dataset.' })
    input: StartBatchInferenceInput,
  ): Promise<JobPayload> {
    return { job: await ctx.run((session) => ctx.services.batchInference.start(session, input)) };
  }
}
