import {
  Arg,
  Ctx,
  Extensions,
  Field,
  FieldResolver,
  Float,
  ID,
  InputType,
  Mutation,
  ObjectType,
  Query,
  Resolver,
  Root,
} from 'type-graphql';
import type { PromptLog } from '../../db/entities/language-models/prompt-log.entity.js';
import { Role } from '../../modules/core/index.js';
import { PROMPT_SAMPLE_RATE } from '../../modules/language-models/index.js';
import type { RequestContext } from '../request-context.js';
import { EndpointType } from '../serving/endpoint.types.js';
import { describeEnum } from '../types/common.types.js';
import { connectionOf, PageArgs, toConnection } from '../types/connection.js';
import { ArgsWithRanges, RangeOfModule } from '../types/range.js';
import { DateTime } from '../types/scalars.js';
import { FinishReason, TokenUsageType } from './text.types.js';

export const SecretKind = describeEnum('SecretKind', 'What is replaced in a logged text, e.g. by `[EMAIL]`.', {
  EMAIL: 'Addresses of e-mail.',
  CARD: 'Numbers of payment cards: 13 to 19 digits with a right check digit.',
  PHONE: 'Phone numbers: with a country code, a leading 0 or groups of digits.',
});
type SecretName = keyof typeof SecretKind;
const ALL: SecretName[] = Object.values(SecretKind);

@ObjectType('PromptLogging', { description: 'What of an endpoint’s prompts and answers is logged.' })
export class PromptLoggingType {
  @Field(() => Float, { description: 'Fraction of the requests that are logged, 0 to 1.' })
  sampleRate!: number;

  @Field(() => [SecretKind], { description: 'What is replaced in prompts before they are stored.' })
  redactPrompt!: SecretName[];

  @Field(() => [SecretKind], { description: 'What is replaced in answers before they are stored.' })
  redactAnswer!: SecretName[];
}

@InputType({ description: 'What of an endpoint’s prompts and answers shall be logged.' })
export class SetPromptLoggingInput {
  @Field(() => ID, { description: 'The endpoint. NOT_FOUND when it does not exist.' })
  endpointId!: string;

  @RangeOfModule(PROMPT_SAMPLE_RATE)
  @Field(() => Float, { description: 'Fraction of the requests to log; 0 logs none.' })
  sampleRate!: number;

  @Field(() => [SecretKind], {
    nullable: true,
    description: 'What to replace in prompts; everything of the list when absent, nothing when empty.',
  })
  redactPrompt?: SecretName[] | null;

  @Field(() => [SecretKind], {
    nullable: true,
    description: 'What to replace in answers; everything of the list when absent, nothing when empty.',
  })
  redactAnswer?: SecretName[] | null;
}

@ObjectType({ description: 'What is logged after the change.' })
export class PromptLoggingPayload {
  @Field(() => PromptLoggingType, { description: 'The new rule; it holds within a second.' })
  promptLogging!: PromptLoggingType;
}

@ObjectType('LoggedMessage', { description: 'A message of a logged chat, after redaction.', simpleResolvers: true })
export class LoggedMessage {
  @Field(() => String, { description: 'Who said it: system, user or assistant.' })
  role!: string;

  @Field(() => String, { description: 'The text, after redaction.' })
  content!: string;
}

@ObjectType('LoggedPrompt', { description: 'A sampled request to a language model, after redaction.' })
export class LoggedPromptType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => String, { description: 'The one that the caller gave or got back.' })
  requestId!: string;

  @Field(() => ID, { description: 'Whose model wrote the answer.' })
  deploymentId!: string;

  @Field(() => String, { description: 'The answer, as far as it came; its first 100,000 characters.' })
  answer!: string;

  @Field(() => FinishReason, {
    nullable: true,
    description: 'Why the answer ended; null when it did not come to its end.',
  })
  finishReason?: keyof typeof FinishReason | null;

  @Field(() => String, {
    nullable: true,
    description: 'Code of the error that ended it; CANCELLED when the caller ended it; null for a whole answer.',
  })
  errorCode?: string | null;

  @Field(() => Float, { nullable: true, description: 'Time to the first token in milliseconds; null when none came.' })
  firstTokenMs?: number | null;

  @Field(() => Float, { description: 'Duration in milliseconds.' })
  latencyMs!: number;

  @Field(() => DateTime, { description: 'Time of the log, UTC.' })
  createdAt!: Date;
}

export const LoggedPromptConnection = connectionOf(LoggedPromptType, 'LoggedPrompt', 'logged prompts');

@InputType({ description: 'Filter for logged prompts; all given fields must match.' })
export class LoggedPromptFilterInput {
  @Field(() => String, { nullable: true, description: 'Exact id of the request.' })
  requestId?: string | null;

  @Field(() => DateTime, { nullable: true, description: 'Logged at or after this time.' })
  from?: Date | null;

  @Field(() => DateTime, { nullable: true, description: 'Logged before this time.' })
  to?: Date | null;
}

@Resolver(() => LoggedPromptType)
export class PromptLogResolver {
  @Extensions({ minRole: Role.ENGINEER })
  @Query(() => LoggedPromptConnection, {
    description: 'Logged prompts and answers of an endpoint, newest first. Needs ENGINEER, as they may be private.',
  })
  async loggedPrompts(
    @Ctx() ctx: RequestContext,
    @Arg('endpointId', () => ID, { description: 'The endpoint. NOT_FOUND when it does not exist.' }) endpointId: string,
    @ArgsWithRanges(() => PageArgs) page: PageArgs,
    @Arg('filter', () => LoggedPromptFilterInput, { nullable: true, description: 'Filter; all when absent.' })
    filter?: LoggedPromptFilterInput,
  ): Promise<object> {
    await ctx.services.texts.flush();
    const { promptLogs } = ctx.services;
    const result = await ctx.run((session) => promptLogs.list(session, endpointId, filter ?? {}, page));
    return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
  }

  @Mutation(() => PromptLoggingPayload, {
    description:
      'Sets which fraction of an endpoint’s prompts and answers is logged, and what is replaced before they are ' +
      'stored. Nothing is logged until then. Kept for PROMPT_LOG_DAYS.',
  })
  async setPromptLogging(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => SetPromptLoggingInput, { description: 'Endpoint and rule.' }) input: SetPromptLoggingInput,
  ): Promise<PromptLoggingPayload> {
    const { redactPrompt, redactAnswer, ...rest } = input;
    const rule = { ...rest, redactPrompt: redactPrompt ?? ALL, redactAnswer: redactAnswer ?? ALL };
    return { promptLogging: await ctx.run((session) => ctx.services.promptLogs.set(session, rule)) };
  }

  @FieldResolver(() => [LoggedMessage], { description: 'The messages of a chat; empty for a completion.' })
  messages(@Root() { prompt }: PromptLog): LoggedMessage[] {
    return prompt.kind === 'CHAT' ? [...prompt.messages] : [];
  }

  @FieldResolver(() => String, { nullable: true, description: 'The text that was continued; null for a chat.' })
  prompt(@Root() { prompt }: PromptLog): string | null {
    return prompt.kind === 'COMPLETION' ? prompt.text : null;
  }

  @FieldResolver(() => TokenUsageType, { description: 'Tokens of the request and its answer.' })
  usage(@Root() { promptTokens, completionTokens }: PromptLog): TokenUsageType {
    return { promptTokens, completionTokens };
  }
}

@Resolver(() => EndpointType)
export class EndpointPromptLoggingResolver {
  @FieldResolver(() => PromptLoggingType, {
    nullable: true,
    description: 'What of its prompts and answers is logged; null when nobody has set it: nothing.',
  })
  promptLogging(@Root() { id }: EndpointType, @Ctx() ctx: RequestContext): Promise<PromptLoggingType | null> {
    return ctx.loaders.promptLogging.load(id);
  }
}
