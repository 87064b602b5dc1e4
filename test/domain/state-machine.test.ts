import fc from 'fast-check';
import { expect, it } from 'vitest';
import { StateMachine, TransitionRefused } from '../../src/modules/core/index.js';
import { ALERT_STATUS } from '../../src/modules/alerts/rules/alert-status.js';
import { EXPERIMENT_STATE } from '../../src/modules/experiments/rules/experiment-state.js';
import {
  canTransition,
  planRollback,
  planTransition,
  STAGES,
  VERSION_STAGE,
} from '../../src/modules/registry/rules/stages.js';
import { VERSION_STATUS } from '../../src/modules/registry/rules/version-status.js';
import { DEPLOYMENT_STATUS } from '../../src/modules/serving/rules/deployment-status.js';
import { ErrorCode } from '../../src/errors.js';

const STATES = ['A', 'B', 'C', 'D'] as const;
type State = (typeof STATES)[number];

const machines = fc
  .record(
    Object.fromEntries(STATES.map((state) => [state, fc.subarray([...STATES])])) as Record<
      State,
      fc.Arbitrary<State[]>
    >,
  )
  .map((transitions) => new StateMachine('A thing', transitions));

it('allows what its table says, and names what is allowed when it refuses', () => {
  fc.assert(
    fc.property(machines, fc.constantFrom(...STATES), fc.constantFrom(...STATES), (machine, from, to) => {
      expect(machine.can(from, to)).toBe(machine.after(from).includes(to));
      expect(machine.before(to).includes(from)).toBe(machine.can(from, to));
      expect(machine.isFinal(from)).toBe(STATES.every((state) => !machine.can(from, state)));
      if (machine.can(from, to)) return machine.require(from, to);
      try {
        machine.require(from, to);
        expect.unreachable();
      } catch (error) {
        expect(error).toBeInstanceOf(TransitionRefused);
        expect(error).toMatchObject({ code: ErrorCode.CONFLICT, from, to, allowed: machine.after(from) });
      }
    }),
  );
});

it('says in a sentence from which state to which, and what is allowed', () => {
  const machine = new StateMachine<'PENDING' | 'READY' | 'FAILED'>('A deployment', {
    PENDING: ['READY', 'FAILED'],
    READY: ['FAILED'],
    FAILED: [],
  });
  expect(() => machine.require('READY', 'PENDING')).toThrow(
    'A deployment in READY cannot go to PENDING: it can go to FAILED.',
  );
  expect(() => machine.require('FAILED', 'READY')).toThrow(
    'A deployment in FAILED cannot go to READY: FAILED is its last state.',
  );
});

it('lets every state of a deployment, a version, an alert and an experiment be reached from the first', () => {
  const reached = <Of extends string>(machine: StateMachine<Of>, first: Of): Of[] => {
    const found = new Set([first]);
    for (const state of found) machine.after(state).forEach((next) => found.add(next));
    return [...found].sort();
  };
  expect(reached(DEPLOYMENT_STATUS, 'PENDING')).toEqual(['FAILED', 'PENDING', 'READY', 'STOPPED']);
  expect(reached(VERSION_STATUS, 'PENDING')).toEqual(['FAILED', 'PENDING', 'READY']);
  expect(reached(VERSION_STAGE, 'DEVELOPMENT')).toEqual(['ARCHIVED', 'DEVELOPMENT', 'PRODUCTION', 'STAGING']);
  expect(reached(EXPERIMENT_STATE, 'IMPORTING')).toEqual(['ACTIVE', 'DELETED', 'IMPORTING']);
  expect(reached(ALERT_STATUS, 'OPEN')).toEqual(['OPEN', 'RESOLVED']);
  expect(DEPLOYMENT_STATUS.states.filter((state) => DEPLOYMENT_STATUS.isFinal(state))).toEqual(['FAILED', 'STOPPED']);
});

it('lets a version make every change that a promotion, a demotion or a rollback plans', () => {
  const stage = fc.constantFrom(...STAGES);
  const others = fc.array(fc.constantFrom(...STAGES.filter((one) => one !== 'PRODUCTION')), { maxLength: 5 });
  fc.assert(
    fc.property(stage, stage, others, (from, to, rest) => {
      const versions = [from, 'PRODUCTION' as const, ...rest].map((one, n) => ({ id: String(n), stage: one }));
      const plans = [
        ...(from !== 'PRODUCTION' ? [planRollback(versions, '0')] : []),
        ...(canTransition(from, to) ? [planTransition(versions, '0', to)] : []),
      ];
      for (const change of plans.flat()) expect(VERSION_STAGE.can(change.from, change.to)).toBe(true);
    }),
  );
});
