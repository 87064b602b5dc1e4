import { Arg, Ctx, Query, Resolver } from 'type-graphql';
import type { RequestContext } from '../request-context.js';
import {
  ParallelCoordinates,
  ParallelCoordinatesInput,
  ParameterImportance,
  ParameterImportanceInput,
} from './run-analysis.types.js';

@Resolver()
export class RunAnalysisResolver {
  @Query(() => ParallelCoordinates, {
    description:
      'Parameters and metrics of many runs as parallel coordinates: axes with their scales, and one line per run.',
  })
  parallelCoordinates(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => ParallelCoordinatesInput, { description: 'Runs, parameters and metrics.' })
    input: ParallelCoordinatesInput,
  ): Promise<object> {
    return ctx.run((session) => ctx.services.runAnalyses.parallelCoordinates(session, input));
  }

  @Query(() => ParameterImportance, {
    description:
      'Parameter importance for a metric: fractions of variance by functional ANOVA of a random ' +
      'forest, over the range of values in the runs. BAD_USER_INPUT for fewer than 10 runs.',
  })
  parameterImportance(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => ParameterImportanceInput, { description: 'Runs and metric.' })
    input: ParameterImportanceInput,
  ): Promise<object> {
    return ctx.services.runAnalyses.importance((work) => ctx.run(work), input);
  }
}
