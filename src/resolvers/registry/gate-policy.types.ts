import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import { describeEnum } from '../types/common.types.js';
import { GateEnum } from './gate.types.js';
import { RangeOfModule } from '../types/range.js';
import { NAME } from '../../modules/core/index.js';
import { GATE_RANGES } from '../../modules/model-quality/index.js';

export const SoloGateEnum = describeEnum('SoloGate', 'A gate that needs no other version in PRODUCTION.', {
  EVALUATION: 'The version is better than the baseline on rows that were not used for training.',
  VALIDATION:
    'Signature, sample predictions, holdout metrics, latency, and whether the trainer and the ' +
    'inference engine give the same outputs.',
});

@ObjectType('MetricBound', { description: 'Bounds of a holdout metric.' })
export class MetricBoundType {
  @Field(() => String, { description: 'Name of the metric, e.g. `roc_auc`.' })
  name!: string;

  @Field(() => Float, { nullable: true, description: 'Smallest value that passes; null without a lower bound.' })
  min?: number | null;

  @Field(() => Float, { nullable: true, description: 'Largest value that passes; null without an upper bound.' })
  max?: number | null;
}

@ObjectType('StagingPolicy', { description: 'Gates and approvals that a promotion to STAGING requires.' })
export class StagingPolicyType {
  @Field(() => [SoloGateEnum], {
    description: 'Gates that a promotion requires; VALIDATION by default; an empty list: no gates.',
  })
  gates!: (keyof typeof SoloGateEnum)[];

  @Field(() => Int, { description: 'Number of approvals that a promotion requires, 0 to 20.' })
  approvals!: number;
}

@ObjectType('ProductionPolicy', { description: 'Gates and approvals that a promotion to PRODUCTION requires.' })
export class ProductionPolicyType {
  @Field(() => [GateEnum], {
    description:
      'Gates that a promotion requires when a version is in PRODUCTION; a gate that compares must ' +
      'have compared with that version. SHADOW by default.',
  })
  gates!: (keyof typeof GateEnum)[];

  @Field(() => [SoloGateEnum], {
    description: 'Gates that a promotion requires while no version is in PRODUCTION; EVALUATION by default.',
  })
  firstGates!: (keyof typeof SoloGateEnum)[];

  @Field(() => Int, { description: 'Number of approvals that a promotion requires, 0 to 20.' })
  approvals!: number;
}

@ObjectType('EvaluationPolicy', { description: 'Settings of the gate EVALUATION.' })
export class EvaluationPolicyType {
  @Field(() => Float, {
    description:
      'Minimum improvement: the whole 95 % interval of (loss of the version − loss of the baseline) ' +
      'must lie below minus this number; in nats (log loss with the natural logarithm) or units of ' +
      'the target (RMSE).',
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
    description:
      'Maximum absolute difference between the outputs of the trainer and of the inference engine; ' +
      '0.0001 by default.',
  })
  maxDisagreement!: number;

  @Field(() => Float, {
    description: 'Maximum p95 latency of single-row predictions in milliseconds, above 0; 50 by default.',
  })
  maxLatencyP95Ms!: number;

  @Field(() => [MetricBoundType], {
    description:
      'Bounds of holdout metrics; metrics that do not apply to the model’s task are ignored. By ' +
      'default: ROC-AUC at least 0.55, R² at least 0, silhouette at least 0.05.',
  })
  metrics!: MetricBoundType[];

  @Field(() => Boolean, {
    description:
      'Whether the gate fails when none of the bounded metrics was measured on the holdout; true by default.',
  })
  requireHoldoutMetrics!: boolean;
}

@ObjectType('ShadowPolicy', { description: 'Settings of the gate SHADOW.' })
export class ShadowPolicyType {
  @Field(() => Int, { description: 'Minimum number of copied requests; 200 by default.' })
  minRequests!: number;

  @Field(() => Int, { description: 'Maximum number of copied requests that fail; 0 by default.' })
  maxErrors!: number;

  @Field(() => Float, {
    description:
      'Maximum fraction of rows that the shadow answers differently from production, 0 to 1; 0.3 by default.',
  })
  maxDisagreementShare!: number;

  @Field(() => Float, {
    description:
      'Maximum increase of the loss compared with production. The gate fails when the whole 95 % ' +
      'interval of (loss of the shadow − loss of production) lies above this number; in nats (log ' +
      'loss with the natural logarithm) or units of the target (RMSE); 0 by default.',
  })
  maxLossIncrease!: number;

  @Field(() => Boolean, {
    description: 'Whether the gate fails without an evaluation against the version in PRODUCTION; true by default.',
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

  @Field(() => StagingPolicyType, { description: 'Gates and approvals that a promotion to STAGING requires.' })
  staging!: StagingPolicyType;

  @Field(() => ProductionPolicyType, { description: 'Gates and approvals that a promotion to PRODUCTION requires.' })
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
  @RangeOfModule(NAME)
  @Field(() => String, {
    description: 'Name of the metric, e.g. `roc_auc`, without repetition.',
  })
  name!: string;

  @Field(() => Float, { nullable: true, description: 'Smallest value that passes.' })
  min?: number | null;

  @Field(() => Float, { nullable: true, description: 'Largest value that passes.' })
  max?: number | null;
}

@InputType({ description: 'Requirements for STAGING. Absent fields keep their default.' })
export class StagingPolicyInput {
  @Field(() => [SoloGateEnum], {
    nullable: true,
    description: 'Gates that a promotion requires; VALIDATION by default; an empty list: no gates.',
  })
  gates?: (keyof typeof SoloGateEnum)[] | null;

  @RangeOfModule(GATE_RANGES.approvals)
  @Field(() => Int, {
    nullable: true,
    description: 'Number of approvals that a promotion requires; 0 by default.',
  })
  approvals?: number | null;
}

@InputType({ description: 'Requirements for PRODUCTION. Absent fields keep their default.' })
export class ProductionPolicyInput {
  @Field(() => [GateEnum], {
    nullable: true,
    description:
      'Gates that a promotion requires when a version is in PRODUCTION; a gate that compares must ' +
      'have compared with that version. SHADOW by default.',
  })
  gates?: (keyof typeof GateEnum)[] | null;

  @Field(() => [SoloGateEnum], {
    nullable: true,
    description: 'Gates that a promotion requires while no version is in PRODUCTION; EVALUATION by default.',
  })
  firstGates?: (keyof typeof SoloGateEnum)[] | null;

  @RangeOfModule(GATE_RANGES.approvals)
  @Field(() => Int, {
    nullable: true,
    description: 'Number of approvals that a promotion requires; 0 by default.',
  })
  approvals?: number | null;
}

@InputType({ description: 'Settings of the gate EVALUATION. Absent fields keep their default.' })
export class EvaluationPolicyInput {
  @RangeOfModule(GATE_RANGES.minImprovement)
  @Field(() => Float, {
    nullable: true,
    description:
      'Minimum improvement: the 95 % interval of the loss difference must lie below minus this ' +
      'number, in nats or units of the target; 0 by default.',
  })
  minImprovement?: number | null;

  @RangeOfModule(GATE_RANGES.minRows)
  @Field(() => Int, { nullable: true, description: 'Minimum number of holdout rows; 100 by default.' })
  minRows?: number | null;

  @RangeOfModule(GATE_RANGES.minSilhouette)
  @Field(() => Float, {
    nullable: true,
    description: 'Minimum mean silhouette of a clustering; 0.05 by default.',
  })
  minSilhouette?: number | null;
}

@InputType({ description: 'Settings of the gate VALIDATION. Absent fields keep their default.' })
export class ValidationPolicyInput {
  @RangeOfModule(GATE_RANGES.maxDisagreement)
  @Field(() => Float, {
    nullable: true,
    description:
      'Maximum absolute difference between the outputs of the trainer and of the inference engine; ' +
      '0.0001 by default.',
  })
  maxDisagreement?: number | null;

  @RangeOfModule(GATE_RANGES.maxLatencyP95Ms)
  @Field(() => Float, {
    nullable: true,
    description: 'Maximum p95 latency of single-row predictions; 50 by default.',
  })
  maxLatencyP95Ms?: number | null;

  @RangeOfModule(GATE_RANGES.metrics)
  @Field(() => [MetricBoundInput], {
    nullable: true,
    description:
      'Bounds of holdout metrics; they replace the default bounds. Metrics that do not apply to the ' +
      'model’s task are ignored. By default: ROC-AUC from 0.55, R² from 0, silhouette from 0.05.',
  })
  metrics?: MetricBoundInput[] | null;

  @Field(() => Boolean, {
    nullable: true,
    description:
      'Whether the gate fails when none of the bounded metrics was measured on the holdout; true by default.',
  })
  requireHoldoutMetrics?: boolean | null;
}

@InputType({ description: 'Settings of the gate SHADOW. Absent fields keep their default.' })
export class ShadowPolicyInput {
  @RangeOfModule(GATE_RANGES.minRequests)
  @Field(() => Int, { nullable: true, description: 'Minimum number of copied requests; 200 by default.' })
  minRequests?: number | null;

  @RangeOfModule(GATE_RANGES.maxErrors)
  @Field(() => Int, { nullable: true, description: 'Maximum number of copied requests that fail; 0 by default.' })
  maxErrors?: number | null;

  @RangeOfModule(GATE_RANGES.maxDisagreementShare)
  @Field(() => Float, {
    nullable: true,
    description: 'Maximum fraction of rows that the shadow answers differently from production; 0.3 by default.',
  })
  maxDisagreementShare?: number | null;

  @RangeOfModule(GATE_RANGES.maxLossIncrease)
  @Field(() => Float, {
    nullable: true,
    description:
      'Maximum increase of the loss compared with production. The gate fails when the whole 95 % ' +
      'interval of (loss of the shadow − loss of production) lies above this number; in nats (log ' +
      'loss with the natural logarithm) or units of the target (RMSE); 0 by default.',
  })
  maxLossIncrease?: number | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Whether the gate fails without an evaluation against the version in PRODUCTION; true by default.',
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

  @Field(() => StagingPolicyInput, {
    nullable: true,
    description: 'Gates and approvals that a promotion to STAGING requires.',
  })
  staging?: StagingPolicyInput | null;

  @Field(() => ProductionPolicyInput, {
    nullable: true,
    description: 'Gates and approvals that a promotion to PRODUCTION requires.',
  })
  production?: ProductionPolicyInput | null;

  @Field(() => EvaluationPolicyInput, { nullable: true, description: 'Settings of the gate EVALUATION.' })
  evaluation?: EvaluationPolicyInput | null;

  @Field(() => ValidationPolicyInput, { nullable: true, description: 'Settings of the gate VALIDATION.' })
  validation?: ValidationPolicyInput | null;

  @Field(() => ShadowPolicyInput, { nullable: true, description: 'Settings of the gate SHADOW.' })
  shadow?: ShadowPolicyInput | null;
}

@InputType({ description: 'New gate policy of a model; it replaces the current one.' })
export class SetGatePolicyInput {
  @Field(() => ID, { description: 'The model. NOT_FOUND when it does not exist.' })
  modelId!: string;

  @Field(() => GatePolicyInput, {
    nullable: true,
    description:
      'All settings that differ from the defaults; null or absent when none differ. Gate results ' +
      'that were decided with other numbers no longer count.',
  })
  policy?: GatePolicyInput | null;
}
