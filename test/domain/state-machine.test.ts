import fc from 'fast-check';
import { expect, it } from 'vitest';
import { StateMachine, TransitionRefused } from '../../src/modules/core/index.js';
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
  .map((transitions) => new StateMachine('thing', transitions));

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

it('says in a sentence from what to what, and what is allowed', () => {
  const machine = new StateMachine<'PENDING' | 'READY' | 'FAILED'>('deployment', {
    PENDING: ['READY', 'FAILED'],
    READY: ['FAILED'],
    FAILED: [],
  });
  expect(() => machine.require('READY', 'PENDING')).toThrow(
    'A deployment that is READY cannot become PENDING. It can become FAILED.',
  );
  expect(() => machine.require('FAILED', 'READY')).toThrow(
    'A deployment that is FAILED cannot become READY. FAILED is its last state.',
  );
});
