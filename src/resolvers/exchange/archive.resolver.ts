import { Arg, Ctx, Mutation, Resolver } from 'type-graphql';
import type { RequestContext } from '../request-context.js';
import {
  ExportExperimentInput,
  ExportExperimentPayload,
  ImportExperimentInput,
  ImportExperimentPayload,
} from './archive.types.js';

@Resolver()
export class ArchiveResolver {
  @Mutation(() => ExportExperimentPayload, {
    description:
      'Exports an experiment with its runs, complete metric histories, logs, datasets, logged ' +
      'models and files into one tar archive, with all ids and times.',
  })
  async exportExperiment(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => ExportExperimentInput, { description: 'Experiment to export into an archive file.' })
    input: ExportExperimentInput,
  ): Promise<ExportExperimentPayload> {
    return { job: await ctx.run((session) => ctx.services.archiveExports.start(session, input)) };
  }

  @Mutation(() => ImportExperimentPayload, {
    description:
      'Imports an archived experiment. It keeps its ids when this tenant exported this archive from this service ' +
      'and none of the ids is in use; otherwise all objects get new ids. The complete archive is checked first, by ' +
      'the rules of all other inputs: a wrong value fails the job with BAD_USER_INPUT, which names file, line and ' +
      'field. Nothing is visible before everything is imported. The same archive once more changes nothing.',
  })
  async importExperiment(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => ImportExperimentInput, {
      description: 'Upload with the archive, and the name of the experiment.',
    })
    input: ImportExperimentInput,
  ): Promise<ImportExperimentPayload> {
    return { job: await ctx.run((session) => ctx.services.archiveImports.start(session, input)) };
  }
}
