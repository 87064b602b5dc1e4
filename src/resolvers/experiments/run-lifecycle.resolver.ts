import { Arg, Ctx, FieldResolver, Mutation, Resolver, Root } from 'type-graphql';
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
import { ArgsWithRanges } from '../types/range.js';

@Resolver(() => RunType)
export class RunLifecycleResolver {
  @Mutation(() => RunPayload, { description: 'Changes the name, notes, status or end time of a run.' })
  async updateRun(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => UpdateRunInput, { description: 'Object and its changes.' }) input: UpdateRunInput,
  ): Promise<RunPayload> {
    return { run: await ctx.run((session) => ctx.services.runLifecycle.update(session, input)) };
  }

  @Mutation(() => RunPayload, {
    description: 'Resumes a run that has ended: its status is RUNNING again, and everything that it logged stays.',
  })
  async resumeRun(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => ResumeRunInput, { description: 'Run to resume.' }) input: ResumeRunInput,
  ): Promise<RunPayload> {
    return { run: await ctx.run((session) => ctx.services.runLifecycle.resume(session, input.runId)) };
  }

  @Mutation(() => RunPayload, {
    description:
      'Starts a new run with the parameters, tags, notes and source of another run. Metrics, logs ' +
      'and files are not copied.',
  })
  async cloneRun(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => CloneRunInput, { description: 'Run to clone, and the name of the new run.' })
    input: CloneRunInput,
  ): Promise<RunPayload> {
    return { run: await ctx.run((session) => ctx.services.runLifecycle.clone(session, input)) };
  }

  @Mutation(() => RunPayload, {
    description:
      'Deletes a run: lists do not show it and nothing can be logged to it, until it is restored or ' +
      'removed by the garbage collection.',
  })
  async deleteRun(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => DeleteRunInput, { description: 'Object to delete.' }) input: DeleteRunInput,
  ): Promise<RunPayload> {
    return { run: await ctx.run((session) => ctx.services.runLifecycle.remove(session, input.runId)) };
  }

  @Mutation(() => RunPayload, { description: 'Restores a deleted run, with everything that it logged.' })
  async restoreRun(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => RestoreRunInput, { description: 'Object to restore.' }) input: RestoreRunInput,
  ): Promise<RunPayload> {
    return { run: await ctx.run((session) => ctx.services.runLifecycle.restore(session, input.runId)) };
  }

  @Mutation(() => RunPayload, { description: 'Deletes one tag of a run; the other tags stay.' })
  async deleteRunTag(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => DeleteRunTagInput, { description: 'Run and tag key.' }) input: DeleteRunTagInput,
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
    description: 'Parent run; null when there is none.',
  })
  parent(@Root() run: RunType, @Ctx() ctx: RequestContext): Promise<RunType | null> | null {
    return run.parentRunId == null ? null : ctx.loaders.run.load(run.parentRunId);
  }

  @FieldResolver(() => RunConnection, {
    description: 'Child runs, newest first, without deleted ones.',
  })
  async children(
    @Root() run: RunType,
    @Ctx() ctx: RequestContext,
    @ArgsWithRanges(() => PageArgs) page: PageArgs,
  ): Promise<object> {
    const result =
      page.after == null
        ? await ctx.loaders.childRuns.load({ ownerId: run.id, first: page.first ?? null })
        : await ctx.run((session) => moreChildRuns(session, run.id, page));
    return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
  }

  @FieldResolver(() => String, {
    description: 'Notes, as Markdown; empty when there are none. Stored as the tag mlflow.note.content.',
  })
  async description(@Root() run: RunType, @Ctx() ctx: RequestContext): Promise<string> {
    return (await ctx.loaders.runTags.load(run.id)).find(({ key }) => key === RUN_TAGS.note)?.value ?? '';
  }

  @FieldResolver(() => RunSource, {
    nullable: true,
    description: 'Source of the code; null when the client did not give it.',
  })
  async source(@Root() run: RunType, @Ctx() ctx: RequestContext): Promise<RunSource | null> {
    return sourceOf(await ctx.loaders.runTags.load(run.id));
  }

  @FieldResolver(() => RunType, {
    nullable: true,
    description: 'Run from which this run was cloned; null when there is none or it was removed.',
  })
  async clonedFrom(@Root() run: RunType, @Ctx() ctx: RequestContext): Promise<RunType | null> {
    const tag = (await ctx.loaders.runTags.load(run.id)).find(({ key }) => key === RUN_TAGS.clonedFrom);
    const id = fromHexId(tag?.value ?? '');
    return id === null ? null : ctx.loaders.run.load(id);
  }
}
