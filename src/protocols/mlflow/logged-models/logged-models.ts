import { randomName } from '../random-name.js';
import { pythonText } from '../filters/messages.js';
import { z } from 'zod';
import type { Session } from '../../../db/database.js';
import type { LoggedModel } from '../../../db/entities/logged-models/logged-model.entity.js';
import { type ExperimentAddress } from '../../../modules/experiments/index.js';
import { Role, toHexId } from '../../../modules/core/index.js';
import type { Services } from '../../../services.js';
import { jsonEndpoint, type Call, type Endpoint } from '../endpoint.js';
import { doesNotExist, invalidParameter } from '../errors.js';
import {
  absentLoggedModels,
  absentRuns,
  loggedModelIdOf,
  noLoggedModel,
  runIdOf,
  toExperimentId,
  toModelId,
} from '../ids.js';
import { boolean, keyValue, repeated, requiredString, string } from '../protobuf-json.js';
import { findActiveExperiment } from '../experiments/lookup.js';
import { artifactUri, toEntries, toMetricValue } from '../experiments/views.js';

const BAD_CHARACTERS = ['/', ':', '.', '%', '"', "'"];
const STATUSES = ['PENDING', 'READY', 'FAILED'] as const;
type Status = (typeof STATUSES)[number];

const ofModel = { model_id: requiredString };

export const loggedModelEndpoints: Endpoint[] = [
  jsonEndpoint(
    ['POST'],
    '/mlflow/logged-models',
    Role.ENGINEER,
    z.object({
      experiment_id: requiredString,
      name: string,
      model_type: string,
      source_run_id: string,
      params: repeated(keyValue),
      tags: repeated(keyValue),
    }),
    async (call, input) => {
      checkName(input.name);
      return onModel(call, null, async (session) => {
        const experiment = await findActiveExperiment(session, call.services, input.experiment_id);
        const { source_run_id: run } = input;
        const given = {
          experimentId: experiment.id,
          name: input.name || randomName(),
          runId: run ? runIdOf(run) : null,
          modelType: input.model_type || null,
          params: input.params,
          tags: input.tags,
        };
        return call.services.loggedModels.create(session, given).catch(absentRuns(run ? [run] : []));
      });
    },
  ),
  jsonEndpoint(
    ['GET'],
    '/mlflow/logged-models/:model_id',
    Role.VIEWER,
    z.object({ ...ofModel, allow_deleted: boolean }),
    (call, { model_id: text, allow_deleted: deletedToo }) =>
      onModel(call, text, async (session, id) => {
        const model = await call.services.loggedModels.get(session, id);
        if (model.state === 'DELETED' && !deletedToo) throw noLoggedModel(text);
        return model;
      }),
  ),
  jsonEndpoint(
    ['PATCH'],
    '/mlflow/logged-models/:model_id',
    Role.ENGINEER,
    z.object({ ...ofModel, status: z.union([z.string().min(1), z.number()]) }),
    (call, { model_id: text, status }) =>
      onModel(call, text, (session, id) => call.services.loggedModels.finalize(session, id, fromStatus(status), null)),
  ),
  jsonEndpoint(
    ['DELETE'],
    '/mlflow/logged-models/:model_id',
    Role.ENGINEER,
    z.object(ofModel),
    (call, { model_id: text }) => onModel(call, text, (session, id) => call.services.loggedModels.remove(session, id)),
  ),
  jsonEndpoint(
    ['PATCH'],
    '/mlflow/logged-models/:model_id/tags',
    Role.ENGINEER,
    z.object({ ...ofModel, tags: repeated(keyValue) }),
    (call, { model_id: text, tags }) =>
      onModel(call, text, (session, id) => call.services.loggedModels.setTags(session, id, tags)),
  ),
  jsonEndpoint(
    ['DELETE'],
    '/mlflow/logged-models/:model_id/tags/:tag_key',
    Role.ENGINEER,
    z.object({ ...ofModel, tag_key: requiredString }),
    (call, { model_id: text, tag_key: key }) =>
      onModel(call, text, async (session, id) => {
        const { tags } = await call.services.loggedModels.get(session, id);
        if (!Object.hasOwn(tags, key))
          throw doesNotExist(`No tag with key '${key}' found for model with ID '${text}'.`);
        await call.services.loggedModels.deleteTag(session, id, key);
      }),
  ),
  jsonEndpoint(
    ['POST'],
    '/mlflow/logged-models/:model_id/params',
    Role.ENGINEER,
    z.object({ ...ofModel, params: repeated(keyValue) }),
    (call, { model_id: text, params }) =>
      onModel(call, text, (session, id) => call.services.loggedModels.logParams(session, id, params)),
  ),
];

/** Works on the model that a text names (null for a new one). If the work returns a model, this is the answer. */
async function onModel(
  call: Call,
  text: string | null,
  work: (session: Session, id: string) => Promise<LoggedModel | void>,
): Promise<object> {
  const id = text === null ? '' : loggedModelIdOf(text);
  const answer = call.run(async (session) => {
    const model = await work(session, id);
    if (!model) return {};
    const [shown] = await showLoggedModels(session, call.services, [model]);
    return { model: shown };
  });
  return answer.catch(absentLoggedModels(text === null ? [] : [text]));
}

function checkName(name: string): void {
  if (!BAD_CHARACTERS.some((character) => name.includes(character))) return;
  throw invalidParameter(
    `Invalid model name (${pythonText(name)}) provided. Model name must be a non-empty string and cannot ` +
      `contain the following characters: ('/', ':', '.', '%', '"', "'")`,
  );
}

/** Reads the name or the number of MLflow's enum. */
function fromStatus(sent: string | number): 'READY' | 'FAILED' {
  const status = typeof sent === 'number' ? STATUSES[sent - 1] : STATUSES.find((known) => toStatus(known) === sent);
  if (status === 'READY' || status === 'FAILED') return status;
  throw invalidParameter(
    `Invalid model status: ${JSON.stringify(sent)}. Expected statuses: LOGGED_MODEL_READY, LOGGED_MODEL_UPLOAD_FAILED.`,
  );
}

const toStatus = (status: Status) => (status === 'FAILED' ? 'LOGGED_MODEL_UPLOAD_FAILED' : `LOGGED_MODEL_${status}`);

/** Logged models with their metrics, in MLflow's format. */
export async function showLoggedModels(session: Session, services: Services, models: LoggedModel[]): Promise<object[]> {
  const experiments = await services.experiments.addressesOf(
    session,
    models.map(({ experimentId }) => experimentId),
  );
  // Objects that were created in this transaction have their times only after they are written.
  await session.em.flush();
  const metricsOf = await services.loggedModels.metricsOf(
    session,
    models.map(({ id }) => id),
  );
  return models.flatMap((model) => {
    const experiment = experiments.get(model.experimentId);
    return experiment ? [toLoggedModel(model, experiment, metricsOf(model.id))] : [];
  });
}

type Metrics = ReturnType<Awaited<ReturnType<Services['loggedModels']['metricsOf']>>>;

function toLoggedModel(model: LoggedModel, experiment: ExperimentAddress, metrics: Metrics): object {
  const id = toModelId(model.id);
  const [tags, params] = [toEntries(model.tags), toEntries(model.params)];
  return {
    info: {
      model_id: id,
      experiment_id: toExperimentId(experiment),
      name: model.name,
      creation_timestamp_ms: model.createdAt.getTime(),
      last_updated_timestamp_ms: model.updatedAt.getTime(),
      artifact_uri: artifactUri(experiment, `models/${id}/artifacts`),
      status: toStatus(model.status),
      model_type: model.modelType ?? '',
      source_run_id: model.runId === null ? '' : toHexId(model.runId ?? ''),
      ...(model.statusMessage && { status_message: model.statusMessage }),
      ...(tags.length > 0 && { tags }),
    },
    data: {
      ...(params.length > 0 && { params }),
      ...(metrics.length > 0 && {
        metrics: metrics.map(({ key, value, timeMs, step, datasetName, datasetDigest, runId }) => ({
          key,
          value: toMetricValue(value),
          timestamp: timeMs,
          step,
          ...(datasetName && { dataset_name: datasetName }),
          ...(datasetDigest && { dataset_digest: datasetDigest }),
          model_id: id,
          run_id: toHexId(runId),
        })),
      }),
    },
  };
}
