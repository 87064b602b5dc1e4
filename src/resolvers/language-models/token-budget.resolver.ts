import { Arg, Ctx, Extensions, Field, InputType, Mutation, ObjectType, Query, Resolver } from 'type-graphql';
import { Role } from '../../modules/core/index.js';
import { TOKENS_PER_DAY, type BudgetState } from '../../modules/language-models/index.js';
import type { RequestContext } from '../request-context.js';
import { RangeOfModule } from '../types/range.js';
import { DateTime, SafeInt } from '../types/scalars.js';

@ObjectType('TokenBudget', {
  description: 'How many tokens of language models the tenant may use on a day (UTC), prompts included.',
})
export class TokenBudgetType implements BudgetState {
  @Field(() => SafeInt, { nullable: true, description: 'Tokens per day; null without a limit.' })
  tokensPerDay!: number | null;

  @Field(() => SafeInt, {
    description: 'Tokens used today; those of other processes within the last seconds may lack.',
  })
  usedTokens!: number;

  @Field(() => DateTime, { description: 'When the next day begins, UTC.' })
  renewsAt!: Date;
}

@InputType({ description: 'A new budget of tokens.' })
export class SetTokenBudgetInput {
  @RangeOfModule(TOKENS_PER_DAY)
  @Field(() => SafeInt, {
    nullable: true,
    description:
      'Tokens per day; 0 stops all language models. Null or absent: the limit of the service (LLM_TOKENS_PER_DAY), ' +
      'above which no tenant can set its own.',
  })
  tokensPerDay?: number | null;
}

@ObjectType({ description: 'The budget after the change.' })
export class TokenBudgetPayload {
  @Field(() => TokenBudgetType, { description: 'The budget and its use today.' })
  tokenBudget!: TokenBudgetType;
}

@Resolver()
export class TokenBudgetResolver {
  @Query(() => TokenBudgetType, { description: 'The tenant’s budget of tokens, and its use today.' })
  tokenBudget(@Ctx() ctx: RequestContext): Promise<TokenBudgetType> {
    return ctx.run((session) => ctx.services.tokenBudgets.state(session));
  }

  @Extensions({ minRole: Role.ADMIN })
  @Mutation(() => TokenBudgetPayload, {
    description:
      'Sets how many tokens the tenant may use on a day. Requests beyond it fail with RESOURCE_EXHAUSTED, which says ' +
      'when the budget renews; answers that have begun go on.',
  })
  async setTokenBudget(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => SetTokenBudgetInput, { description: 'The new limit, in tokens per day.' })
    input: SetTokenBudgetInput,
  ): Promise<TokenBudgetPayload> {
    const { tokensPerDay } = input;
    return { tokenBudget: await ctx.run((session) => ctx.services.tokenBudgets.set(session, tokensPerDay ?? null)) };
  }
}
