import { Field, ObjectType } from 'type-graphql';

@ObjectType('VersionSource', {
  description:
    'Folder with the files from which a version was registered, among the files of a run or of a logged model.',
})
export class VersionSourceType {
  @Field(() => String, {
    description: 'Path of the folder with the MLmodel file, e.g. `model`; empty for the top folder.',
  })
  path!: string;

  /** The API shows these ids as objects; exactly one is set. */
  runId!: string | null;
  loggedModelId!: string | null;
}
