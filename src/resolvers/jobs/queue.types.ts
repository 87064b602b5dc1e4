import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import { JOB_PRIORITY, RESOURCE_AMOUNTS, SHARE_WEIGHT, TENANT_NAME, WAIT_REASONS } from '../../modules/jobs/index.js';
import { describeEnum } from '../types/common.types.js';
import { Range } from '../types/range.js';
import { DateTime, SafeInt } from '../types/scalars.js';
import { JobType } from './job.types.js';

export const WaitReasonEnum = describeEnum('WaitReason', 'Why a queued job does not run yet.', WAIT_REASONS);

@ObjectType({ description: 'Amounts of resources; null is no limit.' })
export class ResourceAmounts {
  @Field(() => Float, { nullable: true, description: 'CPU cores, 0 or more; null is no limit.' })
  cores?: number | null;

  @Field(() => SafeInt, { nullable: true, description: 'Main memory in bytes, 0 or more; null is no limit.' })
  memoryBytes?: number | null;

  @Field(() => Int, { nullable: true, description: 'GPUs, 0 or more; null is no limit.' })
  gpus?: number | null;
}

@ObjectType({
  description:
    'What belongs to a tenant when several tenants want the same machines, and what it has of them. The tenant that ' +
    'has used the least for its weight comes first.',
})
export class TenantShare {
  @Field(() => Float, {
    description: 'Weight, above 0; 1 by default. Tenants who all wait get resources in the relation of their weights.',
  })
  weight!: number;

  @Field(() => ResourceAmounts, {
    description:
      'What the tenant can count on, of all workers together. More is borrowed, and only while no other tenant waits ' +
      'for what is within its own quota.',
  })
  quota!: ResourceAmounts;

  @Field(() => ResourceAmounts, { description: 'The most that the tenant may use beyond its quota.' })
  borrowingLimit!: ResourceAmounts;

  @Field(() => Float, {
    description:
      'Part of all resources, 0 to 1, that the tenant deserves beside the others that run or wait now: its weight of ' +
      'the sum of weights.',
  })
  deserved!: number;

  @Field(() => Float, {
    description: 'Part of all resources that its running jobs use, 0 to 1: the largest part of any resource.',
  })
  used!: number;

  @Field(() => Float, {
    description:
      'The same on average lately, 0 to 1; what was used FAIR_SHARE_HALF_LIFE_MS ago counts half. With `weight` it ' +
      'decides which tenant comes first.',
  })
  usage!: number;

  @Field(() => ResourceAmounts, { description: 'What the tenant uses beyond its quota; 0 without a quota.' })
  borrowed!: ResourceAmounts;
}

@ObjectType('ExpectedStart', {
  description:
    'When a job will begin: before `earliest` in one of ten cases, after `latest` in one of ten. It comes from how ' +
    'long such jobs took and how often new ones came lately, by playing the queue many times.',
})
export class ExpectedStartType {
  @Field(() => DateTime, { description: 'Time before which the job begins in one of ten cases, UTC.' })
  earliest!: Date;

  @Field(() => DateTime, { description: 'Time before which the job begins in half of the cases, UTC.' })
  median!: Date;

  @Field(() => DateTime, {
    nullable: true,
    description:
      'Time before which the job begins in nine of ten cases, UTC; null when it is later than the looked-at future.',
  })
  latest?: Date | null;
}

@ObjectType('QueueExplanation', { description: 'Why a job waits, what is ahead of it, and when it will begin.' })
export class QueueExplanationType {
  @Field(() => JobType, { description: 'The job in question, as a query shows it now.' })
  job!: JobType;

  @Field(() => Int, {
    nullable: true,
    description:
      'Place in the order in which the waiting jobs of its queue begin, from 1; null for a job that does not wait, ' +
      'and for one that cannot begin as things are.',
  })
  position?: number | null;

  @Field(() => Int, { description: 'Number of jobs of other tenants that begin before it.' })
  aheadOfOtherTenants!: number;

  @Field(() => TenantShare, { description: 'Share of the tenant, now.' })
  share!: TenantShare;

  @Field(() => ExpectedStartType, {
    nullable: true,
    description:
      'Expected start; null when no job has ended yet, and for a job that does not wait or cannot begin as things are.',
  })
  expectedStart?: ExpectedStartType | null;

  @Field(() => WaitReasonEnum, { nullable: true, description: 'Why it waits; null for a job that does not wait.' })
  reason?: keyof typeof WaitReasonEnum | null;

  @Field(() => String, { description: 'Why the job waits, or that it runs or has ended.' })
  sentence!: string;

  /** The API shows these as objects. */
  aheadIds!: string[];
}

@InputType({ description: 'Amounts of resources; an absent one is no limit.' })
export class ResourceAmountsInput {
  @Range(RESOURCE_AMOUNTS.cores)
  @Field(() => Float, { nullable: true, description: 'CPU cores; no limit when absent.' })
  cores?: number | null;

  @Range(RESOURCE_AMOUNTS.memoryBytes)
  @Field(() => SafeInt, { nullable: true, description: 'Main memory; no limit when absent.' })
  memoryBytes?: number | null;

  @Range(RESOURCE_AMOUNTS.gpus)
  @Field(() => Int, { nullable: true, description: 'GPUs; no limit when absent.' })
  gpus?: number | null;
}

@InputType({ description: 'Share of a tenant; replaces the one that it has.' })
export class SetTenantShareInput {
  @Range(TENANT_NAME)
  @Field(() => String, {
    nullable: true,
    description:
      'Name of the tenant; that of the caller when absent. Another one needs a token of the tenant in the setting ' +
      'OPERATOR_TENANT; otherwise FORBIDDEN.',
  })
  tenant?: string | null;

  @Range(SHARE_WEIGHT)
  @Field(() => Float, { defaultValue: 1, description: 'Weight beside other tenants.' })
  weight!: number;

  @Field(() => ResourceAmountsInput, {
    defaultValue: {},
    description: 'What the tenant can count on; without limits when absent, so that it never borrows.',
  })
  quota!: ResourceAmountsInput;

  @Field(() => ResourceAmountsInput, {
    defaultValue: {},
    description: 'The most that the tenant may use beyond its quota; without limits when absent.',
  })
  borrowingLimit!: ResourceAmountsInput;
}

@ObjectType({ description: 'The share of the tenant after the mutation.' })
export class TenantSharePayload {
  @Field(() => TenantShare, { description: 'The share, with what the tenant uses now.' })
  share!: TenantShare;
}

@InputType({ description: 'Place of a queued job among the waiting ones of its tenant.' })
export class SetJobPriorityInput {
  @Field(() => ID, { description: 'The job. NOT_FOUND when it does not exist, CONFLICT unless it is QUEUED.' })
  jobId!: string;

  @Range(JOB_PRIORITY)
  @Field(() => Int, {
    description: 'New priority. Of the waiting jobs of a tenant, the one with the highest priority begins first.',
  })
  priority!: number;
}
