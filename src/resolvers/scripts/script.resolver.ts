import { Arg, Ctx, Mutation, Resolver } from 'type-graphql';
import type { RunType } from '../experiments/run.types.js';
import type { RequestContext } from '../request-context.js';
import { ScriptPayload, StartScriptInput } from './script.types.js';

@Resolver()
export class ScriptResolver {
  @Mutation(() => ScriptPayload, {
    description:
      'Queues a training whose code is yours. The script has MLFLOW_TRACKING_URI, MLFLOW_RUN_ID and a token in its ' +
      'environment that can only write this run, so that `mlflow.log_metric` shows at once; what it prints becomes lines ' +
      'of the run. BAD_USER_INPUT says what is wrong with the zip, UNAVAILABLE why no script can run.',
  })
  async startScript(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => StartScriptInput, { description: 'Code, command and experiment of the script.' })
    input: StartScriptInput,
  ): Promise<ScriptPayload> {
    const job = await ctx.services.scripts.start(ctx, input);
    const run: RunType = await ctx.run((session) => ctx.services.runs.get(session, job.runId!));
    return { job, run };
  }
}
