import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { describeEnum } from '../types/common.types.js';
import { MetricValue, SafeInt } from '../types/scalars.js';

export const ConversionState = describeEnum('ConversionState', 'How a conversion to ONNX ended.', {
  CONVERTED: 'The version has a model.onnx that answers like the original.',
  DISAGREES: 'It could be converted, but the two answer differently.',
  MISSING_CONVERTER: 'The service’s Python lacks what this framework needs; `problem` says what to install.',
  NOT_CONFIGURED: 'No Python is set up here; `problem` says how.',
  NEEDS_SAMPLE: 'The model takes no random rows: name a dataset with sample rows.',
  UNSUPPORTED: 'It has no framework that can be converted.',
  FAILED: 'The framework or its converter gave an error.',
});

export const ConversionPrecision = describeEnum('ConversionPrecision', 'Floating-point numbers of a converted model.', {
  SINGLE: '32 bits.',
  DOUBLE: '64 bits, taken when 32 disagree.',
});

export const ConversionSample = describeEnum(
  'ConversionSample',
  'Where the rows come from on which a conversion was compared.',
  {
    DATASET: 'From the named dataset.',
    INPUT_EXAMPLE: 'Logged with the model.',
    GENERATED: 'Random ones of the signature’s types.',
  },
);

@ObjectType('Conversion', { description: 'The last try to make a model.onnx of the files that a version came with.' })
export class ConversionType {
  @Field(() => ConversionState, { description: 'How it ended.' })
  state!: keyof typeof ConversionState;

  @Field(() => ID, { description: 'Job of kind CONVERSION that tried; its log is at `job(id)`.' })
  jobId!: string;

  @Field(() => String, {
    nullable: true,
    description: 'What is the matter and what to do; null when it was converted.',
  })
  problem!: string | null;

  @Field(() => String, { nullable: true, description: 'Library that made the original, with its version.' })
  framework!: string | null;

  @Field(() => String, { nullable: true, description: 'Library that converted it, with its version.' })
  converter!: string | null;

  @Field(() => ConversionPrecision, { nullable: true, description: 'Of the numbers in model.onnx.' })
  precision!: keyof typeof ConversionPrecision | null;

  @Field(() => SafeInt, { nullable: true, description: 'Rows that both models answered.' })
  sampleRows!: number | null;

  @Field(() => ConversionSample, { nullable: true, description: 'Where these rows come from.' })
  sampleSource!: keyof typeof ConversionSample | null;

  @Field(() => MetricValue, {
    nullable: true,
    description: 'Largest |a - b| of their answers, in the units of the answer.',
  })
  maxAbsDiff!: number | null;

  @Field(() => MetricValue, {
    nullable: true,
    description:
      'Largest |a - b| / max(1, |a|) of their answers, which must not be above 0.0001; differing labels count as 1.',
  })
  maxScaledDiff!: number | null;
}

@InputType({ description: 'A version without a model.onnx, and rows to compare its conversion on.' })
export class ConvertModelVersionInput {
  @Field(() => ID, {
    description:
      'A version that came with files of scikit-learn, XGBoost, LightGBM, PyTorch or TensorFlow. NOT_FOUND ' +
      'when there is none.',
  })
  modelVersionId!: string;

  @Field(() => ID, {
    nullable: true,
    description:
      'Dataset whose first 1,000 rows both models answer; absent: the logged input example, else random ' +
      'rows. NOT_FOUND.',
  })
  sampleDatasetId?: string | null;
}
