import { AppError, ErrorCode, quote } from '../../../errors.js';
import { parseConstraint } from './constraint.js';

/** A value of one hyperparameter. */
export type ParameterValue = number | string | boolean;
/** The parameters of one trial: only those that are active. */
export type Params = Readonly<Record<string, ParameterValue>>;

/** A parameter is active only when another one is active and has one of these values. */
export interface Condition {
  parameter: string;
  oneOf: readonly ParameterValue[];
}

export type ParameterSpace = { name: string; when?: Condition } & (
  | { kind: 'FLOAT'; low: number; high: number; log?: boolean; step?: number }
  | { kind: 'INTEGER'; low: number; high: number; log?: boolean; step?: number }
  | { kind: 'CATEGORICAL'; choices: readonly ParameterValue[] }
);

export interface SearchSpace {
  parameters: readonly ParameterSpace[];
  /** Comparisons between arithmetic expressions over parameters, e.g. `batchSize <= 4 * hidden`. Enforced before a trial starts. */
  constraints: readonly string[];
}

export const MAX_PARAMETERS = 100;
export const MAX_CONSTRAINTS = 50;
export const MAX_CHOICES = 200;
export const MAX_PARAMETER_NAME = 250;

/** One thing that is wrong with a search space. */
export interface SpaceProblem {
  field: string;
  expected: string;
  got: string;
}

/**
 * Everything that is wrong with a space. Errors: none; `checkSpace` makes one error of it.
 */
export function spaceProblems({ parameters, constraints }: SearchSpace, field: string): SpaceProblem[] {
  const problems: SpaceProblem[] = [];
  const report = (at: string, expected: string, got: unknown): void => {
    problems.push({ field: `${field}.${at}`, expected, got: quote(got) });
  };
  if (parameters.length < 1 || parameters.length > MAX_PARAMETERS)
    report('parameters', `1 to ${MAX_PARAMETERS} parameters`, parameters.length);
  if (constraints.length > MAX_CONSTRAINTS)
    report('constraints', `at most ${MAX_CONSTRAINTS} constraints`, constraints.length);
  const byName = new Map<string, ParameterSpace>();
  parameters.forEach((parameter, i) => {
    const { name } = parameter;
    if (name.length < 1 || name.length > MAX_PARAMETER_NAME || name.includes('`'))
      report(`parameters[${i}].name`, `1 to ${MAX_PARAMETER_NAME} characters without "\`"`, name);
    if (byName.has(name)) report(`parameters[${i}].name`, 'a name that no other parameter has', name);
    byName.set(name, parameter);
    checkBounds(parameter, (at, expected, got) => report(`parameters[${i}].${at}`, expected, got));
  });
  parameters.forEach((parameter, i) =>
    checkCondition(parameter, byName, (at, expected, got) => report(`parameters[${i}].when.${at}`, expected, got)),
  );
  // A constraint over wrong parameters would only repeat their problems.
  if (problems.length > 0) return problems;
  constraints.forEach((text, i) => {
    const parsed = parseConstraint(text, byName);
    if ('expected' in parsed) report(`constraints[${i}]`, parsed.expected, parsed.got);
  });
  return problems;
}

/** Throws BAD_USER_INPUT that names every problem of the space; `problems` in its details lists them. */
export function checkSpace(space: SearchSpace, field = 'space'): void {
  const problems = spaceProblems(space, field);
  if (problems.length === 0) return;
  const message = problems.map((problem) => `${problem.field}: expected ${problem.expected}, got ${problem.got}.`);
  throw new AppError(ErrorCode.BAD_USER_INPUT, message.join(' '), { ...problems[0]!, problems });
}

type Report = (at: string, expected: string, got: unknown) => void;

function checkBounds(parameter: ParameterSpace, report: Report): void {
  if (parameter.kind === 'CATEGORICAL') {
    const { choices } = parameter;
    if (choices.length < 1 || choices.length > MAX_CHOICES)
      report('choices', `1 to ${MAX_CHOICES} choices`, choices.length);
    if (new Set(choices).size < choices.length) report('choices', 'choices that differ from each other', choices);
    const infinite = choices.find((choice) => typeof choice === 'number' && !Number.isFinite(choice));
    if (infinite !== undefined) report('choices', 'finite numbers, texts and booleans', infinite);
    return;
  }
  const { kind, low, high, log = false, step } = parameter;
  const isValid = kind === 'INTEGER' ? Number.isSafeInteger : Number.isFinite;
  const what = kind === 'INTEGER' ? 'a whole number below 2^53' : 'a finite number';
  if (!isValid(low)) report('low', what, low);
  if (!isValid(high)) report('high', what, high);
  else if (isValid(low) && high < low) report('high', `a number of at least low, ${low}`, high);
  else if (!Number.isFinite(high - low)) report('high', 'a range whose width is a finite number', high);
  if (log && !(low > 0)) report('low', 'a number above 0, because log is true', low);
  if (step === undefined) return;
  if (!isValid(step) || step <= 0) report('step', `${what}, above 0`, step);
  else if (step > (high - low) * (1 + 1e-9) && high > low) report('step', `at most high − low, ${high - low}`, step);
  else if ((high - low) / step > 2 ** 40) report('step', 'a step of at least a 2^40th of the range', step);
  if (log) report('step', 'no step, because log is true', step);
}

function checkCondition({ name, when }: ParameterSpace, byName: Map<string, ParameterSpace>, report: Report): void {
  if (!when) return;
  const parent = byName.get(when.parameter);
  if (!parent || parent.name === name) return report('parameter', 'the name of another parameter', when.parameter);
  if (parent.kind === 'FLOAT') return report('parameter', 'a parameter with categories or whole numbers', parent.name);
  if (when.oneOf.length === 0) report('oneOf', 'at least one value', when.oneOf);
  for (const value of when.oneOf) {
    if (!canHave(parent, value)) report('oneOf', `values that ${parent.name} can have`, value);
  }
  const seen = new Set([name]);
  for (let at: string | undefined = when.parameter; at !== undefined; at = byName.get(at)?.when?.parameter) {
    if (seen.has(at)) return report('parameter', 'conditions that do not depend on each other in a circle', at);
    seen.add(at);
  }
}

function canHave(parameter: ParameterSpace, value: ParameterValue): boolean {
  if (parameter.kind === 'CATEGORICAL') return parameter.choices.includes(value);
  if (typeof value !== 'number' || value < parameter.low || value > parameter.high) return false;
  return Number.isInteger((value - parameter.low) / (parameter.step ?? 1));
}
