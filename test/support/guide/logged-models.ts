import { MlflowCaller } from '../mlflow.js';
import type { CreateModelInput } from '../../../schema/generated/operations.js';
import type { Guide } from './recorder.js';

/** Models that an MLflow client has logged, because GraphQL only reads logged models. */
async function logModel(guide: Guide, experimentId: string): Promise<string> {
  const { url, token } = guide.caller();
  const mlflow = new MlflowCaller(url, token);
  const experiment = experimentId.replaceAll('-', '');
  const runId = await mlflow.newRun({ experiment_id: experiment });
  const { model } = await mlflow.post<{ model: { info: { model_id: string } } }>('logged-models', {
    experiment_id: experiment,
    name: 'species-tree',
    model_type: 'decision tree',
    source_run_id: runId,
    params: [{ key: 'max_depth', value: '3' }],
  });
  const { model_id: id } = model.info;
  const metric = { run_id: runId, key: 'accuracy', value: 0.96, timestamp: 0, step: 0, model_id: id };
  await mlflow.post('runs/log-metric', { ...metric, dataset_name: 'penguins', dataset_digest: '2f1c' });
  await fetch(`${url}/api/2.0/mlflow-artifacts/artifacts/${experiment}/models/${id}/artifacts/MLmodel`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}` },
    body: 'flavors:\n  sklearn: {}\n',
  });
  await mlflow.ok('PATCH', `logged-models/${id}`, { status: 'LOGGED_MODEL_READY' });
  return id.replace(/^m-(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

export async function loggedModelsChapter(guide: Guide): Promise<void> {
  guide.chapter(
    'Logged models',
    '`mlflow.sklearn.log_model(…)` and its like make a model with files, parameters and metrics of its own, ' +
      'before anybody registers it.',
  );
  const { createExperiment } = await guide.run('createExperiment', { name: 'species trees' }, { show: false });
  const experimentId = createExperiment.experiment.id;
  const loggedModelId = await logModel(guide, experimentId);
  guide.task('Find logged models', 'By experiment, run, name, state or kind.');
  await guide.run('searchLoggedModels', { filter: { experimentIds: [experimentId], status: ['READY'] } });
  guide.task(
    'Register one',
    'Its files stay where they are; a model.onnx among them becomes the version’s own, and others can be converted.',
  );
  const input: CreateModelInput = { name: 'species-trees', task: 'CLASSIFICATION', modelType: 'DECISION_TREE' };
  const { createModel } = await guide.run('createModel', { input }, { show: false });
  await guide.run('registerLoggedModel', { modelId: createModel.model.id, loggedModelId });
  guide.task('See what is known of it');
  await guide.run('loggedModel', { id: loggedModelId });
}
