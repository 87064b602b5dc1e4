import { Arg, Ctx, FieldResolver, Mutation, Resolver, Root } from 'type-graphql';
import type { EnsembleWithMembers, Method, StoredReport } from '../../modules/ensembles/index.js';
import { JobPayload } from '../jobs/job.types.js';
import { ModelVersionType } from '../registry/model-version.types.js';
import type { RequestContext } from '../request-context.js';
import { CreateEnsembleInput, EnsembleType } from './ensemble.types.js';

@Resolver()
export class EnsembleResolver {
  @Mutation(() => JobPayload, {
    description:
      'Makes one version of several: compiles them into one model.onnx, compares it with its members on real rows, ' +
      'measures it on rows from which no member has learnt, and registers it. The result is a version like any other, ' +
      'with its gates, deployments and monitoring.',
  })
  async createEnsemble(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => CreateEnsembleInput, { description: 'Members, method and rows.' })
    input: CreateEnsembleInput,
  ): Promise<JobPayload> {
    return { job: await ctx.run((session) => ctx.services.ensembles.start(session, input)) };
  }
}

@Resolver(() => ModelVersionType)
export class VersionEnsembleResolver {
  @FieldResolver(() => EnsembleType, {
    nullable: true,
    description: 'How this version combines other versions; null for any other version.',
  })
  async ensemble(@Root() version: ModelVersionType, @Ctx() ctx: RequestContext): Promise<EnsembleType | null> {
    const found = await ctx.loaders.versionEnsemble.load(version.id);
    return found && shown(found, ctx);
  }
}

async function shown({ report, members, method, ...ensemble }: EnsembleWithMembers, ctx: RequestContext) {
  const nameOf = (position: number): string => members[position]?.name ?? '';
  const versions = await Promise.all(
    members.map(({ memberVersionId: id }) => (id == null ? null : ctx.loaders.modelVersion.load(id))),
  );
  const { pairs, againstBest, metrics, learntRows, measuredRows, comparedRows, grown } = report;
  return {
    ...{ id: ensemble.id, createdBy: ensemble.createdBy, createdAt: ensemble.createdAt },
    ...{ learntRows, measuredRows, comparedRows },
    method: method as Method,
    metrics: estimates(metrics),
    members: report.members.map(({ weight, contribution, metrics: own }, position) => ({
      ...{ name: nameOf(position), modelVersion: versions[position] ?? null, weight, contribution },
      metrics: estimates(own),
    })),
    growth: grown
      ? {
          ...{ weights: grown.weights, stopped: grown.stopped },
          outOfBag: grown.outOfBag && { rows: grown.outOfBag.rows, metrics: estimates(grown.outOfBag.metrics) },
        }
      : null,
    diversity: pairs.map(({ first, second, ...measures }) => ({
      ...{ first: nameOf(first), second: nameOf(second) },
      ...measures,
    })),
    againstBest: againstBest && {
      member: nameOf(againstBest.member),
      metric: againstBest.comparison.metric,
      ensemble: againstBest.comparison.candidate,
      best: againstBest.comparison.reference,
      difference: againstBest.comparison.difference.mean,
      low: againstBest.comparison.difference.low,
      high: againstBest.comparison.difference.high,
      verdict: againstBest.comparison.verdict,
    },
  };
}

function estimates(metrics: StoredReport['metrics']) {
  return Object.entries(metrics).map(([name, estimate]) => ({ name, ...estimate }));
}
