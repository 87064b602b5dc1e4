import { Arg, Ctx, FieldResolver, Int, Resolver, Root } from 'type-graphql';
import { STUDY_RANGES } from '../../modules/tuning/index.js';
import type { RequestContext } from '../request-context.js';
import { ArgumentRange } from '../types/range.js';
import {
  StudyContour,
  StudyCoordinates,
  StudyHistoryPoint,
  StudyImportance,
  StudyImportanceAmongBest,
} from './study-analysis.types.js';
import { StudyType } from './study.types.js';
import { TrialType } from './trial.types.js';

const OBJECTIVE = 'Number of the objective, from 0; the first when absent. BAD_USER_INPUT when there is none.';

@Resolver(() => StudyType)
export class StudyAnalysisResolver {
  @ArgumentRange('objective', STUDY_RANGES.objective)
  @FieldResolver(() => [StudyHistoryPoint], {
    description: 'Complete trials by number, each with the best value so far; the newest 10,000.',
  })
  history(
    @Root() study: StudyType,
    @Ctx() ctx: RequestContext,
    @Arg('objective', () => Int, { nullable: true, description: OBJECTIVE }) objective?: number | null,
  ): Promise<StudyHistoryPoint[]> {
    return ctx.run((session) => ctx.services.studyAnalysis.history(session, study, objective ?? 0));
  }

  @FieldResolver(() => [TrialType], {
    description:
      'Pareto front: the feasible trials that no other one beats in every objective, by the first objective. With one ' +
      'objective, the best trials.',
  })
  paretoFront(@Root() study: StudyType, @Ctx() ctx: RequestContext): Promise<TrialType[]> {
    return ctx.run((session) => ctx.services.studyAnalysis.paretoFront(session, study));
  }

  @FieldResolver(() => StudyCoordinates, { description: 'Data of a parallel-coordinates plot of its complete trials.' })
  parallelCoordinates(@Root() study: StudyType, @Ctx() ctx: RequestContext): Promise<StudyCoordinates> {
    return ctx.run((session) => ctx.services.studyAnalysis.parallelCoordinates(session, study));
  }

  @ArgumentRange('objective', STUDY_RANGES.objective)
  @FieldResolver(() => StudyContour, { description: 'Data of a contour plot over two parameters.' })
  contour(
    @Root() study: StudyType,
    @Ctx() ctx: RequestContext,
    @Arg('x', () => String, { description: 'Parameter of the first axis. BAD_USER_INPUT when the space has none.' })
    x: string,
    @Arg('y', () => String, { description: 'Parameter of the second axis. BAD_USER_INPUT when the space has none.' })
    y: string,
    @Arg('objective', () => Int, { nullable: true, description: OBJECTIVE }) objective?: number | null,
  ): Promise<StudyContour> {
    const wanted = { x, y, objective: objective ?? 0 };
    return ctx.run((session) => ctx.services.studyAnalysis.contour(session, study, wanted));
  }

  @ArgumentRange('objective', STUDY_RANGES.objective)
  @FieldResolver(() => StudyImportance, {
    description: 'Which parameters change the objective, by fANOVA. BAD_USER_INPUT with fewer than 10 complete trials.',
  })
  parameterImportance(
    @Root() study: StudyType,
    @Ctx() ctx: RequestContext,
    @Arg('objective', () => Int, { nullable: true, description: OBJECTIVE }) objective?: number | null,
  ): Promise<StudyImportance> {
    return ctx.services.studyAnalysis.importance((work) => ctx.run(work), study, objective ?? 0);
  }

  @FieldResolver(() => StudyImportanceAmongBest, {
    description:
      'Which parameters distinguish the best tenth of the trials, by PED-ANOVA; needs less time than ' +
      '`parameterImportance`, and sees what matters near the best values. With several objectives, the best trials are ' +
      'those of the first Pareto fronts. BAD_USER_INPUT with fewer than 10 complete trials.',
  })
  importanceAmongBest(@Root() study: StudyType, @Ctx() ctx: RequestContext): Promise<StudyImportanceAmongBest> {
    return ctx.run((session) => ctx.services.studyAnalysis.importanceAmongBest(session, study));
  }
}
