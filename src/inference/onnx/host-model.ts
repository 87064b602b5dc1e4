/** A model inside a host: its session, its signature, and the trial runs that show how it may be used. */
import { InferenceSession, Tensor as RuntimeTensor } from 'onnxruntime-node';
import { allocate } from '../../domain/serving/tensor-check.js';
import type { Datatype, Signature, Tensor, TensorData, TensorSpec } from '../../domain/serving/tensor.js';

const DATATYPE_OF: Partial<Record<RuntimeTensor.Type, Datatype>> = {
  bool: 'BOOL',
  int8: 'INT8',
  int16: 'INT16',
  int32: 'INT32',
  int64: 'INT64',
  uint8: 'UINT8',
  float32: 'FP32',
  float64: 'FP64',
  string: 'BYTES',
};

const RUNTIME_TYPE: Record<Datatype, RuntimeTensor.Type> = {
  BOOL: 'bool',
  INT8: 'int8',
  INT16: 'int16',
  INT32: 'int32',
  INT64: 'int64',
  UINT8: 'uint8',
  FP32: 'float32',
  FP64: 'float64',
  BYTES: 'string',
};

/** Kernels may sum in another order for another batch size. */
const SAME_ROW_TOLERANCE = 1e-3;

/** The model cannot be served as it is; the message says why and what to do. */
export class UnusableModel extends Error {}

function toSpec(kind: 'input' | 'output', meta: InferenceSession.ValueMetadata): TensorSpec {
  if (!meta.isTensor) {
    throw new UnusableModel(
      `${kind} "${meta.name}" is not a tensor (a sequence or map): export the model with plain tensors, e.g. zipmap=False.`,
    );
  }
  const datatype = DATATYPE_OF[meta.type];
  if (!datatype)
    throw new UnusableModel(
      `${kind} "${meta.name}" has datatype ${meta.type}: cast it to one of ${Object.values(DATATYPE_OF).join(', ')}.`,
    );
  return {
    name: meta.name,
    datatype,
    shape: meta.shape.map((dimension) => (typeof dimension === 'number' && dimension >= 0 ? dimension : -1)),
  };
}

function toDomain(name: string, tensor: RuntimeTensor): Tensor {
  const datatype = DATATYPE_OF[tensor.type];
  if (!datatype) throw new UnusableModel(`output "${name}" has datatype ${tensor.type}, which cannot be returned.`);
  return { name, datatype, shape: [...tensor.dims], data: tensor.data as TensorData };
}

/** `rows` rows for an input: zeros, or numbers that differ between rows. A dimension of any length is 1. */
function trialInput(spec: TensorSpec, rows: number, seed: number): Tensor {
  const shape = spec.shape.map((dimension, axis) => (dimension === -1 ? (axis === 0 ? rows : 1) : dimension));
  const data = allocate(
    spec.datatype,
    shape.reduce((product, dimension) => product * dimension, 1),
  );
  if (seed > 0 && (data instanceof Float32Array || data instanceof Float64Array)) {
    for (let index = 0; index < data.length; index += 1) data[index] = Math.sin(12.9898 * (index + 1) * seed);
  }
  return { name: spec.name, datatype: spec.datatype, shape, data };
}

function joinPair(first: Tensor, second: Tensor): Tensor {
  const data = allocate(first.datatype, first.data.length * 2);
  for (let index = 0; index < first.data.length; index += 1) {
    data[index] = first.data[index]!;
    data[first.data.length + index] = second.data[index]!;
  }
  return { ...first, shape: [2, ...first.shape.slice(1)], data };
}

function sameElement(a: number | bigint | string | undefined, b: number | bigint | string | undefined): boolean {
  if (typeof a !== 'number' || typeof b !== 'number') return a === b;
  return Object.is(a, b) || Math.abs(a - b) <= SAME_ROW_TOLERANCE * Math.max(1, Math.abs(a));
}

export class HostModel {
  signature: Signature;
  batchable = false;
  slowestRunMs = 0;

  private constructor(private readonly session: InferenceSession) {
    this.signature = {
      inputs: session.inputMetadata.map((meta) => toSpec('input', meta)),
      outputs: session.outputMetadata.map((meta) => toSpec('output', meta)),
    };
  }

  /** Loads the file and tries it: zeros for one row and two, then whether joining rows leaves each row's answer as it was. */
  static async open(path: string): Promise<HostModel> {
    const session = await InferenceSession.create(path, {
      executionProviders: ['cpu'],
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      // Both keep memory for every batch size ever seen.
      enableCpuMemArena: false,
      enableMemPattern: false,
      logSeverityLevel: 4,
    });
    const model = new HostModel(session);
    try {
      await model.tryOut();
    } catch (error) {
      await model.close();
      throw error;
    }
    return model;
  }

  async run(inputs: readonly Tensor[]): Promise<Tensor[]> {
    const feeds: Record<string, RuntimeTensor> = Object.create(null);
    for (const { name, datatype, data, shape } of inputs)
      feeds[name] = new RuntimeTensor(RUNTIME_TYPE[datatype], data as Float32Array, shape);
    const results = await this.session.run(feeds);
    return this.signature.outputs.map(({ name }) => toDomain(name, results[name]!));
  }

  async close(): Promise<void> {
    await this.session.release();
  }

  private trial(rows: number, seed = 0): Tensor[] {
    return this.signature.inputs.map((spec) => trialInput(spec, rows, seed));
  }

  private async timedRun(inputs: readonly Tensor[]): Promise<Tensor[]> {
    const startedAt = performance.now();
    const outputs = await this.run(inputs);
    this.slowestRunMs = Math.max(this.slowestRunMs, performance.now() - startedAt);
    return outputs;
  }

  private async tryOut(): Promise<void> {
    const { inputs } = this.signature;
    const single = await this.timedRun(this.trial(1));
    const anyBatch = inputs.length > 0 && inputs.every((spec) => spec.shape[0] === -1);
    if (anyBatch) {
      const pair = await this.timedRun(this.trial(2));
      const followsBatch = pair.every((output, index) => output.shape[0] === 2 && single[index]!.shape[0] === 1);
      this.batchable = followsBatch && (await this.rowsStayApart());
    }
    // Exporters may leave an output's shape out; what came back is better than nothing.
    this.signature.outputs = this.signature.outputs.map((spec, index) => {
      const real = single[index]!.shape;
      return spec.shape.length === real.length
        ? spec
        : { ...spec, shape: real.map((dimension, axis) => (axis === 0 && anyBatch ? -1 : dimension)) };
    });
  }

  private async rowsStayApart(): Promise<boolean> {
    try {
      const first = this.trial(1, 1);
      const second = this.trial(1, 2);
      const apart = [await this.timedRun(first), await this.timedRun(second)];
      const joined = await this.timedRun(first.map((tensor, index) => joinPair(tensor, second[index]!)));
      return joined.every(({ data }, output) => {
        const half = data.length / 2;
        return apart.every((row, rowIndex) => {
          const own = row[output]!.data;
          return (
            own.length === half &&
            Array.from(own as ArrayLike<number>).every((value, index) => sameElement(value, data[rowIndex * half + index]))
          );
        });
      });
    } catch {
      // Refuses the made-up values: each request then runs alone, which is always right.
      return false;
    }
  }
}
