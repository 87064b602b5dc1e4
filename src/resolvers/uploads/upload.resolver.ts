import { Arg, Ctx, Mutation, Resolver } from 'type-graphql';
import type { RequestContext } from '../request-context.js';
import {
  CompleteUploadInput,
  CompleteUploadPayload,
  CreateUploadInput,
  CreateUploadPayload,
  UploadType,
} from './upload.types.js';

@Resolver(() => UploadType)
export class UploadResolver {
  @Mutation(() => CreateUploadPayload, {
    description:
      'Starts the upload of a large file. PUT each part to its address, then call `completeUpload`. ' +
      'Small files can be sent in one POST to /uploads instead.',
  })
  createUpload(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => CreateUploadInput, { description: 'Name and size of the file.' }) input: CreateUploadInput,
  ): Promise<CreateUploadPayload> {
    return ctx.services.uploads.create(ctx, input);
  }

  @Mutation(() => CompleteUploadPayload, {
    description:
      'Joins the parts into one file and reads it once to compute the SHA-256, which takes seconds ' +
      'per gigabyte. BAD_USER_INPUT names a part that is missing. A repeated call returns the same ' +
      'answer.',
  })
  async completeUpload(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => CompleteUploadInput, { description: 'Upload of which all parts have been sent.' })
    input: CompleteUploadInput,
  ): Promise<CompleteUploadPayload> {
    return { upload: await ctx.services.uploads.complete(ctx, input.uploadId) };
  }
}
