import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { DateTime, SafeInt } from '../types/scalars.js';
import { RangeOfModule } from '../types/range.js';
import { ARTIFACT_PATH } from '../../modules/core/index.js';

@ObjectType('Artifact', {
  description: 'A stored file of a run, a logged model, a model version or a job. The content never changes.',
})
export class ArtifactType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => String, { description: 'Path among the files of the owner, e.g. `metrics/history.json`.' })
  path!: string;

  @Field(() => SafeInt, { description: 'Size of the stored file in bytes, as downloaded.' })
  sizeBytes!: number;

  @Field(() => String, { description: 'SHA-256 of the content, hexadecimal.' })
  sha256!: string;

  @Field(() => String, { description: 'Media type, derived from the file extension.' })
  contentType!: string;

  @Field(() => DateTime, { description: 'Time when the file was stored, UTC.' })
  createdAt!: Date;
}

@InputType({ description: 'A file to store with a run.' })
export class LogArtifactInput {
  @Field(() => ID, { description: 'The run. NOT_FOUND when it does not exist.' })
  runId!: string;

  @RangeOfModule(ARTIFACT_PATH)
  @Field(() => String, {
    description:
      'Path among the files of the run, e.g. `plots/roc.png`: segments of letters, digits and ' +
      '._-@=+,()[] separated by slashes. INVALID_PATH otherwise; CONFLICT when the run already has ' +
      'another file at this path.',
  })
  path!: string;

  @Field(() => ID, { description: '`uploadId` from the answer of POST /uploads. NOT_FOUND when it does not exist.' })
  uploadId!: string;
}

@ObjectType({ description: 'The artifact after the mutation.' })
export class ArtifactPayload {
  @Field(() => ArtifactType, { description: 'The stored file.' })
  artifact!: ArtifactType;
}
