import { Arg, Ctx, Query, Resolver } from 'type-graphql';
import type { RequestContext } from '../request-context.js';
import { Lineage, LineageInput } from './lineage.types.js';

@Resolver()
export class LineageResolver {
  @Query(() => Lineage, {
    description:
      'From data through runs, models and versions to deployments, predictions and batch outputs, and back, ' +
      'as nodes and edges. Retrainings close the circle: deployment, alert, job, run.',
  })
  lineage(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => LineageInput, { description: 'Where to start, and how far to go.' }) input: LineageInput,
  ): Promise<object> {
    return ctx.run((session) => ctx.services.lineage.graph(session, input));
  }
}
