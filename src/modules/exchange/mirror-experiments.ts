import { Experiment } from '../../db/entities/experiments/experiment.entity.js';
import { ANSWERS } from './rules/mlflow-records.js';
import { AppError, ErrorCode } from '../../errors.js';
import { MIRROR_TAGS, type MirrorRemote, tagChanges, type TagFingerprints } from './mirror-remote.js';

interface Synced {
  /** The name on this service. */
  name: string;
  tags: TagFingerprints;
  deleted: boolean;
}

const EXISTS = 'RESOURCE_ALREADY_EXISTS';
const MISSING = 'RESOURCE_DOES_NOT_EXIST';

/**
 * The id of the experiment on the other server; creates it there when needed. Null when it is deleted on this service.
 */
export async function ensureExperiment(remote: MirrorRemote, id: string): Promise<string | null> {
  const { experiment, ref } = await read(remote, id);
  if (ref && !ref.isPending) return ref.externalId;
  return isOurs(experiment) ? remote.holding('EXPERIMENT', id, () => makeExperiment(remote, id)) : null;
}

/** True for an experiment that is not deleted and that was not mirrored to this service from another one. */
const isOurs = (experiment: Experiment | null): experiment is Experiment =>
  experiment !== null && !(MIRROR_TAGS.experiment in experiment.tags);

async function makeExperiment(remote: MirrorRemote, id: string): Promise<string | null> {
  const { experiment, ref } = await read(remote, id);
  if (ref && !ref.isPending) return ref.externalId;
  if (!isOurs(experiment)) return null;
  await remote.reserve('EXPERIMENT', id);
  const own = [
    { key: MIRROR_TAGS.experiment, value: id },
    { key: MIRROR_TAGS.tenant, value: remote.tenant },
  ];
  for (const name of remote.namesFor(experiment.name, id)) {
    const made = await remote.unless(EXISTS, 'POST', 'experiments/create', { name, tags: own });
    let externalId = made === null ? null : ANSWERS.experimentId.parse(made).experiment_id;
    if (externalId === null) {
      const answer = await remote.unless(MISSING, 'GET', 'experiments/get-by-name', { experiment_name: name });
      const there = answer === null ? null : ANSWERS.experiment.parse(answer).experiment;
      if (there?.tags.some(({ key, value }) => key === MIRROR_TAGS.experiment && value === id))
        externalId = there.experiment_id;
    }
    if (externalId === null) continue;
    await remote.saveRef('EXPERIMENT', id, externalId, { name: experiment.name });
    return externalId;
  }
  throw new AppError(
    ErrorCode.CONFLICT,
    `The MLflow server already has other experiments with each name that can be given to "${experiment.name}".`,
  );
}

export async function mirrorExperiment(remote: MirrorRemote, id: string): Promise<void> {
  const externalId = await ensureExperiment(remote, id);
  const { experiment, ref } = await read(remote, id);
  if (externalId === null || !ref || ref.isOriginal) return;
  const { synced } = ref;
  const of = { experiment_id: externalId };
  const isDeleted = experiment?.state !== 'ACTIVE';
  if (isDeleted) {
    if (!synced.deleted) await remote.unless(MISSING, 'POST', 'experiments/delete', of);
    return remote.saveRef('EXPERIMENT', id, externalId, { ...synced, deleted: true });
  }
  if (synced.deleted) await remote.ask('POST', 'experiments/restore', of);
  if (synced.name !== experiment.name)
    await remote.ask('POST', 'experiments/update', { ...of, new_name: experiment.name });
  const { set, gone, fingerprints } = tagChanges(experiment.tags, synced.tags);
  for (const tag of set) await remote.ask('POST', 'experiments/set-experiment-tag', { ...of, ...tag });
  for (const key of gone) await remote.unless(MISSING, 'POST', 'experiments/delete-experiment-tag', { ...of, key });
  await remote.saveRef('EXPERIMENT', id, externalId, {
    name: experiment.name,
    tags: fingerprints,
    deleted: false,
  } satisfies Synced);
}

function read(remote: MirrorRemote, id: string) {
  return remote.transact(async (session) => ({
    experiment: await session.em.findOne(Experiment, { id, tenant: session.tenant }),
    ref: await remote.ref<Synced>(session, 'EXPERIMENT', id),
  }));
}
