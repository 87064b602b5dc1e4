import { parseMlflowFilter, parseMlflowOrder } from '../filters/filter.js';
import { MLFLOW_REGISTERED_MODEL_FILTER, MLFLOW_REGISTERED_MODEL_ORDER } from '../filters/grammars.js';
import { z } from 'zod';
import { Role } from '../../../modules/core/index.js';
import { AppError, ErrorCode } from '../../../errors.js';
import { newestOfStages, searchModels } from '../../../modules/registry/index.js';
import { jsonEndpoint, type Endpoint } from '../endpoint.js';
import { refusedState } from '../errors.js';
import { atMost, checkMaxResults, offsetOf, pageOf } from '../pages.js';
import { checkedKeyValue, optionalString, repeated, requiredString, string } from '../protobuf-json.js';
import { alreadyExists, checkModelName, checkTag, findModel, showModel, showModels, showVersions } from './lookup.js';
import { refusePrompts, withoutPrompts } from './prompts.js';
import { fromStage } from './views.js';

const named = z.object({ name: requiredString });
const MAX_RESULTS = 1_000;
const DEFAULT_RESULTS = 100;

export const modelEndpoints: Endpoint[] = [
  jsonEndpoint(
    ['POST'],
    '/mlflow/registered-models/create',
    Role.ENGINEER,
    z.object({ name: requiredString, tags: repeated(checkedKeyValue), description: optionalString }),
    async (call, { name, tags, description }) => {
      checkModelName(name);
      refusePrompts(tags);
      tags.forEach(checkTag);
      return call.run(async (session) => {
        // A tag sets its task, or its versions suggest one.
        const model = await call.services.models
          .create(session, { name, description, tags, modelType: 'MLFLOW', framework: 'mlflow' })
          .catch(alreadyExists(name));
        await session.em.flush();
        return { registered_model: await showModel(session, model) };
      });
    },
  ),
  jsonEndpoint(['GET'], '/mlflow/registered-models/get', Role.VIEWER, named, (call, { name }) =>
    call.run(async (session) => ({ registered_model: await showModel(session, await findModel(session, name)) })),
  ),
  jsonEndpoint(
    ['PATCH', 'POST'],
    '/mlflow/registered-models/update',
    Role.ENGINEER,
    z.object({ name: requiredString, description: string }),
    (call, { name, description }) =>
      call.run(async (session) => {
        const { id } = await findModel(session, name);
        const model = await call.services.models.update(session, { id, description });
        await session.em.flush();
        return { registered_model: await showModel(session, model) };
      }),
  ),
  jsonEndpoint(
    ['POST'],
    '/mlflow/registered-models/rename',
    Role.ENGINEER,
    z.object({ name: requiredString, new_name: requiredString }),
    (call, { name, new_name: newName }) => {
      checkModelName(newName);
      return call.run(async (session) => {
        const { id } = await findModel(session, name);
        const model = await call.services.models.update(session, { id, name: newName }).catch(alreadyExists(newName));
        await session.em.flush();
        return { registered_model: await showModel(session, model) };
      });
    },
  ),
  jsonEndpoint(['DELETE'], '/mlflow/registered-models/delete', Role.ENGINEER, named, async (call, { name }) => {
    await call.run(async (session) => {
      const { id } = await findModel(session, name);
      await call.services.models.delete(session, id).catch(refusedState);
    });
    return {};
  }),
  jsonEndpoint(
    ['GET', 'POST'],
    '/mlflow/registered-models/search',
    Role.VIEWER,
    z.object({ filter: string, max_results: atMost(MAX_RESULTS), order_by: repeated(z.string()), page_token: string }),
    (call, input) => {
      const limit = input.max_results ?? DEFAULT_RESULTS;
      checkMaxResults(limit, MAX_RESULTS);
      const offset = offsetOf(input.page_token);
      const comparisons = withoutPrompts(parseMlflowFilter(input.filter, MLFLOW_REGISTERED_MODEL_FILTER));
      const order = parseMlflowOrder(input.order_by, MLFLOW_REGISTERED_MODEL_ORDER);
      if (comparisons === null) return Promise.resolve({});
      return call.run(async (session) => {
        const found = await searchModels(session, { comparisons, order, offset, limit: limit + 1 });
        return pageOf('registered_models', await showModels(session, found), { offset, limit });
      });
    },
  ),
  jsonEndpoint(
    ['GET', 'POST'],
    '/mlflow/registered-models/get-latest-versions',
    Role.VIEWER,
    z.object({ name: requiredString, stages: repeated(z.string()) }),
    (call, { name, stages }) =>
      call.run(async (session) => {
        const wanted = stages.map(fromStage);
        const model = await findModel(session, name);
        const newest = await newestOfStages(session, [model.id]);
        const shown = newest.filter(({ stage }) => wanted.length === 0 || wanted.includes(stage));
        return shown.length > 0 ? { model_versions: await showVersions(session, model, shown) } : {};
      }),
  ),
  jsonEndpoint(
    ['POST'],
    '/mlflow/registered-models/set-tag',
    Role.ENGINEER,
    z.object({ name: requiredString, key: requiredString, value: string }),
    async (call, { name, ...tag }) => {
      checkTag(tag);
      await call.run(async (session) => {
        const { id } = await findModel(session, name);
        await call.services.registryTags.setOnModel(session, { modelId: id, tags: [tag] });
      });
      return {};
    },
  ),
  jsonEndpoint(
    ['DELETE'],
    '/mlflow/registered-models/delete-tag',
    Role.ENGINEER,
    z.object({ name: requiredString, key: requiredString }),
    async (call, { name, key }) => {
      await call.run(async (session) => {
        const { id } = await findModel(session, name);
        await call.services.registryTags.deleteFromModel(session, { modelId: id, key }).catch(unlessAbsent);
      });
      return {};
    },
  ),
];

/** In MLflow's registry, deleting something that does not exist is not an error. */
export function unlessAbsent(error: unknown): void {
  if (!(error instanceof AppError) || error.code !== ErrorCode.NOT_FOUND) throw error;
}
