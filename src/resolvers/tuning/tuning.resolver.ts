import { Arg, Ctx, Mutation, Resolver } from 'type-graphql';
import { parseParams, parseSpace, stopRuleOf } from '../../modules/tuning/index.js';
import type { RequestContext } from '../request-context.js';
import { configOf, present } from '../training/training.resolver.js';
import { CreateStudyInput, StartTuningInput, type PrunerInput } from './study-input.types.js';
import { StudyPayload, StudyType, TuningPayload } from './study.types.js';
import {
  CancelTuningInput,
  ChangeStopRuleInput,
  ExtendTuningInput,
  RegisterBestTrialInput,
  RegisterBestTrialPayload,
  ResumeTuningInput,
  RetryFailedTrialsInput,
} from './tuning.types.js';

@Resolver(() => StudyType)
export class TuningResolver {
  @Mutation(() => TuningPayload, {
    description:
      'Queues a tuning: trainings with different hyperparameters, of which the best is found. Each trial is a ' +
      'training with its own run below the run of the study. BAD_USER_INPUT names the first wrong field, also an ' +
      'unknown hyperparameter, and a space that (almost) no point of which is allowed.',
  })
  async startTuning(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => StartTuningInput, { description: 'Training, search space, objectives and budget.' })
    input: StartTuningInput,
  ): Promise<TuningPayload> {
    const { config, space, objectives, pruner, stop, enqueuedTrials, warmStartFrom, ...rest } = input;
    const tuning = {
      ...rest,
      config: configOf(config),
      space: space ? parseSpace('input.space', present(space)) : null,
      objectives: objectives?.map((objective) => ({ ...objective })) ?? null,
      ...prunerOf(pruner),
      ...beginningOf({ stop, enqueuedTrials, warmStartFrom }),
    };
    await ctx.services.tunings.requireBackend(tuning);
    return ctx.run((session) => ctx.services.tunings.start(session, tuning));
  }

  @Mutation(() => StudyPayload, {
    description:
      'Creates a study for a trainer outside this service: it takes trials with askTrial, and reports with ' +
      'reportTrial and tellTrial. BAD_USER_INPUT names the first wrong field.',
  })
  async createStudy(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => CreateStudyInput, { description: 'Search space, objectives and budget.' })
    input: CreateStudyInput,
  ): Promise<StudyPayload> {
    const { space, objectives, pruner, stop, enqueuedTrials, warmStartFrom, trialTimeoutMs, ...rest } = input;
    const study = await ctx.run((session) =>
      ctx.services.trials.createStudy(session, {
        ...rest,
        space: parseSpace('input.space', present(space)),
        objectives: objectives.map((objective) => ({ ...objective })),
        ...prunerOf(pruner),
        ...beginningOf({ stop, enqueuedTrials, warmStartFrom }),
        aliveMs: trialTimeoutMs,
      }),
    );
    return { study };
  }

  @Mutation(() => StudyPayload, {
    description:
      'Gives a study more trials or more time. An ended study goes on; CONFLICT when another limit of its stop rule ' +
      'still ends it. BAD_USER_INPUT when it has no such limit.',
  })
  async extendTuning(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => ExtendTuningInput, { description: 'Study and additional budget.' }) input: ExtendTuningInput,
  ): Promise<StudyPayload> {
    return { study: await ctx.run((session) => ctx.services.tunings.extend(session, input)) };
  }

  @Mutation(() => StudyPayload, {
    description:
      'Replaces the stop rule of a study. An ended study goes on; CONFLICT when the new rule allows no further trial.',
  })
  async changeStopRule(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => ChangeStopRuleInput, { description: 'Study and new rule.' }) input: ChangeStopRuleInput,
  ): Promise<StudyPayload> {
    const { studyId, stop } = input;
    return {
      study: await ctx.run((session) => ctx.services.tunings.changeStopRule(session, studyId, stopRuleOf(stop))),
    };
  }

  @Mutation(() => StudyPayload, {
    description:
      'Runs the failed and cancelled trials of a study again, trainings from their last checkpoints; other trials ' +
      'stay. An ended study goes on for them, whatever its stop rule says about new trials.',
  })
  async retryFailedTrials(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => RetryFailedTrialsInput, { description: 'Study whose failed trials run again.' })
    input: RetryFailedTrialsInput,
  ): Promise<StudyPayload> {
    return { study: await ctx.run((session) => ctx.services.tunings.retryFailed(session, input.studyId)) };
  }

  @Mutation(() => StudyPayload, {
    description: 'Ends a study at once, with its running trials. Results are kept, and resumeTuning lets it go on.',
  })
  async cancelTuning(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => CancelTuningInput, { description: 'Study that ends now.' }) input: CancelTuningInput,
  ): Promise<StudyPayload> {
    return { study: await ctx.run((session) => ctx.services.tunings.cancel(session, input.studyId)) };
  }

  @Mutation(() => StudyPayload, {
    description:
      'Lets a cancelled or failed study go on with the budget and the time that are left. Its finished trials are ' +
      'kept; cancelled ones continue from their last checkpoints. CONFLICT when its stop rule leaves nothing to do.',
  })
  async resumeTuning(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => ResumeTuningInput, { description: 'Study that continues.' }) input: ResumeTuningInput,
  ): Promise<StudyPayload> {
    return { study: await ctx.run((session) => ctx.services.tunings.resume(session, input.studyId)) };
  }

  @Mutation(() => RegisterBestTrialPayload, {
    description:
      'Registers the model of the best trial as a new version of a model. With repeated seeds it is the best of its ' +
      'trainings. CONFLICT when the trial has no trained model, or the task of the model is another one.',
  })
  async registerBestTrial(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => RegisterBestTrialInput, { description: 'Study and model.' }) input: RegisterBestTrialInput,
  ): Promise<RegisterBestTrialPayload> {
    return ctx.run(async (session) => {
      const { trial, version } = await ctx.services.tunings.registerBest(session, input);
      return { trial, modelVersion: version, study: await ctx.services.studies.get(session, input.studyId) };
    });
  }
}

function prunerOf(input: PrunerInput | null | undefined) {
  const { metric = null, ...pruner } = { ...input };
  const given = Object.entries(pruner).filter(([, value]) => value != null);
  return { pruner: { kind: 'NONE' as const, ...Object.fromEntries(given) }, prunerMetric: metric };
}

function beginningOf({
  stop,
  enqueuedTrials,
  warmStartFrom,
}: Pick<StartTuningInput, 'stop' | 'enqueuedTrials' | 'warmStartFrom'>) {
  return {
    stopRule: stopRuleOf(stop),
    enqueued: (enqueuedTrials ?? []).map((params, i) => parseParams(`input.enqueuedTrials[${i}]`, params)),
    warmStartFrom: warmStartFrom ?? [],
  };
}
