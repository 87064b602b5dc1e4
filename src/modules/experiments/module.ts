import { RunLog } from '../../db/entities/experiments/run-log.entity.js';
import { MetricSummary, MetricBlock } from '../../db/entities/experiments/metric-block.entity.js';
import { MetricLatest } from '../../db/entities/experiments/metric-latest.entity.js';
import { MetricPoint } from '../../db/entities/experiments/metric-point.entity.js';
import { RunCounter } from '../../db/entities/experiments/run-counter.entity.js';
import { RunParam, RunTag } from '../../db/entities/experiments/run-pair.entity.js';
import { Experiment } from '../../db/entities/experiments/experiment.entity.js';
import { Run } from '../../db/entities/experiments/run.entity.js';
import { RunDataset } from '../../db/entities/experiments/run-dataset.entity.js';
import { LoggedDataset } from '../../db/entities/experiments/logged-dataset.entity.js';
import { defineModule } from '../../define-module.js';
import { experimentEndpoints } from '../../protocols/mlflow/experiments/experiments.js';
import { runEndpoints } from '../../protocols/mlflow/experiments/runs.js';
import { runSearchEndpoints } from '../../protocols/mlflow/experiments/run-search.js';
import { loggingEndpoints } from '../../protocols/mlflow/experiments/logging.js';
import { metricHistoryEndpoints } from '../../protocols/mlflow/experiments/metric-history.js';
import { searchEndpoints } from '../../protocols/mlflow/experiments/search.js';
import { ExperimentResolver } from '../../resolvers/experiments/experiment.resolver.js';
import { LoggedDatasetResolver, RunDatasetsResolver } from '../../resolvers/experiments/run-dataset.resolver.js';
import { RunLifecycleResolver } from '../../resolvers/experiments/run-lifecycle.resolver.js';
import { RunLogResolver } from '../../resolvers/experiments/run-log.resolver.js';
import { RunAnalysisResolver } from '../../resolvers/experiments/run-analysis.resolver.js';
import {
  ComparedDatasetResolver,
  ComparedMetricResolver,
  CurveSeriesResolver,
  GroupComparisonResolver,
  RunComparisonResolver,
} from '../../resolvers/experiments/run-comparison.resolver.js';
import { RunResolver } from '../../resolvers/experiments/run.resolver.js';
import {
  EXPERIMENTS_LINEAGE,
  ExperimentService,
  RunAnalysisService,
  RunComparisonService,
  RunDatasetService,
  RunLifecycleService,
  RunLogService,
  RunSearchService,
  RunService,
  createExperimentLoaders,
} from './index.js';

interface ExperimentsServices {
  experiments: ExperimentService;
  runAnalyses: RunAnalysisService;
  runComparisons: RunComparisonService;
  runDatasets: RunDatasetService;
  runLifecycle: RunLifecycleService;
  runLogs: RunLogService;
  runs: RunService;
  runSearch: RunSearchService;
}

type ExperimentsLoaders = ReturnType<typeof createExperimentLoaders>;

declare module '../../services.js' {
  interface Services extends ExperimentsServices {}
}
declare module '../../loaders.js' {
  interface Loaders extends ExperimentsLoaders {}
}

export default defineModule({
  name: 'experiments',
  lineage: EXPERIMENTS_LINEAGE,
  entities: [
    Experiment,
    Run,
    RunDataset,
    LoggedDataset,
    RunParam,
    RunTag,
    RunCounter,
    MetricPoint,
    MetricLatest,
    MetricSummary,
    MetricBlock,
    RunLog,
  ],
  createServices: ({ live, importance }): ExperimentsServices => {
    const experiments = new ExperimentService();
    const runs = new RunService(live, experiments);
    const runSearch = new RunSearchService();
    return {
      experiments,
      runAnalyses: new RunAnalysisService(runSearch, importance),
      runComparisons: new RunComparisonService(),
      runDatasets: new RunDatasetService(),
      runLifecycle: new RunLifecycleService(runs),
      runLogs: new RunLogService(live),
      runs,
      runSearch,
    };
  },
  createLoaders: createExperimentLoaders,
  resolvers: [
    ExperimentResolver,
    LoggedDatasetResolver,
    RunDatasetsResolver,
    RunLifecycleResolver,
    RunLogResolver,
    RunAnalysisResolver,
    ComparedDatasetResolver,
    ComparedMetricResolver,
    CurveSeriesResolver,
    GroupComparisonResolver,
    RunComparisonResolver,
    RunResolver,
  ],
  mlflowEndpoints: [
    ...experimentEndpoints,
    ...runEndpoints,
    ...runSearchEndpoints,
    ...loggingEndpoints,
    ...metricHistoryEndpoints,
    ...searchEndpoints,
  ],
});
