import { ArgsType, Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { describeEnum } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { DateTime, SafeInt } from '../types/scalars.js';
import { Range, RangeOfModule } from '../types/range.js';
import { LINES_PER_CALL, LOG_LINE } from '../../modules/experiments/index.js';
import { PAGE_SIZE, SEARCH_TEXT, SEQUENCE } from '../../modules/core/index.js';

export const LogStreamEnum = describeEnum('LogStream', 'Source of a log line.', {
  STDOUT: 'Standard output of the code.',
  STDERR: 'Standard error of the code.',
  SYSTEM: 'A message of this service about the run.',
});

@ObjectType({ description: 'One line of a run’s log, with its sequence number.' })
export class RunLogLine {
  @Field(() => SafeInt, {
    description: 'Sequence number within the run, from 1; pass the last one as `after` to continue.',
  })
  seq!: number;

  @Field(() => String, { description: 'Text of the line, at most 8 KiB, without a line break.' })
  line!: string;

  @Field(() => LogStreamEnum, { description: 'Source of the line.' })
  stream!: keyof typeof LogStreamEnum;

  @Field(() => DateTime, { description: 'Time when the line was printed, UTC.' })
  loggedAt!: Date;
}

export const RunLogConnection = connectionOf(RunLogLine, 'RunLog', 'log lines');

@ArgsType()
export class RunLogArgs {
  @Range({ ...PAGE_SIZE, unit: 'lines' })
  @Field(() => Int, {
    nullable: true,
    description: 'Number of lines from the start or after `after`; 50 when `last` is absent too.',
  })
  first?: number | null;

  @Range(SEQUENCE)
  @Field(() => SafeInt, { nullable: true, description: 'Only lines with a greater `seq`.' })
  after?: number | null;

  @Range({ ...PAGE_SIZE, unit: 'lines' })
  @Field(() => Int, {
    nullable: true,
    description:
      'Number of lines at the end or before `before`, oldest first; `hasNextPage` then says whether ' +
      'there are older lines.',
  })
  last?: number | null;

  @Range(SEQUENCE)
  @Field(() => SafeInt, { nullable: true, description: 'Only lines with a smaller `seq`.' })
  before?: number | null;

  @Range(SEARCH_TEXT)
  @Field(() => String, {
    nullable: true,
    description: 'Text that the line contains, case-insensitive.',
  })
  search?: string | null;

  @Field(() => [LogStreamEnum], { nullable: true, description: 'Only lines of these streams; all when absent.' })
  streams?: (keyof typeof LogStreamEnum)[] | null;
}

@InputType({ description: 'A line of text that the code printed.' })
export class LogLineInput {
  @RangeOfModule(LOG_LINE)
  @Field(() => String, { description: 'Text of the line, without a line break.' })
  line!: string;

  @Field(() => LogStreamEnum, { defaultValue: 'STDOUT', description: 'Source of the line.' })
  stream!: keyof typeof LogStreamEnum;

  @Field(() => DateTime, { nullable: true, description: 'Time when the line was printed; now when absent.' })
  loggedAt?: Date | null;
}

@InputType({ description: 'Log lines that a run has printed since the last call.' })
export class AppendRunLogsInput {
  @Field(() => ID, { description: 'The run. NOT_FOUND when it does not exist, CONFLICT when it is deleted.' })
  runId!: string;

  @Range(LINES_PER_CALL)
  @Field(() => [LogLineInput], {
    description: 'Lines in order. A run keeps at most 1,000,000 lines; RESOURCE_EXHAUSTED beyond that.',
  })
  lines!: LogLineInput[];
}

@ObjectType({ description: 'Result of appending log lines.' })
export class AppendRunLogsPayload {
  @Field(() => SafeInt, { description: 'Sequence number of the last appended line.' })
  lastSeq!: number;
}
