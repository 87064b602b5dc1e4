import type { FailurePolicy } from '../../inference/fanout/port.js';
import type { RuntimeName } from '../../inference/port.js';
import { badInput, conflict } from '../../errors.js';
import type { InputRange } from '../core/index.js';
import type { CombinedMembers } from '../ensembles/index.js';

export const MEMBER_DEADLINE_MS = { min: 1, max: 600_000, unit: 'milliseconds' } satisfies InputRange;
export const MINIMUM_MEMBERS = { min: 1, max: 32, unit: 'members' } satisfies InputRange;
export const MEMBER_RUNTIMES = { min: 2, max: 32, unit: 'runtimes' } satisfies InputRange;

/** How the members of an ensemble are asked, as given. */
export interface GivenFanOut {
  /** FAIL when absent. */
  onMemberFailure?: FailurePolicy | null;
  minimumMembers?: number | null;
  memberDeadlineMs?: number | null;
  /** Of each member, in the order of the ensemble; ONNX when absent. */
  memberRuntimes?: RuntimeName[] | null;
}

/** How the members of an ensemble are asked. */
export interface StoredFanOut {
  onMemberFailure: FailurePolicy;
  /** Members that must answer. */
  neededMembers: number;
  /** Null: that of the request. */
  memberDeadlineMs: number | null;
  members: { versionId: string; name: string; runtime: RuntimeName }[];
}

const FIELD = 'input.fanOut';

/** How another ensemble is asked like the one of this deployment. */
export function sameFanOut(stored: StoredFanOut): GivenFanOut {
  const { onMemberFailure, neededMembers, memberDeadlineMs, members } = stored;
  return {
    onMemberFailure,
    minimumMembers: onMemberFailure === 'MINIMUM_MEMBERS' ? neededMembers : null,
    memberDeadlineMs,
    memberRuntimes: members.map(({ runtime }) => runtime),
  };
}

/** Errors: CONFLICT for an ensemble that cannot be asked member by member, BAD_USER_INPUT for what does not fit it. */
export function readFanOut(given: GivenFanOut, ensemble: CombinedMembers | null): StoredFanOut {
  const { combination, members } = requireMembers(ensemble);
  const policy = given.onMemberFailure ?? 'FAIL';
  if (combination.kind === 'LINEAR' && policy !== 'FAIL')
    throw badInput(
      `${FIELD}.onMemberFailure`,
      'FAIL for an ensemble with a meta-learner, which has no weights that could be shared among the others',
      policy,
    );
  const runtimes = given.memberRuntimes ?? members.map(() => 'ONNX' as const);
  if (runtimes.length !== members.length)
    throw badInput(`${FIELD}.memberRuntimes`, `a runtime for each of the ${members.length} members`, runtimes.length);
  const nested = runtimes.indexOf('FAN_OUT');
  if (nested >= 0)
    throw badInput(`${FIELD}.memberRuntimes[${nested}]`, 'a runtime that runs one model by itself', 'FAN_OUT');
  return {
    onMemberFailure: policy,
    neededMembers: neededOf(policy, given.minimumMembers ?? null, members.length),
    memberDeadlineMs: given.memberDeadlineMs ?? null,
    members: members.map((member, i) => ({ ...member, runtime: runtimes[i]! })),
  };
}

function requireMembers(ensemble: CombinedMembers | null) {
  if (!ensemble)
    throw conflict('Only an ensemble can be asked member by member: deploy this version to another runtime.', {
      field: 'input.runtime',
      expected: 'a version that createEnsemble has made',
      got: 'a version without members',
    });
  const { combination } = ensemble;
  if (!combination)
    throw conflict('This ensemble was made before its members could be asked one by one: make it again.', {
      field: 'input.modelVersionId',
      expected: 'an ensemble of this release',
      got: 'one of an earlier release',
    });
  const members = ensemble.members.map(({ versionId, name }) => {
    if (versionId !== null) return { versionId, name };
    throw conflict(`The member ${name} was deleted: deploy the ensemble to ONNX, where it holds its copy.`, {
      field: 'input.runtime',
      expected: 'an ensemble whose members are there',
      got: `no ${name}`,
    });
  });
  return { combination, members };
}

function neededOf(policy: FailurePolicy, minimum: number | null, members: number): number {
  const field = `${FIELD}.minimumMembers`;
  if (policy !== 'MINIMUM_MEMBERS') {
    if (minimum !== null) throw badInput(field, 'a number only with MINIMUM_MEMBERS', minimum);
    return policy === 'FAIL' ? members : 1;
  }
  if (minimum === null || minimum > members) throw badInput(field, `1 to ${members} members`, minimum);
  return minimum;
}
