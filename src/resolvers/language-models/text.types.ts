import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import { CALLER_ATTRIBUTES, REQUEST_KEY } from '../../modules/serving/index.js';
import { CallerAttributeInput } from '../serving/predict.types.js';
import {
  CHAT_ROLES,
  MAX_TOKENS,
  MESSAGES,
  PENALTY,
  PROMPT,
  PROMPT_TEXT,
  SEED,
  STOP_TEXTS,
  TEMPERATURE,
  TOP_P,
} from '../../modules/language-models/index.js';
import { describeEnum } from '../types/common.types.js';
import { JsonObject, SafeInt } from '../types/scalars.js';
import { RangeOfModule } from '../types/range.js';

export const FinishReason = describeEnum('FinishReason', 'Why the answer of a language model ended.', {
  STOP: 'The model had finished, or came to a stop text.',
  LENGTH: 'It had `maxTokens` tokens, or the context of the model was full.',
});

const ROLES = CHAT_ROLES.join(', ');

@InputType({ description: 'What one side of a conversation has said.' })
export class ChatMessageInput {
  @Field(() => String, { description: `Who says it: ${ROLES}.` })
  role!: string;

  @RangeOfModule(PROMPT_TEXT)
  @Field(() => String, { description: 'The text. All messages together have at most 2,000,000 characters.' })
  content!: string;
}

@InputType({ description: 'Where to ask, and how the tokens of the answer are chosen.' })
abstract class TextInputFields {
  @Field(() => ID, { nullable: true, description: 'Id of the endpoint. NOT_FOUND when it does not exist.' })
  endpointId?: string | null;

  @Field(() => String, { nullable: true, description: 'Name of the endpoint. NOT_FOUND when it does not exist.' })
  endpointName?: string | null;

  @RangeOfModule(MAX_TOKENS)
  @Field(() => Int, {
    nullable: true,
    description: 'Longest answer; what the context of the model leaves when absent. More than that is BAD_USER_INPUT.',
  })
  maxTokens?: number | null;

  @RangeOfModule(TEMPERATURE)
  @Field(() => Float, {
    nullable: true,
    description: 'Spread of the choice of tokens: 0 always takes the likeliest. The model’s own when absent.',
  })
  temperature?: number | null;

  @RangeOfModule(TOP_P)
  @Field(() => Float, {
    nullable: true,
    description: 'Only the likeliest tokens whose probabilities add up to this are chosen from; all when absent.',
  })
  topP?: number | null;

  @RangeOfModule(STOP_TEXTS)
  @Field(() => [String], { nullable: true, description: 'The answer ends before the first of these texts.' })
  stop?: string[] | null;

  @RangeOfModule(SEED)
  @Field(() => SafeInt, { nullable: true, description: 'Seed of the choice: makes an answer repeatable.' })
  seed?: number | null;

  @RangeOfModule(PENALTY)
  @Field(() => Float, { nullable: true, description: 'Makes tokens that are in the answer already less likely.' })
  presencePenalty?: number | null;

  @RangeOfModule(PENALTY)
  @Field(() => Float, { nullable: true, description: 'The same, for each time that they are in it.' })
  frequencyPenalty?: number | null;

  @Field(() => JsonObject, {
    nullable: true,
    description:
      'The form of the answer as in OpenAI’s `response_format`, e.g. {"type": "json_object"}, at most 100,000 ' +
      'characters of JSON. Free text when absent.',
  })
  responseFormat?: Record<string, unknown> | null;

  @RangeOfModule(REQUEST_KEY)
  @Field(() => String, {
    nullable: true,
    description:
      'Routing key, e.g. the id of a user: requests with the same key are answered by the same version as long as ' +
      'the weights do not change. The request id when absent.',
  })
  routingKey?: string | null;

  @RangeOfModule(CALLER_ATTRIBUTES)
  @Field(() => [CallerAttributeInput], {
    nullable: true,
    description: 'Attributes for the rules of the endpoint’s traffic policy, as for `predict`.',
  })
  attributes?: CallerAttributeInput[] | null;

  @RangeOfModule(REQUEST_KEY)
  @Field(() => String, { nullable: true, description: 'Id of the request, for the log; generated when absent.' })
  requestId?: string | null;
}

@InputType({
  description: 'A chat that a language model continues. Give exactly one of endpointId and endpointName.',
})
export class ChatInput extends TextInputFields {
  @RangeOfModule(MESSAGES)
  @Field(() => [ChatMessageInput], { description: 'The messages so far, oldest first.' })
  messages!: ChatMessageInput[];
}

@InputType({
  description: 'A text that a language model continues. Give exactly one of endpointId and endpointName.',
})
export class CompleteInput extends TextInputFields {
  @RangeOfModule(PROMPT)
  @Field(() => String, { description: 'The text to be continued.' })
  prompt!: string;
}

@ObjectType('TokenUsage', { description: 'Tokens of a request and its answer.', simpleResolvers: true })
export class TokenUsageType {
  @Field(() => Int, { description: 'Tokens that the server has read, as it counts them.' })
  promptTokens!: number;

  @Field(() => Int, { description: 'Tokens of the answer so far.' })
  completionTokens!: number;
}

@ObjectType({ description: 'The answer of a language model.' })
export class TextPayload {
  @Field(() => String, { description: 'Id of the request: given by the caller, or generated.' })
  requestId!: string;

  @Field(() => String, { description: 'The whole answer, without the prompt.' })
  text!: string;

  @Field(() => FinishReason, { description: 'Why it ended.' })
  finishReason!: keyof typeof FinishReason;

  @Field(() => TokenUsageType, { description: 'Tokens that count against the tenant’s budget.' })
  usage!: TokenUsageType;

  @Field(() => Float, { nullable: true, description: 'Time to the first token, in milliseconds.' })
  firstTokenMs!: number | null;

  @Field(() => Float, { description: 'Time to the last token, in milliseconds.' })
  latencyMs!: number;

  /** The API shows these as objects. */
  deploymentId!: string;
  modelVersionId!: string;
}

@ObjectType({ description: 'The next part of an answer.' })
export class TextChunk {
  @Field(() => String, {
    description: 'Given by the caller or made by the service; the same in every part of an answer.',
  })
  requestId!: string;

  @Field(() => String, { description: 'The text that follows the parts before; may be empty.' })
  text!: string;

  @Field(() => FinishReason, {
    nullable: true,
    description:
      'Why the answer ended, in its last part with text; null before. One more part with the usage may follow.',
  })
  finishReason!: keyof typeof FinishReason | null;

  @Field(() => TokenUsageType, { description: 'Tokens so far.' })
  usage!: TokenUsageType;

  @Field(() => Float, { nullable: true, description: 'Time to the first token, in milliseconds; null before it.' })
  firstTokenMs!: number | null;

  @Field(() => Float, { description: 'Time since the request, in milliseconds, without what the reader needed.' })
  latencyMs!: number;

  @Field(() => ID, { description: 'Live deployment that the routing key selected.' })
  deploymentId!: string;
}
