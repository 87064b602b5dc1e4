import { Arg, Ctx, Extensions, Mutation, Resolver } from 'type-graphql';
import { Role } from '../../modules/core/index.js';
import { JobPayload } from '../jobs/job.types.js';
import type { RequestContext } from '../request-context.js';
import { RegisterPredictionLogInput } from './log-dataset.types.js';

@Resolver()
export class LogDatasetResolver {
  @Extensions({ minRole: Role.ENGINEER })
  @Mutation(() => JobPayload, {
    description:
      'Registers answered requests of the log as a Parquet dataset, one row each, in a background job: the inputs ' +
      'under their own names, and `log_request_id`, `log_row`, `log_time`, `log_deployment_id`, `log_version`, ' +
      '`log_latency_ms`, the answer (`log_predicted_label`, `log_predicted_value`) and the newest ground truth ' +
      '(`log_true_label`, `log_true_value`, `log_true_since`). Redacted fields are left out. CONFLICT when versions ' +
      'take a column of one name as different types; the job fails with CONFLICT when nothing was logged.',
  })
  async registerPredictionLog(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => RegisterPredictionLogInput, { description: 'Endpoint, time range, and name of the dataset.' })
    input: RegisterPredictionLogInput,
  ): Promise<JobPayload> {
    await ctx.services.traffic.flush();
    return { job: await ctx.run((session) => ctx.services.logDatasets.start(session, input)) };
  }
}
