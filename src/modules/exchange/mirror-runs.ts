import { Run } from '../../db/entities/experiments/run.entity.js';
import { ANSWERS } from './rules/mlflow-records.js';
import { fromHexId } from '../core/index.js';
import { pairsOf, pointsAfter, RUN_TAGS, type TagEntry } from '../experiments/index.js';
import { ensureExperiment } from './mirror-experiments.js';
import { MIRROR_TAGS, type MirrorRemote, tagChanges, type TagFingerprints } from './mirror-remote.js';

interface Synced {
  /** The sequence number of the last metric point that was sent. */
  seq: number;
  params: number;
  tags: TagFingerprints;
  /** Status, end and name. */
  info: string;
  deleted: boolean;
}

/** The maximum that MLflow takes in one call. */
const PAIRS_PER_CALL = 100;
const POINTS_PER_CALL = 1_000;

/** The id of the run on the other server; creates it there when needed. Null when it is deleted on this service. */
export async function ensureRun(remote: MirrorRemote, id: string): Promise<string | null> {
  const { run, ref } = await read(remote, id);
  if (ref && !ref.isPending) return ref.externalId;
  return run && remote.holding('RUN', id, () => makeRun(remote, id));
}

async function makeRun(remote: MirrorRemote, id: string): Promise<string | null> {
  const { run, ref } = await read(remote, id);
  if (ref && !ref.isPending) return ref.externalId;
  if (!run) return null;
  const experimentId = await ensureExperiment(remote, run.experimentId);
  if (experimentId === null) return null;
  if (!ref) await remote.reserve('RUN', id);
  const externalId = (ref && (await findAgain(remote, experimentId, id))) ?? (await create(remote, experimentId, run));
  await remote.saveRef('RUN', id, externalId, {});
  return externalId;
}

/** Sends everything of the run that the other server does not have. */
export async function mirrorRun(remote: MirrorRemote, id: string): Promise<void> {
  const externalId = await ensureRun(remote, id);
  const { run, ref, params, tags } = await read(remote, id);
  if (externalId === null || !ref || ref.isOriginal) return;
  const of = { run_id: externalId };
  const synced: Synced = { seq: 0, params: 0, tags: {}, info: '', deleted: false, ...ref.synced };
  const isDeleted = run?.state !== 'ACTIVE';
  if (synced.deleted && isDeleted) return;
  if (synced.deleted) await remote.ask('POST', 'runs/restore', of);
  if (run) {
    if (params.length > synced.params) {
      await inBatches(params, PAIRS_PER_CALL, (group) =>
        remote.ask('POST', 'runs/log-batch', { ...of, params: group }),
      );
    }
    const { set, gone, fingerprints } = tagChanges(await translated(remote, tags), synced.tags);
    await inBatches(set, PAIRS_PER_CALL, (group) => remote.ask('POST', 'runs/log-batch', { ...of, tags: group }));
    for (const key of gone) await remote.unless('RESOURCE_DOES_NOT_EXIST', 'POST', 'runs/delete-tag', { ...of, key });
    Object.assign(synced, { params: params.length, tags: fingerprints });
    await mirrorPoints(remote, id, externalId, synced);
    const status = run.status === 'QUEUED' ? 'SCHEDULED' : run.status;
    const info = { status, end_time: run.endedAt?.getTime(), run_name: run.name };
    if (JSON.stringify(info) !== synced.info) await remote.ask('POST', 'runs/update', { ...of, ...info });
    synced.info = JSON.stringify(info);
  }
  if (isDeleted) await remote.ask('POST', 'runs/delete', of);
  await remote.saveRef('RUN', id, externalId, { ...synced, deleted: isDeleted });
}

/**
 * Continues after the last batch. A batch that is sent again after a crash has the same points, and MLflow keeps each
 * point once.
 */
async function mirrorPoints(remote: MirrorRemote, id: string, externalId: string, synced: Synced): Promise<void> {
  for (;;) {
    const points = await remote.transact((session) => pointsAfter(session, id, synced.seq, POINTS_PER_CALL));
    const last = points.at(-1);
    if (!last) return;
    const metrics = points.map(({ key, value, step, ms }) => ({
      key,
      step,
      timestamp: Math.round(ms),
      value: Number.isFinite(value) ? value : String(value),
    }));
    await remote.ask('POST', 'runs/log-batch', { run_id: externalId, metrics });
    synced.seq = last.seq;
    await remote.saveRef('RUN', id, externalId, synced);
  }
}

async function create(remote: MirrorRemote, experimentId: string, run: Run): Promise<string> {
  const answer = await remote.ask('POST', 'runs/create', {
    ...{ experiment_id: experimentId, start_time: run.startedAt.getTime(), run_name: run.name, user_id: run.createdBy },
    tags: [
      { key: MIRROR_TAGS.run, value: run.id },
      { key: MIRROR_TAGS.tenant, value: remote.tenant },
    ],
  });
  return ANSWERS.run.parse(answer).run.info.run_id;
}

/** Finds a run that an earlier attempt created on the other server and that crashed before it got the answer. */
async function findAgain(remote: MirrorRemote, experimentId: string, id: string): Promise<string | null> {
  const answer = await remote.ask('POST', 'runs/search', {
    ...{
      experiment_ids: [experimentId],
      filter: `tags.\`${MIRROR_TAGS.run}\` = '${id}'`,
      run_view_type: 'ALL',
      max_results: 1,
    },
  });
  return ANSWERS.runs.parse(answer).runs[0]?.info.run_id ?? null;
}

/** Replaces the parent's id by its id on the other server. */
async function translated(remote: MirrorRemote, tags: TagEntry[]): Promise<Record<string, string>> {
  const record = Object.fromEntries(tags.map(({ key, value }) => [key, value]));
  const parent = record[RUN_TAGS.parent];
  const parentId = parent === undefined ? null : fromHexId(parent);
  const external = parentId === null ? null : await ensureRun(remote, parentId);
  return external === null ? record : { ...record, [RUN_TAGS.parent]: external };
}

async function inBatches<T>(items: readonly T[], size: number, send: (group: T[]) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < items.length; from += size) await send(items.slice(from, from + size));
}

function read(remote: MirrorRemote, id: string) {
  return remote.transact(async (session) => ({
    run: await session.em.findOne(Run, { id, tenant: session.tenant }),
    ref: await remote.ref<Synced>(session, 'RUN', id),
    params: await pairsOf(session, 'run_param', id),
    tags: await pairsOf(session, 'run_tag', id),
  }));
}
