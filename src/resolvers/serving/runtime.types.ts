import { Field, Float, Int, ObjectType } from 'type-graphql';
import { describeEnum } from '../types/common.types.js';

export const Runtime = describeEnum('Runtime', 'Where a deployed model runs.', {
  ONNX: 'ONNX Runtime in processes of this service.',
  TRITON: 'A Triton Inference Server, whose model repository this service writes.',
  RAY_SERVE: 'Ray Serve on your Ray cluster (RAY_ADDRESS): an application per version.',
  VLLM: 'A vLLM server, for language models.',
  V2: 'Any other server of the Open Inference Protocol that has the model already.',
  FAN_OUT: 'For ensembles: each member is asked on a runtime of its own, and this service combines the answers.',
});

const ModelFormat = describeEnum('ModelFormat', 'What the files of a model version are.', {
  ONNX: 'A model.onnx: tensors in, tensors out.',
  LANGUAGE_MODEL: 'No files here: a server has the language model under a name.',
});

const RuntimeAnswers = describeEnum('RuntimeAnswers', 'The form in which models give their results.', {
  TENSORS: 'Tensors, for `predict` and the other ways of calling an endpoint with rows or tensors.',
  TEXT_STREAM: 'A stream of text.',
});

@ObjectType({ description: 'What a deployment promises to those who call it.' })
export class RuntimeSlaType {
  @Field(() => Int, {
    description:
      '95th percentile of the latency in milliseconds; for a stream of text, of the latency until its first token.',
  })
  latencyP95Ms!: number;

  @Field(() => Float, { description: 'Greatest fraction of requests that may fail, 0 to 1.' })
  errorRate!: number;
}

@ObjectType('RuntimeInfo', { description: 'A runtime: what it serves, and whether this service has one.' })
export class RuntimeInfoType {
  @Field(() => Runtime, { description: 'The value for `deployModelVersion`.' })
  name!: keyof typeof Runtime;

  @Field(() => Boolean, { description: 'Whether versions can be deployed to it.' })
  isConfigured!: boolean;

  @Field(() => String, {
    nullable: true,
    description: 'Setting of the service that configures it; null for one that needs none.',
  })
  setting!: string | null;

  @Field(() => [String], {
    description:
      'Fields of `scaling` that deployments on it may give, e.g. threads; empty where its processes are set up there.',
  })
  scaling!: readonly string[];

  @Field(() => [ModelFormat], { description: 'Formats of the versions that it serves.' })
  formats!: readonly (keyof typeof ModelFormat)[];

  @Field(() => RuntimeAnswers, { description: 'Form of the results: tensors, or text piece by piece.' })
  answers!: keyof typeof RuntimeAnswers;

  @Field(() => Boolean, { description: 'Whether it is a server of its own, and not a part of this service.' })
  isRemote!: boolean;

  @Field(() => RuntimeSlaType, { description: 'What a deployment promises that does not say otherwise.' })
  defaultSla!: RuntimeSlaType;
}
