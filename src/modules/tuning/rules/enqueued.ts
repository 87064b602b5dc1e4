import { badInput } from '../../../errors.js';
import { compileSpace } from './compiled-space.js';
import type { ParameterSpace, ParameterValue, Params, SearchSpace } from './space.js';

/** BAD_USER_INPUT names the first value that a checked space does not allow, or that is missing. */
export function checkParams(space: SearchSpace, params: Params, field: string): void {
  const names = space.parameters.map(({ name }) => name);
  for (const [name, value] of Object.entries(params)) {
    if (!names.includes(name))
      throw badInput(`${field}.${name}`, `a parameter of the space (${names.join(', ')})`, value);
  }
  for (const parameter of space.parameters) {
    const { name, when } = parameter;
    const value = params[name];
    const isActive = !when || when.oneOf.some((one) => one === params[when.parameter]);
    if (!isActive && value !== undefined)
      throw badInput(`${field}.${name}`, `nothing, as ${when.parameter} is not one of ${when.oneOf.join(', ')}`, value);
    if (isActive && (value === undefined || !allows(parameter, value)))
      throw badInput(`${field}.${name}`, valuesOf(parameter), value ?? null);
  }
  if (!compileSpace(space).isFeasible(params))
    throw badInput(field, `parameters that fulfil the constraints (${space.constraints.join('; ')})`, params);
}

function allows(parameter: ParameterSpace, value: ParameterValue): boolean {
  if (parameter.kind === 'CATEGORICAL') return parameter.choices.includes(value);
  if (typeof value !== 'number' || value < parameter.low || value > parameter.high) return false;
  if (parameter.step !== undefined) {
    const steps = (value - parameter.low) / parameter.step;
    if (Math.abs(steps - Math.round(steps)) > 1e-9 * Math.max(1, Math.abs(steps))) return false;
  }
  return parameter.kind === 'FLOAT' || Number.isInteger(value);
}

function valuesOf(parameter: ParameterSpace): string {
  if (parameter.kind === 'CATEGORICAL') return `one of ${parameter.choices.map(String).join(', ')}`;
  const { kind, low, high, step } = parameter;
  const range = `${kind === 'INTEGER' ? 'an integer' : 'a number'} from ${low} to ${high}`;
  return step === undefined ? range : `${range} in steps of ${step}`;
}
