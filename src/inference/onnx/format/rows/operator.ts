/** A node as a rule sees it: its inputs' values, and attributes that are read as the runtime reads them. */
import type { GraphAttribute, GraphNode } from './graph.js';
import { fail, fixed, isRows, numbersOf, rankOf, rows, type Size, type Value, wrapAxis } from './value.js';

export class Operator {
  constructor(
    private readonly node: GraphNode,
    /** Undefined for an optional input that is left out. */
    readonly inputs: readonly (Value | undefined)[],
    /** Version of the operator set that the file imports for the node's domain. */
    readonly opset: number,
  ) {}

  /** How many outputs the node names. */
  get outputCount(): number {
    return this.node.outputs.length;
  }

  get present(): Value[] {
    return this.inputs.filter((value) => value !== undefined);
  }

  input(index: number): Value {
    return this.inputs[index] ?? fail(`lacks its input ${index}`);
  }

  attribute(name: string): GraphAttribute | undefined {
    return this.node.attributes.get(name);
  }

  int(name: string, fallback: number): number {
    return this.attribute(name)?.int ?? fallback;
  }

  text(name: string, fallback: string): string {
    return this.attribute(name)?.text ?? fallback;
  }

  ints(name: string): number[] | undefined {
    const attribute = this.attribute(name);
    if (!attribute) return undefined;
    return attribute.ints ?? fail(`has ${name} that cannot be read`);
  }

  /** An attribute in earlier operator sets, an input since. */
  intsOrInput(name: string, index: number): number[] | undefined {
    return this.ints(name) ?? numbersOf(this.inputs[index], name);
  }

  /** The one axis that the operator works along, from 0. */
  axisOf(value: Value, fallback: number): number {
    return wrapAxis(this.int('axis', fallback), rankOf(value));
  }
}

/** What an operator makes of its inputs: one value for all of its outputs, or one for each. Throws RowsMeet. */
export type Rule = (operator: Operator) => Value | Value[];

/** The value with other lengths, its rows where they were. */
export function reshaped(value: Value, dims: Size[] | null): Value {
  if (!isRows(value)) return fixed(dims);
  return dims === null ? fail('gives a value of unknown rank') : rows(dims, value.axis);
}

/** The same lengths, but unknown along one axis, which must not be that of the rows. */
export function along(value: Value, axis: number, size: Size, verb: string): Value {
  if (isRows(value) && axis === value.axis) fail(`${verb} the rows`);
  return reshaped(value, value.dims && value.dims.with(axis, size));
}
