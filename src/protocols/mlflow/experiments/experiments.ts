import { z } from 'zod';
import type { Session } from '../../../db/database.js';
import type { Experiment } from '../../../db/entities/experiments/experiment.entity.js';
import { Role } from '../../../modules/core/index.js';
import { jsonEndpoint, type Call, type Endpoint } from '../endpoint.js';
import { doesNotExist, invalidParameter, whenTaken } from '../errors.js';
import { namesHost } from '../foreign-host.js';
import { toExperimentId } from '../ids.js';
import { checkedKeyValue, optionalString, repeated, requiredString, string } from '../protobuf-json.js';
import { checkLength, uncutTag } from './checks.js';
import { findActiveExperiment, findExperiment } from './lookup.js';
import { toExperiment } from './views.js';

const MAX_NAME_LENGTH = 500;
const checkTag = uncutTag(20_000);

const named = z.object({ experiment_id: requiredString });

export const experimentEndpoints: Endpoint[] = [
  jsonEndpoint(
    ['POST'],
    '/mlflow/experiments/create',
    Role.ENGINEER,
    z.object({ name: requiredString, artifact_location: optionalString, tags: repeated(checkedKeyValue) }),
    async (call, { name, artifact_location: location, tags }) => {
      checkLength('name', MAX_NAME_LENGTH, name);
      tags.forEach(checkTag);
      checkLocation(location ?? '');
      const experiment = await call.run(async (session) => {
        // The default experiment is the oldest of each tenant.
        await call.services.experiments.default(session);
        return call.services.experiments
          .create(session, { name, tags, artifactLocation: location || null })
          .catch(alreadyExists(name));
      });
      return { experiment_id: toExperimentId(experiment) };
    },
  ),
  jsonEndpoint(['GET'], '/mlflow/experiments/get', Role.VIEWER, named, async (call, { experiment_id: id }) => ({
    experiment: toExperiment(await call.run((session) => findExperiment(session, call.services, id))),
  })),
  jsonEndpoint(
    ['GET'],
    '/mlflow/experiments/get-by-name',
    Role.VIEWER,
    z.object({ experiment_name: requiredString }),
    async (call, { experiment_name: name }) => {
      const experiment = await call.run((session) => call.services.experiments.findByName(session, name));
      if (!experiment) throw doesNotExist(`Could not find experiment with name '${name}'`);
      return { experiment: toExperiment(experiment) };
    },
  ),
  jsonEndpoint(
    ['POST'],
    '/mlflow/experiments/update',
    Role.ENGINEER,
    z.object({ experiment_id: requiredString, new_name: requiredString }),
    async (call, { experiment_id: text, new_name: name }) => {
      checkLength('name', MAX_NAME_LENGTH, name);
      await call.run(async (session) => {
        const { id, state } = await findExperiment(session, call.services, text);
        if (state !== 'ACTIVE') throw invalidParameter('Cannot rename a non-active experiment.');
        await call.services.experiments.update(session, { id, name }).catch(alreadyExists(name));
      });
      return {};
    },
  ),
  jsonEndpoint(['POST'], '/mlflow/experiments/delete', Role.ENGINEER, named, (call, { experiment_id: text }) =>
    moved(call, text, 'ACTIVE', (session, id) => call.services.experiments.remove(session, id)),
  ),
  jsonEndpoint(['POST'], '/mlflow/experiments/restore', Role.ENGINEER, named, (call, { experiment_id: text }) =>
    moved(call, text, 'DELETED', (session, id) => call.services.experiments.restore(session, id)),
  ),
  jsonEndpoint(
    ['POST'],
    '/mlflow/experiments/set-experiment-tag',
    Role.ENGINEER,
    z.object({ experiment_id: requiredString, key: requiredString, value: string }),
    async (call, { experiment_id: text, key, value }) => {
      checkTag({ key, value });
      await call.run(async (session) => {
        const { id } = await findActiveExperiment(session, call.services, text);
        await call.services.experiments.setTags(session, id, [{ key, value }]);
      });
      return {};
    },
  ),
  jsonEndpoint(
    ['POST'],
    '/mlflow/experiments/delete-experiment-tag',
    Role.ENGINEER,
    z.object({ experiment_id: requiredString, key: requiredString }),
    async (call, { experiment_id: text, key }) => {
      await call.run(async (session) => {
        const { id, tags } = await findActiveExperiment(session, call.services, text);
        if (!Object.hasOwn(tags, key)) throw doesNotExist(`No tag with name: ${key} in experiment with id ${text}`);
        await call.services.experiments.deleteTag(session, id, key);
      });
      return {};
    },
  ),
];

/** A path from the root, on Windows from a drive, or a URI of any scheme; `file:` can also be relative. */
const ABSOLUTE = /^(\/|[a-z]:[\\/]|(?!file:[^/])[a-z][a-z0-9+.-]+:)/i;

/** Only clients use it: it must stay a valid URI when the folder of a run is added to it. */
function checkLocation(location: string): void {
  if (/[#;]/.test(location)) throw invalidParameter("'artifact_location' URL can't include fragments or params.");
  if (namesHost(location)) {
    throw invalidParameter(
      `Artifact location cannot be on a host that clients would send their token to. Given: '${location}'. ` +
        'For this service itself it is mlflow-artifacts:/<path>.',
    );
  }
  if (location.startsWith('runs:'))
    throw invalidParameter(`Artifact location cannot be a runs:/ URI. Given: '${location}'`);
  // Each client would resolve a relative path in its own folder.
  if (location !== '' && !ABSOLUTE.test(location))
    throw invalidParameter(
      `Artifact location must be an address such as s3://bucket/path, or an absolute path. Given: '${location}'`,
    );
}

/**
 * Deletes or restores an experiment. It must be in the other state, because MLflow's server does not find it otherwise.
 */
async function moved(
  call: Call,
  text: string,
  from: Experiment['state'],
  move: (session: Session, id: string) => Promise<unknown>,
): Promise<object> {
  await call.run(async (session) => {
    const { id, state } = await findExperiment(session, call.services, text);
    if (state !== from) throw doesNotExist(`No Experiment with id=${text} exists`);
    await move(session, id);
  });
  return {};
}

const alreadyExists = (name: string) =>
  whenTaken(({ message }) => `Experiment(name=${name}) already exists. ${message}`);
