import { Args, Ctx, Field, FieldResolver, Float, ObjectType, Resolver, Root } from 'type-graphql';
import { MAX_MINUTES } from '../../modules/language-models/index.js';
import type { RequestContext } from '../request-context.js';
import { DeploymentType, TrafficArgs } from '../serving/deployment.types.js';
import { DateTime, SafeInt } from '../types/scalars.js';

@ObjectType('LanguageMinute', {
  description: 'A minute of a deployment that answers texts; up to date within a few seconds.',
  simpleResolvers: true,
})
export class LanguageMinuteType {
  @Field(() => DateTime, { description: 'Begin of the minute, UTC.' })
  minute!: Date;

  @Field(() => SafeInt, { description: 'Number of requests that got a token or failed.' })
  requests!: number;

  @Field(() => SafeInt, { description: 'Number of requests that failed because of the model or its server.' })
  errors!: number;

  @Field(() => Float, {
    nullable: true,
    description: 'Median time to the first token in milliseconds, accurate to 19 %; null without requests.',
  })
  firstTokenP50Ms!: number | null;

  @Field(() => Float, {
    nullable: true,
    description: '95th percentile of the time to the first token in milliseconds, accurate to 19 %.',
  })
  firstTokenP95Ms!: number | null;

  @Field(() => SafeInt, { description: 'Tokens that the server has read in this minute.' })
  promptTokens!: number;

  @Field(() => SafeInt, { description: 'Tokens of answers, also of those that were cancelled or failed.' })
  completionTokens!: number;

  @Field(() => Float, {
    nullable: true,
    description: 'Tokens of one answer per second, after its first token; null when no answer had two.',
  })
  tokensPerSecond!: number | null;
}

@Resolver(() => DeploymentType)
export class LanguageTrafficResolver {
  @FieldResolver(() => [LanguageMinuteType], {
    description:
      'Tokens and times of a deployment of a language model, minute by minute with traffic, oldest first: the last ' +
      `hour when \`from\` is absent, at most the last ${MAX_MINUTES} minutes. Empty for other deployments.`,
  })
  languageMinutes(
    @Root() { id: deploymentId }: DeploymentType,
    @Ctx() ctx: RequestContext,
    @Args(() => TrafficArgs) { from, to }: TrafficArgs,
  ): Promise<LanguageMinuteType[]> {
    return ctx.loaders.languageMinutes.load({ deploymentId, from: from ?? null, to: to ?? null });
  }
}
