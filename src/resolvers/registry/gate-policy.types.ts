import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import { describeEnum } from '../types/common.types.js';
import { GateEnum } from './gate.types.js';

export const SoloGateEnum = describeEnum(
  'SoloGate',
  'A gate that a version can pass without another in production beside it.',
  {
    EVALUATION: 'Better than the baseline on rows that it never saw.',
    VALIDATION: 'Signature, sample predictions, holdout metrics, latency and agreement.',
  },
);

@ObjectType('MetricBound', { description: 'Bounds of a holdout metric.' })
export class MetricBoundType {
  @Field(() => String, { description: 'Name of the metric, e.g. `roc_auc`.' })
  name!: string;

  @Field(() => Float, { nullable: true, description: 'Smallest value that passes; null without a lower bound.' })
  min?: number | null;

  @Field(() => Float, { nullable: true, description: 'Largest value that passes; null without an upper bound.' })
  max?: number | null;
}

@ObjectType('StagingPolicy', { description: 'Requirements for STAGING.' })
export class StagingPolicyType {
  @Field(() => [SoloGateEnum], {
    description: 'Gates that must have passed; VALIDATION by default, and an empty list for none.',
  })
  gates!: (keyof typeof SoloGateEnum)[];

  @Field(() => Int, { description: 'Approvals that a promotion needs, 0 to 20.' })
  approvals!: number;
}

@ObjectType('ProductionPolicy', { description: 'Requirements for PRODUCTION.' })
export class ProductionPolicyType {
  @Field(() => [GateEnum], {
    description:
      'Gates beside a version that is in production, which they must have been measured against; SHADOW by default.',
  })
  gates!: (keyof typeof GateEnum)[];

  @Field(() => [SoloGateEnum], { description: 'Gates while no version is in production; EVALUATION by default.' })
  firstGates!: (keyof typeof SoloGateEnum)[];

  @Field(() => Int, { description: 'Approvals that a promotion needs, 0 to 20.' })
  approvals!: number;
}

@ObjectType('EvaluationPolicy', { description: 'Settings of the gate EVALUATION.' })
export class EvaluationPolicyType {
  @Field(() => Float, {
    description:
      'Minimum improvement: the 95 % interval of the loss difference must lie below minus this ' +
      'number, in nats or units of the target.',
  })
  minImprovement!: number;

  @Field(() => Int, { description: 'Minimum number of holdout rows; 100 by default.' })
  minRows!: number;

  @Field(() => Float, { description: 'Minimum mean silhouette of a clustering, -1 to 1; 0.05 by default.' })
  minSilhouette!: number;
}

@ObjectType('ValidationPolicy', { description: 'Settings of the gate VALIDATION.' })
export class ValidationPolicyType {
  @Field(() => Float, {
    description: 'Largest absolute difference between the trainer’s outputs and the runtime’s; 0.0001 by default.',
  })
  maxDisagreement!: number;

  @Field(() => Float, { description: 'Largest p95 of single-row predictions in milliseconds, above 0; 50 by default.' })
  maxLatencyP95Ms!: number;

  @Field(() => [MetricBoundType], {
    description:
      'Bounds on holdout metrics; those that the model’s task does not have are passed over. Unless set: ' +
      'ROC-AUC from 0.55, R² from 0, silhouette from 0.05.',
  })
  metrics!: MetricBoundType[];

  @Field(() => Boolean, { description: 'Whether the gate fails without any bounded holdout metric; true by default.' })
  requireHoldoutMetrics!: boolean;
}

@ObjectType('ShadowPolicy', { description: 'Settings of the gate SHADOW.' })
export class ShadowPolicyType {
  @Field(() => Int, { description: 'Mirrored requests below which nothing is proven; 200 by default.' })
  minRequests!: number;

  @Field(() => Int, { description: 'Mirrored requests that may fail.' })
  maxErrors!: number;

  @Field(() => Float, {
    description: 'Share of rows that may be answered otherwise than by production, 0 to 1; 0.3 by default.',
  })
  maxDisagreementShare!: number;

  @Field(() => Float, {
    description: 'By how much the loss may provably exceed production’s, in nats or units of the target.',
  })
  maxLossIncrease!: number;

  @Field(() => Boolean, {
    description: 'Whether the gate fails without an evaluation against the version in production; true by default.',
  })
  requireEvaluation!: boolean;
}

@ObjectType('GatePolicy', {
  description: 'Gate policy: all conditions of a model’s gates, with the defaults filled in.',
})
export class GatePolicyType {
  @Field(() => Boolean, { description: 'True when all settings have their default.' })
  isDefault!: boolean;

  @Field(() => Boolean, { description: 'Whether the approval of the person who registered a version counts.' })
  authorMayApprove!: boolean;

  @Field(() => StagingPolicyType, { description: 'Requirements for STAGING.' })
  staging!: StagingPolicyType;

  @Field(() => ProductionPolicyType, { description: 'Requirements for PRODUCTION.' })
  production!: ProductionPolicyType;

  @Field(() => EvaluationPolicyType, { description: 'Settings of the gate EVALUATION.' })
  evaluation!: EvaluationPolicyType;

  @Field(() => ValidationPolicyType, { description: 'Settings of the gate VALIDATION.' })
  validation!: ValidationPolicyType;

  @Field(() => ShadowPolicyType, { description: 'Settings of the gate SHADOW.' })
  shadow!: ShadowPolicyType;
}

@InputType({ description: 'Bounds of a holdout metric: at least one of the two; min must not be above max.' })
export class MetricBoundInput {
  @Field(() => String, {
    description: 'Name of the metric, e.g. `roc_auc`, without repetition: 1 to 250 visible characters.',
  })
  name!: string;

  @Field(() => Float, { nullable: true, description: 'Smallest value that passes.' })
  min?: number | null;

  @Field(() => Float, { nullable: true, description: 'Largest value that passes.' })
  max?: number | null;
}

@InputType({ description: 'What STAGING asks for. What is absent stays at its default.' })
export class StagingPolicyInput {
  @Field(() => [SoloGateEnum], {
    nullable: true,
    description: 'Gates that must have passed; VALIDATION unless set, and an empty list for none.',
  })
  gates?: (keyof typeof SoloGateEnum)[] | null;

  @Field(() => Int, { nullable: true, description: 'Approvals that a promotion needs, 0 to 20; 0 unless set.' })
  approvals?: number | null;
}

@InputType({ description: 'What PRODUCTION asks for. What is absent stays at its default.' })
export class ProductionPolicyInput {
  @Field(() => [GateEnum], {
    nullable: true,
    description:
      'Gates beside a version that is in production, which they must have been measured against; SHADOW unless set.',
  })
  gates?: (keyof typeof GateEnum)[] | null;

  @Field(() => [SoloGateEnum], {
    nullable: true,
    description: 'Gates while no version is in production; EVALUATION unless set.',
  })
  firstGates?: (keyof typeof SoloGateEnum)[] | null;

  @Field(() => Int, { nullable: true, description: 'Approvals that a promotion needs, 0 to 20; 0 unless set.' })
  approvals?: number | null;
}

@InputType({ description: 'Settings of the gate EVALUATION. Absent fields keep their default.' })
export class EvaluationPolicyInput {
  @Field(() => Float, {
    nullable: true,
    description:
      'Minimum improvement: the 95 % interval of the loss difference must lie below minus this ' +
      'number, in nats or units of the target; 0 by default.',
  })
  minImprovement?: number | null;

  @Field(() => Int, { nullable: true, description: 'Minimum number of holdout rows; 100 by default.' })
  minRows?: number | null;

  @Field(() => Float, {
    nullable: true,
    description: 'Minimum mean silhouette of a clustering, -1 to 1; 0.05 by default.',
  })
  minSilhouette?: number | null;
}

@InputType({ description: 'Numbers of the gate VALIDATION. What is absent stays at its default.' })
export class ValidationPolicyInput {
  @Field(() => Float, {
    nullable: true,
    description: 'Largest absolute difference between the trainer’s outputs and the runtime’s; 0.0001 unless set.',
  })
  maxDisagreement?: number | null;

  @Field(() => Float, {
    nullable: true,
    description: 'Largest p95 of single-row predictions in milliseconds, above 0; 50 unless set.',
  })
  maxLatencyP95Ms?: number | null;

  @Field(() => [MetricBoundInput], {
    nullable: true,
    description:
      'Bounds on holdout metrics; those that the model’s task does not have are passed over. Unless set: ' +
      'ROC-AUC from 0.55, R² from 0, silhouette from 0.05. At most 50, in place of the default ones.',
  })
  metrics?: MetricBoundInput[] | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Whether the gate fails without any bounded holdout metric; true unless set.',
  })
  requireHoldoutMetrics?: boolean | null;
}

@InputType({ description: 'Numbers of the gate SHADOW. What is absent stays at its default.' })
export class ShadowPolicyInput {
  @Field(() => Int, { nullable: true, description: 'Mirrored requests below which nothing is proven; 200 unless set.' })
  minRequests?: number | null;

  @Field(() => Int, { nullable: true, description: 'Mirrored requests that may fail; 0 unless set.' })
  maxErrors?: number | null;

  @Field(() => Float, {
    nullable: true,
    description: 'Share of rows that may be answered otherwise than by production, 0 to 1; 0.3 unless set.',
  })
  maxDisagreementShare?: number | null;

  @Field(() => Float, {
    nullable: true,
    description: 'By how much the loss may provably exceed production’s, in nats or units of the target; 0 unless set.',
  })
  maxLossIncrease?: number | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Whether the gate fails without an evaluation against the version in production; true unless set.',
  })
  requireEvaluation?: boolean | null;
}

@InputType({
  description: 'Gate settings of a model that differ from the defaults. Absent fields are reset to their default.',
})
export class GatePolicyInput {
  @Field(() => Boolean, {
    nullable: true,
    description: 'Whether the approval of the person who registered a version counts; false by default.',
  })
  authorMayApprove?: boolean | null;

  @Field(() => StagingPolicyInput, { nullable: true, description: 'Requirements for STAGING.' })
  staging?: StagingPolicyInput | null;

  @Field(() => ProductionPolicyInput, { nullable: true, description: 'Requirements for PRODUCTION.' })
  production?: ProductionPolicyInput | null;

  @Field(() => EvaluationPolicyInput, { nullable: true, description: 'Settings of the gate EVALUATION.' })
  evaluation?: EvaluationPolicyInput | null;

  @Field(() => ValidationPolicyInput, { nullable: true, description: 'Settings of the gate VALIDATION.' })
  validation?: ValidationPolicyInput | null;

  @Field(() => ShadowPolicyInput, { nullable: true, description: 'Settings of the gate SHADOW.' })
  shadow?: ShadowPolicyInput | null;
}

@InputType({ description: 'The gate policy of a model, in place of the one that it has.' })
export class SetGatePolicyInput {
  @Field(() => ID, { description: 'The model. NOT_FOUND when it does not exist.' })
  modelId!: string;

  @Field(() => GatePolicyInput, {
    nullable: true,
    description:
      'All departures from the defaults from now on; null or absent for none. Results that were decided by ' +
      'other numbers stop counting.',
  })
  policy?: GatePolicyInput | null;
}
