import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { STUDY_RANGES } from '../../modules/tuning/index.js';
import { ModelVersionType } from '../registry/model-version.types.js';
import { Range } from '../types/range.js';
import { StopRuleInput } from './study-input.types.js';
import { StudyType } from './study.types.js';
import { TrialType } from './trial.types.js';

@InputType({ description: 'More budget for a study; at least one field besides the study.' })
export class ExtendTuningInput {
  @Field(() => ID, { description: 'The study, running or ended. NOT_FOUND when it does not exist.' })
  studyId!: string;

  @Range(STUDY_RANGES.trials)
  @Field(() => Int, { nullable: true, description: 'Additional trials; only for a study with a limit of trials.' })
  moreTrials?: number | null;

  @Range(STUDY_RANGES.durationMs)
  @Field(() => Int, {
    nullable: true,
    description: 'Additional time in milliseconds, for an ended study from now; only for a study with a limit of time.',
  })
  moreTimeMs?: number | null;
}

@InputType({ description: 'Another stop rule for a study.' })
export class ChangeStopRuleInput {
  @Field(() => ID, {
    description: 'The study, running or ended. NOT_FOUND when it does not exist.',
  })
  studyId!: string;

  @Field(() => StopRuleInput, { description: 'The whole new rule; what is absent no longer limits.' })
  stop!: StopRuleInput;
}

@InputType({ description: 'Study whose failed trials run again.' })
export class RetryFailedTrialsInput {
  @Field(() => ID, {
    description:
      'The study, running or ended. NOT_FOUND when it does not exist, CONFLICT without a failed or cancelled trial.',
  })
  studyId!: string;
}

@InputType({ description: 'Which study ends, with its running trials.' })
export class CancelTuningInput {
  @Field(() => ID, {
    description: 'A study that is RUNNING. NOT_FOUND when it does not exist, CONFLICT when it ended.',
  })
  studyId!: string;
}

@InputType({ description: 'Which study continues; its finished trials are kept.' })
export class ResumeTuningInput {
  @Field(() => ID, {
    description: 'A CANCELLED or FAILED study. NOT_FOUND when it does not exist, CONFLICT in other states.',
  })
  studyId!: string;
}

@InputType({ description: 'Trial whose model becomes a version.' })
export class RegisterBestTrialInput {
  @Field(() => ID, { description: 'The study. NOT_FOUND when it does not exist, CONFLICT without a complete trial.' })
  studyId!: string;

  @Field(() => ID, { description: 'The model that gets a version. NOT_FOUND when it does not exist.' })
  modelId!: string;

  @Range({ min: 0 })
  @Field(() => Int, {
    nullable: true,
    description:
      'Number of the trial; the best one when absent. Required with several objectives, which have no single best one.',
  })
  trial?: number | null;

  @Field(() => String, { nullable: true, description: 'Description of the version, Markdown; empty when absent.' })
  description?: string | null;
}

@ObjectType({ description: 'The new version of the best trial.' })
export class RegisterBestTrialPayload {
  @Field(() => ModelVersionType, { description: 'The new version; PENDING until its files are stored.' })
  modelVersion!: ModelVersionType;

  @Field(() => TrialType, { description: 'The trial whose model it is.' })
  trial!: TrialType;

  @Field(() => StudyType, { description: 'The study after this change.' })
  study!: StudyType;
}
