import { Arg, Ctx, FieldResolver, ID, Int, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { Dataset } from '../../db/entities/datasets/dataset.entity.js';
import { badInput } from '../../errors.js';
import { requireOneWay } from '../look-up.js';
import type { RequestContext } from '../request-context.js';
import { OrderDirection } from '../types/common.types.js';
import { PageArgs, toConnection } from '../types/connection.js';
import { Json } from '../types/scalars.js';
import {
  DatasetConnection,
  DatasetFilterInput,
  DatasetOrderInput,
  DatasetPayload,
  DatasetRunUse,
  DatasetType,
  RegisterDatasetInput,
} from './dataset.types.js';
import { ArgsWithRanges, ArgumentRange } from '../types/range.js';
import { VERSION } from '../../modules/core/index.js';
import { PREVIEW_ROWS } from '../../modules/datasets/index.js';

@Resolver(() => DatasetType)
export class DatasetResolver {
  @ArgumentRange('version', VERSION)
  @Query(() => DatasetType, {
    description: 'One version of a dataset, by exactly one of `id` and `name`. NOT_FOUND when it does not exist.',
  })
  dataset(
    @Ctx() ctx: RequestContext,
    @Arg('id', () => ID, {
      nullable: true,
      description: 'Id (UUID) of the version. NOT_FOUND when it does not exist or belongs to another tenant.',
    })
    id?: string | null,
    @Arg('name', () => String, {
      nullable: true,
      description: 'Exact name of the dataset, instead of `id`; case-sensitive.',
    })
    name?: string | null,
    @Arg('version', () => Int, {
      nullable: true,
      description: 'Version number under `name`, from 1; the newest version when absent.',
    })
    version?: number | null,
  ): Promise<DatasetType> {
    requireOneWay({ id, name });
    if (version != null && name == null) throw badInput('version', 'a version together with name', version);
    const { datasets } = ctx.services;
    return ctx.run((session) =>
      id == null ? datasets.getByName(session, name!, version ?? null) : datasets.get(session, id),
    );
  }

  @Query(() => DatasetConnection, { description: 'Datasets of the tenant, newest first by default.' })
  async datasets(
    @Ctx() ctx: RequestContext,
    @ArgsWithRanges(() => PageArgs) page: PageArgs,
    @Arg('filter', () => DatasetFilterInput, {
      nullable: true,
      description: 'Filter for datasets; all versions of all datasets when absent.',
    })
    filter?: DatasetFilterInput,
    @Arg('orderBy', () => DatasetOrderInput, { nullable: true, description: 'Sort order; newest first when absent.' })
    orderBy?: DatasetOrderInput,
  ): Promise<object> {
    const order = orderBy ?? { field: 'createdAt' as const, direction: OrderDirection.DESC };
    const result = await ctx.run((session) => ctx.services.datasets.list(session, filter ?? {}, page, order));
    return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
  }

  @Mutation(() => DatasetPayload, {
    description:
      'Copies a CSV, JSON or Parquet file into the service and determines, once and from the whole ' +
      'file, how each column is read. BAD_USER_INPUT names the line of a malformed file, or the ' +
      'column and row of a value that does not fit the given rules or those of the previous ' +
      'version.',
  })
  async registerDataset(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => RegisterDatasetInput, { description: 'Dataset and its file.' }) input: RegisterDatasetInput,
  ): Promise<DatasetPayload> {
    return { dataset: await ctx.services.datasets.register(ctx, input) };
  }

  @ArgumentRange('first', PREVIEW_ROWS)
  @FieldResolver(() => [Json], {
    description:
      'First rows of the dataset, each an object by column. Timestamps in ISO 8601 (UTC), missing ' +
      'values null; long texts are cut and end with "…".',
  })
  preview(
    @Root() dataset: DatasetType,
    @Ctx() ctx: RequestContext,
    @Arg('first', () => Int, { defaultValue: 10, description: 'Number of rows.' }) first: number,
  ): Promise<object[]> {
    return ctx.services.datasets.preview(dataset as Dataset, first);
  }

  @FieldResolver(() => [DatasetRunUse], {
    description:
      'The newest 100 runs that used this version, newest first. `runs` with the filter ' +
      '`datasetIds` lists all of them.',
  })
  async runs(@Root() dataset: DatasetType, @Ctx() ctx: RequestContext): Promise<DatasetRunUse[]> {
    const uses = await ctx.loaders.datasetRuns.load(dataset.id);
    const runs = await ctx.loaders.run.loadMany(uses.map(({ runId }) => runId));
    return uses.flatMap(({ role }, i) => {
      const run = runs[i];
      return run && !(run instanceof Error) ? [{ role, run }] : [];
    });
  }
}
