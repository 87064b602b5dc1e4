import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { describeEnum } from '../types/common.types.js';
import { MetricValue, SafeInt } from '../types/scalars.js';

export const ConversionState = describeEnum('ConversionState', 'Result of a conversion to ONNX.', {
  CONVERTED: 'The version has a model.onnx that gives the same answers as the original.',
  DISAGREES: 'The model was converted, but the two models give different answers.',
  MISSING_CONVERTER:
    'The Python environment of the service lacks a package that this framework needs; `problem` ' +
    'says which to install.',
  NOT_CONFIGURED: 'Python is not set up on this service; `problem` says how to set it up.',
  NEEDS_SAMPLE: 'The model does not accept random rows; name a dataset with sample rows.',
  UNSUPPORTED: 'The framework of the model cannot be converted.',
  FAILED: 'The framework or its converter gave an error.',
});

export const ConversionPrecision = describeEnum(
  'ConversionPrecision',
  'Precision of the floating-point numbers in a converted model.',
  {
    SINGLE: '32 bits.',
    DOUBLE: '64 bits; used when the model with 32 bits gives different answers.',
  },
);

export const ConversionSample = describeEnum(
  'ConversionSample',
  'Source of the rows on which the converted and the original model were compared.',
  {
    DATASET: 'Rows of the named dataset.',
    INPUT_EXAMPLE: 'The input example that was logged with the model.',
    GENERATED: 'Random rows with the types of the signature.',
  },
);

@ObjectType('Conversion', { description: 'The last attempt to convert the files of a version to model.onnx.' })
export class ConversionType {
  @Field(() => ConversionState, { description: 'Final state: whether it succeeded or failed.' })
  state!: keyof typeof ConversionState;

  @Field(() => ID, { description: 'CONVERSION job that made the attempt; its log is at `job(id)`.' })
  jobId!: string;

  @Field(() => String, {
    nullable: true,
    description: 'What the problem is and how to solve it; null when the model was converted.',
  })
  problem!: string | null;

  @Field(() => String, { nullable: true, description: 'Library that made the original model, with its version.' })
  framework!: string | null;

  @Field(() => String, { nullable: true, description: 'Library that converted the model, with its version.' })
  converter!: string | null;

  @Field(() => ConversionPrecision, { nullable: true, description: 'Precision of the numbers in model.onnx.' })
  precision!: keyof typeof ConversionPrecision | null;

  @Field(() => SafeInt, { nullable: true, description: 'Number of rows that both models answered.' })
  sampleRows!: number | null;

  @Field(() => ConversionSample, { nullable: true, description: 'Where the sample rows come from.' })
  sampleSource!: keyof typeof ConversionSample | null;

  @Field(() => MetricValue, {
    nullable: true,
    description: 'Largest |a - b| between the answers a and b of the two models, in the units of the answer.',
  })
  maxAbsDiff!: number | null;

  @Field(() => MetricValue, {
    nullable: true,
    description:
      'Largest |a - b| / max(1, |a|) between the answers a and b of the two models. It must not be ' +
      'above 0.0001; different labels count as 1.',
  })
  maxScaledDiff!: number | null;
}

@InputType({ description: 'Version without a model.onnx, and rows on which to compare the conversion.' })
export class ConvertModelVersionInput {
  @Field(() => ID, {
    description:
      'A version with files of scikit-learn, XGBoost, LightGBM, PyTorch or TensorFlow. NOT_FOUND ' +
      'when it does not exist.',
  })
  modelVersionId!: string;

  @Field(() => ID, {
    nullable: true,
    description:
      'Dataset whose first 1,000 rows both models answer. When absent: the logged input example, or ' +
      'else random rows. NOT_FOUND when it does not exist.',
  })
  sampleDatasetId?: string | null;
}
