import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import type { ColumnSchema } from '../../modules/model-contract/index.js';
import { describeEnum, describeOrderFields, OrderDirection } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { DateTime, SafeInt } from '../types/scalars.js';
import { RunType } from '../experiments/run.types.js';
import { Range, RangeOfModule } from '../types/range.js';
import { characters, PATH_NAME, SEARCH_TEXT } from '../../modules/core/index.js';
import { MAX_DESCRIPTION_LENGTH } from '../../modules/datasets/index.js';
import { CORRECTIONS, NULL_VALUES, TIME_FORMAT, UNIT_SIGN } from '../../modules/model-contract/index.js';

export const DatasetFormatEnum = describeEnum('DatasetFormat', 'File format in which a dataset is stored.', {
  CSV: 'Text with a header line; values are separated by comma, semicolon, tab or vertical bar.',
  JSON: 'A JSON list of objects, or one JSON object per line.',
  PARQUET: 'Apache Parquet.',
});

export const ColumnTypeEnum = describeEnum('ColumnType', 'Data type of the values in a column of a dataset.', {
  NUMBER: 'Integers or decimal numbers, as 64-bit floats.',
  STRING: 'Text; also the type of all columns that fit no other type.',
  BOOLEAN: 'True or false.',
  TIMESTAMP: 'Dates or times, UTC.',
});

export const DatasetRoleEnum = describeEnum('DatasetRole', 'What a run used a dataset for.', {
  TRAINING: 'The run trained a model on the rows.',
  EVALUATION: 'The run evaluated a model on the rows.',
  BATCH_INPUT: 'The run predicted for the rows.',
});

type DatasetOrderBy = 'createdAt' | 'name' | 'rowCount' | 'sizeBytes';

export const DatasetOrderField = describeOrderFields<DatasetOrderBy>(
  'DatasetOrderField',
  'Fields by which datasets can be sorted.',
  {
    CREATED_AT: ['createdAt', 'Time of the registration.'],
    NAME: ['name', 'Name, in code point order.'],
    ROW_COUNT: ['rowCount', 'Number of rows.'],
    SIZE_BYTES: ['sizeBytes', 'File size.'],
  },
);

@ObjectType('MissingWord', { description: 'A text that was read as a missing value.' })
export class MissingWordType {
  @Field(() => String, { description: 'The text; empty for empty fields.' })
  text!: string;

  @Field(() => SafeInt, { description: 'Number of rows with this text.' })
  count!: number;
}

@ObjectType('DatasetColumn', {
  description:
    'A column of a dataset and the rules for reading its texts. The rules were detected from the ' +
    'whole file or given at registration. Later versions of the dataset, and inputs of models ' +
    'that were trained on it, are read by the same rules.',
})
export class DatasetColumn {
  @Field(() => String, { description: 'Column name in the header or schema of the file; case-sensitive.' })
  name!: string;

  @Field(() => ColumnTypeEnum, { description: 'Data type of the values in this column.' })
  type!: ColumnSchema['type'];

  @Field(() => [String], {
    nullable: true,
    description:
      'Texts that mean "missing value", in addition to the empty text; null for text columns, ' +
      'unless given at registration, and for typed Parquet columns.',
  })
  nullValues?: string[] | null;

  @Field(() => String, {
    nullable: true,
    description: 'Decimal separator of a NUMBER column, such as "," in 1.234,5; null for the point.',
  })
  decimalSeparator?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Thousands separator of a NUMBER column, such as "." in 1.234,5; null when it has none.',
  })
  thousandsSeparator?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Unit sign next to the numbers of a NUMBER column, which is ignored, such as "€" or "%"; null ' +
      'when it has none.',
  })
  unit?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Format of a TIMESTAMP column in strptime notation, such as "%d/%m/%Y"; null for ISO 8601.',
  })
  format?: string | null;

  @Field(() => SafeInt, { description: 'Number of rows without a value.' })
  missingCount!: number;

  @Field(() => [MissingWordType], {
    nullable: true,
    description:
      'Texts in the file that were read as missing values, at most 20, the most frequent first; ' +
      'null for file formats with typed columns.',
  })
  missingWords?: MissingWordType[] | null;

  @Field(() => Float, {
    nullable: true,
    description:
      'Mean number of words of the texts in a STRING column, with spaces between them; null for other types, and in ' +
      'datasets of earlier releases.',
  })
  meanWords?: number | null;

  @Field(() => SafeInt, { description: 'Number of different values; approximate above a few thousand.' })
  distinctCount!: number;

  @Field(() => String, {
    nullable: true,
    description: 'Smallest value as text, at most 200 characters; null when all values are missing.',
  })
  min!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Largest value as text, at most 200 characters; null when all values are missing.',
  })
  max!: string | null;
}

@ObjectType('FileReading', { description: 'How the service read a file.' })
export class FileReadingType {
  @Field(() => String, {
    nullable: true,
    description: 'Text encoding, such as "utf-8" or "windows-1252"; null for Parquet.',
  })
  encoding!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Delimiter between the values of a row; null for formats other than CSV.',
  })
  delimiter!: string | null;

  @Field(() => String, { nullable: true, description: '"gzip" for a compressed file; null for others.' })
  compression!: string | null;

  @Field(() => SafeInt, {
    description: 'Number of lines that are not rows: blank lines, comments before the header, "sep=;".',
  })
  skippedLines!: number;

  @Field(() => [String], {
    description: 'Decisions in cases where the file is ambiguous, as sentences, each with what to do about it.',
  })
  notes!: string[];
}

@ObjectType('Dataset', {
  description: 'One version of a named dataset: a table file that never changes, with its columns.',
})
export class DatasetType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7) of this version.' })
  id!: string;

  @Field(() => String, {
    description: 'Name, shared by all versions of the dataset: letters, digits and ._-, at most 128.',
  })
  name!: string;

  @Field(() => Int, { description: 'Version number under this name, from 1; numbers may be missing.' })
  version!: number;

  @Field(() => String, { description: 'Description of the content, as Markdown; may be empty.' })
  description!: string;

  @Field(() => DatasetFormatEnum, { description: 'File format, such as CSV or Parquet.' })
  format!: keyof typeof DatasetFormatEnum;

  @Field(() => SafeInt, { description: 'Size of the stored file in bytes.' })
  sizeBytes!: number;

  @Field(() => String, { description: 'SHA-256 of the file, hexadecimal; checked at each read.' })
  sha256!: string;

  @Field(() => SafeInt, { description: 'Number of rows, at least 1.' })
  rowCount!: number;

  @Field(() => [DatasetColumn], { description: 'Columns in the order of the file.' })
  columns!: DatasetColumn[];

  @Field(() => FileReadingType, {
    nullable: true,
    description: 'How the file was read; null for datasets that were registered before this was recorded.',
  })
  reading?: FileReadingType | null;

  @Field(() => String, { description: 'Source of the file, as text.' })
  source!: string;

  @Field(() => String, { description: 'Subject of the token that made the registration.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'Time of the registration, UTC.' })
  createdAt!: Date;
}

export const DatasetConnection = connectionOf(DatasetType, 'Dataset', 'datasets');

@ObjectType({ description: 'Lineage: a dataset that a run read, and its purpose.' })
export class RunDatasetUse {
  @Field(() => DatasetRoleEnum, { description: 'Whether the run trained, evaluated or predicted with the dataset.' })
  role!: keyof typeof DatasetRoleEnum;

  @Field(() => DatasetType, { description: 'Dataset version that was used.' })
  dataset!: DatasetType;
}

@ObjectType({ description: 'Lineage: a run that read the dataset, and its purpose.' })
export class DatasetRunUse {
  @Field(() => DatasetRoleEnum, { description: 'Whether the run trained, evaluated or predicted with the dataset.' })
  role!: keyof typeof DatasetRoleEnum;

  @Field(() => RunType, { description: 'Run that read the dataset, with its parameters and metrics.' })
  run!: RunType;
}

@InputType({ description: 'Filter for datasets; all given fields must match.' })
export class DatasetFilterInput {
  @Range(SEARCH_TEXT)
  @Field(() => String, {
    nullable: true,
    description: 'Text that the name contains, case-insensitive.',
  })
  search?: string | null;

  @Field(() => String, { nullable: true, description: 'Exact name: all versions of one dataset.' })
  name?: string | null;

  @Field(() => [DatasetFormatEnum], { nullable: true, description: 'Files in one of these formats.' })
  format?: (keyof typeof DatasetFormatEnum)[] | null;

  @Field(() => Boolean, { nullable: true, description: 'True: only the newest version of each name.' })
  latestOnly?: boolean | null;
}

@InputType({
  description: 'Sort order of a list of datasets: field and direction. Items with equal values are sorted by id.',
})
export class DatasetOrderInput {
  @Field(() => DatasetOrderField, { description: 'Field whose values determine the order.' })
  field!: DatasetOrderBy;

  @Field(() => OrderDirection, { description: 'Whether the smallest or the largest value comes first.' })
  direction!: OrderDirection;
}

@InputType({ description: 'Source of the file of a dataset; give exactly one of the fields.' })
export class DatasetSourceInput {
  @Field(() => ID, {
    nullable: true,
    description: '`uploadId` from the answer of POST /uploads. NOT_FOUND when it does not exist.',
  })
  uploadId?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Absolute path on the machine of the service, inside one of the folders of the setting ' +
      'DATASET_DIRS; INVALID_PATH for other paths.',
  })
  path?: string | null;

  @Field(() => ID, {
    nullable: true,
    description:
      'A dataset whose file is read again, with other reading rules, as a new version. NOT_FOUND ' +
      'when it does not exist.',
  })
  datasetId?: string | null;
}

@InputType({ description: 'Rules for reading one column. Rules that are absent are detected from the file.' })
export class DatasetColumnInput {
  @Field(() => String, {
    description: 'Column name, as the dataset shows it; BAD_USER_INPUT when the file has no such column.',
  })
  name!: string;

  @Field(() => ColumnTypeEnum, {
    nullable: true,
    description: 'Type of the values; BAD_USER_INPUT names the first value that does not have this type.',
  })
  type?: keyof typeof ColumnTypeEnum | null;

  @Range(NULL_VALUES)
  @Field(() => [String], {
    nullable: true,
    description: 'Texts that mean "missing value", in addition to the empty text.',
  })
  nullValues?: string[] | null;

  @Range(characters(1, 1))
  @Field(() => String, { nullable: true, description: 'Decimal separator of a NUMBER column: "." or ",".' })
  decimalSeparator?: string | null;

  @Range(characters(1, 1))
  @Field(() => String, {
    nullable: true,
    description: 'Thousands separator of a NUMBER column: a comma, point, space or apostrophe.',
  })
  thousandsSeparator?: string | null;

  @RangeOfModule(UNIT_SIGN)
  @Field(() => String, {
    nullable: true,
    description: 'Unit sign next to the numbers of a NUMBER column, which is ignored, such as "€" or "%".',
  })
  unit?: string | null;

  @Range(TIME_FORMAT)
  @Field(() => String, {
    nullable: true,
    description: 'Format of a TIMESTAMP column in strptime notation, such as "%d/%m/%Y %H:%M".',
  })
  format?: string | null;
}

@InputType({ description: 'File to register as the next version of a dataset.' })
export class RegisterDatasetInput {
  @RangeOfModule(PATH_NAME)
  @Field(() => String, {
    description: 'Name. If the name exists, the file becomes its next version.',
  })
  name!: string;

  @Range(characters(0, MAX_DESCRIPTION_LENGTH))
  @Field(() => String, {
    nullable: true,
    description: 'Description of the content, as Markdown.',
  })
  description?: string | null;

  @Field(() => DatasetFormatEnum, {
    nullable: true,
    description:
      'File format; when absent, determined by the file extension (csv, tsv, json, jsonl, ndjson, ' +
      'parquet; all except the last also with .gz).',
  })
  format?: keyof typeof DatasetFormatEnum | null;

  @Range(CORRECTIONS)
  @Field(() => [DatasetColumnInput], {
    nullable: true,
    description:
      'Reading rules for some columns. Other columns are read as in the previous version; new ' +
      'columns are detected.',
  })
  columns?: DatasetColumnInput[] | null;

  @Range(NULL_VALUES)
  @Field(() => [String], {
    nullable: true,
    description:
      'Texts that mean "missing value" in columns of numbers, times and booleans; NA, N/A, n/a, #N/A, ' +
      'NaN, nan, null, NULL, None, - and ? when absent.',
  })
  nullValues?: string[] | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Encoding of a CSV or JSON file, by its name in the Encoding Standard, such as ' +
      '"windows-1252"; detected when absent.',
  })
  encoding?: string | null;

  @Range(characters(1, 1))
  @Field(() => String, {
    nullable: true,
    description: 'Delimiter of a CSV file; detected when absent.',
  })
  delimiter?: string | null;

  @Field(() => DatasetSourceInput, {
    description: 'Source of the file. The service copies it; later changes of the original have no effect.',
  })
  source!: DatasetSourceInput;
}

@ObjectType({ description: 'The dataset after the mutation.' })
export class DatasetPayload {
  @Field(() => DatasetType, { description: 'The new version, with its columns.' })
  dataset!: DatasetType;
}
