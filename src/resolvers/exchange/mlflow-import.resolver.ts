import { Arg, Ctx, Mutation, Resolver } from 'type-graphql';
import type { RequestContext } from '../request-context.js';
import { ImportFromMlflowInput, MlflowImportPayload } from './mlflow-import.types.js';

@Resolver()
export class MlflowImportResolver {
  @Mutation(() => MlflowImportPayload, {
    description:
      'Brings experiments, runs with whole histories, files, logged models, registered models, versions and ' +
      'aliases of a running MLflow server over. Again it adds what is new and changes what has changed ' +
      'there; a job that was lost goes on where it stopped.',
  })
  async importFromMlflow(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => ImportFromMlflowInput, { description: 'Where from, and what.' }) input: ImportFromMlflowInput,
  ): Promise<MlflowImportPayload> {
    return { job: await ctx.run((session) => ctx.services.mlflowImports.start(session, input)) };
  }
}
