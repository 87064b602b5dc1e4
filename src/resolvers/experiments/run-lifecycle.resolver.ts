import { Arg, Args, Ctx, FieldResolver, Mutation, Resolver, Root } from 'type-graphql';
import { fromHexId } from '../../modules/core/index.js';
import { RUN_TAGS, sourceOf, moreChildRuns } from '../../modules/experiments/index.js';
import type { RequestContext } from '../request-context.js';
import { PageArgs, toConnection } from '../types/connection.js';
import {
  CloneRunInput,
  DeleteRunInput,
  DeleteRunTagInput,
  RestoreRunInput,
  ResumeRunInput,
  UpdateRunInput,
} from './run-lifecycle.types.js';
import { RunSource } from './run-source.types.js';
import { RunConnection, RunPayload, RunType } from './run.types.js';

@Resolver(() => RunType)
export class RunLifecycleResolver {
  @Mutation(() => RunPayload, { description: 'Changes name, notes, status or end of a run.' })
  async updateRun(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => UpdateRunInput, { description: 'What to change.' }) input: UpdateRunInput,
  ): Promise<RunPayload> {
    return { run: await ctx.run((session) => ctx.services.runLifecycle.update(session, input)) };
  }

  @Mutation(() => RunPayload, {
    description: 'Takes up a run that has ended: it is RUNNING again, and what it logged stays.',
  })
  async resumeRun(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => ResumeRunInput, { description: 'Which one goes on.' }) input: ResumeRunInput,
  ): Promise<RunPayload> {
    return { run: await ctx.run((session) => ctx.services.runLifecycle.resume(session, input.runId)) };
  }

  @Mutation(() => RunPayload, {
    description:
      'Starts a run with the parameters, tags, notes and source of another; metrics, logs and files stay ' +
      'with that one.',
  })
  async cloneRun(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => CloneRunInput, { description: 'The run to clone, and what to call the new one.' })
    input: CloneRunInput,
  ): Promise<RunPayload> {
    return { run: await ctx.run((session) => ctx.services.runLifecycle.clone(session, input)) };
  }

  @Mutation(() => RunPayload, {
    description:
      'Puts a run aside: lists leave it out and nothing can be logged to it, until it is restored or ' +
      'collected as garbage.',
  })
  async deleteRun(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => DeleteRunInput, { description: 'Which one to put aside.' }) input: DeleteRunInput,
  ): Promise<RunPayload> {
    return { run: await ctx.run((session) => ctx.services.runLifecycle.remove(session, input.runId)) };
  }

  @Mutation(() => RunPayload, { description: 'Brings a deleted run back, with everything that it logged.' })
  async restoreRun(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => RestoreRunInput, { description: 'Which one to bring back.' }) input: RestoreRunInput,
  ): Promise<RunPayload> {
    return { run: await ctx.run((session) => ctx.services.runLifecycle.restore(session, input.runId)) };
  }

  @Mutation(() => RunPayload, { description: 'Takes one tag off a run.' })
  async deleteRunTag(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => DeleteRunTagInput, { description: 'The run and the key.' }) input: DeleteRunTagInput,
  ): Promise<RunPayload> {
    return {
      run: await ctx.run(async (session) => {
        await ctx.services.runs.deleteTag(session, input.runId, input.key);
        return ctx.services.runs.get(session, input.runId);
      }),
    };
  }

  @FieldResolver(() => RunType, {
    nullable: true,
    description: 'The run that this one is a part of; null for one that stands alone.',
  })
  parent(@Root() run: RunType, @Ctx() ctx: RequestContext): Promise<RunType | null> | null {
    return run.parentRunId == null ? null : ctx.loaders.run.load(run.parentRunId);
  }

  @FieldResolver(() => RunConnection, {
    description: 'The runs that are parts of this one, newest first; deleted ones are left out.',
  })
  async children(
    @Root() run: RunType,
    @Ctx() ctx: RequestContext,
    @Args(() => PageArgs) page: PageArgs,
  ): Promise<object> {
    const result =
      page.after == null
        ? await ctx.loaders.childRuns.load({ ownerId: run.id, first: page.first ?? null })
        : await ctx.run((session) => moreChildRuns(session, run.id, page));
    return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
  }

  @FieldResolver(() => String, {
    description: 'Notes for people, as Markdown; empty when there are none. Kept as the tag mlflow.note.content.',
  })
  async description(@Root() run: RunType, @Ctx() ctx: RequestContext): Promise<string> {
    return (await ctx.loaders.runTags.load(run.id)).find(({ key }) => key === RUN_TAGS.note)?.value ?? '';
  }

  @FieldResolver(() => RunSource, {
    nullable: true,
    description: 'Where its code came from; null when its client did not say.',
  })
  async source(@Root() run: RunType, @Ctx() ctx: RequestContext): Promise<RunSource | null> {
    return sourceOf(await ctx.loaders.runTags.load(run.id));
  }

  @FieldResolver(() => RunType, {
    nullable: true,
    description: 'The run that this one was cloned from, while it is there.',
  })
  async clonedFrom(@Root() run: RunType, @Ctx() ctx: RequestContext): Promise<RunType | null> {
    const tag = (await ctx.loaders.runTags.load(run.id)).find(({ key }) => key === RUN_TAGS.clonedFrom);
    const id = fromHexId(tag?.value ?? '');
    return id === null ? null : ctx.loaders.run.load(id);
  }
}
