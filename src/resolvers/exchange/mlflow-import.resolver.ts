import { Arg, Ctx, Mutation, Resolver } from 'type-graphql';
import type { RequestContext } from '../request-context.js';
import { ImportFromMlflowInput, MlflowImportPayload } from './mlflow-import.types.js';

@Resolver()
export class MlflowImportResolver {
  @Mutation(() => MlflowImportPayload, {
    description:
      'Imports experiments, runs with complete histories, files, logged models, registered models, ' +
      'versions and aliases from a running MLflow server. A repeated import adds new objects and ' +
      'updates those that have changed there. A lost job continues where it stopped.',
  })
  async importFromMlflow(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => ImportFromMlflowInput, { description: 'Server and what to import.' })
    input: ImportFromMlflowInput,
  ): Promise<MlflowImportPayload> {
    return { job: await ctx.run((session) => ctx.services.mlflowImports.start(session, input)) };
  }
}
