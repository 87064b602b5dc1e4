import type { ServerStatistics } from '../port.js';

interface Duration {
  count?: number;
  ns?: number;
}

/** What Triton says of one model: a message ModelStatistics in its JSON form, without the fields that are not used. */
export interface TritonStatistics {
  name: string;
  inference_count?: number;
  execution_count?: number;
  inference_stats?: {
    success?: Duration;
    fail?: Duration;
    queue?: Duration;
    compute_input?: Duration;
    compute_infer?: Duration;
    compute_output?: Duration;
  };
  batch_stats?: { batch_size: number; compute_infer?: Duration }[];
}

const NS_PER_MS = 1e6;

export function statisticsOf(model: TritonStatistics): ServerStatistics {
  const {
    success,
    fail,
    queue,
    compute_input: input,
    compute_infer: infer,
    compute_output: output,
  } = model.inference_stats ?? {};
  const ms = (duration: Duration | undefined) => (duration?.ns ?? 0) / NS_PER_MS;
  return {
    succeeded: success?.count ?? 0,
    failed: fail?.count ?? 0,
    rows: model.inference_count ?? 0,
    batches: model.execution_count ?? 0,
    queueMs: ms(queue),
    computeMs: ms(input) + ms(infer) + ms(output),
    batchSizes: (model.batch_stats ?? [])
      .map(({ batch_size: rows, compute_infer: run }) => ({ rows, batches: run?.count ?? 0, computeMs: ms(run) }))
      .sort((a, b) => a.rows - b.rows),
  };
}
