import { GraphBuilder } from '../../inference/onnx/format/graph-builder.js';

/** Trainings use single precision; in double precision, gradients can be compared with differences of the loss. */
export type Precision = 'float' | 'double';

/** Builds a graph whose real numbers all have one precision. */
export class RealBuilder extends GraphBuilder {
  constructor(
    readonly precision: Precision,
    prefix = '',
  ) {
    super(prefix);
  }

  real(value: number): string {
    return this.precision === 'float' ? this.float(value) : this.constant(Float64Array.of(value), []);
  }

  reals(values: ArrayLike<number>, dims: readonly number[] = [values.length]): string {
    return this.constant(this.precision === 'float' ? Float32Array.from(values) : Float64Array.from(values), dims);
  }

  toReal(value: string): string {
    return this.node('Cast', [value], { to: { int: this.precision === 'float' ? 1 : 11 } });
  }
}
