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

  /** Shown as objects: one of them. */
  runId!: string | null;
  loggedModelId!: string | null;
}
