import type { InferenceSession, Tensor } from 'onnxruntime-node';
import type { EncodedRows } from './encoding.js';
import type { Head } from './graphs/heads.js';
import { embeddedWidth, type NetworkShape } from './graphs/network.js';
import { predictGraph } from './graphs/predict-graph.js';
import type { Predictions } from './learner.js';
import { createSession, floats, integers } from './session.js';

/** Limit of the values in the widest layer of one run. */
const RUN_VALUES = 4_000_000;
const MAX_RUN_ROWS = 65_536;

/** Inputs for rows [start, end): views, not copies. */
export function encodedFeeds(
  shape: NetworkShape,
  rows: EncodedRows,
  start: number,
  end: number,
): Record<string, Tensor> {
  const { numericWidth: width, indicatorSlots: slots, embeddings = [] } = shape;
  const feeds: Record<string, Tensor> = {};
  if (width > 0) feeds.numeric = floats(rows.numeric.subarray(start * width, end * width), end - start, width);
  if (slots > 0) feeds.indicators = integers(rows.indicators.subarray(start * slots, end * slots), end - start, slots);
  const count = embeddings.length;
  if (count > 0) feeds.embedded = integers(rows.embedded.subarray(start * count, end * count), end - start, count);
  return feeds;
}

/** The trainer's own predictions, on encoded rows. */
export class Predictor {
  private constructor(
    private readonly session: InferenceSession,
    private readonly shape: NetworkShape,
    private readonly head: Head,
  ) {}

  static async create(shape: NetworkShape, head: Head): Promise<Predictor> {
    return new Predictor(await createSession(predictGraph(shape, head)), shape, head);
  }

  async predict(weights: Float32Array, rows: EncodedRows): Promise<Predictions> {
    const perRow = this.outputNames().map(() => [] as (Float32Array | BigInt64Array)[]);
    const { shape } = this;
    const widest = Math.max(
      shape.numericWidth + embeddedWidth(shape),
      shape.outputs,
      (shape.hiddenLayers[0] ?? shape.outputs) * (shape.indicatorSlots + 1),
      ...shape.hiddenLayers,
    );
    const runRows = Math.max(1, Math.min(MAX_RUN_ROWS, Math.floor(RUN_VALUES / widest)));
    for (let start = 0; start < rows.rows; start += runRows) {
      const feeds = encodedFeeds(shape, rows, start, Math.min(rows.rows, start + runRows));
      const outputs = await this.session.run({ ...feeds, weights: floats(weights) }, this.outputNames());
      this.outputNames().forEach((name, i) => perRow[i]!.push(outputs[name]!.data as Float32Array | BigInt64Array));
    }
    const [first, second] = perRow;
    switch (this.head.kind) {
      case 'CLASSES':
        return {
          kind: 'CLASSES',
          classCount: this.shape.outputs,
          probabilities: joined(first as Float32Array[], (length) => new Float32Array(length)),
        };
      case 'VALUE':
        return { kind: 'VALUE', values: joined(first as Float32Array[], (length) => new Float64Array(length)) };
      case 'CLUSTERS':
        return {
          kind: 'CLUSTERS',
          clusters: joined(
            (first as BigInt64Array[]).map((part) => Float64Array.from(part, Number)),
            (length) => new Int32Array(length),
          ),
          squaredDistances: joined(second as Float32Array[], (length) => new Float64Array(length)),
        };
    }
  }

  private outputNames(): string[] {
    switch (this.head.kind) {
      case 'CLASSES':
        return ['probabilities'];
      case 'VALUE':
        return ['prediction'];
      case 'CLUSTERS':
        return ['cluster', 'squared'];
    }
  }
}

function joined<T extends Float32Array | Float64Array | Int32Array>(
  parts: readonly (Float32Array | Float64Array)[],
  allocate: (length: number) => T,
): T {
  const whole = allocate(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
