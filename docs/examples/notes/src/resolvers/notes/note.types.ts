import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { NOTE_BODY } from '../../modules/notes/index.js';
import { Range } from '../types/range.js';
import { DateTime } from '../types/scalars.js';

@ObjectType('Note', { description: 'What somebody wrote about an experiment.' })
export class NoteType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => String, { description: 'Plain text, 1 to 10,000 characters.' })
  body!: string;

  @Field(() => String, { description: 'Subject of the token that wrote it.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'When it was written, UTC.' })
  createdAt!: Date;
}

@InputType({ description: 'A note to write.' })
export class CreateNoteInput {
  @Field(() => ID, { description: 'The experiment that it is about. NOT_FOUND when there is none.' })
  experimentId!: string;

  @Field(() => ID, { nullable: true, description: 'The run that it is about. NOT_FOUND when there is none.' })
  runId?: string | null;

  @Range(NOTE_BODY)
  @Field(() => String, { description: 'Plain text.' })
  body!: string;
}

@ObjectType({ description: 'The note after the mutation.' })
export class NotePayload {
  @Field(() => NoteType, { description: 'The note as it is stored.' })
  note!: NoteType;
}
