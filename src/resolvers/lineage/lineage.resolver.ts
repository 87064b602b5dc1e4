import { Arg, Ctx, Query, Resolver } from 'type-graphql';
import type { RequestContext } from '../request-context.js';
import { Lineage, LineageInput } from './lineage.types.js';

@Resolver()
export class LineageResolver {
  @Query(() => Lineage, {
    description:
      'Lineage as nodes and edges: data, runs, models, versions, deployments, predictions and batch ' +
      'results, in both directions. Retrainings form a cycle: deployment, alert, job, run.',
  })
  lineage(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => LineageInput, { description: 'Start and depth.' }) input: LineageInput,
  ): Promise<object> {
    return ctx.run((session) => ctx.services.lineage.graph(session, input));
  }
}
