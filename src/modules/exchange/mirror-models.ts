import { Model } from '../../db/entities/registry/model.entity.js';
import { ModelAlias } from '../../db/entities/registry/model-alias.entity.js';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import type { Session } from '../../db/database.js';
import { ANSWERS } from './rules/mlflow-records.js';
import type { Stage } from '../registry/index.js';
import { AppError, ErrorCode } from '../../errors.js';
import { MIRROR_TAGS, type MirrorRemote, tagChanges, type TagFingerprints } from './mirror-remote.js';
import { ensureRun } from './mirror-runs.js';
import { unmirroredBefore } from './stores/mirror-refs.js';

interface SyncedModel {
  /** The name on this service. */
  name: string;
  description: string;
  tags: TagFingerprints;
}

interface SyncedVersion {
  description: string;
  tags: TagFingerprints;
  stage: Stage;
  aliases: string[];
}

const EXISTS = 'RESOURCE_ALREADY_EXISTS';
const MISSING = 'RESOURCE_DOES_NOT_EXIST';
const STAGES: Record<Stage, string> = {
  DEVELOPMENT: 'None',
  STAGING: 'Staging',
  PRODUCTION: 'Production',
  ARCHIVED: 'Archived',
};

/** The name of the model on the other server; creates it there when needed. Null when it is deleted on this service. */
async function ensureModel(remote: MirrorRemote, id: string): Promise<string | null> {
  const { model, ref } = await readModel(remote, id);
  if (ref && !ref.isPending) return ref.externalId;
  return isOurs(model) ? remote.holding('MODEL', id, () => makeModel(remote, id)) : null;
}

/** True for a model that is not deleted and that was not mirrored to this service from another one. */
const isOurs = (model: Model | null): model is Model => model !== null && !(MIRROR_TAGS.model in model.tags);

async function makeModel(remote: MirrorRemote, id: string): Promise<string | null> {
  const { model, ref } = await readModel(remote, id);
  if (ref && !ref.isPending) return ref.externalId;
  if (!isOurs(model)) return null;
  await remote.reserve('MODEL', id);
  const tags = [
    { key: MIRROR_TAGS.model, value: id },
    { key: MIRROR_TAGS.tenant, value: remote.tenant },
  ];
  for (const name of remote.namesFor(model.name, id)) {
    const made = await remote.unless(EXISTS, 'POST', 'registered-models/create', { name, tags });
    if (made === null) {
      const answer = await remote.unless(MISSING, 'GET', 'registered-models/get', { name });
      const there = answer === null ? null : ANSWERS.model.parse(answer).registered_model;
      if (!there?.tags.some(({ key, value }) => key === MIRROR_TAGS.model && value === id)) continue;
    }
    await remote.saveRef('MODEL', id, name, { name: model.name, description: '' });
    return name;
  }
  throw new AppError(
    ErrorCode.CONFLICT,
    `The MLflow server already has other models with each name that can be given to "${model.name}".`,
  );
}

export async function mirrorModel(remote: MirrorRemote, id: string): Promise<void> {
  let name = await ensureModel(remote, id);
  const { model, ref } = await readModel(remote, id);
  if (name === null || !ref || ref.isOriginal) return;
  const { synced } = ref;
  if (!model) {
    await remote.unless(MISSING, 'DELETE', 'registered-models/delete', { name });
    return remote.deleteModelRefs(id);
  }
  if (synced.name !== model.name) {
    await remote.ask('POST', 'registered-models/rename', { name, new_name: model.name });
    name = model.name;
    await remote.saveRef('MODEL', id, name, { ...synced, name });
  }
  const { description } = model;
  if (synced.description !== description) await remote.ask('PATCH', 'registered-models/update', { name, description });
  const { set, gone, fingerprints } = tagChanges(model.tags, synced.tags);
  for (const tag of set) await remote.ask('POST', 'registered-models/set-tag', { name, ...tag });
  for (const key of gone) await remote.unless(MISSING, 'DELETE', 'registered-models/delete-tag', { name, key });
  await remote.saveRef('MODEL', id, name, { name: model.name, description, tags: fingerprints } satisfies SyncedModel);
}

export async function mirrorVersion(remote: MirrorRemote, id: string): Promise<void> {
  const first = await readVersion(remote, id);
  if (!first.version) {
    if (!first.ref || first.ref.isPending || first.ref.isOriginal) return;
    const [modelId = '', number = ''] = first.ref.externalId.split('/');
    const model = await readModel(remote, modelId);
    if (model.ref)
      await remote.unless(MISSING, 'DELETE', 'model-versions/delete', { name: model.ref.externalId, version: number });
    return remote.deleteRef('MODEL_VERSION', id);
  }
  // The version gets a new task when it becomes READY.
  if (first.version.status !== 'READY' || first.ref?.isOriginal) return;
  const name = await ensureModel(remote, first.version.modelId);
  if (name === null) return;
  const number = await ensureVersion(remote, name, first.version);
  const { version, ref, aliases } = await readVersion(remote, id);
  if (!version || !ref) return;
  const { synced } = ref;
  const of = { name, version: number };
  const { description, stage } = version;
  if ((synced.description ?? '') !== description)
    await remote.ask('PATCH', 'model-versions/update', { ...of, description });
  const { set, gone, fingerprints } = tagChanges(version.tags, synced.tags);
  for (const tag of set) await remote.ask('POST', 'model-versions/set-tag', { ...of, ...tag });
  for (const key of gone) await remote.unless(MISSING, 'DELETE', 'model-versions/delete-tag', { ...of, key });
  if ((synced.stage ?? 'DEVELOPMENT') !== stage) {
    const given = { ...of, stage: STAGES[stage as Stage], archive_existing_versions: false };
    await remote.ask('POST', 'model-versions/transition-stage', given);
  }
  const there = new Set(await aliasesThere(remote, name, number));
  for (const alias of aliases)
    if (!there.has(alias)) await remote.ask('POST', 'registered-models/alias', { ...of, alias });
  for (const alias of synced.aliases ?? []) {
    if (!aliases.includes(alias) && there.has(alias))
      await remote.unless(MISSING, 'DELETE', 'registered-models/alias', { name, alias });
  }
  const after: SyncedVersion = { description, stage, tags: fingerprints, aliases };
  await remote.saveRef('MODEL_VERSION', id, ref.externalId, after);
}

/** The number of the version on the other server. */
async function ensureVersion(remote: MirrorRemote, name: string, version: ModelVersion): Promise<string> {
  const { ref } = await readVersion(remote, version.id);
  if (ref && !ref.isPending) return numberOf(ref);
  // Versions are created in the order of their numbers, so that the numbers on the other server have the same order.
  for (const earlier of await remote.transact((session) => versionsBefore(session, version)))
    await ensureVersion(remote, name, earlier);
  return remote.holding('MODEL_VERSION', version.id, () => makeVersion(remote, name, version));
}

async function makeVersion(remote: MirrorRemote, name: string, version: ModelVersion): Promise<string> {
  const { ref } = await readVersion(remote, version.id);
  if (ref && !ref.isPending) return numberOf(ref);
  if (!ref) await remote.reserve('MODEL_VERSION', version.id);
  const runId = version.runId == null ? null : await ensureRun(remote, version.runId);
  const number =
    (ref && (await findAgain(remote, name, version.id))) ?? (await createVersion(remote, name, version, runId));
  await remote.saveRef('MODEL_VERSION', version.id, `${version.modelId}/${number}`, {});
  return number;
}

const numberOf = ({ externalId }: { externalId: string }) => externalId.split('/')[1] ?? '';

async function versionsBefore(session: Session, version: ModelVersion): Promise<ModelVersion[]> {
  const ids = await unmirroredBefore(session, version);
  return session.em.find(ModelVersion, { tenant: session.tenant, id: { $in: ids } }, { orderBy: { version: 'ASC' } });
}

async function createVersion(
  remote: MirrorRemote,
  name: string,
  version: ModelVersion,
  runId: string | null,
): Promise<string> {
  const answer = await remote.ask('POST', 'model-versions/create', {
    ...{ name, source: `matih:/model-versions/${version.id}`, ...(runId !== null && { run_id: runId }) },
    tags: [
      { key: MIRROR_TAGS.version, value: version.id },
      { key: 'matih.version', value: String(version.version) },
      { key: 'matih.semanticVersion', value: version.semanticVersion },
      ...(version.sourceUri ? [{ key: 'matih.source', value: version.sourceUri }] : []),
    ],
  });
  return String(ANSWERS.version.parse(answer).model_version.version);
}

/** Finds a model that an earlier attempt created on the other server and that crashed before it got the answer. */
async function findAgain(remote: MirrorRemote, name: string, id: string): Promise<string | null> {
  const literal = name.includes("'") ? `"${name}"` : `'${name}'`;
  const filter = `name = ${literal} and tags.\`${MIRROR_TAGS.version}\` = '${id}'`;
  const answer = ANSWERS.versions.parse(await remote.ask('GET', 'model-versions/search', { filter, max_results: 1 }));
  const [found] = answer.model_versions;
  return found ? String(found.version) : null;
}

async function aliasesThere(remote: MirrorRemote, name: string, number: string): Promise<string[]> {
  const { registered_model: model } = ANSWERS.model.parse(await remote.ask('GET', 'registered-models/get', { name }));
  return model.aliases.filter(({ version }) => version === number).map(({ alias }) => alias);
}

function readModel(remote: MirrorRemote, id: string) {
  return remote.transact(async (session) => ({
    model: await session.em.findOne(Model, { id, tenant: session.tenant }),
    ref: await remote.ref<SyncedModel>(session, 'MODEL', id),
  }));
}

function readVersion(remote: MirrorRemote, id: string) {
  return remote.transact(async (session) => {
    const aliases = await session.em.find(
      ModelAlias,
      { tenant: session.tenant, modelVersionId: id },
      { orderBy: { alias: 'ASC' } },
    );
    return {
      version: await session.em.findOne(ModelVersion, { id, tenant: session.tenant }),
      ref: await remote.ref<SyncedVersion>(session, 'MODEL_VERSION', id),
      aliases: aliases.map(({ alias }) => alias),
    };
  });
}
