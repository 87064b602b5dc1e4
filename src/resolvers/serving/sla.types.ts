import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import { SafeInt } from '../types/scalars.js';
import { DeploymentType } from './deployment.types.js';
import { SlaInput } from './sla-input.types.js';

@ObjectType('DeploymentSla', {
  description: 'What a deployment promises, and what was measured. Its alerts LATENCY and ERROR_RATE compare with it.',
})
export class DeploymentSla {
  @Field(() => Float, {
    description:
      'Limit in milliseconds, within which 95 % of the requests are answered; of a language model, have their first ' +
      'token. From the deployment, else from its endpoint, else the default of its runtime (`runtimes`).',
  })
  latencyP95Ms!: number;

  @Field(() => Float, { description: 'Fraction of the requests that may fail, 0 to 1; 0.01 unless declared.' })
  maxErrorRate!: number;

  @Field(() => Int, { description: 'Length in minutes of the time until now that was measured.' })
  windowMinutes!: number;

  @Field(() => SafeInt, { description: 'Number of requests that were answered or failed in that time.' })
  requests!: number;

  @Field(() => Float, {
    nullable: true,
    description: '95th percentile of their latency in milliseconds, accurate to 19 %; null without requests.',
  })
  measuredLatencyP95Ms!: number | null;

  @Field(() => Float, { nullable: true, description: 'Fraction of them that failed, 0 to 1; null without requests.' })
  measuredErrorRate!: number | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Whether both limits were kept in that time; null with fewer than 50 requests.',
  })
  isMet!: boolean | null;
}

@InputType({ description: 'What a deployment promises from now on.' })
export class SetDeploymentSlaInput {
  @Field(() => ID, { description: 'The deployment. NOT_FOUND when it does not exist.' })
  deploymentId!: string;

  @Field(() => SlaInput, {
    nullable: true,
    description: 'Replaces what was declared; null takes it back, so that the endpoint or the platform counts.',
  })
  sla?: SlaInput | null;
}

@ObjectType({ description: 'Result of the change.' })
export class SetDeploymentSlaPayload {
  @Field(() => DeploymentType, { description: 'The deployment; its `sla` has the new limits.' })
  deployment!: DeploymentType;
}
