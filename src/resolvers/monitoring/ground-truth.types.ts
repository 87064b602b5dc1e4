import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import { describeEnum } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { DateTime, Json, SafeInt } from '../types/scalars.js';
import { EndpointType } from '../serving/endpoint.types.js';
import { Range } from '../types/range.js';
import { MAX_TRUTHS } from '../../modules/monitoring/index.js';

const ONE_OF_TWO = 'Exactly one of endpointId and endpointName.';

@InputType({ description: 'Ground truth of one row of a request.' })
export class GroundTruthInput {
  @Field(() => String, { description: 'Id of the request, as in the answer of `predict`: 1 to 250 characters.' })
  requestId!: string;

  @Field(() => Int, { nullable: true, description: 'Position of the row in the request, from 0; 0 when absent.' })
  row?: number | null;

  @Field(() => String, {
    nullable: true,
    description:
      'True class of a classification, named as in the model. BAD_USER_INPUT when its signature ' +
      'does not list the class.',
  })
  label?: string | null;

  @Field(() => Float, { nullable: true, description: 'True value of a regression.' })
  value?: number | null;

  @Field(() => DateTime, { nullable: true, description: 'Time when the truth became known, UTC.' })
  observedAt?: Date | null;
}

@InputType({ description: `Truths about rows that an endpoint has answered and logged. ${ONE_OF_TWO}` })
export class RecordGroundTruthInput {
  @Field(() => ID, { nullable: true, description: 'The endpoint by its id. NOT_FOUND when there is none.' })
  endpointId?: string | null;

  @Field(() => String, { nullable: true, description: 'The endpoint by its name. NOT_FOUND when there is none.' })
  endpointName?: string | null;

  @Range({ min: 1, max: MAX_TRUTHS, unit: 'records' })
  @Field(() => [GroundTruthInput], { description: 'True values of logged predictions.' })
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

@ObjectType({ description: 'A former ground truth that a newer one has replaced.', simpleResolvers: true })
export class FormerGroundTruth {
  @Field(() => String, { nullable: true, description: 'True class; null for a regression.' })
  label!: string | null;

  @Field(() => Float, { nullable: true, description: 'True value; null for a classification.' })
  value!: number | null;

  @Field(() => String, { nullable: true, description: 'Time when it became known, ISO 8601; null when not given.' })
  observedAt!: string | null;

  @Field(() => String, { description: 'Time when it was recorded, ISO 8601.' })
  recordedAt!: string;

  @Field(() => String, { description: 'Subject of the token that recorded it.' })
  recordedBy!: string;
}

@ObjectType('GroundTruth', { description: 'Ground truth: the true class or value of a row.' })
export class GroundTruthType {
  @Field(() => String, { nullable: true, description: 'True class, named as in the model; null for a regression.' })
  label?: string | null;

  @Field(() => Float, { nullable: true, description: 'True value; null for a classification.' })
  value?: number | null;

  @Field(() => DateTime, { nullable: true, description: 'Time when the truth became known, UTC; null when not given.' })
  observedAt?: Date | null;

  @Field(() => String, { description: 'Subject of the token that recorded it.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'Time when the truth was recorded, UTC.' })
  updatedAt!: Date;

  @Field(() => [FormerGroundTruth], { description: 'Former ground truths of the row, oldest first: the last 20.' })
  history!: FormerGroundTruth[];
}

@ObjectType({ description: 'Answer to one row of a logged request.' })
export class LoggedRow {
  @Field(() => Int, { description: 'Position of the row in the request, from 0.' })
  row!: number;

  @Field(() => String, { nullable: true, description: 'Predicted class; null unless the task is classification.' })
  label!: string | null;

  @Field(() => Float, {
    nullable: true,
    description: 'Predicted value, or distance to the centre of the cluster; null for classifications.',
  })
  value!: number | null;

  @Field(() => [Float], {
    nullable: true,
    description:
      'Probability of each class, in the order of the model’s classes, 0 to 1; null unless the task ' +
      'is classification with 2 to 64 classes.',
  })
  probabilities!: number[] | null;

  @Field(() => GroundTruthType, {
    nullable: true,
    description: 'Ground truth; null until it is recorded.',
  })
  truth!: GroundTruthType | null;
}

@ObjectType('LoggedPrediction', {
  description:
    'One request in the prediction log, which keeps it for 30 days. For a request with more than ' +
    '1,000 rows, the log has the first 1,000.',
})
export class LoggedPredictionType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7) of the log entry.' })
  id!: string;

  @Field(() => String, { description: 'Id of the request: given by the caller, or generated.' })
  requestId!: string;

  @Field(() => Int, { description: 'Number of logged rows of the request.' })
  rows!: number;

  @Field(() => Float, { description: 'Latency of the answer, in milliseconds.' })
  latencyMs!: number;

  @Field(() => String, {
    nullable: true,
    description: 'Error code of the answer; null for a successful prediction.',
  })
  errorCode?: string | null;

  @Field(() => Json, {
    description:
      'Inputs: a list per column with one value per row; null for a missing value. Texts beyond 200 ' +
      'characters are cut, and a hash of the whole text is added.',
  })
  inputs!: Record<string, unknown[]>;

  @Field(() => DateTime, {
    description: 'Time when the entry was written to the log, UTC: one or two seconds after the answer.',
  })
  createdAt!: Date;

  /** Shown row by row. */
  scores!: (number | null)[];
  /** Shown as objects. */
  deploymentId!: string;
  modelVersionId!: string;
}

export const LoggedPredictionConnection = connectionOf(LoggedPredictionType, 'LoggedPrediction', 'logged predictions');

@InputType({ description: 'Filter for logged predictions; all given fields must match.' })
export class LoggedPredictionFilterInput {
  @Field(() => String, {
    nullable: true,
    description: 'Requests with this id; several when the id was used several times.',
  })
  requestId?: string | null;

  @Field(() => ID, {
    nullable: true,
    description: 'Requests that this deployment answered. NOT_FOUND when it does not exist.',
  })
  deploymentId?: string | null;

  @Field(() => DateTime, { nullable: true, description: 'Logged from this time on (inclusive).' })
  from?: Date | null;

  @Field(() => DateTime, { nullable: true, description: 'Logged before this time (exclusive).' })
  to?: Date | null;
}

@ObjectType({ description: 'How good the answers to the rows of one window turned out to be.', simpleResolvers: true })
export class QualityWindow {
  @Field(() => DateTime, { description: 'Start of the time range: rows predicted from this time on, UTC, inclusive.' })
  from!: Date;

  @Field(() => DateTime, { description: 'End of the time range: rows predicted before this time, UTC.' })
  to!: Date;

  @Field(() => Int, { description: 'Number of rows with a known ground truth; all metrics are about these rows.' })
  labelledRows!: number;

  @Field(() => Float, {
    nullable: true,
    description: 'Accuracy: fraction of the labelled rows with the correct class, 0 to 1; null for a regression.',
  })
  accuracy!: number | null;

  @Field(() => Float, {
    nullable: true,
    description: 'F1 score of the second class for two classes, unweighted mean for more; null for a regression.',
  })
  f1!: number | null;

  @Field(() => Float, {
    nullable: true,
    description: 'Mean log loss in nats, over the rows with probabilities; null without such rows.',
  })
  logLoss!: number | null;

  @Field(() => Float, {
    nullable: true,
    description: 'Root mean squared error, in units of the target; null for a classification.',
  })
  rmse!: number | null;

  @Field(() => Float, {
    nullable: true,
    description: 'Mean absolute error, in units of the target; null for a classification.',
  })
  mae!: number | null;
}

@ObjectType({
  description: 'Quality of live predictions where the ground truth is known, in total and by time window.',
  simpleResolvers: true,
})
export class LiveQualityReport extends QualityWindow {
  @Field(() => SafeInt, {
    description: 'Number of rows that were answered in the whole minutes of this time range, logged or not.',
  })
  servedRows!: number;

  @Field(() => [QualityWindow], { description: 'Time windows with labelled rows, oldest first.' })
  windows!: QualityWindow[];
}
