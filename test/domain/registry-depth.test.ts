import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkAlias } from '../../src/modules/registry/rules/alias.js';
import {
  type ApprovalRecord,
  countApprovals,
  isApproved,
  nextApprovalStage,
  requireApprover,
} from '../../src/modules/registry/rules/approvals.js';
import {
  DEFAULT_GATE_POLICY,
  GATES,
  gatePolicyOf,
  gatePolicySchema,
  parseGatePolicy,
} from '../../src/modules/model-quality/rules/gate-policy.js';
import { checkSemanticVersion, nextSemanticVersion } from '../../src/modules/registry/rules/semver.js';
import { canTransition, requiredGates, STAGES } from '../../src/modules/registry/rules/stages.js';
import { checkSetSize, setSizeOf } from '../../src/modules/core/rules/tags.js';
import { AppError, ErrorCode } from '../../src/errors.js';

function codeOf(action: () => unknown): ErrorCode | null {
  try {
    action();
    return null;
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
}

describe('aliases', () => {
  it('follow MLflow’s own rules exactly, in ASCII', () => {
    const anyText = fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.stringMatching(/^[A-Za-z0-9_-]{0,260}$/),
      fc.stringMatching(/^[vV]\d*x?$/),
    );
    fc.assert(
      fc.property(anyText, (alias) => {
        const allowed = /^[A-Za-z0-9_-]+$/.test(alias) && !alias.includes('\n') && alias.length <= 255;
        const isReserved = alias.toLowerCase() === 'latest' || /^[vV][0-9]+$/.test(alias);
        expect(codeOf(() => checkAlias('alias', alias))).toBe(allowed && !isReserved ? null : ErrorCode.BAD_USER_INPUT);
      }),
    );
  });
});

describe('gate policies', () => {
  const policy = fc.record(
    {
      authorMayApprove: fc.boolean(),
      staging: fc.record(
        { gates: fc.subarray(['EVALUATION', 'VALIDATION'] as const), approvals: fc.nat(20) },
        { requiredKeys: [] },
      ),
      production: fc.record(
        {
          gates: fc.subarray([...GATES]),
          firstGates: fc.subarray(['EVALUATION', 'VALIDATION'] as const),
          approvals: fc.nat(20),
        },
        { requiredKeys: [] },
      ),
      evaluation: fc.record(
        { minImprovement: fc.double({ min: 0, max: 10, noNaN: true }), minRows: fc.integer({ min: 1, max: 1e6 }) },
        { requiredKeys: [] },
      ),
      shadow: fc.record(
        { minRequests: fc.integer({ min: 1, max: 1e6 }), requireEvaluation: fc.boolean() },
        { requiredKeys: [] },
      ),
    },
    { requiredKeys: [] },
  );

  it('keep what was set, fill in the rest, and survive their own storage', () => {
    fc.assert(
      fc.property(policy, (entries) => {
        const stored = JSON.parse(JSON.stringify(parseGatePolicy('policy', entries as object))) as Record<
          string,
          unknown
        >;
        const effective = gatePolicyOf({ gatePolicy: stored });
        expect(effective).toMatchObject(entries);
        expect(gatePolicySchema.parse(effective)).toEqual(effective);
      }),
    );
    expect(gatePolicyOf({})).toEqual(DEFAULT_GATE_POLICY);
  });

  it('accept null for values that keep their default', () => {
    const stored = parseGatePolicy('policy', { validation: { metrics: null }, shadow: null } as object);
    expect(gatePolicyOf({ gatePolicy: stored })).toEqual(DEFAULT_GATE_POLICY);
  });

  it('name the gates of each step, and none for a step back', () => {
    fc.assert(
      fc.property(
        policy,
        fc.constantFrom(...STAGES),
        fc.constantFrom(...STAGES),
        fc.boolean(),
        (entries, from, to, firstProduction) => {
          const effective = gatePolicyOf({ gatePolicy: parseGatePolicy('policy', entries as object) });
          if (!canTransition(from, to)) {
            expect(codeOf(() => requiredGates(from, to, { firstProduction, policy: effective }))).toBe(
              ErrorCode.CONFLICT,
            );
            return;
          }
          const gates = requiredGates(from, to, { firstProduction, policy: effective });
          if (to === 'STAGING') expect(gates).toEqual(effective.staging.gates);
          else if (to === 'PRODUCTION')
            expect(gates).toEqual(firstProduction ? effective.production.firstGates : effective.production.gates);
          else expect(gates).toEqual([]);
          // There is no other version to run beside.
          if (firstProduction || to === 'STAGING') expect(gates).not.toContain('SHADOW');
        },
      ),
    );
  });
});

describe('approvals', () => {
  const people = ['ann', 'ben', 'cem', 'dee'] as const;
  const anyDecision = fc.record({
    createdBy: fc.constantFrom(...people),
    decision: fc.constantFrom('APPROVED' as const, 'REJECTED' as const),
    toStage: fc.constantFrom('STAGING' as const, 'PRODUCTION' as const),
  });
  const decisions = fc
    .array(anyDecision, { maxLength: 30 })
    .map((list): ApprovalRecord[] => list.map((one, i) => ({ ...one, createdAt: new Date(i * 10) })));
  const policyFor = (approvals: number, authorMayApprove: boolean) =>
    gatePolicySchema.parse({ staging: { approvals }, authorMayApprove });

  it('count the newest decision of each person, in whatever order they come', () => {
    fc.assert(
      fc.property(
        decisions,
        fc.nat(5),
        fc.boolean(),
        fc.option(fc.nat(300)),
        (given, needed, authorMayApprove, arrived) => {
          const options = {
            toStage: 'STAGING' as const,
            arrivedAt: arrived === null ? null : new Date(arrived),
            author: 'ann',
            policy: policyFor(needed, authorMayApprove),
          };
          const state = countApprovals(given, options);
          expect(countApprovals([...given].reverse(), options)).toEqual(state);
          for (const person of people) {
            const newest = given.findLast(
              ({ createdBy, toStage, createdAt }) =>
                createdBy === person && toStage === 'STAGING' && (arrived === null || createdAt.getTime() > arrived),
            );
            const counts = newest?.decision === 'APPROVED' && (person !== 'ann' || authorMayApprove);
            expect(state.approvedBy.includes(person)).toBe(counts);
            expect(state.rejectedBy.includes(person)).toBe(newest?.decision === 'REJECTED');
          }
          expect(state.missing).toBe(Math.max(0, needed - state.approvedBy.length));
          expect(isApproved(state)).toBe(state.missing === 0 && state.rejectedBy.length === 0);
        },
      ),
    );
  });

  it('never turn approved into missing by one more approval, nor rejected into approved by one more rejection', () => {
    fc.assert(
      fc.property(decisions, fc.constantFrom(...people), fc.nat(4), (given, createdBy, needed) => {
        const options = {
          toStage: 'STAGING' as const,
          arrivedAt: null,
          author: 'ann',
          policy: policyFor(needed, false),
        };
        const more = (decision: ApprovalRecord['decision']) => [
          ...given,
          { createdBy, decision, toStage: 'STAGING' as const, createdAt: new Date(1e6) },
        ];
        const was = isApproved(countApprovals(given, options));
        if (was) expect(isApproved(countApprovals(more('APPROVED'), options))).toBe(true);
        expect(isApproved(countApprovals(more('REJECTED'), options))).toBe(false);
      }),
    );
  });

  it('are for the next stage, and not by the author unless the policy allows it', () => {
    expect(STAGES.map(nextApprovalStage)).toEqual(['STAGING', 'PRODUCTION', null, null]);
    expect(codeOf(() => requireApprover('ann', { author: 'ann', policy: policyFor(1, false) }))).toBe(
      ErrorCode.FORBIDDEN,
    );
    expect(codeOf(() => requireApprover('ann', { author: 'ann', policy: policyFor(1, true) }))).toBeNull();
    expect(codeOf(() => requireApprover('ben', { author: 'ann', policy: policyFor(1, false) }))).toBeNull();
  });
});

describe('tags', () => {
  it('are at most a thousand, and a mebibyte together', () => {
    const sizeOf = (count: number, length: number) =>
      setSizeOf(Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, 'ä'.repeat(length)])));
    const code = (count: number, length: number) => codeOf(() => checkSetSize('tags', sizeOf(count, length)));
    expect([code(1_000, 0), code(1_001, 0)]).toEqual([null, ErrorCode.BAD_USER_INPUT]);
    expect([code(10, 52_000), code(11, 52_000)]).toEqual([null, ErrorCode.BAD_USER_INPUT]);
  });
});

describe('semantic versions by hand', () => {
  it('end when nothing can follow them', () => {
    expect(nextSemanticVersion('999999999.0.0', 'TRAINING')).toBe('999999999.1.0');
    expect(codeOf(() => nextSemanticVersion('999999999.0.0', 'SIGNATURE'))).toBe(ErrorCode.CONFLICT);
  });

  it('are those from which the service can continue', () => {
    const part = fc.nat(999_999_998);
    fc.assert(
      fc.property(part, part, part, (a, b, c) => {
        const text = checkSemanticVersion('v', `${a}.${b}.${c}`);
        for (const change of ['SIGNATURE', 'TRAINING', 'EXPORT'] as const)
          checkSemanticVersion('v', nextSemanticVersion(text, change));
      }),
    );
    fc.assert(
      fc.property(fc.string(), (text) => {
        if (!/^\d+\.\d+\.\d+$/.test(text))
          expect(codeOf(() => checkSemanticVersion('v', text))).toBe(ErrorCode.BAD_USER_INPUT);
      }),
    );
  });
});
