import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import { describeEnum } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { DateTime, Json, SafeInt } from '../types/scalars.js';
import { EndpointType } from '../serving/endpoint.types.js';

const ONE_OF_TWO = 'Exactly one of endpointId and endpointName.';

@InputType({ description: 'What turned out to be true of one row of a request.' })
export class GroundTruthInput {
  @Field(() => String, { description: 'Id of the request, as `predict` answered it: 1 to 250 characters.' })
  requestId!: string;

  @Field(() => Int, { nullable: true, description: 'Position of the row in the request, from 0; 0 when absent.' })
  row?: number | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Of a classification: the true class, as the model names it. BAD_USER_INPUT for one that its signature ' +
      'does not list.',
  })
  label?: string | null;

  @Field(() => Float, { nullable: true, description: 'Of a regression: the true value.' })
  value?: number | null;

  @Field(() => DateTime, { nullable: true, description: 'When it became known, UTC.' })
  observedAt?: Date | null;
}

@InputType({ description: `Truths about rows that an endpoint has answered and logged. ${ONE_OF_TWO}` })
export class RecordGroundTruthInput {
  @Field(() => ID, { nullable: true, description: 'The endpoint by its id. NOT_FOUND when there is none.' })
  endpointId?: string | null;

  @Field(() => String, { nullable: true, description: 'The endpoint by its name. NOT_FOUND when there is none.' })
  endpointName?: string | null;

  @Field(() => [GroundTruthInput], { description: '1 to 10,000 records.' })
  records!: GroundTruthInput[];
}

export const RejectionCode = describeEnum('RejectionCode', 'Why a record was not taken.', {
  NOT_FOUND: 'The log has no such request: it was outside the share that is logged, is too old, or never was.',
  CONFLICT: 'Its id stands for several requests.',
  BAD_USER_INPUT: 'The row, label or value does not fit the answer.',
});

@ObjectType({
  description: 'A record that was not taken, and why; the others of its batch were.',
  simpleResolvers: true,
})
export class RejectedGroundTruth {
  @Field(() => Int, { description: 'Position of the record in the batch, from 0.' })
  index!: number;

  @Field(() => String, { description: 'Id of its request, as the record gave it.' })
  requestId!: string;

  @Field(() => Int, { description: 'Its row, as the record gave it; 0 when it gave none.' })
  row!: number;

  @Field(() => RejectionCode, { description: 'What kind of reason.' })
  code!: keyof typeof RejectionCode;

  @Field(() => String, { description: 'The reason, and what to do, in one sentence.' })
  message!: string;
}

@ObjectType({ description: 'What became of a batch of truths.' })
export class RecordGroundTruthPayload {
  @Field(() => EndpointType, { description: 'The endpoint that they are about.' })
  endpoint!: EndpointType;

  @Field(() => Int, { description: 'Rows that had no truth before.' })
  added!: number;

  @Field(() => Int, { description: 'Rows that had another truth, which is now in their history.' })
  replaced!: number;

  @Field(() => Int, { description: 'Rows that had the same truth.' })
  unchanged!: number;

  @Field(() => [RejectedGroundTruth], { description: 'Records that were not taken, in their order.' })
  rejected!: RejectedGroundTruth[];
}

@ObjectType({ description: 'What was recorded before another truth took its place.', simpleResolvers: true })
export class FormerGroundTruth {
  @Field(() => String, { nullable: true, description: 'The class; null for a regression.' })
  label!: string | null;

  @Field(() => Float, { nullable: true, description: 'The value; null for a classification.' })
  value!: number | null;

  @Field(() => String, { nullable: true, description: 'When it became known, ISO 8601; null when nobody said.' })
  observedAt!: string | null;

  @Field(() => String, { description: 'When it was recorded, ISO 8601.' })
  recordedAt!: string;

  @Field(() => String, { description: 'Subject of the token that recorded it.' })
  recordedBy!: string;
}

@ObjectType('GroundTruth', { description: 'What turned out to be true of a row.' })
export class GroundTruthType {
  @Field(() => String, { nullable: true, description: 'The class, as the model names it; null for a regression.' })
  label?: string | null;

  @Field(() => Float, { nullable: true, description: 'The value; null for a classification.' })
  value?: number | null;

  @Field(() => DateTime, { nullable: true, description: 'When it became known, UTC; null when nobody said.' })
  observedAt?: Date | null;

  @Field(() => String, { description: 'Subject of the token that recorded it.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'When it was recorded, UTC.' })
  updatedAt!: Date;

  @Field(() => [FormerGroundTruth], { description: 'What was recorded before, oldest first: the last 20.' })
  history!: FormerGroundTruth[];
}

@ObjectType({ description: 'The answer to one row of a logged request.' })
export class LoggedRow {
  @Field(() => Int, { description: 'Position in the request, from 0.' })
  row!: number;

  @Field(() => String, { nullable: true, description: 'Predicted class; null unless it is a classification.' })
  label!: string | null;

  @Field(() => Float, {
    nullable: true,
    description: 'Predicted value, or distance to the cluster’s centre; null for classifications.',
  })
  value!: number | null;

  @Field(() => [Float], {
    nullable: true,
    description:
      'Probability of each class in the model’s order, 0 to 1; null unless it is a classification with 2 to ' +
      '64 of them.',
  })
  probabilities!: number[] | null;

  @Field(() => GroundTruthType, {
    nullable: true,
    description: 'What turned out to be true; null as long as nobody has said.',
  })
  truth!: GroundTruthType | null;
}

@ObjectType('LoggedPrediction', {
  description: 'A request as the prediction log has it, for 30 days; of one with more than 1,000 rows the first.',
})
export class LoggedPredictionType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7) of the entry.' })
  id!: string;

  @Field(() => String, { description: 'Id of the request: the caller’s own, or the one that was made up.' })
  requestId!: string;

  @Field(() => Int, { description: 'Rows of it that the log has.' })
  rows!: number;

  @Field(() => Float, { description: 'How long the answer took, in milliseconds.' })
  latencyMs!: number;

  @Field(() => String, {
    nullable: true,
    description: 'Code of the error that it was answered with; null for a prediction.',
  })
  errorCode?: string | null;

  @Field(() => Json, {
    description:
      'A list per column with a value per row; null for a missing one. Texts beyond 200 characters are cut, ' +
      'with a hash of the whole.',
  })
  inputs!: Record<string, unknown[]>;

  @Field(() => DateTime, { description: 'When it was written to the log, UTC: a second or two after the answer.' })
  createdAt!: Date;

  /** Shown row by row. */
  scores!: (number | null)[];
  /** Shown as objects. */
  deploymentId!: string;
  modelVersionId!: string;
}

export const LoggedPredictionConnection = connectionOf(LoggedPredictionType, 'LoggedPrediction', 'logged predictions');

@InputType({ description: 'Which logged predictions; every given field must hold.' })
export class LoggedPredictionFilterInput {
  @Field(() => String, {
    nullable: true,
    description: 'Those of this request id: more than one when it was used more than once.',
  })
  requestId?: string | null;

  @Field(() => ID, {
    nullable: true,
    description: 'Those that this deployment has answered. NOT_FOUND when there is none.',
  })
  deploymentId?: string | null;

  @Field(() => DateTime, { nullable: true, description: 'Logged from this time on, inclusive.' })
  from?: Date | null;

  @Field(() => DateTime, { nullable: true, description: 'Logged before this time.' })
  to?: Date | null;
}

@ObjectType({ description: 'How good the answers to the rows of one window turned out to be.', simpleResolvers: true })
export class QualityWindow {
  @Field(() => DateTime, { description: 'Rows that were predicted from this time on, UTC, inclusive.' })
  from!: Date;

  @Field(() => DateTime, { description: 'Rows that were predicted before this time, UTC.' })
  to!: Date;

  @Field(() => Int, { description: 'Rows whose truth is known; the figures are about these alone.' })
  labelledRows!: number;

  @Field(() => Float, {
    nullable: true,
    description: 'Share of them with the right class, 0 to 1; null for a regression.',
  })
  accuracy!: number | null;

  @Field(() => Float, {
    nullable: true,
    description: 'F1 of the second of two classes, or its unweighted mean over more; null for a regression.',
  })
  f1!: number | null;

  @Field(() => Float, {
    nullable: true,
    description: 'Mean log loss in nats, of the rows with probabilities; null without any.',
  })
  logLoss!: number | null;

  @Field(() => Float, {
    nullable: true,
    description: 'Root of the mean squared error, in the target’s unit; null for a classification.',
  })
  rmse!: number | null;

  @Field(() => Float, {
    nullable: true,
    description: 'Mean absolute error, in the target’s unit; null for a classification.',
  })
  mae!: number | null;
}

@ObjectType({
  description: 'How good live answers turned out to be, as far as truths are known, in total and window by window.',
  simpleResolvers: true,
})
export class LiveQualityReport extends QualityWindow {
  @Field(() => SafeInt, { description: 'Rows that were answered in the whole minutes of this time, logged or not.' })
  servedRows!: number;

  @Field(() => [QualityWindow], { description: 'Windows that have labelled rows, oldest first.' })
  windows!: QualityWindow[];
}
