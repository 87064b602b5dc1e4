import { expectedBy } from '../../core/index.js';
import type { Algorithm } from './algorithm.js';

type Values = Record<string, unknown>;

/** What is wrong with one parameter. */
interface Fault {
  /** Below `hyperparameters`. */
  path: PropertyKey[];
  expected: string;
}

/** The values that a client gave, checked, and the defaults of the others; or what is wrong with them. */
export function hyperparametersOf(algorithm: Algorithm, given: Values): { values: Values; faults: Fault[] } {
  const { name, parameters } = algorithm;
  const values: Values = {};
  const faults: Fault[] = Object.keys(given)
    .filter((key) => given[key] !== undefined && !Object.hasOwn(parameters, key))
    .map((key) => ({
      path: [key],
      expected: `nothing, as ${name} has only these parameters: ${Object.keys(parameters).join(', ')}`,
    }));
  for (const [key, { schema, when, default: byDefault }] of Object.entries(parameters)) {
    const value = given[key];
    const isActive = !when || when.oneOf.some((one) => one === values[when.parameter]);
    if (value === undefined) {
      const filled: unknown = typeof byDefault === 'function' ? byDefault(values) : byDefault;
      if (isActive && filled !== undefined) values[key] = filled;
    } else if (!isActive) {
      faults.push({ path: [key], expected: `nothing unless ${when.parameter} is ${when.oneOf.join(' or ')}` });
    } else {
      const parsed = schema.safeParse(value);
      if (parsed.success) values[key] = parsed.data;
      else
        faults.push(
          ...parsed.error.issues.map((issue) => ({ path: [key, ...issue.path], expected: expectedBy(issue) })),
        );
    }
  }
  return { values, faults };
}
