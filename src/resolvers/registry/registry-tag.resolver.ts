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
      'Sets some tags of a model; the other tags stay. `updateModel` replaces all tags. ' +
      'BAD_USER_INPUT when the model would have more than 1,000 tags or more than 1,048,576 bytes ' +
      'of tags (keys and values).',
  })
  async setModelTags(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => SetModelTagsInput, { description: 'Model and tags.' }) input: SetModelTagsInput,
  ): Promise<ModelPayload> {
    return { model: await ctx.run((session) => ctx.services.registryTags.setOnModel(session, input)) };
  }

  @Mutation(() => ModelPayload, { description: 'Deletes one tag of a model; the other tags stay.' })
  async deleteModelTag(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => DeleteModelTagInput, { description: 'Model and tag key.' }) input: DeleteModelTagInput,
  ): Promise<ModelPayload> {
    return { model: await ctx.run((session) => ctx.services.registryTags.deleteFromModel(session, input)) };
  }

  @Mutation(() => ModelVersionPayload, {
    description:
      'Sets some tags of a version; the other tags stay. `updateModelVersion` replaces all tags. ' +
      'BAD_USER_INPUT when the version would have more than 1,000 tags or more than 1,048,576 bytes ' +
      'of tags (keys and values).',
  })
  async setModelVersionTags(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => SetModelVersionTagsInput, { description: 'Version and tags.' })
    input: SetModelVersionTagsInput,
  ): Promise<ModelVersionPayload> {
    return { modelVersion: await ctx.run((session) => ctx.services.registryTags.setOnVersion(session, input)) };
  }

  @Mutation(() => ModelVersionPayload, { description: 'Deletes one tag of a version; the other tags stay.' })
  async deleteModelVersionTag(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => DeleteModelVersionTagInput, { description: 'Version and tag key.' })
    input: DeleteModelVersionTagInput,
  ): Promise<ModelVersionPayload> {
    return { modelVersion: await ctx.run((session) => ctx.services.registryTags.deleteFromVersion(session, input)) };
  }
}
