import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import { describeEnum } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { DateTime, Json, SafeInt } from '../types/scalars.js';
import { EndpointType } from '../serving/endpoint.types.js';
import { RangeOfModule } from '../types/range.js';
import { GROUND_TRUTHS_PER_CALL, LABEL, ROW } from '../../modules/monitoring/index.js';
import { REQUEST_KEY } from '../../modules/serving/index.js';

const ONE_OF_TWO = 'Give exactly one of endpointId and endpointName.';

@InputType({ description: 'Ground truth of one row of a request.' })
export class GroundTruthInput {
  @RangeOfModule(REQUEST_KEY)
  @Field(() => String, { description: 'Id of the request, as in the answer of `predict`.' })
  requestId!: string;

  @RangeOfModule(ROW)
  @Field(() => Int, { nullable: true, description: 'Position of the row in the request, from 0; 0 when absent.' })
  row?: number | null;

  @RangeOfModule(LABEL)
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

@InputType({ description: `Ground truths of rows that an endpoint has answered and logged. ${ONE_OF_TWO}` })
export class RecordGroundTruthInput {
  @Field(() => ID, { nullable: true, description: 'Id of the endpoint. NOT_FOUND when it does not exist.' })
  endpointId?: string | null;

  @Field(() => String, { nullable: true, description: 'Name of the endpoint. NOT_FOUND when it does not exist.' })
  endpointName?: string | null;

  @RangeOfModule(GROUND_TRUTHS_PER_CALL)
  @Field(() => [GroundTruthInput], { description: 'True values of logged predictions.' })
  records!: GroundTruthInput[];
}

@InputType({ description: `Ground truths in a dataset, one a row. ${ONE_OF_TWO}` })
export class ImportGroundTruthInput {
  @Field(() => ID, { nullable: true, description: 'Id of the endpoint. NOT_FOUND when it does not exist.' })
  endpointId?: string | null;

  @Field(() => String, { nullable: true, description: 'Name of the endpoint. NOT_FOUND when it does not exist.' })
  endpointName?: string | null;

  @Field(() => ID, { description: 'The dataset. NOT_FOUND when it does not exist.' })
  datasetId!: string;

  @Field(() => String, { description: 'Column with the id of the request, as in the answer of `predict`.' })
  requestIdColumn!: string;

  @Field(() => String, {
    nullable: true,
    description:
      'Column of the type NUMBER with the position of the row in the request, from 0; all are 0 when absent.',
  })
  rowColumn?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Column with the true class of a classification. Exactly one of labelColumn and valueColumn.',
  })
  labelColumn?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Column of the type NUMBER with the true value of a regression.',
  })
  valueColumn?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Column of the type TIMESTAMP with the time when the truth became known.',
  })
  observedAtColumn?: string | null;
}

export const RejectionCode = describeEnum('RejectionCode', 'Reason why a record was rejected.', {
  NOT_FOUND:
    'The prediction log has no such request: it was not logged because of the sample rate, is too ' +
    'old, or never existed.',
  CONFLICT: 'Several requests have this id.',
  BAD_USER_INPUT: 'The row, label or value does not match the answer.',
});

@ObjectType({
  description: 'A record that was rejected, and the reason. The valid records of the same call were stored.',
  simpleResolvers: true,
})
export class RejectedGroundTruth {
  @Field(() => Int, { description: 'Position of the record in the input, from 0.' })
  index!: number;

  @Field(() => String, { description: 'Request id as given in the record.' })
  requestId!: string;

  @Field(() => Int, { description: 'Row in the record; 0 when absent.' })
  row!: number;

  @Field(() => RejectionCode, { description: 'Kind of reason.' })
  code!: keyof typeof RejectionCode;

  @Field(() => String, { description: 'Reason and what to do, in one sentence.' })
  message!: string;
}

@ObjectType({ description: 'Result of recording ground truths.' })
export class RecordGroundTruthPayload {
  @Field(() => EndpointType, { description: 'Endpoint that answered the rows.' })
  endpoint!: EndpointType;

  @Field(() => Int, { description: 'Number of rows that had no ground truth before.' })
  added!: number;

  @Field(() => Int, { description: 'Number of rows that had another ground truth, which is now in their history.' })
  replaced!: number;

  @Field(() => Int, {
    description: 'Number of rows that already had the same ground truth, or one that became known later.',
  })
  unchanged!: number;

  @Field(() => [RejectedGroundTruth], { description: 'Records that were rejected, in the order of the input.' })
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
    'One request in the prediction log, which keeps it for `logRetentionDays` of its endpoint. For a request with more than ' +
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

  /** The API shows these row by row. */
  scores!: (number | null)[];
  /** The API shows these ids as objects. */
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

@ObjectType({ description: 'Quality of the predictions in one time window.', simpleResolvers: true })
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
