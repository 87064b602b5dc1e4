import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import type { ColumnSchema } from '../../domain/tracking/dataset-schema.js';
import { describeEnum, describeOrderFields, OrderDirection } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { DateTime, SafeInt } from '../types/scalars.js';
import { RunType } from './run.types.js';

export const DatasetFormatEnum = describeEnum('DatasetFormat', 'How the file of a dataset is written.', {
  CSV: 'Text with a header line; comma, semicolon, tab or bar between the values.',
  JSON: 'A list of objects, or one object per line.',
  PARQUET: 'Apache Parquet.',
});

export const ColumnTypeEnum = describeEnum('ColumnType', 'What the values of a column are.', {
  NUMBER: 'Integers or fractions, as 64-bit floats.',
  STRING: 'Text, and whatever is nothing else.',
  BOOLEAN: 'True or false.',
  TIMESTAMP: 'Days or instants, UTC.',
});

export const DatasetRoleEnum = describeEnum('DatasetRole', 'What a run used a dataset for.', {
  TRAINING: 'It learnt from it.',
  EVALUATION: 'It was measured on it.',
  BATCH_INPUT: 'It predicted for its rows.',
});

type DatasetOrderBy = 'createdAt' | 'name' | 'rowCount' | 'sizeBytes';

export const DatasetOrderField = describeOrderFields<DatasetOrderBy>('DatasetOrderField', 'What datasets can be ordered by.', {
  CREATED_AT: ['createdAt', 'When they were registered.'],
  NAME: ['name', 'Their names, in code point order.'],
  ROW_COUNT: ['rowCount', 'How many rows they have.'],
  SIZE_BYTES: ['sizeBytes', 'How large their files are.'],
});

@ObjectType('DatasetColumn', { description: 'A column of a dataset, as it was inferred from the whole file.' })
export class DatasetColumn {
  @Field(() => String, { description: 'What the header or schema of the file calls it; case matters.' })
  name!: string;

  @Field(() => ColumnTypeEnum, { description: 'What its values are.' })
  type!: ColumnSchema['type'];

  @Field(() => SafeInt, { description: 'Rows without a value.' })
  missingCount!: number;

  @Field(() => SafeInt, { description: 'Different values; approximate above a few thousand.' })
  distinctCount!: number;

  @Field(() => String, { nullable: true, description: 'Smallest value as text, at most 200 characters; null when every value is missing.' })
  min!: string | null;

  @Field(() => String, { nullable: true, description: 'Largest value as text, at most 200 characters; null when every value is missing.' })
  max!: string | null;
}

@ObjectType('Dataset', { description: 'One version of a named table: a file that never changes, with its columns.' })
export class DatasetType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7) of this version.' })
  id!: string;

  @Field(() => String, { description: 'Name that all its versions share: letters, digits and ._-, at most 128.' })
  name!: string;

  @Field(() => Int, { description: 'Version under this name, from 1; numbers may be missing.' })
  version!: number;

  @Field(() => String, { description: 'What it holds, as Markdown; may be empty.' })
  description!: string;

  @Field(() => DatasetFormatEnum, { description: 'How its file is written.' })
  format!: keyof typeof DatasetFormatEnum;

  @Field(() => SafeInt, { description: 'Bytes of the stored file.' })
  sizeBytes!: number;

  @Field(() => String, { description: 'SHA-256 of the file, hexadecimal; checked whenever it is read.' })
  sha256!: string;

  @Field(() => SafeInt, { description: 'Rows of data, at least 1.' })
  rowCount!: number;

  @Field(() => [DatasetColumn], { description: 'Columns in the order of the file.' })
  columns!: DatasetColumn[];

  @Field(() => String, { description: 'Where the file came from, in words.' })
  source!: string;

  @Field(() => String, { description: 'Subject of the token that registered it.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'When it was registered, UTC.' })
  createdAt!: Date;
}

export const DatasetConnection = connectionOf(DatasetType, 'Dataset', 'datasets');

@ObjectType({ description: 'Lineage: what a run read, and for what.' })
export class RunDatasetUse {
  @Field(() => DatasetRoleEnum, { description: 'Whether it was learnt from, judged on or predicted for.' })
  role!: keyof typeof DatasetRoleEnum;

  @Field(() => DatasetType, { description: 'The version that was used.' })
  dataset!: DatasetType;
}

@ObjectType({ description: 'Lineage: who read the dataset, and for what.' })
export class DatasetRunUse {
  @Field(() => DatasetRoleEnum, { description: 'Whether it was learnt from, judged on or predicted for.' })
  role!: keyof typeof DatasetRoleEnum;

  @Field(() => RunType, { description: 'What read it, with its parameters and metrics.' })
  run!: RunType;
}

@InputType({ description: 'Which datasets to list; every given field must hold.' })
export class DatasetFilterInput {
  @Field(() => String, { nullable: true, description: 'Text that the name contains, whatever its case; at most 200 characters.' })
  search?: string | null;

  @Field(() => String, { nullable: true, description: 'Exactly this name: all versions of one dataset.' })
  name?: string | null;

  @Field(() => [DatasetFormatEnum], { nullable: true, description: 'Files written in one of these ways.' })
  format?: (keyof typeof DatasetFormatEnum)[] | null;

  @Field(() => Boolean, { nullable: true, description: 'True for the newest version of each name alone.' })
  latestOnly?: boolean | null;
}

@InputType({
  description: 'The order of a list of datasets: by what, and which end comes first. Equal ones are in the order of their ids.',
})
export class DatasetOrderInput {
  @Field(() => DatasetOrderField, { description: 'What to order by.' })
  field!: DatasetOrderBy;

  @Field(() => OrderDirection, { description: 'Which end comes first.' })
  direction!: OrderDirection;
}

@InputType({ description: 'Where the file of a dataset is; exactly one of the fields.' })
export class DatasetSourceInput {
  @Field(() => ID, { nullable: true, description: '`uploadId` that POST /uploads answered. NOT_FOUND when there is none.' })
  uploadId?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Absolute path on the machine of the service, inside one of the folders of the setting DATASET_DIRS; INVALID_PATH anywhere else.',
  })
  path?: string | null;
}

@InputType({ description: 'A file that becomes the next version under a name.' })
export class RegisterDatasetInput {
  @Field(() => String, {
    description: 'Name: letters, digits and ._-, at most 128, a letter or digit first. A name in use gets its next version.',
  })
  name!: string;

  @Field(() => String, { nullable: true, description: 'What it holds, as Markdown; at most 10,000 characters.' })
  description?: string | null;

  @Field(() => DatasetFormatEnum, {
    nullable: true,
    description: 'How the file is written; by its extension (csv, tsv, json, jsonl, ndjson, parquet) when absent.',
  })
  format?: keyof typeof DatasetFormatEnum | null;

  @Field(() => DatasetSourceInput, { description: 'The file; it is copied, so that later changes to it are another version.' })
  source!: DatasetSourceInput;
}

@ObjectType({ description: 'The dataset after the mutation.' })
export class DatasetPayload {
  @Field(() => DatasetType, { description: 'The new version, with its columns.' })
  dataset!: DatasetType;
}
