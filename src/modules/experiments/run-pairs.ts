import { Run } from '../../db/entities/experiments/run.entity.js';
import type { Session } from '../../db/database.js';
import { checkName, checkSetSize, checkTags, fromHexId, setSizeOf } from '../core/index.js';
import { RUN_TAGS } from './rules/run-tags.js';
import { conflict, notFound } from '../../errors.js';
import { takeTenantLock } from '../platform/index.js';
import type { TagEntry } from './experiment.service.js';
import { addPairs, changedParams, deleteTagRow, type PairTable } from './stores/pairs.js';
import { isActive, lineOf } from './stores/runs.js';

/** The error when a write found no run that it may change: NOT_FOUND, or CONFLICT for a deleted run. */
export async function refuseWrite(session: Session, runId: string): Promise<never> {
  const run = await session.em.findOne(Run, { id: runId, tenant: session.tenant }, { fields: ['state'] });
  if (!run) throw notFound('run', runId);
  throw conflict(`Run ${runId} is deleted; restore it to write to it.`, { expected: 'an active run', got: run.state });
}

/** The maximum number of parameters of a run, and of their bytes together; the same for tags. */
const MAX_PAIRS = [10_000, 16 * 1024 ** 2] as const;

/** For writes whose statement does not check that the run is active. */
export async function requireWritable(session: Session, runId: string): Promise<void> {
  if (!(await isActive(session, runId))) await refuseWrite(session, runId);
}

/** A parameter describes how a run was made: the same value can be logged again, another value is refused. */
export async function addParams(session: Session, runId: string, params: TagEntry[]): Promise<Record<string, string>> {
  const record = checkTags('input.params', params);
  await insertPairs(session, 'run_param', runId, record);
  const changes = await changedParams(session, runId, record);
  const [first] = changes;
  if (first) {
    throw conflict(`Parameter "${first.key}" of this run is already "${first.oldValue}"; parameters do not change.`, {
      field: 'input.params',
      expected: first.oldValue,
      got: first.newValue,
      changes,
    });
  }
  return record;
}

/** Adds or changes tags. Two of them are also columns of the run, which are changed too. */
export async function putTags(session: Session, runId: string, tags: TagEntry[]): Promise<Record<string, string>> {
  const record = checkTags('input.tags', tags);
  await insertPairs(session, 'run_tag', runId, record);
  const name = record[RUN_TAGS.name];
  if (name !== undefined) await setColumn(session, runId, { name: checkName(`input.tags[${RUN_TAGS.name}]`, name) });
  const parent = record[RUN_TAGS.parent];
  if (parent !== undefined)
    await setColumn(session, runId, { parentRunId: await possibleParent(session, runId, parent) });
  return record;
}

/** NOT_FOUND when the run does not have this tag. */
export async function deleteTag(session: Session, runId: string, key: string): Promise<string> {
  await requireWritable(session, runId);
  const value = await deleteTagRow(session, runId, key);
  if (value === null) throw notFound('tag', key);
  // The column keeps the name, because a run must have one.
  if (key === RUN_TAGS.parent) await setColumn(session, runId, { parentRunId: null });
  return value;
}

/** Through the entity, because the session may have loaded it already. */
async function setColumn(
  session: Session,
  runId: string,
  change: { name: string } | { parentRunId: string | null },
): Promise<void> {
  const run = await session.em.findOneOrFail(Run, { id: runId, tenant: session.tenant });
  Object.assign(run, change);
  await session.em.flush();
}

/** The run that the tag names; null when the tenant has no such run, or when it would make a cycle. */
async function possibleParent(session: Session, runId: string, tag: string): Promise<string | null> {
  const id = fromHexId(tag);
  if (id === null) return null;
  // One transaction at a time: otherwise two runs could become each other's parents without either transaction
  // noticing.
  await takeTenantLock(session, 'parents');
  const ancestors = await lineOf(session, id);
  return ancestors.length > 0 && !ancestors.includes(runId) ? id : null;
}

async function insertPairs(
  session: Session,
  table: PairTable,
  runId: string,
  record: Record<string, string>,
): Promise<void> {
  const others = await addPairs(session, table, runId, record);
  if (others === null) return refuseWrite(session, runId);
  const own = setSizeOf(record);
  const size = { count: others.count + own.count, sizeBytes: others.sizeBytes + own.sizeBytes };
  checkSetSize(table === 'run_param' ? 'input.params' : 'input.tags', size, MAX_PAIRS);
}
