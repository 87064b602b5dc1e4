import { Arg, Ctx, Mutation, Resolver } from 'type-graphql';
import type { RequestContext } from '../request-context.js';
import { ModelVersionPayload } from './model-version.types.js';
import { ModelPayload } from './model.types.js';
import {
  DeleteModelTagInput,
  DeleteModelVersionTagInput,
  SetModelTagsInput,
  SetModelVersionTagsInput,
} from './registry-tag.types.js';

@Resolver()
export class RegistryTagResolver {
  @Mutation(() => ModelPayload, {
    description:
      'Sets some tags of a model; the others stay. `updateModel` replaces all. A model has at most 1,000 tags, of ' +
      '1,048,576 bytes together (keys and values): BAD_USER_INPUT beyond.',
  })
  async setModelTags(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => SetModelTagsInput, { description: 'The model and the tags to set.' }) input: SetModelTagsInput,
  ): Promise<ModelPayload> {
    return { model: await ctx.run((session) => ctx.services.registryTags.setOnModel(session, input)) };
  }

  @Mutation(() => ModelPayload, { description: 'Takes one tag off a model; the others stay.' })
  async deleteModelTag(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => DeleteModelTagInput, { description: 'The model and the key.' }) input: DeleteModelTagInput,
  ): Promise<ModelPayload> {
    return { model: await ctx.run((session) => ctx.services.registryTags.deleteFromModel(session, input)) };
  }

  @Mutation(() => ModelVersionPayload, {
    description:
      'Sets some tags of a version; the others stay. `updateModelVersion` replaces all. A version has at most 1,000 ' +
      'tags, of 1,048,576 bytes together (keys and values): BAD_USER_INPUT beyond.',
  })
  async setModelVersionTags(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => SetModelVersionTagsInput, { description: 'The version and the tags to set.' })
    input: SetModelVersionTagsInput,
  ): Promise<ModelVersionPayload> {
    return { modelVersion: await ctx.run((session) => ctx.services.registryTags.setOnVersion(session, input)) };
  }

  @Mutation(() => ModelVersionPayload, { description: 'Takes one tag off a version; the others stay.' })
  async deleteModelVersionTag(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => DeleteModelVersionTagInput, { description: 'The version and the key.' })
    input: DeleteModelVersionTagInput,
  ): Promise<ModelVersionPayload> {
    return { modelVersion: await ctx.run((session) => ctx.services.registryTags.deleteFromVersion(session, input)) };
  }
}
