import { LoggedModelMetric } from '../../db/entities/logged-models/logged-model-metric.entity.js';
import { LoggedModel } from '../../db/entities/logged-models/logged-model.entity.js';
import { RunModel } from '../../db/entities/logged-models/run-model.entity.js';
import { defineModule } from '../../define-module.js';
import { loggedModelEndpoints } from '../../protocols/mlflow/logged-models/logged-models.js';
import {
  LoggedModelMetricResolver,
  LoggedModelResolver,
  RunLoggedModelsResolver,
} from '../../resolvers/logged-models/logged-model.resolver.js';
import { LOGGED_MODELS_LINEAGE, LoggedModelService, createLoggedModelLoaders } from './index.js';

interface LoggedModelsServices {
  loggedModels: LoggedModelService;
}

type LoggedModelsLoaders = ReturnType<typeof createLoggedModelLoaders>;

declare module '../../services.js' {
  interface Services extends LoggedModelsServices {}
}
declare module '../../loaders.js' {
  interface Loaders extends LoggedModelsLoaders {}
}

export default defineModule({
  name: 'logged-models',
  lineage: LOGGED_MODELS_LINEAGE,
  entities: [LoggedModel, RunModel, LoggedModelMetric],
  createServices: ({ services }): LoggedModelsServices => {
    return { loggedModels: new LoggedModelService(services.experiments) };
  },
  createLoaders: createLoggedModelLoaders,
  resolvers: [LoggedModelMetricResolver, LoggedModelResolver, RunLoggedModelsResolver],
  mlflowEndpoints: loggedModelEndpoints,
});
