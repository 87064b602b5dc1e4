import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { DateTime, SafeInt } from '../types/scalars.js';
import { Range, RangeOfModule } from '../types/range.js';
import { NAME } from '../../modules/core/index.js';

@InputType({ description: 'A file that the client will send directly to the object store.' })
export class CreateUploadInput {
  @RangeOfModule(NAME)
  @Field(() => String, { description: 'File name, e.g. `flights.parquet`; a folder before the name is removed.' })
  fileName!: string;

  @Range({ min: 0, unit: 'bytes' })
  @Field(() => SafeInt, {
    description: 'Exact size. RESOURCE_EXHAUSTED above the upload limit of this service.',
  })
  sizeBytes!: number;
}

@ObjectType('UploadPart', { description: 'A part of the file, and the address to which to send it.' })
export class UploadPartType {
  @Field(() => Int, { description: 'Number of the part, from 1.' })
  partNumber!: number;

  @Field(() => SafeInt, { description: 'Start of the part in the file, in bytes.' })
  offsetBytes!: number;

  @Field(() => SafeInt, { description: 'Size of this part of the file in bytes.' })
  sizeBytes!: number;

  @Field(() => String, {
    description:
      'Address to PUT these bytes to, without a token, in any order, and again after a failure: an ' +
      'absolute address of the object store, or a path of this service.',
  })
  url!: string;
}

@ObjectType({ description: 'An upload that waits for its parts.' })
export class CreateUploadPayload {
  @Field(() => ID, { description: 'Id for `completeUpload`, and then for the mutation that uses the file.' })
  uploadId!: string;

  @Field(() => [UploadPartType], { description: 'All parts of the file, in order.' })
  parts!: UploadPartType[];

  @Field(() => DateTime, {
    description:
      'Time when the upload addresses expire, UTC. Parts that were sent before can still be ' +
      'completed for some hours.',
  })
  expiresAt!: Date;
}

@InputType({ description: 'Upload of which all parts have been sent.' })
export class CompleteUploadInput {
  @Field(() => ID, { description: '`uploadId` of `createUpload`. NOT_FOUND when it does not exist or has expired.' })
  uploadId!: string;
}

@ObjectType('Upload', { description: 'A completely uploaded file; a mutation can use it within a day.' })
export class UploadType {
  @Field(() => ID, { description: 'Id to pass as `uploadId` to mutations.' })
  id!: string;

  @Field(() => String, { description: 'File name, as given to `createUpload`.' })
  fileName!: string;

  @Field(() => SafeInt, { description: 'Size of the stored file in bytes.' })
  sizeBytes!: number;

  @Field(() => String, {
    description: 'SHA-256 of the stored file, hexadecimal: compare it with the SHA-256 of the sent file.',
  })
  sha256!: string;
}

@ObjectType({ description: 'The upload after its completion.' })
export class CompleteUploadPayload {
  @Field(() => UploadType, { description: 'The stored file.' })
  upload!: UploadType;
}
