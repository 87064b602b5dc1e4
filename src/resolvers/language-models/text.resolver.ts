import { Arg, Ctx, Extensions, FieldResolver, Mutation, Resolver, Root, Subscription } from 'type-graphql';
import { Role } from '../../modules/core/index.js';
import type { TextEvent, TextInput, TextStream } from '../../modules/language-models/index.js';
import { ModelVersionType } from '../registry/model-version.types.js';
import { DeploymentType } from '../serving/deployment.types.js';
import type { RequestContext } from '../request-context.js';
import { ChatInput, CompleteInput, TextChunk, TextPayload } from './text.types.js';

const ERRORS =
  'VIEWER may use endpoints whose live versions are all in PRODUCTION (FORBIDDEN otherwise). CONFLICT for an endpoint ' +
  'that answers tensors, RESOURCE_EXHAUSTED when the tenant’s tokens of the day are used up (`renewsAt`) or too many ' +
  'requests wait, UNAVAILABLE when no deployment is live or the server is away, DEADLINE_EXCEEDED when no token came.';
const STREAMED =
  'Unsubscribing ends the answer at the server too. An error in the middle comes as the last item; the tokens until ' +
  'then are counted.';

@Resolver(() => TextPayload)
export class TextResolver {
  @Extensions({ minRole: Role.VIEWER })
  @Mutation(() => TextPayload, { description: `Continues a chat by the language model of an endpoint. ${ERRORS}` })
  chat(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => ChatInput, { description: 'Endpoint and messages.' }) input: ChatInput,
  ): Promise<TextPayload> {
    return answer(ctx, input);
  }

  @Extensions({ minRole: Role.VIEWER })
  @Mutation(() => TextPayload, { description: `Continues a text by the language model of an endpoint. ${ERRORS}` })
  complete(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => CompleteInput, { description: 'Endpoint and text.' }) input: CompleteInput,
  ): Promise<TextPayload> {
    return answer(ctx, input);
  }

  @Subscription(() => TextChunk, {
    description: `As \`chat\`, part by part as the model writes. ${STREAMED}`,
    subscribe: ({ args, context }) => stream(context as RequestContext, (args as { input: ChatInput }).input),
  })
  chatStream(
    @Root() event: TextEvent,
    @Arg('input', () => ChatInput, { description: 'Endpoint and messages.' }) _input: ChatInput,
  ): TextChunk {
    return toChunk(event);
  }

  @Subscription(() => TextChunk, {
    description: `As \`complete\`, part by part as the model writes. ${STREAMED}`,
    subscribe: ({ args, context }) => stream(context as RequestContext, (args as { input: CompleteInput }).input),
  })
  completeStream(
    @Root() event: TextEvent,
    @Arg('input', () => CompleteInput, { description: 'Endpoint and text.' }) _input: CompleteInput,
  ): TextChunk {
    return toChunk(event);
  }

  @FieldResolver(() => DeploymentType, { description: 'Live deployment that the routing key selected.' })
  deployment(@Root() { deploymentId }: TextPayload, @Ctx() ctx: RequestContext): Promise<DeploymentType | null> {
    return ctx.loaders.deployment.load(deploymentId);
  }

  @FieldResolver(() => ModelVersionType, { description: 'The registered model that wrote this.' })
  modelVersion(@Root() { modelVersionId }: TextPayload, @Ctx() ctx: RequestContext): Promise<ModelVersionType | null> {
    return ctx.loaders.modelVersion.load(modelVersionId);
  }
}

async function answer(ctx: RequestContext, input: TextInput): Promise<TextPayload> {
  const { target, ...rest } = await ctx.services.texts.answer(ctx.principal, input, ctx.requestId, ctx.headers, () =>
    ctx.isGone(),
  );
  return { ...rest, deploymentId: target.deployment.id, modelVersionId: target.version.id };
}

function stream(ctx: RequestContext, input: TextInput): Promise<TextStream> {
  return ctx.services.texts.stream(ctx.principal, input, ctx.requestId, ctx.headers);
}

function toChunk({ target, ...rest }: TextEvent): TextChunk {
  return { ...rest, deploymentId: target.deployment.id };
}
