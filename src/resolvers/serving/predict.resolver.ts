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
      'Predicts for rows at an endpoint. VIEWER may call endpoints whose live versions are all in ' +
      'PRODUCTION (FORBIDDEN otherwise). CONFLICT when the request id was used before, UNAVAILABLE ' +
      'when no deployment is live, DEADLINE_EXCEEDED when the model took too long, ' +
      'RESOURCE_EXHAUSTED when the model needs too much memory or too many rows wait.',
  })
  predict(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => PredictInput, { description: 'Endpoint and rows.' }) input: PredictInput,
  ): Promise<PredictPayload> {
    return predict(ctx, input);
  }

  @FieldResolver(() => [RowPrediction], {
    description: 'Predictions row by row; empty unless the outputs are a classification, a regression or a clustering.',
  })
  predictions(@Root() { prediction }: PredictPayload): RowPrediction[] {
    return predictedRows(prediction);
  }

  @FieldResolver(() => DeploymentType, { description: 'Live deployment that the routing key selected.' })
  deployment(@Root() { prediction }: PredictPayload): DeploymentType {
    return prediction.target.deployment;
  }

  @FieldResolver(() => ModelVersionType, { description: 'Version that computed the outputs.' })
  modelVersion(@Root() { prediction }: PredictPayload): ModelVersionType {
    return prediction.target.version;
  }
}

async function predict(ctx: RequestContext, input: PredictInput): Promise<PredictPayload> {
  const prediction = await ctx.services.predictions.predict(ctx.principal, input, ctx.requestId, ctx.headers);
  const { requestId, rows, latencyMs, batchRows, unknownCategories, unknownCategoryCount, outputs, members } =
    prediction;
  return {
    requestId,
    rows,
    latencyMs,
    batchRows,
    unknownCategories,
    unknownCategoryCount,
    outputs: outputs.map(toOutputTensor),
    members,
    prediction,
  };
}
