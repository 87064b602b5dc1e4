import { InferenceSession, Tensor } from 'onnxruntime-node';

/** One thread: the results are exactly the same in every run, and the other cores stay free for the API. */
export async function createSession(model: Uint8Array): Promise<InferenceSession> {
  return InferenceSession.create(model, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
  });
}

export function floats(data: Float32Array, ...dims: number[]): Tensor {
  return new Tensor('float32', data, dims.length > 0 ? dims : [data.length]);
}

export function integers(data: Int32Array, ...dims: number[]): Tensor {
  return new Tensor('int32', data, dims.length > 0 ? dims : [data.length]);
}
