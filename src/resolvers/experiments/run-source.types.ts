import { Field, InputType, ObjectType } from 'type-graphql';

@ObjectType({ description: 'Where the code of a run came from, as its client said; every part may be unknown.' })
export class RunSource {
  @Field(() => String, {
    nullable: true,
    description: 'What kind of code it was, e.g. LOCAL, NOTEBOOK, JOB (tag mlflow.source.type).',
  })
  type?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Script, notebook or project that ran (tag mlflow.source.name).',
  })
  name?: string | null;

  @Field(() => String, { nullable: true, description: 'Hash of the Git commit (tag mlflow.source.git.commit).' })
  gitCommit?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Which part of the project was started (tag mlflow.project.entryPoint).',
  })
  entryPoint?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Who ran it there (tag mlflow.user); who called this service is `createdBy`.',
  })
  user?: string | null;
}

@InputType({
  description: 'Where the code of a run comes from; each part is kept as the tag by which MLflow clients say it.',
})
export class RunSourceInput implements RunSource {
  @Field(() => String, { nullable: true, description: 'What kind of code it is, e.g. LOCAL, NOTEBOOK, JOB.' })
  type?: string | null;

  @Field(() => String, { nullable: true, description: 'Script, notebook or project that runs.' })
  name?: string | null;

  @Field(() => String, { nullable: true, description: 'Hash of the commit that the code was at.' })
  gitCommit?: string | null;

  @Field(() => String, { nullable: true, description: 'Which part of the project is started.' })
  entryPoint?: string | null;

  @Field(() => String, { nullable: true, description: 'Who runs it there.' })
  user?: string | null;
}
