import { Arg, Ctx, FieldResolver, Mutation, Resolver, Root } from 'type-graphql';
import { ExperimentType } from '../experiments/experiment.types.js';
import type { RequestContext } from '../request-context.js';
import { CreateNoteInput, NotePayload, NoteType } from './note.types.js';

@Resolver()
export class NoteResolver {
  @Mutation(() => NotePayload, { description: 'Writes a note on an experiment.' })
  async createNote(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => CreateNoteInput, { description: 'The experiment and the text.' }) input: CreateNoteInput,
  ): Promise<NotePayload> {
    return { note: await ctx.run((session) => ctx.services.notes.create(session, input)) };
  }
}

@Resolver(() => ExperimentType)
export class ExperimentNotesResolver {
  @FieldResolver(() => [NoteType], { description: 'All notes on this experiment, oldest first.' })
  notes(@Root() experiment: ExperimentType, @Ctx() ctx: RequestContext): Promise<NoteType[]> {
    return ctx.loaders.experimentNotes.load(experiment.id);
  }
}
