import { z } from 'zod';
import { Role } from '../../../modules/core/index.js';
import { checkAlias, newestOfStages } from '../../../modules/registry/index.js';
import { AppError, ErrorCode } from '../../../errors.js';
import { jsonEndpoint, type Endpoint } from '../endpoint.js';
import { doesNotExist, invalidParameter } from '../errors.js';
import { requiredString } from '../protobuf-json.js';
import { findModel, findVersion, showVersion, toVersionNumber } from './lookup.js';
import { unlessAbsent } from './models.js';

const PATH = '/mlflow/registered-models/alias';
const ofModel = { name: requiredString, alias: requiredString };

export const aliasEndpoints: Endpoint[] = [
  jsonEndpoint(
    ['POST'],
    PATH,
    Role.ENGINEER,
    z.object({ ...ofModel, version: requiredString }),
    async (call, { name, alias, version: text }) => {
      checkedAlias(alias);
      toVersionNumber(text);
      await call.run(async (session) => {
        const { model, version } = await findVersion(session, { name, version: text });
        await call.services.aliases.set(session, { modelId: model.id, alias, modelVersionId: version.id });
      });
      return {};
    },
  ),
  jsonEndpoint(['DELETE'], PATH, Role.ENGINEER, z.object(ofModel), async (call, { name, alias }) => {
    await call.run(async (session) => {
      const { id } = await findModel(session, name);
      if (isLatest(alias)) return;
      await call.services.aliases.delete(session, { modelId: id, alias: checkedAlias(alias) }).catch(unlessAbsent);
    });
    return {};
  }),
  jsonEndpoint(['GET'], PATH, Role.VIEWER, z.object(ofModel), (call, { name, alias }) =>
    call.run(async (session) => {
      const model = await findModel(session, name);
      if (isLatest(alias)) {
        const newest = (await newestOfStages(session, [model.id])).at(-1);
        if (!newest) throw doesNotExist(`Latest version not found for model ${name}.`);
        return { model_version: await showVersion(session, model, newest) };
      }
      checkedAlias(alias);
      const present = await call.services.aliases.find(session, model.id, alias);
      if (!present) throw invalidParameter(`Registered model alias ${alias} not found.`);
      return {
        model_version: await showVersion(
          session,
          model,
          await call.services.modelVersions.get(session, present.modelVersionId),
        ),
      };
    }),
  ),
];

const isLatest = (alias: string) => alias.toLowerCase() === 'latest';

function checkedAlias(alias: string): string {
  try {
    return checkAlias('alias', alias);
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== ErrorCode.BAD_USER_INPUT) throw error;
    if (isLatest(alias)) throw invalidParameter("'latest' alias name (case insensitive) is reserved.");
    if (/^v\d+$/i.test(alias)) throw invalidParameter(`Version alias name '${alias}' is reserved.`);
    if (alias.length > 255)
      throw invalidParameter("'Registered model alias name' exceeds the maximum length of 255 characters");
    throw invalidParameter(
      `Invalid alias name: '${alias}'. Names may only contain alphanumerics, underscores (_), and dashes (-).`,
    );
  }
}
