import { z } from 'zod';
import { Role } from '../../../modules/core/index.js';
import { AppError, ErrorCode } from '../../../errors.js';
import { ANY_STEP, type TagEntry, requireWritable, type ParamChange } from '../../../modules/experiments/index.js';
import { jsonEndpoint, type Call, type Endpoint } from '../endpoint.js';
import { doesNotExist, invalidParameter, whenAbsent } from '../errors.js';
import { absentLoggedModels, loggedModelIdOf, toModelId } from '../ids.js';
import {
  integer,
  keyValue,
  optionalString,
  repeated,
  requiredDouble,
  requiredInteger,
  requiredString,
  string,
} from '../protobuf-json.js';
import {
  checkBatchSize,
  checkDataset,
  checkedParam,
  checkedTag,
  checkMetric,
  checkMetrics,
  checkModelMetric,
  checkUniqueKeys,
  onRun,
} from './checks.js';
import { addToModelHistory, MODEL_HISTORY_TAG, modelEntry } from './model-history.js';
import { ofRun, runOf } from './runs.js';

const metric = z.object({
  key: requiredString,
  value: requiredDouble,
  timestamp: requiredInteger,
  step: integer,
  model_id: optionalString,
  dataset_name: optionalString,
  dataset_digest: optionalString,
});
type Metric = z.output<typeof metric>;

const checkedMetrics = repeated(metric);

/**
 * The hundreds of metrics in a request are nearly always simple. Then they are used as they are, which costs much less
 * than reading each with its schema.
 */
const metricList = z.unknown().transform((value, context): Metric[] => {
  if (arePlain(value)) return value;
  const { data, error } = checkedMetrics.safeParse(value);
  for (const { path } of error?.issues.slice(0, 1) ?? []) context.addIssue({ code: 'custom', path });
  return data ?? z.NEVER;
});

const isInteger = (value: unknown) => typeof value === 'number' && Number.isSafeInteger(value);
const isText = (value: unknown) => value == null || typeof value === 'string';

function arePlain(metrics: unknown): metrics is Metric[] {
  if (!Array.isArray(metrics)) return false;
  return metrics.every((one: Partial<Record<keyof Metric, unknown>> | null) => {
    if (one === null || typeof one !== 'object') return false;
    const { key, value, timestamp, step } = one;
    const isPoint = typeof key === 'string' && key !== '' && typeof value === 'number' && isInteger(timestamp);
    return (
      isPoint &&
      (step == null || isInteger(step)) &&
      isText(one.model_id) &&
      isText(one.dataset_name) &&
      isText(one.dataset_digest)
    );
  });
}

interface Batch {
  metrics: Metric[];
  params: TagEntry[];
  tags: TagEntry[];
}

/** One transaction for everything that a request logs. */
function log(call: Call, run: string, { metrics, params, tags }: Batch, isBatch = false): Promise<void> {
  const points = metrics.map(({ key, value, timestamp, step }) => ({
    key,
    value,
    step: step ?? 0,
    loggedAt: new Date(timestamp),
  }));
  const ofModels = metrics.flatMap(({ key, model_id: model, dataset_name: name, dataset_digest: digest }, i) => {
    if (!model) return [];
    checkModelMetric(key, name ?? '', digest ?? '');
    return [{ ...points[i]!, loggedModelId: loggedModelIdOf(model), datasetName: name, datasetDigest: digest }];
  });
  const { runs, loggedModels } = call.services;
  return onRun(run, (id) =>
    call.run(async (session) => {
      if (points.length + params.length + tags.length === 0) await requireWritable(session, id);
      if (params.length > 0) await runs.logParams(session, id, params).catch(asChangedParam(run, isBatch));
      if (points.length > 0) await runs.logMetrics(session, id, points, ANY_STEP);
      const named = ofModels.map(({ loggedModelId }) => toModelId(loggedModelId));
      await loggedModels.logMetrics(session, id, ofModels).catch(absentLoggedModels(named));
      if (tags.length > 0) await runs.setTags(session, id, tags);
    }),
  );
}

/** The error for another value of an existing parameter, with MLflow's messages for one parameter and for a batch. */
const asChangedParam = (run: string, isBatch: boolean) => (error: unknown) => {
  if (!(error instanceof AppError) || error.code !== ErrorCode.CONFLICT || !Array.isArray(error.details['changes']))
    throw error;
  const changes = error.details['changes'] as ParamChange[];
  const told = changes.map(({ key, oldValue, newValue }) =>
    isBatch
      ? `{'key': '${key}', 'old_value': '${oldValue}', 'new_value': '${newValue}'}`
      : `Param with key='${key}' was already logged with value='${oldValue}' for run ID='${run}'. Attempted ` +
        `logging new value '${newValue}'.`,
  );
  throw invalidParameter(
    `Changing param values is not allowed. ${isBatch ? `Params were already logged='[${told.join(', ')}]' for run ID='${run}'.` : told[0]}`,
  );
};

const datasetInput = z.object({
  tags: repeated(keyValue),
  dataset: z.object({
    name: requiredString,
    digest: requiredString,
    source_type: requiredString,
    source: requiredString,
    schema: optionalString,
    profile: optionalString,
  }),
});

export const loggingEndpoints: Endpoint[] = [
  jsonEndpoint(['POST'], '/mlflow/runs/log-metric', Role.ENGINEER, metric.extend(ofRun), async (call, input) => {
    checkMetric(input);
    await log(call, runOf(input), { metrics: [input], params: [], tags: [] });
    return {};
  }),
  jsonEndpoint(
    ['POST'],
    '/mlflow/runs/log-parameter',
    Role.ENGINEER,
    z.object({ ...ofRun, key: requiredString, value: string }),
    async (call, input) => {
      await log(call, runOf(input), { metrics: [], params: [checkedParam(input)], tags: [] });
      return {};
    },
  ),
  jsonEndpoint(
    ['POST'],
    '/mlflow/runs/set-tag',
    Role.ENGINEER,
    z.object({ ...ofRun, key: requiredString, value: string }),
    async (call, input) => {
      await log(call, runOf(input), { metrics: [], params: [], tags: [checkedTag(input)] });
      return {};
    },
  ),
  jsonEndpoint(
    ['POST'],
    '/mlflow/runs/log-batch',
    Role.ENGINEER,
    z.object({ ...ofRun, metrics: metricList.optional(), params: repeated(keyValue), tags: repeated(keyValue) }),
    async (call, input) => {
      const metrics = input.metrics ?? [];
      checkMetrics(metrics);
      const params = input.params.map((param, i) => checkedParam(param, `params[${i}].`));
      const tags = input.tags.map((tag, i) => checkedTag(tag, `tags[${i}].`));
      checkBatchSize(metrics, params, tags);
      checkUniqueKeys(params);
      await log(call, runOf(input), { metrics, params, tags }, true);
      return {};
    },
  ),
  jsonEndpoint(
    ['POST'],
    '/mlflow/runs/delete-tag',
    Role.ENGINEER,
    z.object({ ...ofRun, key: requiredString }),
    async (call, { key, ...input }) => {
      const run = runOf(input);
      await onRun(run, (id) =>
        call.run(async (session) => {
          await requireWritable(session, id);
          const absent = () => doesNotExist(`No tag with name: ${key} in run with id ${run}`);
          await call.services.runs.deleteTag(session, id, key).catch(whenAbsent(absent));
        }),
      );
      return {};
    },
  ),
  jsonEndpoint(
    ['POST'],
    '/mlflow/runs/log-inputs',
    Role.ENGINEER,
    z.object({ ...ofRun, datasets: repeated(datasetInput), models: repeated(z.object({ model_id: requiredString })) }),
    async (call, input) => {
      const datasets = input.datasets.map(({ tags, dataset }) => ({
        direction: 'INPUT' as const,
        tags,
        name: dataset.name,
        digest: dataset.digest,
        sourceType: dataset.source_type,
        source: dataset.source,
        schema: dataset.schema || null,
        profile: dataset.profile || null,
      }));
      input.datasets.forEach(({ dataset, tags }) => checkDataset(dataset, tags));
      const named = input.models.map(({ model_id: id }) => id);
      const models = named.map((id) => ({ loggedModelId: loggedModelIdOf(id), step: 0 }));
      await onRun(runOf(input), (id) =>
        call.run(async (session) => {
          await requireWritable(session, id);
          if (datasets.length > 0) await call.services.runDatasets.log(session, id, datasets);
          await call.services.loggedModels.linkToRun(session, id, 'INPUT', models).catch(absentLoggedModels(named));
        }),
      );
      return {};
    },
  ),
  jsonEndpoint(
    ['POST'],
    '/mlflow/runs/outputs',
    Role.ENGINEER,
    z.object({ ...ofRun, models: z.array(z.object({ model_id: requiredString, step: integer })) }),
    async (call, input) => {
      const named = input.models.map(({ model_id: id }) => id);
      const models = input.models.map(({ model_id: id, step }) => ({
        loggedModelId: loggedModelIdOf(id),
        step: step ?? 0,
      }));
      await onRun(runOf(input), (id) =>
        call.run(async (session) => {
          await requireWritable(session, id);
          await call.services.loggedModels.linkToRun(session, id, 'OUTPUT', models).catch(absentLoggedModels(named));
        }),
      );
      return {};
    },
  ),
  jsonEndpoint(
    ['POST'],
    '/mlflow/runs/log-model',
    Role.ENGINEER,
    z.object({ ...ofRun, model_json: requiredString }),
    async (call, input) => {
      const run = runOf(input);
      const entry = modelEntry(input.model_json);
      await onRun(run, (id) =>
        call.run((session) =>
          call.services.runs.changeTag(session, id, MODEL_HISTORY_TAG, (before) => addToModelHistory(before, entry)),
        ),
      );
      return {};
    },
  ),
];
