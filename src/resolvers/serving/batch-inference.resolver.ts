import { Arg, Ctx, ID, Mutation, Query, Resolver } from 'type-graphql';
import { listJobs } from '../jobs/job.resolver.js';
import { JobConnection, JobFilterInput, JobOrderInput, JobPayload, JobType } from '../jobs/job.types.js';
import { BATCH_INFERENCE } from '../../modules/serving/index.js';
import type { RequestContext } from '../request-context.js';
import { PageArgs } from '../types/connection.js';
import { StartBatchInferenceInput } from './batch-inference.types.js';
import { ArgsWithRanges } from '../types/range.js';

@Resolver(() => JobType)
export class BatchInferenceResolver {
  @Query(() => JobType, {
    description:
      'One batch inference job. Its `result`: artifactId, objectKey, rows, sizeBytes, sha256, ' +
      'parts, downloadUrl (GET it with your token). NOT_FOUND when it does not exist.',
  })
  batchInferenceJob(
    @Ctx() ctx: RequestContext,
    @Arg('id', () => ID, {
      description: 'Id (UUID) of the job. NOT_FOUND when it does not exist or belongs to another tenant.',
    })
    id: string,
  ): Promise<JobType> {
    return ctx.run((session) => ctx.services.jobs.get(session, id, BATCH_INFERENCE));
  }

  @Query(() => JobConnection, { description: 'Batch inference jobs of the tenant, newest first by default.' })
  batchInferenceJobs(
    @Ctx() ctx: RequestContext,
    @ArgsWithRanges(() => PageArgs) page: PageArgs,
    @Arg('filter', () => JobFilterInput, {
      nullable: true,
      description: 'Filter for the jobs; all when absent. Its `kind` is ignored.',
    })
    filter?: JobFilterInput,
    @Arg('orderBy', () => JobOrderInput, { nullable: true, description: 'Sort order; newest first when absent.' })
    orderBy?: JobOrderInput,
  ): Promise<object> {
    return listJobs(ctx, page, { ...filter, kind: BATCH_INFERENCE.kind }, orderBy);
  }

  @Mutation(() => JobPayload, {
    description:
      'Predicts for every row of a dataset in a background job. The result is one Parquet file with ' +
      '`row_number`, the key columns and the predictions. Classification: `prediction_label` and ' +
      '`prediction_probability_<class>` …, numbered from 0 when the class names are unknown. ' +
      'Regression: `prediction_value`, null where it is not finite. Clustering: ' +
      '`prediction_cluster` and `prediction_distance_0` …. Other outputs have their own names. ' +
      '`prediction_unknown_columns` names the columns whose category the training data did not ' +
      'contain, separated by commas; null when all are known. A value that `predict` would refuse ' +
      'ends the job with an error that names column and row. `jobProgress` follows the job, ' +
      '`cancelJob` cancels it. When a worker is lost, only one part is computed again. With the backend RAY ' +
      'or SPARK a cluster predicts, with the same checks and the same result.',
  })
  async startBatchInference(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => StartBatchInferenceInput, { description: 'Version and dataset.' })
    input: StartBatchInferenceInput,
  ): Promise<JobPayload> {
    await ctx.services.batchInference.requireBackend(input);
    return { job: await ctx.run((session) => ctx.services.batchInference.start(session, input)) };
  }
}
