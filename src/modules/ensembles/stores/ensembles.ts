import { Ensemble } from '../../../db/entities/ensembles/ensemble.entity.js';
import { EnsembleMember } from '../../../db/entities/ensembles/ensemble-member.entity.js';
import type { Session } from '../../../db/database.js';
import {
  combinationSchema,
  ensembleReportSchema,
  holdoutSchema,
  type StoredCombination,
  type StoredHoldout,
} from '../rules/report.js';

export type EnsembleWithMembers = Ensemble & { members: EnsembleMember[] };

/** The ensembles that these versions are; null for a version that combines no others. */
export async function ensemblesOfVersions(
  session: Session,
  versionIds: readonly string[],
): Promise<(EnsembleWithMembers | null)[]> {
  const where = { tenant: session.tenant, modelVersionId: { $in: [...versionIds] } };
  const found = await session.em.find(Ensemble, where);
  if (found.length === 0) return versionIds.map(() => null);
  const members = await session.em.find(EnsembleMember, where, { orderBy: { position: 'ASC' } });
  const membersOf = Map.groupBy(members, ({ modelVersionId }) => modelVersionId);
  const byVersion = new Map(
    found.map((one) => [
      one.modelVersionId,
      Object.assign(one, {
        report: ensembleReportSchema.parse(one.report),
        members: membersOf.get(one.modelVersionId) ?? [],
      }),
    ]),
  );
  return versionIds.map((id) => byVersion.get(id) ?? null);
}

/** Whether it has learnt from the rows on which it was measured: a stacked one learns from those of its members. */
export function learntFromHoldout({ method, report }: Pick<Ensemble, 'method' | 'report'>): boolean {
  return method !== 'STACKING' && report.learntRows > 0;
}

/** The rows on which an ensemble can be judged. */
export interface EnsembleHoldout extends StoredHoldout {
  /** True: it has learnt from one half of the holdout. */
  learntFromHalf: boolean;
}

/** The holdout from which no member of the ensemble has learnt; null for any other version. */
export async function ensembleHoldoutOf(session: Session, versionId: string): Promise<EnsembleHoldout | null> {
  const found = await session.em.findOne(Ensemble, { tenant: session.tenant, modelVersionId: versionId });
  const holdout = holdoutSchema.nullable().safeParse(found?.holdout ?? null);
  if (!found || !holdout.success || !holdout.data) return null;
  return { ...holdout.data, learntFromHalf: learntFromHoldout(found) };
}

/** What asking the members of an ensemble one by one needs. */
export interface CombinedMembers {
  /** Null for an ensemble of a release that did not store it. */
  combination: StoredCombination | null;
  /** In their order; the id of one that was deleted is null. */
  members: { versionId: string | null; name: string }[];
}

/** Null for a version that combines no others. */
export async function combinedMembersOf(
  { em, tenant }: Pick<Session, 'em' | 'tenant'>,
  modelVersionId: string,
): Promise<CombinedMembers | null> {
  const where = { tenant, modelVersionId };
  const found = await em.findOne(Ensemble, where);
  if (!found) return null;
  const members = await em.find(EnsembleMember, where, { orderBy: { position: 'ASC' } });
  return {
    combination: combinationSchema.nullable().parse(found.combination ?? null),
    members: members.map(({ memberVersionId, name }) => ({ versionId: memberVersionId ?? null, name })),
  };
}

/** The ids of the version and of all versions that it combines, also through other ensembles. */
export async function withMembers(session: Session, versionId: string): Promise<string[]> {
  const found = new Set([versionId]);
  for (let ids = [versionId]; ids.length > 0;) {
    const members = await session.em.find(EnsembleMember, { tenant: session.tenant, modelVersionId: { $in: ids } });
    ids = members.flatMap(({ memberVersionId: id }) => (id != null && !found.has(id) ? [id] : []));
    for (const id of ids) found.add(id);
  }
  return [...found];
}
