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
      'Writes an experiment with its runs, whole metric histories, logs, datasets, logged models and files ' +
      'into one tar archive, with all ids and times.',
  })
  async exportExperiment(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => ExportExperimentInput, { description: 'Which experiment.' }) input: ExportExperimentInput,
  ): Promise<ExportExperimentPayload> {
    return { job: await ctx.run((session) => ctx.services.archiveExports.start(session, input)) };
  }

  @Mutation(() => ImportExperimentPayload, {
    description:
      'Brings an archived experiment in. It keeps its ids when this tenant exported this very archive here and ' +
      'none of the ids is in use; otherwise everything gets new ids. The archive is checked as a whole first, by ' +
      'the rules of all other inputs: a wrong value fails the job with BAD_USER_INPUT, naming file, line and ' +
      'field. Nothing is seen before everything is there; the same archive again changes nothing.',
  })
  async importExperiment(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => ImportExperimentInput, {
      description: 'Which upload holds it, and what to call the experiment.',
    })
    input: ImportExperimentInput,
  ): Promise<ImportExperimentPayload> {
    return { job: await ctx.run((session) => ctx.services.archiveImports.start(session, input)) };
  }
}
