/** A model inside a host: its session, its signature, and the trial runs that show how it may be used. */
import { InferenceSession, Tensor as RuntimeTensor } from 'onnxruntime-node';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import {
  rowWithoutProbabilities,
  type Datatype,
  type OutputMeaning,
  type RowIndependence,
  type Signature,
  type Tensor,
  type TensorData,
  type TensorSpec,
} from '../../modules/model-contract/index.js';
import { outputMeanings } from './format/output-meaning.js';
import { readGraph } from './format/rows/graph.js';
import { proveRowIndependence } from './format/rows/row-independence.js';
import { sliceRows } from './batch.js';
import { sameRows, trialInputs, TRIAL_ROWS, type TrialValues } from './trial.js';

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

/** The model cannot be served as it is; the message says why and what to do. */
export class UnusableModel extends Error {}

function toSpec(kind: 'input' | 'output', meta: InferenceSession.ValueMetadata): TensorSpec {
  if (!meta.isTensor) {
    throw new UnusableModel(
      `${kind} "${meta.name}" is not a tensor (a sequence or map): export the model with plain tensors, e.g. ` +
        'zipmap=False.',
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

  /**
   * Loads the file and tries it: zeros for one row and for two, then whether joining rows leaves each row's answer
   * unchanged.
   */
  static async open(
    path: string,
    { threads, device }: { threads: number; device: 'CPU' | 'CUDA' },
  ): Promise<HostModel> {
    const create = device === 'CUDA' ? createOnCuda : InferenceSession.create;
    const session = await create(path, {
      executionProviders: [device === 'CUDA' ? 'cuda' : 'cpu'],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      // Both keep memory for every batch size that was used.
      enableCpuMemArena: false,
      enableMemPattern: false,
      logSeverityLevel: 4,
    });
    const model = new HostModel(session);
    try {
      await model.tryOut(path);
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

  private async timedRun(inputs: readonly Tensor[]): Promise<Tensor[]> {
    const startedAt = performance.now();
    const outputs = await this.run(inputs);
    this.slowestRunMs = Math.max(this.slowestRunMs, performance.now() - startedAt);
    return outputs;
  }

  private async tryOut(path: string): Promise<void> {
    const { inputs } = this.signature;
    const single = await this.timedRun(trialInputs(inputs, 1, 'ZERO'));
    const anyBatch = inputs.length > 0 && inputs.every((spec) => spec.shape[0] === -1);
    const pair = anyBatch ? await this.timedRun(trialInputs(inputs, 2, 'ZERO')) : [];
    // Exporters may leave out an output's shape; the shape of the answer is better than nothing.
    this.signature.outputs = this.signature.outputs.map((spec, index) => {
      const real = single[index]!.shape;
      return spec.shape.length === real.length
        ? spec
        : { ...spec, shape: real.map((dimension, axis) => (axis === 0 && anyBatch ? -1 : dimension)) };
    });
    const { proof, meanings } = readFile(path, this.signature);
    const followsBatch = pair.every((output, index) => output.shape[0] === 2 && single[index]!.shape[0] === 1);
    const holds = proof.proven && followsBatch && (await this.rowsAreIndependent());
    this.batchable = holds;
    this.signature.rowIndependence = proof.proven && !holds ? { proven: false, reason: TRIAL_FAILED } : proof;
    await this.nameOutputs(meanings, anyBatch ? TRIAL_ROWS : 1);
  }

  /**
   * If the operators do not show the meaning, the values of generated rows do: only probabilities add up to 1 in each
   * of them.
   */
  private async nameOutputs(meanings: ReadonlyMap<string, OutputMeaning>, rows: number): Promise<void> {
    const { outputs } = this.signature;
    const labels = outputs.filter(
      ({ datatype }) => datatype === 'INT64' || datatype === 'INT32' || datatype === 'BYTES',
    );
    // Without a label beside it, a number may mean anything.
    const label = labels.length === 1 && outputs.length > 1 ? labels[0] : undefined;
    const isOpen = (spec: TensorSpec): boolean => label !== undefined && !meanings.has(spec.name) && spec !== label;
    const found = outputs.some(isOpen) ? await this.madeUpAnswers(rows) : [];
    this.signature.outputs = outputs.map((spec, index): TensorSpec => {
      const known = meanings.get(spec.name);
      if (known) return { ...spec, meaning: known };
      if (spec === label) return { ...spec, meaning: 'LABEL' };
      const { data, shape } = found[index] ?? {};
      if (!(data instanceof Float32Array || data instanceof Float64Array) || !data.every(Number.isFinite)) return spec;
      const width = data.length / (shape?.[0] ?? 1);
      return { ...spec, meaning: width > 1 && rowWithoutProbabilities(data, width) < 0 ? 'PROBABILITIES' : 'SCORES' };
    });
  }

  private async madeUpAnswers(rows: number): Promise<Tensor[]> {
    for (const values of TRIAL_ORDER) {
      const outputs = await this.timedRun(trialInputs(this.signature.inputs, rows, values)).catch(() => null);
      if (outputs) return outputs;
    }
    return [];
  }

  /** A second check: whether very different rows get the same answers alone as together. */
  private async rowsAreIndependent(): Promise<boolean> {
    for (const values of TRIAL_ORDER) {
      const joined = trialInputs(this.signature.inputs, TRIAL_ROWS, values);
      let alone: Tensor[][];
      try {
        alone = [];
        for (let row = 0; row < TRIAL_ROWS; row += 1) alone.push(await this.timedRun(sliceRows(joined, row, 1)));
      } catch {
        // The model refuses the generated values, as a table with few entries does: simpler ones are tried.
        continue;
      }
      return await this.timedRun(joined).then(
        (together) => sameRows(together, alone),
        () => false,
      );
    }
    return false;
  }
}

/** The runtime lists CUDA also where it cannot use it, so that only a session shows it. */
async function createOnCuda(path: string, options: InferenceSession.SessionOptions): Promise<InferenceSession> {
  try {
    return await InferenceSession.create(path, options);
  } catch (error) {
    // The same file on the CPU tells whether the file or the device is at fault.
    const onCpu = await InferenceSession.create(path, { ...options, executionProviders: ['cpu'] });
    await onCpu.release();
    throw new UnusableModel(
      'The deployment asks for the device CUDA, and ONNX Runtime cannot use CUDA on this machine: deploy it with the ' +
        'device CPU, or run the service on a machine with an NVIDIA GPU and the CUDA libraries of ONNX Runtime.',
      { cause: error },
    );
  }
}

const TRIAL_ORDER: readonly TrialValues[] = ['WIDE', 'SMALL', 'ZERO'];
const TRIAL_FAILED = 'A trial gave other answers to rows together than to each alone.';

/** Reads from the file's graph what the runtime does not say. */
function readFile(
  path: string,
  { inputs, outputs }: Signature,
): { proof: RowIndependence; meanings: Map<string, OutputMeaning> } {
  const file = openSync(path, 'r');
  try {
    const bytes = new Uint8Array(fstatSync(file).size);
    for (let at = 0; at < bytes.length;) {
      const read = readSync(file, bytes, at, bytes.length - at, at);
      if (read === 0) break;
      at += read;
    }
    const graph = readGraph(bytes);
    const found = { proof: proveRowIndependence(graph, inputs), meanings: outputMeanings(graph, outputs) };
    // Releases the memory at once, without waiting for the garbage collector.
    bytes.buffer.transfer(0);
    return found;
  } finally {
    closeSync(file);
  }
}
