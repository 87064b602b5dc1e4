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
      'Parameters and metrics of many runs as parallel coordinates: axes with their scales, and a line per run.',
  })
  parallelCoordinates(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => ParallelCoordinatesInput, { description: 'Which runs, parameters and metrics.' })
    input: ParallelCoordinatesInput,
  ): Promise<object> {
    return ctx.run((session) => ctx.services.runAnalyses.parallelCoordinates(session, input));
  }

  @Query(() => ParameterImportance, {
    description:
      'Which parameters moved a metric: variance shares by functional ANOVA of a random forest, over the ' +
      'range of values that the runs have. BAD_USER_INPUT for fewer than 10 runs.',
  })
  parameterImportance(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => ParameterImportanceInput, { description: 'Which runs and metric.' })
    input: ParameterImportanceInput,
  ): Promise<object> {
    return ctx.services.runAnalyses.importance((work) => ctx.run(work), input);
  }
}
