import { Arg, Ctx, Extensions, FieldResolver, Mutation, Resolver, Root } from 'type-graphql';
import { Role } from '../../modules/core/index.js';
import { predictedRows } from '../../modules/serving/index.js';
import type { RequestContext } from '../request-context.js';
import { ModelVersionType } from '../registry/model-version.types.js';
import { DeploymentType } from './deployment.types.js';
import { PredictInput, PredictPayload, RowPrediction } from './predict.types.js';
import { toOutputTensor } from './tensor.types.js';

@Resolver(() => PredictPayload)
export class PredictResolver {
  @Extensions({ minRole: Role.VIEWER, direct: predict })
  @Mutation(() => PredictPayload, {
    description:
      'Predicts for rows at an endpoint. VIEWER may call endpoints whose live versions are all in PRODUCTION ' +
      '(FORBIDDEN otherwise). CONFLICT for a request id that was used before, UNAVAILABLE when nothing is ' +
      'live, DEADLINE_EXCEEDED when the model took too long, RESOURCE_EXHAUSTED when it needs too much ' +
      'memory or too many rows wait.',
  })
  predict(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => PredictInput, { description: 'The endpoint and the rows.' }) input: PredictInput,
  ): Promise<PredictPayload> {
    return predict(ctx, input);
  }

  @FieldResolver(() => [RowPrediction], {
    description:
      'The answers row by row; empty when the outputs are neither a classification, a regression nor a clustering.',
  })
  predictions(@Root() { prediction }: PredictPayload): RowPrediction[] {
    return predictedRows(prediction);
  }

  @FieldResolver(() => DeploymentType, { description: 'Which of the live ones the routing key fell to.' })
  deployment(@Root() { prediction }: PredictPayload): DeploymentType {
    return prediction.target.deployment;
  }

  @FieldResolver(() => ModelVersionType, { description: 'What computed the outputs.' })
  modelVersion(@Root() { prediction }: PredictPayload): ModelVersionType {
    return prediction.target.version;
  }
}

async function predict(ctx: RequestContext, input: PredictInput): Promise<PredictPayload> {
  const prediction = await ctx.services.predictions.predict(ctx.principal, input, ctx.requestId);
  const { requestId, rows, latencyMs, batchRows, unknownCategories, unknownCategoryCount, outputs } = prediction;
  return {
    requestId,
    rows,
    latencyMs,
    batchRows,
    unknownCategories,
    unknownCategoryCount,
    outputs: outputs.map(toOutputTensor),
    prediction,
  };
}
