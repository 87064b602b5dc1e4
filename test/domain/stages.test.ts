import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError, ErrorCode } from '../../src/errors.js';
import {
  canDelete,
  canTransition,
  planRollback,
  planTransition,
  requiredGates,
  requireDeletable,
  requireOverride,
  requireTransition,
  stepsTo,
  type Stage,
  type StageChange,
  type StagedVersion,
  STAGES,
} from '../../src/modules/registry/rules/stages.js';
import { DEFAULT_GATE_POLICY } from '../../src/modules/model-quality/rules/gate-policy.js';
import { nextSemanticVersion, signaturesDiffer } from '../../src/modules/registry/rules/semver.js';
import type { Signature } from '../../src/modules/model-contract/rules/tensor.js';

function codeOf(action: () => unknown): ErrorCode | null {
  try {
    action();
    return null;
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
}

/**
 * Applies the changes one statement at a time, as the database would, and counts the versions in production after each.
 */
function apply(versions: StagedVersion[], changes: StageChange[]): void {
  for (const { versionId, from, to } of changes) {
    const version = versions.find(({ id }) => id === versionId)!;
    expect(version.stage).toBe(from);
    version.stage = to;
    expect(versions.filter(({ stage }) => stage === 'PRODUCTION').length).toBeLessThanOrEqual(1);
  }
}

describe('stages', () => {
  const policy = DEFAULT_GATE_POLICY;

  it('allow exactly the designed transitions', () => {
    const allowed = STAGES.flatMap((from) =>
      STAGES.filter((to) => canTransition(from, to)).map((to) => `${from} → ${to}`),
    );
    expect(allowed).toEqual([
      'DEVELOPMENT → STAGING',
      'DEVELOPMENT → ARCHIVED',
      'STAGING → DEVELOPMENT',
      'STAGING → PRODUCTION',
      'STAGING → ARCHIVED',
      'PRODUCTION → DEVELOPMENT',
      'PRODUCTION → ARCHIVED',
      'ARCHIVED → DEVELOPMENT',
    ]);
    expect(codeOf(() => requireTransition('DEVELOPMENT', 'PRODUCTION'))).toBe(ErrorCode.CONFLICT);
  });

  it('are reached from each other in allowed steps', () => {
    for (const from of STAGES) {
      for (const to of STAGES) {
        const passed = [from, ...stepsTo(from, to)];
        expect(passed.at(-1)).toBe(to);
        passed.slice(1).forEach((stage, i) => expect(canTransition(passed[i]!, stage), `${from} → ${to}`).toBe(true));
      }
    }
    expect(stepsTo('ARCHIVED', 'PRODUCTION')).toEqual(['DEVELOPMENT', 'STAGING', 'PRODUCTION']);
  });

  it('require their gates', () => {
    expect(requiredGates('DEVELOPMENT', 'STAGING', { firstProduction: true, policy })).toEqual(['VALIDATION']);
    expect(requiredGates('STAGING', 'PRODUCTION', { firstProduction: true, policy })).toEqual(['EVALUATION']);
    expect(requiredGates('STAGING', 'PRODUCTION', { firstProduction: false, policy })).toEqual(['SHADOW']);
    expect(requiredGates('PRODUCTION', 'DEVELOPMENT', { firstProduction: false, policy })).toEqual([]);
    expect(codeOf(() => requiredGates('ARCHIVED', 'PRODUCTION', { firstProduction: false, policy }))).toBe(
      ErrorCode.CONFLICT,
    );
  });

  it('allow deletion only for versions that never served', () => {
    expect(STAGES.filter(canDelete)).toEqual(['DEVELOPMENT', 'STAGING']);
    expect(codeOf(() => requireDeletable('ARCHIVED'))).toBe(ErrorCode.CONFLICT);
    expect(codeOf(() => requireDeletable('STAGING'))).toBeNull();
  });

  it('are overridden only by ADMIN, with a reason', () => {
    expect(codeOf(() => requireOverride({ isAdmin: false, reason: 'outage in the evaluation job' }))).toBe(
      ErrorCode.FORBIDDEN,
    );
    expect(codeOf(() => requireOverride({ isAdmin: true, reason: '  hurry    ' }))).toBe(ErrorCode.BAD_USER_INPUT);
    expect(codeOf(() => requireOverride({ isAdmin: true, reason: 'outage in the evaluation job' }))).toBeNull();
  });

  it('never hold two versions in production, whatever is asked of them', () => {
    const step = fc.record({ version: fc.nat(3), action: fc.constantFrom<Stage | 'ROLLBACK'>(...STAGES, 'ROLLBACK') });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const versions: StagedVersion[] = ['a', 'b', 'c', 'd'].map((id) => ({ id, stage: 'DEVELOPMENT' }));
        for (const { version, action } of steps) {
          const id = versions[version]!.id;
          let changes: StageChange[] = [];
          const code = codeOf(() => {
            changes = action === 'ROLLBACK' ? planRollback(versions, id) : planTransition(versions, id, action);
          });
          expect([null, ErrorCode.CONFLICT]).toContain(code);
          apply(versions, changes);
          if (code === null) expect(versions[version]!.stage).toBe(action === 'ROLLBACK' ? 'PRODUCTION' : action);
        }
      }),
    );
  });

  it('can be rolled back and forward again', () => {
    const versions: StagedVersion[] = [
      { id: 'v1', stage: 'PRODUCTION' },
      { id: 'v2', stage: 'STAGING' },
    ];
    apply(versions, planTransition(versions, 'v2', 'PRODUCTION'));
    expect(versions.map(({ stage }) => stage)).toEqual(['ARCHIVED', 'PRODUCTION']);
    apply(versions, planRollback(versions, 'v1'));
    expect(versions.map(({ stage }) => stage)).toEqual(['PRODUCTION', 'DEVELOPMENT']);
    apply(versions, planRollback(versions, 'v2'));
    expect(versions.map(({ stage }) => stage)).toEqual(['DEVELOPMENT', 'PRODUCTION']);
    expect(codeOf(() => planRollback(versions, 'v2'))).toBe(ErrorCode.CONFLICT);
    expect(() => planRollback(versions, 'unknown')).toThrow('not among');
  });
});

describe('semantic versions', () => {
  it('count by what changed', () => {
    expect(nextSemanticVersion(null, 'EXPORT')).toBe('1.0.0');
    expect(nextSemanticVersion('1.4.2', 'SIGNATURE')).toBe('2.0.0');
    expect(nextSemanticVersion('1.4.2', 'TRAINING')).toBe('1.5.0');
    expect(nextSemanticVersion('1.4.2', 'EXPORT')).toBe('1.4.3');
    expect(codeOf(() => nextSemanticVersion('1.04.2', 'EXPORT'))).toBe(ErrorCode.BAD_USER_INPUT);
  });

  it('always grow', () => {
    const part = fc.nat(1000);
    fc.assert(
      fc.property(
        part,
        part,
        part,
        fc.constantFrom('SIGNATURE' as const, 'TRAINING' as const, 'EXPORT' as const),
        (a, b, c, change) => {
          const next = nextSemanticVersion(`${a}.${b}.${c}`, change).split('.').map(Number) as [number, number, number];
          const order = (v: number[]): number => v[0]! * 1e8 + v[1]! * 1e4 + v[2]!;
          expect(order(next)).toBeGreaterThan(order([a, b, c]));
        },
      ),
    );
  });

  it('find a change of the signature, but not of its order', () => {
    const age = { name: 'age', datatype: 'FP32' as const, shape: [-1, 1] };
    const city = { name: 'city', datatype: 'BYTES' as const, shape: [-1, 1] };
    const outputs = [{ name: 'p', datatype: 'FP32' as const, shape: [-1, 2] }];
    const signature: Signature = { inputs: [age, city], outputs };
    expect(signaturesDiffer(signature, { inputs: [city, age], outputs })).toBe(false);
    expect(signaturesDiffer(signature, { inputs: [age], outputs })).toBe(true);
    expect(signaturesDiffer(signature, { inputs: [{ ...age, datatype: 'FP64' }, city], outputs })).toBe(true);
    expect(signaturesDiffer(signature, { inputs: [age, city], outputs: [{ ...outputs[0]!, shape: [-1, 3] }] })).toBe(
      true,
    );
  });
});
