import { jsonElements } from '../../modules/serving/index.js';
import { toRaw } from './elements.js';
import type { InferAnswer, InferCall } from './infer-call.js';
import { modelVersionOf } from './metadata.js';

export interface HttpAnswer {
  body: Buffer | string;
  /** Null when the body is JSON alone. */
  jsonBytes: number | null;
}

/** The answer to an infer request: JSON, and after it the outputs that are wanted as bytes. */
export function toHttpAnswer(call: InferCall, answer: InferAnswer): HttpAnswer {
  const raw: Buffer[] = [];
  const outputs = answer.outputs.map((output, i) => {
    const { name, datatype, shape } = output;
    if (!(call.outputs ? call.outputs[i]!.binary : call.allBinary))
      return { name, datatype, shape, data: jsonElements(output) };
    const bytes = toRaw(output);
    raw.push(bytes);
    return { name, datatype, shape, parameters: { binary_data_size: bytes.length } };
  });
  const json = JSON.stringify({
    model_name: call.endpointName,
    model_version: modelVersionOf(answer.target),
    // Left out when the client gave none.
    id: call.id ?? undefined,
    parameters: parametersOf(answer),
    outputs,
  });
  if (raw.length === 0) return { body: json, jsonBytes: null };
  const head = Buffer.from(json);
  return { body: Buffer.concat([head, ...raw]), jsonBytes: head.length };
}

/** Categories that the model was not trained with are worth a word to who reads answers; others need none. */
function parametersOf({ unknownCategoryCount }: InferAnswer): { unknown_category_count: number } | undefined {
  return unknownCategoryCount > 0 ? { unknown_category_count: unknownCategoryCount } : undefined;
}
