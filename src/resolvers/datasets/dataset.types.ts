import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import type { ColumnSchema } from '../../modules/model-contract/index.js';
import { describeEnum, describeOrderFields, OrderDirection } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { DateTime, SafeInt } from '../types/scalars.js';
import { RunType } from '../experiments/run.types.js';

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

export const DatasetOrderField = describeOrderFields<DatasetOrderBy>(
  'DatasetOrderField',
  'What datasets can be ordered by.',
  {
    CREATED_AT: ['createdAt', 'When they were registered.'],
    NAME: ['name', 'Their names, in code point order.'],
    ROW_COUNT: ['rowCount', 'How many rows they have.'],
    SIZE_BYTES: ['sizeBytes', 'How large their files are.'],
  },
);

@ObjectType('MissingWord', { description: 'A text that was taken as "no value".' })
export class MissingWordType {
  @Field(() => String, { description: 'The text; empty for empty fields.' })
  text!: string;

  @Field(() => SafeInt, { description: 'Rows that have it.' })
  count!: number;
}

@ObjectType('DatasetColumn', {
  description:
    'A column of a dataset and how its texts are read: found out over the whole file, or given at ' +
    'registration. Later versions of the dataset, and what models trained on it are given, are read the same ' +
    'way.',
})
export class DatasetColumn {
  @Field(() => String, { description: 'What the header or schema of the file calls it; case matters.' })
  name!: string;

  @Field(() => ColumnTypeEnum, { description: 'What its values are.' })
  type!: ColumnSchema['type'];

  @Field(() => [String], {
    nullable: true,
    description:
      'Texts that mean "no value" besides the empty one; null for text columns, unless some were given, and ' +
      'for Parquet’s own types.',
  })
  nullValues?: string[] | null;

  @Field(() => String, {
    nullable: true,
    description: 'The sign before the decimals of a NUMBER column, such as "," in 1.234,5; null for the point.',
  })
  decimalSeparator?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'The sign between the thousands of a NUMBER column, such as "." in 1.234,5; null for none.',
  })
  thousandsSeparator?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'A sign beside the numbers of a NUMBER column that is left out, such as "€" or "%"; null for none.',
  })
  unit?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Of times: their format in strptime’s letters, such as "%d/%m/%Y"; null for ISO 8601.',
  })
  format?: string | null;

  @Field(() => SafeInt, { description: 'Rows without a value.' })
  missingCount!: number;

  @Field(() => [MissingWordType], {
    nullable: true,
    description:
      'What stands there instead of a value, the most frequent of at most 20 first; null where the file has ' +
      'types of its own.',
  })
  missingWords?: MissingWordType[] | null;

  @Field(() => SafeInt, { description: 'Different values; approximate above a few thousand.' })
  distinctCount!: number;

  @Field(() => String, {
    nullable: true,
    description: 'Smallest value as text, at most 200 characters; null when every value is missing.',
  })
  min!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Largest value as text, at most 200 characters; null when every value is missing.',
  })
  max!: string | null;
}

@ObjectType('FileReading', { description: 'How a file was read.' })
export class FileReadingType {
  @Field(() => String, {
    nullable: true,
    description: 'Encoding of its text, such as "utf-8" or "windows-1252"; null for Parquet.',
  })
  encoding!: string | null;

  @Field(() => String, { nullable: true, description: 'Sign between the values of a row; null for all but CSV.' })
  delimiter!: string | null;

  @Field(() => String, { nullable: true, description: '"gzip" for a packed file; null for others.' })
  compression!: string | null;

  @Field(() => SafeInt, { description: 'Lines that are no rows: blank ones, comments before the header, "sep=;".' })
  skippedLines!: number;

  @Field(() => [String], {
    description: 'What was decided where the file leaves a doubt, in sentences, each with what to do about it.',
  })
  notes!: string[];
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

  @Field(() => FileReadingType, {
    nullable: true,
    description: 'How the file was read; null for one that was registered before this was recorded.',
  })
  reading?: FileReadingType | null;

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
  @Field(() => String, {
    nullable: true,
    description: 'Text that the name contains, whatever its case; at most 200 characters.',
  })
  search?: string | null;

  @Field(() => String, { nullable: true, description: 'Exactly this name: all versions of one dataset.' })
  name?: string | null;

  @Field(() => [DatasetFormatEnum], { nullable: true, description: 'Files written in one of these ways.' })
  format?: (keyof typeof DatasetFormatEnum)[] | null;

  @Field(() => Boolean, { nullable: true, description: 'True for the newest version of each name alone.' })
  latestOnly?: boolean | null;
}

@InputType({
  description:
    'The order of a list of datasets: by what, and which end comes first. Equal ones are in the order of their ids.',
})
export class DatasetOrderInput {
  @Field(() => DatasetOrderField, { description: 'What to order by.' })
  field!: DatasetOrderBy;

  @Field(() => OrderDirection, { description: 'Which end comes first.' })
  direction!: OrderDirection;
}

@InputType({ description: 'Where the file of a dataset is; exactly one of the fields.' })
export class DatasetSourceInput {
  @Field(() => ID, {
    nullable: true,
    description: '`uploadId` that POST /uploads answered. NOT_FOUND when there is none.',
  })
  uploadId?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Absolute path on the machine of the service, inside one of the folders of the setting DATASET_DIRS; ' +
      'INVALID_PATH anywhere else.',
  })
  path?: string | null;

  @Field(() => ID, {
    nullable: true,
    description:
      'A dataset whose file is read anew, with corrections, as another version. NOT_FOUND when there is none.',
  })
  datasetId?: string | null;
}

@InputType({ description: 'How a column is read where it shall not be found out; what is absent is.' })
export class DatasetColumnInput {
  @Field(() => String, {
    description: 'Name of the column, as the dataset shows it; BAD_USER_INPUT when there is none.',
  })
  name!: string;

  @Field(() => ColumnTypeEnum, {
    nullable: true,
    description: 'What its values are; BAD_USER_INPUT names the first value that is not.',
  })
  type?: keyof typeof ColumnTypeEnum | null;

  @Field(() => [String], {
    nullable: true,
    description: 'Texts that mean "no value", besides the empty one; at most 100 of at most 200 characters.',
  })
  nullValues?: string[] | null;

  @Field(() => String, { nullable: true, description: 'The sign before the decimals of a NUMBER column: "." or ",".' })
  decimalSeparator?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'The sign between the thousands of a NUMBER column: a comma, point, space or apostrophe.',
  })
  thousandsSeparator?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'A sign beside the numbers of a NUMBER column that is left out, such as "€" or "%"; at most 20 characters.',
  })
  unit?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Of times: their format in strptime’s letters, such as "%d/%m/%Y %H:%M"; at most 200 characters.',
  })
  format?: string | null;
}

@InputType({ description: 'A file that becomes the next version under a name.' })
export class RegisterDatasetInput {
  @Field(() => String, {
    description:
      'Name: letters, digits and ._-, at most 128, a letter or digit first. A name in use gets its next version.',
  })
  name!: string;

  @Field(() => String, { nullable: true, description: 'What it holds, as Markdown; at most 10,000 characters.' })
  description?: string | null;

  @Field(() => DatasetFormatEnum, {
    nullable: true,
    description:
      'How the file is written; by its extension (csv, tsv, json, jsonl, ndjson, parquet; all but the last ' +
      'also with .gz) when absent.',
  })
  format?: keyof typeof DatasetFormatEnum | null;

  @Field(() => [DatasetColumnInput], {
    nullable: true,
    description:
      'Columns whose reading is known; others are read as in the version before, and new ones are found out.',
  })
  columns?: DatasetColumnInput[] | null;

  @Field(() => [String], {
    nullable: true,
    description:
      'Texts that mean "no value" in columns of numbers, times and truth values; NA, N/A, n/a, #N/A, NaN, ' +
      'nan, null, NULL, None, - and ? when absent. At most 100 of at most 200 characters.',
  })
  nullValues?: string[] | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Encoding of a CSV or JSON file by its name in the Encoding Standard, such as "windows-1252"; found ' +
      'out when absent.',
  })
  encoding?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'The one character between the values of a CSV file; found out when absent.',
  })
  delimiter?: string | null;

  @Field(() => DatasetSourceInput, {
    description: 'The file; it is copied, so that later changes to it are another version.',
  })
  source!: DatasetSourceInput;
}

@ObjectType({ description: 'The dataset after the mutation.' })
export class DatasetPayload {
  @Field(() => DatasetType, { description: 'The new version, with its columns.' })
  dataset!: DatasetType;
}
