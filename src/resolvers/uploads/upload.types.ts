import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { DateTime, SafeInt } from '../types/scalars.js';

@InputType({ description: 'A file that the client will send directly to the object store.' })
export class CreateUploadInput {
  @Field(() => String, { description: 'File name, e.g. `flights.parquet`; a folder before the name is removed.' })
  fileName!: string;

  @Field(() => SafeInt, {
    description: 'Exact size in bytes. RESOURCE_EXHAUSTED above the upload limit of this service.',
  })
  sizeBytes!: number;
}

@ObjectType('UploadPart', { description: 'A piece of the file, and where it goes.' })
export class UploadPartType {
  @Field(() => Int, { description: 'Its place in the file, from 1.' })
  partNumber!: number;

  @Field(() => SafeInt, { description: 'Where it begins in the file, in bytes.' })
  offsetBytes!: number;

  @Field(() => SafeInt, { description: 'How many bytes of the file it has.' })
  sizeBytes!: number;

  @Field(() => String, {
    description:
      'Where to PUT these bytes, without a token, in any order and again after a failure: an absolute ' +
      'address of the object store, or a path of this service.',
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

@ObjectType('Upload', { description: 'A file that is stored whole, for a mutation to use within a day.' })
export class UploadType {
  @Field(() => ID, { description: 'The `uploadId` that mutations take.' })
  id!: string;

  @Field(() => String, { description: 'Its name as it was announced.' })
  fileName!: string;

  @Field(() => SafeInt, { description: 'Bytes, as counted when it was read back.' })
  sizeBytes!: number;

  @Field(() => String, {
    description: 'SHA-256 of what is stored, hexadecimal: compare it with that of the file sent.',
  })
  sha256!: string;
}

@ObjectType({ description: 'The upload after its completion.' })
export class CompleteUploadPayload {
  @Field(() => UploadType, { description: 'The stored file.' })
  upload!: UploadType;
}
