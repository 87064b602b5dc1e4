import { Field, InputType, ObjectType } from 'type-graphql';
import { TAG_VALUE } from '../../modules/core/index.js';
import { Range } from '../types/range.js';

@ObjectType({ description: 'Source of the code of a run, according to its client; each part may be null.' })
export class RunSource {
  @Field(() => String, {
    nullable: true,
    description: 'Type of the source, e.g. LOCAL, NOTEBOOK, JOB (tag mlflow.source.type).',
  })
  type?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Script, notebook or project (tag mlflow.source.name).',
  })
  name?: string | null;

  @Field(() => String, { nullable: true, description: 'Hash of the Git commit (tag mlflow.source.git.commit).' })
  gitCommit?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Entry point of the project (tag mlflow.project.entryPoint).',
  })
  entryPoint?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'User who ran the code (tag mlflow.user). The subject that called this service is `createdBy`.',
  })
  user?: string | null;
}

@InputType({
  description: 'Source of the code of a run. Each part is stored as the tag that MLflow clients use for it.',
})
export class RunSourceInput implements RunSource {
  @Range(TAG_VALUE)
  @Field(() => String, { nullable: true, description: 'Type of the source, e.g. LOCAL, NOTEBOOK, JOB.' })
  type?: string | null;

  @Range(TAG_VALUE)
  @Field(() => String, { nullable: true, description: 'Script, notebook or project.' })
  name?: string | null;

  @Range(TAG_VALUE)
  @Field(() => String, { nullable: true, description: 'Hash of the Git commit of the code.' })
  gitCommit?: string | null;

  @Range(TAG_VALUE)
  @Field(() => String, { nullable: true, description: 'Entry point in the project, such as a target or function.' })
  entryPoint?: string | null;

  @Range(TAG_VALUE)
  @Field(() => String, { nullable: true, description: 'User who runs the code.' })
  user?: string | null;
}
