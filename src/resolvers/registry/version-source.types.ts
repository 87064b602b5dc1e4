import { Field, ObjectType } from 'type-graphql';

@ObjectType('VersionSource', {
  description:
    'Where the files are that a version was registered with: a folder among those of a run or of a logged model here.',
})
export class VersionSourceType {
  @Field(() => String, {
    description: 'Path of the folder with the MLmodel file, e.g. `model`; empty when it is the uppermost.',
  })
  path!: string;

  /** Shown as objects: one of them. */
  runId!: string | null;
  loggedModelId!: string | null;
}
