import {
  Arg,
  Ctx,
  Extensions,
  Field,
  FieldResolver,
  ID,
  InputType,
  ObjectType,
  Query,
  Resolver,
  Root,
} from 'type-graphql';
import type { RequestLogFile } from '../../db/entities/monitoring/request-log-file.entity.js';
import { Role } from '../../modules/core/index.js';
import type { RequestContext } from '../request-context.js';
import { describeOrderFields, OrderDirection } from '../types/common.types.js';
import { connectionOf, PageArgs, toConnection } from '../types/connection.js';
import { ArgsWithRanges } from '../types/range.js';
import { DateTime, SafeInt } from '../types/scalars.js';

/** Long enough to begin a download; the list makes new ones. */
const DOWNLOAD_SECONDS = 60 * 60;

type RequestLogOrderBy = 'hour' | 'rows' | 'sizeBytes';

export const RequestLogOrderField = describeOrderFields<RequestLogOrderBy>(
  'RequestLogOrderField',
  'Fields by which files of the request log can be sorted.',
  {
    HOUR: ['hour', 'The hour that the file is about.'],
    ROWS: ['rows', 'Number of rows in the file.'],
    SIZE_BYTES: ['sizeBytes', 'Size of the file.'],
  },
);

@ObjectType('RequestLogFile', {
  description:
    'What the log has of one deployment in one hour, as a Parquet file that never changes: one row of a request each, ' +
    'with the columns of `registerPredictionLog`, `log_mode` and `log_error_code`. Requests that failed and copies ' +
    'for a shadow are in it, too. Ground truths are those known when it was written.',
})
export class RequestLogFileType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => ID, { description: 'Id of the endpoint whose log it is.' })
  endpointId!: string;

  @Field(() => ID, { description: 'Id of the deployment that answered. It may be stopped or gone by now.' })
  deploymentId!: string;

  @Field(() => ID, { description: 'Id of the model version that answered. It may be gone by now.' })
  modelVersionId!: string;

  @Field(() => DateTime, { description: 'Start of the hour in which the requests were logged, UTC.' })
  hour!: Date;

  @Field(() => SafeInt, { description: 'Number of logged requests in the file.' })
  requests!: number;

  @Field(() => SafeInt, { description: 'Number of rows in the file: the first 1,000 of each request.' })
  rows!: number;

  @Field(() => SafeInt, { description: 'Size of the Parquet file in bytes.' })
  sizeBytes!: number;

  @Field(() => String, { description: 'SHA-256 of the file, as 64 hexadecimal digits.' })
  sha256!: string;

  @Field(() => DateTime, { description: 'When the file was written, UTC: ground truths recorded later are not in it.' })
  createdAt!: Date;
}

export const RequestLogFileConnection = connectionOf(RequestLogFileType, 'RequestLogFile', 'files of the request log');

@InputType({ description: 'Filter for files of the request log; all given fields must match.' })
export class RequestLogFilterInput {
  @Field(() => ID, {
    nullable: true,
    description: 'Only what this deployment answered. NOT_FOUND when it does not exist.',
  })
  deploymentId?: string | null;

  @Field(() => DateTime, { nullable: true, description: 'Hours that begin at or after this time.' })
  from?: Date | null;

  @Field(() => DateTime, { nullable: true, description: 'Hours that begin before this time.' })
  to?: Date | null;
}

@InputType({ description: 'Sort order of files of the request log. Files with equal values are sorted by id.' })
export class RequestLogOrderInput {
  @Field(() => RequestLogOrderField, { description: 'Field whose values determine the order.' })
  field!: RequestLogOrderBy;

  @Field(() => OrderDirection, { description: 'Whether the smallest or the largest value comes first.' })
  direction!: OrderDirection;
}

@Resolver(() => RequestLogFileType)
export class RequestLogResolver {
  @Extensions({ minRole: Role.ENGINEER })
  @Query(() => RequestLogFileConnection, {
    description:
      'Hourly files of the log of predictions of an endpoint with `logArchiveDays`, newest hour first by default. ' +
      'Needs ENGINEER, as they have inputs and answers.',
  })
  async requestLogs(
    @Ctx() ctx: RequestContext,
    @ArgsWithRanges(() => PageArgs) page: PageArgs,
    @Arg('endpointId', () => ID, {
      nullable: true,
      description: 'Id of the endpoint; or give endpointName. NOT_FOUND when it does not exist.',
    })
    endpointId?: string | null,
    @Arg('endpointName', () => String, {
      nullable: true,
      description: 'Name of the endpoint; or give endpointId. NOT_FOUND when it does not exist.',
    })
    endpointName?: string | null,
    @Arg('filter', () => RequestLogFilterInput, { nullable: true, description: 'Filter for files; all when absent.' })
    filter?: RequestLogFilterInput,
    @Arg('orderBy', () => RequestLogOrderInput, {
      nullable: true,
      description: 'Sort order; newest hour first when absent.',
    })
    orderBy?: RequestLogOrderInput,
  ): Promise<object> {
    const order = orderBy ?? { field: 'hour' as const, direction: OrderDirection.DESC };
    const result = await ctx.run((session) =>
      ctx.services.logArchive.list(session, { endpointId, endpointName }, filter ?? {}, page, order),
    );
    return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
  }

  @FieldResolver(() => String, {
    description:
      'Where to GET the file without a token for an hour: an absolute URL, or a path of this service. A Range ' +
      'header works.',
  })
  downloadUrl(@Root() file: RequestLogFile, @Ctx() ctx: RequestContext): Promise<string> {
    return ctx.services.logArchive.downloadUrl(file, DOWNLOAD_SECONDS);
  }
}
