import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { DateTime, SafeInt } from '../types/scalars.js';

@ObjectType('Artifact', { description: 'A stored file that belongs to a run or a model version and never changes.' })
export class ArtifactType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => String, { description: 'Where it stands among the files of its owner, e.g. `metrics/history.json`.' })
  path!: string;

  @Field(() => SafeInt, { description: 'Bytes of the stored file, as a download will bring.' })
  sizeBytes!: number;

  @Field(() => String, { description: 'SHA-256 of the content, hexadecimal.' })
  sha256!: string;

  @Field(() => String, { description: 'Media type, by the extension of the path.' })
  contentType!: string;

  @Field(() => DateTime, { description: 'When it was stored, UTC.' })
  createdAt!: Date;
}

@InputType({ description: 'A file to keep with a run.' })
export class LogArtifactInput {
  @Field(() => ID, { description: 'The run. NOT_FOUND when there is none.' })
  runId!: string;

  @Field(() => String, {
    description:
      'Where it stands among the files of the run, e.g. `plots/roc.png`: segments of letters, digits and ' +
      '._-@=+,()[] parted by slashes. INVALID_PATH otherwise; CONFLICT when the run has another file there.',
  })
  path!: string;

  @Field(() => ID, { description: '`uploadId` that POST /uploads answered. NOT_FOUND when there is none.' })
  uploadId!: string;
}

@ObjectType({ description: 'The artifact after the mutation.' })
export class ArtifactPayload {
  @Field(() => ArtifactType, { description: 'The stored file.' })
  artifact!: ArtifactType;
}
