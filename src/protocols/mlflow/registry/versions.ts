import { parseMlflowFilter, parseMlflowOrder } from '../filters/filter.js';
import { MLFLOW_MODEL_VERSION_FILTER, MLFLOW_MODEL_VERSION_ORDER } from '../filters/grammars.js';
import { z } from 'zod';
import type { Session } from '../../../db/database.js';
import { type OrderKey, Role } from '../../../modules/core/index.js';
import { namesOf, searchVersions } from '../../../modules/registry/index.js';
import { artifactUri } from '../experiments/views.js';
import { download } from '../artifacts/proxy.js';
import { jsonEndpoint, streamEndpoint, type Call, type Endpoint } from '../endpoint.js';
import { ErrorCode } from '../../../errors.js';
import { doesNotExist, instead, invalidParameter, refusedState } from '../errors.js';
import { toModelId } from '../ids.js';
import { atMost, offsetOf, pageOf } from '../pages.js';
import { boolean, checkedKeyValue, optionalString, repeated, requiredString, string } from '../protobuf-json.js';
import { addToList } from '../python-json.js';
import { queryOf } from '../query.js';
import { safePath } from '../artifacts/address.js';
import { checkTag, findModel, findVersion, showVersion } from './lookup.js';
import { unlessAbsent } from './models.js';
import { refusePrompts, withoutPrompts } from './prompts.js';
import { addressOf, resolveSource } from './source.js';
import { fromStage, sourceOf, toModelVersion } from './views.js';

const PATH = '/mlflow/model-versions';
const numbered = { name: requiredString, version: requiredString };
const MAX_RESULTS = 200_000;
/** Limit of one page, also when a client asks for more: the next page has the others. */
const PAGE_RESULTS = 10_000;
const NEWEST_FIRST: OrderKey<'attribute'>[] = [
  { entity: 'attribute', key: 'last_updated_timestamp', direction: 'DESC' },
];
/** The tag of a logged model that lists the versions made from it. */
const VERSIONS_TAG = 'mlflow.modelVersions';
/** The maximum length of a tag of a logged model. */
const MAX_LIST_LENGTH = 100_000;

export const versionEndpoints: Endpoint[] = [
  jsonEndpoint(
    ['POST'],
    `${PATH}/create`,
    Role.ENGINEER,
    z.object({
      name: requiredString,
      source: requiredString,
      run_id: optionalString,
      tags: repeated(checkedKeyValue),
      run_link: optionalString,
      description: string,
      model_id: optionalString,
    }),
    async (call, { name, tags, description, run_link: runLink, ...named }) => {
      refusePrompts(tags);
      tags.forEach(checkTag);
      const { model, source } = await call.run(async (session) => ({
        model: await findModel(session, name),
        source: await resolveSource(session, call, named),
      }));
      const version = await call.services.sourcedVersions
        .register(call, { modelId: model.id, source: { ...source, runLink: runLink || null }, description, tags })
        .catch(refusedState);
      return call.run(async (session) => {
        if (named.model_id && source.loggedModelId)
          await linkLoggedModel(call, session, source.loggedModelId, name, version.version);
        return { model_version: await showVersion(session, model, version) };
      });
    },
  ),
  jsonEndpoint(['GET'], `${PATH}/get`, Role.VIEWER, z.object(numbered), (call, which) =>
    call.run(async (session) => {
      const { model, version } = await findVersion(session, which);
      return { model_version: await showVersion(session, model, version) };
    }),
  ),
  jsonEndpoint(
    ['PATCH', 'POST'],
    `${PATH}/update`,
    Role.ENGINEER,
    z.object({ ...numbered, description: optionalString }),
    (call, { description, ...which }) =>
      call.run(async (session) => {
        const { model, version } = await findVersion(session, which);
        const updated = await call.services.modelVersions.update(session, {
          id: version.id,
          description: description ?? '',
        });
        await session.em.flush();
        return { model_version: await showVersion(session, model, updated) };
      }),
  ),
  jsonEndpoint(
    ['POST'],
    `${PATH}/transition-stage`,
    Role.ENGINEER,
    z.object({ ...numbered, stage: requiredString, archive_existing_versions: boolean }),
    (call, { stage, archive_existing_versions: archiveOthers, ...which }) => {
      const to = fromStage(stage);
      if (archiveOthers && to !== 'STAGING' && to !== 'PRODUCTION') {
        throw invalidParameter(
          `Model version transition cannot archive existing model versions because '${stage}' is not an ` +
            `Active stage. Valid stages are ['Staging', 'Production']`,
        );
      }
      return call.run(async (session) => {
        const { model, version } = await findVersion(session, which);
        const moved = await call.services.stageMoves
          .move(session, { modelVersionId: version.id, to, archiveOthers })
          .catch(withMlflowStageName)
          .catch(refusedState);
        return { model_version: await showVersion(session, model, moved) };
      });
    },
  ),
  jsonEndpoint(['DELETE'], `${PATH}/delete`, Role.ENGINEER, z.object(numbered), async (call, which) => {
    await call.run(async (session) => {
      const { version } = await findVersion(session, which);
      await call.services.modelVersions.delete(session, version.id).catch(refusedState);
    });
    return {};
  }),
  jsonEndpoint(
    ['GET', 'POST'],
    `${PATH}/search`,
    Role.VIEWER,
    z.object({ filter: string, max_results: atMost(MAX_RESULTS), order_by: repeated(z.string()), page_token: string }),
    (call, input) => {
      const limit = Math.min(input.max_results ?? PAGE_RESULTS, PAGE_RESULTS);
      if (limit < 1)
        throw invalidParameter(`Invalid value for max_results. It must be a positive integer, but got ${limit}`);
      const offset = offsetOf(input.page_token);
      const comparisons = withoutPrompts(parseMlflowFilter(input.filter, MLFLOW_MODEL_VERSION_FILTER));
      const named = parseMlflowOrder(input.order_by, MLFLOW_MODEL_VERSION_ORDER);
      if (comparisons === null) return Promise.resolve({});
      return call.run(async (session) => {
        const search = { comparisons, order: named.length > 0 ? named : NEWEST_FIRST, offset, limit: limit + 1 };
        const found = await searchVersions(session, search);
        const names = await namesOf(session, [...new Set(found.map(({ modelId }) => modelId))]);
        const shown = found.map((version) => toModelVersion(version, names.get(version.modelId) ?? ''));
        return pageOf('model_versions', shown, { offset, limit });
      });
    },
  ),
  jsonEndpoint(
    ['GET'],
    `${PATH}/get-download-uri`,
    Role.VIEWER,
    z.object({ ...numbered, name: string }),
    (call, which) =>
      call.run(async (session) => {
        const { version } = await findVersion(session, which);
        const { loggedModelId } = version;
        const uri = sourceOf(version);
        if (!loggedModelId || !uri.startsWith('models:/m-')) return { artifact_uri: uri };
        const { experimentId } = await call.services.loggedModels.get(session, loggedModelId);
        const experiment = await call.services.experiments.get(session, experimentId);
        return { artifact_uri: artifactUri(experiment, `models/${toModelId(loggedModelId)}/artifacts`) };
      }),
  ),
  jsonEndpoint(
    ['POST'],
    `${PATH}/set-tag`,
    Role.ENGINEER,
    z.object({ ...numbered, key: requiredString, value: string }),
    async (call, { key, value, ...which }) => {
      checkTag({ key, value });
      await call.run(async (session) => {
        const { version } = await findVersion(session, which);
        await call.services.registryTags.setOnVersion(session, { modelVersionId: version.id, tags: [{ key, value }] });
      });
      return {};
    },
  ),
  jsonEndpoint(
    ['DELETE'],
    `${PATH}/delete-tag`,
    Role.ENGINEER,
    z.object({ ...numbered, key: requiredString }),
    async (call, { key, ...which }) => {
      await call.run(async (session) => {
        const { version } = await findVersion(session, which);
        await call.services.registryTags
          .deleteFromVersion(session, { modelVersionId: version.id, key })
          .catch(unlessAbsent);
      });
      return {};
    },
  ),
  streamEndpoint(
    ['GET'],
    '/model-versions/get-artifact',
    Role.VIEWER,
    async (call, request, reply) => {
      const { name = '', version = '', path = '' } = queryOf(request);
      const file = safePath(path);
      if (file === '') throw invalidParameter("Missing value for required parameter 'path'.");
      const placeOfFile = async (session: Session) => {
        const found = await findVersion(session, { name, version });
        const place = await addressOf(session, call, sourceOf(found.version));
        if (!place) throw doesNotExist(`No such artifact: '${file}'`);
        return { owner: place.owner, path: place.path === '' ? file : `${place.path}/${file}` };
      };
      return download(call, placeOfFile, request, reply);
    },
    'ROOT',
  ),
];

/** When a promotion to Production is refused, the message says Production, as the client wrote it. */
const withMlflowStageName = instead(ErrorCode.GATE_NOT_PASSED, ({ message }) =>
  invalidParameter(message.replace('cannot go to PRODUCTION: ', 'cannot go to Production: ')),
);

/** MLflow's server does the same, so that its client finds the versions of a logged model. */
async function linkLoggedModel(
  call: Call,
  session: Session,
  loggedModelId: string,
  name: string,
  version: number,
): Promise<void> {
  await call.services.loggedModels.changeTag(session, loggedModelId, VERSIONS_TAG, (before) =>
    addToList(before, { name, version }, MAX_LIST_LENGTH),
  );
}
