import { AppError, badInput, conflict, ErrorCode } from '../../../errors.js';
import { StateMachine, type Transitions } from '../../core/index.js';
import type { Gate, GatePolicy } from '../../model-quality/index.js';

export const STAGES = ['DEVELOPMENT', 'STAGING', 'PRODUCTION', 'ARCHIVED'] as const;
export type Stage = (typeof STAGES)[number];

/** The stages to which a promotion or demotion may lead. */
const STEPS: Transitions<Stage> = {
  DEVELOPMENT: ['STAGING', 'ARCHIVED'],
  STAGING: ['PRODUCTION', 'DEVELOPMENT', 'ARCHIVED'],
  PRODUCTION: ['ARCHIVED', 'DEVELOPMENT'],
  ARCHIVED: ['DEVELOPMENT'],
};
const PROMOTIONS = new StateMachine('A version', STEPS);

/** All changes of a stage. Only a rollback (`planRollback`) leads from any stage into PRODUCTION, without gates. */
export const VERSION_STAGE = new StateMachine<Stage>('A version', {
  ...STEPS,
  DEVELOPMENT: [...STEPS.DEVELOPMENT, 'PRODUCTION'],
  ARCHIVED: [...STEPS.ARCHIVED, 'PRODUCTION'],
});

export function canTransition(from: Stage, to: Stage): boolean {
  return PROMOTIONS.can(from, to);
}

/** The transitions from one stage to another, whatever they require; empty when both are the same. */
export function stepsTo(from: Stage, to: Stage): readonly Stage[] {
  if (from === to) return [];
  if (canTransition(from, to)) return [to];
  const next = from === 'DEVELOPMENT' ? 'STAGING' : 'DEVELOPMENT';
  return [next, ...stepsTo(next, to)];
}

export function requireTransition(from: Stage, to: Stage, field = 'input.toStage'): void {
  PROMOTIONS.require(from, to, field);
}

/** The gates that a transition requires; an override of an ADMIN replaces them (`requireOverride`). */
export function requiredGates(
  from: Stage,
  to: Stage,
  { firstProduction, policy }: { firstProduction: boolean; policy: GatePolicy },
): readonly Gate[] {
  requireTransition(from, to);
  switch (to) {
    case 'STAGING':
      return policy.staging.gates;
    case 'PRODUCTION':
      return firstProduction ? policy.production.firstGates : policy.production.gates;
    case 'DEVELOPMENT':
    case 'ARCHIVED':
      return [];
  }
}

export function canDelete(stage: Stage): boolean {
  switch (stage) {
    case 'DEVELOPMENT':
    case 'STAGING':
      return true;
    case 'PRODUCTION':
    case 'ARCHIVED':
      return false;
  }
}

export function requireDeletable(stage: Stage): void {
  if (canDelete(stage)) return;
  throw conflict(`A version in ${stage} cannot be deleted: it belongs to the history of production.`, {
    expected: 'a version in DEVELOPMENT or STAGING',
    got: stage,
  });
}

/** After a version has served, its number must not change, because callers and reports use it. */
export function requireRenumberable(stage: Stage): void {
  if (stage === 'DEVELOPMENT' || stage === 'STAGING') return;
  throw conflict(`The semantic version of a version in ${stage} cannot change, because clients may use it.`, {
    field: 'input.semanticVersion',
    expected: 'a version in DEVELOPMENT or STAGING',
    got: stage,
  });
}

const MIN_REASON_CHARACTERS = 10;

/** Only an ADMIN may pass a gate without evidence, with a reason for the audit log. */
export function requireOverride(
  { isAdmin, reason }: { isAdmin: boolean; reason: string },
  field = 'input.reason',
): void {
  if (!isAdmin) throw new AppError(ErrorCode.FORBIDDEN, 'Only an ADMIN may override a gate.', { expected: 'ADMIN' });
  if (reason.trim().length < MIN_REASON_CHARACTERS) {
    throw badInput(field, `a reason of at least ${MIN_REASON_CHARACTERS} characters`, reason);
  }
}

export interface StagedVersion {
  id: string;
  stage: Stage;
}

export interface StageChange {
  versionId: string;
  from: Stage;
  to: Stage;
}

/**
 * The changes that move a version to a stage, in the order in which they must be written: the old production version
 * leaves first.
 */
export function planTransition(versions: readonly StagedVersion[], versionId: string, to: Stage): StageChange[] {
  const version = findVersion(versions, versionId);
  requireTransition(version.stage, to);
  const change = { versionId, from: version.stage, to };
  const replaced = to === 'PRODUCTION' ? productionVersion(versions) : undefined;
  return replaced ? [{ versionId: replaced.id, from: 'PRODUCTION', to: 'ARCHIVED' }, change] : [change];
}

/**
 * The previous production version returns, on its earlier gate results, and the current one goes to DEVELOPMENT. A
 * second rollback undoes the first one.
 */
export function planRollback(versions: readonly StagedVersion[], previousProductionId: string): StageChange[] {
  const restored = findVersion(versions, previousProductionId);
  const present = productionVersion(versions);
  if (present === undefined) throw conflict('The model has no version in PRODUCTION to roll back from.');
  if (present.id === restored.id)
    throw conflict('That version is in PRODUCTION already.', { got: previousProductionId });
  return [
    { versionId: present.id, from: 'PRODUCTION', to: 'DEVELOPMENT' },
    { versionId: restored.id, from: restored.stage, to: 'PRODUCTION' },
  ];
}

function productionVersion(versions: readonly StagedVersion[]): StagedVersion | undefined {
  return versions.find((version) => version.stage === 'PRODUCTION');
}

function findVersion(versions: readonly StagedVersion[], id: string): StagedVersion {
  const version = versions.find((candidate) => candidate.id === id);
  if (version === undefined) throw new Error(`Version ${id} is not among the model's versions.`);
  return version;
}
