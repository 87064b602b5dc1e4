/** A node as a rule sees it: the values of its inputs, and attributes with the meaning that the runtime gives them. */
import type { GraphAttribute, GraphNode } from './graph.js';
import { fail, fixed, isRows, numbersOf, rankOf, rows, type Size, type Value, wrapAxis } from './value.js';

export class Operator {
  constructor(
    private readonly node: GraphNode,
    /** Undefined for an optional input that is absent. */
    readonly inputs: readonly (Value | undefined)[],
    /** The operator set version that the file imports for the node's domain. */
    readonly opset: number,
  ) {}

  /** Number of outputs that the node names. */
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

  /** Was an attribute in earlier operator sets and is an input now. */
  intsOrInput(name: string, index: number): number[] | undefined {
    return this.ints(name) ?? numbersOf(this.inputs[index], name);
  }

  /** The axis along which the operator works, from 0. */
  axisOf(value: Value, fallback: number): number {
    return wrapAxis(this.int('axis', fallback), rankOf(value));
  }
}

/** What an operator makes from its inputs: one value for all of its outputs, or one for each. Throws RowsDepend. */
export type Rule = (operator: Operator) => Value | Value[];

/** The value with other lengths; its rows stay at their axis. */
export function reshaped(value: Value, dims: Size[] | null): Value {
  if (!isRows(value)) return fixed(dims);
  return dims === null ? fail('gives a value of unknown rank') : rows(dims, value.axis);
}

/** The same lengths, but unknown along one axis, which must not be the axis of the rows. */
export function along(value: Value, axis: number, size: Size, verb: string): Value {
  if (isRows(value) && axis === value.axis) fail(`${verb} the rows`);
  return reshaped(value, value.dims && value.dims.with(axis, size));
}
