import type { Principal } from '../../modules/core/index.js';
import type { PlainTensor, Prediction, PredictService, RequestHeaders } from '../../modules/serving/index.js';
import type { CallParameters } from './parameters.js';
import { classesOf } from './classification.js';
import type { Tensor } from '../../modules/model-contract/index.js';

/** An output as the client wants it. */
export interface WantedOutput {
  name: string;
  /** Raw bytes instead of JSON. gRPC always sends bytes when the request did. */
  binary: boolean;
  /** The number of best classes to return instead of the values; 0 for the values. */
  classes: number;
}

/** A request for a prediction, of either transport. */
export interface InferCall extends CallParameters {
  endpointName: string;
  version: number | null;
  /** Given by the client, who gets it back. */
  id: string | null;
  inputs: PlainTensor[];
  /** Null for all outputs. */
  outputs: WantedOutput[] | null;
  /** Whether the outputs come as raw bytes when none is named. */
  allBinary: boolean;
}

export interface InferAnswer extends Prediction {
  /** Those that were asked for, in that order. */
  outputs: Tensor[];
}

/** Answers a request. `headers`: for the rules of the traffic policy. Errors: those of `PredictService.predict`. */
export async function infer(
  predictions: PredictService,
  principal: Principal,
  call: InferCall,
  ownRequestId: string,
  headers: RequestHeaders,
): Promise<InferAnswer> {
  const { endpointName, version, id, inputs, outputs, deadlineMs, priority, routingKey, attributes } = call;
  const prediction = await predictions.predict(
    principal,
    {
      endpointName,
      version,
      tensors: inputs,
      outputs: outputs && outputs.map(({ name }) => name),
      deadlineMs,
      priority,
      routingKey,
      attributes,
      requestId: id,
      // Clients of this protocol number their requests from 1 in each process.
      mayRepeatId: true,
    },
    ownRequestId,
    headers,
  );
  if (!outputs?.some(({ classes }) => classes > 0)) return prediction;
  const { classes: names } = prediction.target.version.signature;
  return {
    ...prediction,
    outputs: prediction.outputs.map((output, i) =>
      outputs[i]!.classes > 0 ? classesOf(output, outputs[i]!.classes, names) : output,
    ),
  };
}
