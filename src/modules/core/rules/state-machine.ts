import { AppError, ErrorCode } from '../../../errors.js';

/** For each state, the states that may follow it directly. */
export type Transitions<State extends string> = Readonly<Record<State, readonly State[]>>;

/** The states of an object. Stores check it before they write the column; it does not use the database. */
export class StateMachine<State extends string> {
  readonly states: readonly State[];

  constructor(
    /** The object with the state, as errors name it: `A deployment`. */
    readonly subject: string,
    private readonly transitions: Transitions<State>,
  ) {
    this.states = Object.keys(transitions) as State[];
  }

  /** The states that may follow this one; empty for a final state. */
  after(from: State): readonly State[] {
    return this.transitions[from];
  }

  /** The states that this one may directly follow. */
  before(to: State): readonly State[] {
    return this.states.filter((from) => this.can(from, to));
  }

  can(from: State, to: State): boolean {
    return this.transitions[from].includes(to);
  }

  isFinal(state: State): boolean {
    return this.transitions[state].length === 0;
  }

  /** CONFLICT with the current state, the requested one and what is allowed. */
  require(from: State, to: State, field?: string): void {
    if (!this.can(from, to)) throw this.refusal(from, to, field);
  }

  refusal(from: State, to: State, field?: string): TransitionRefused {
    return new TransitionRefused(this.subject, from, to, this.after(from), field);
  }
}

/** A change of state that the rules do not allow, or that came after another change. */
export class TransitionRefused extends AppError {
  constructor(
    subject: string,
    readonly from: string,
    readonly to: string,
    readonly allowed: readonly string[],
    field?: string,
  ) {
    const expected = allowed.length > 0 ? allowed.join(' or ') : 'no other state';
    super(
      ErrorCode.CONFLICT,
      `${subject} in ${from} cannot go to ${to}: ` +
        (allowed.length > 0 ? `it can go to ${expected}.` : `${from} is its last state.`),
      { ...(field !== undefined && { field }), expected, got: to, from, to, allowed },
    );
  }
}
