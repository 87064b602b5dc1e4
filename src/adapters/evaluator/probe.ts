import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import {
  toTensors,
  rowShape,
  unmappedInputs,
  allocate,
  type Signature,
  type Tensor,
  type TensorSpec,
  inputRequests,
} from '../../modules/model-contract/index.js';
import { AppError } from '../../errors.js';
import { readColumns } from '../dataset-files/dataset-reader.js';
import type { Table } from '../dataset-files/port.js';
import type { InferenceEngine, ModelSource } from '../../inference/port.js';
import type { ModelFile, ProbeOutcome, ProbeRequest } from './port.js';

const SAMPLE_ROWS = 200;
const SAMPLE_SEED = 1;
const WARM_UP_PREDICTIONS = 20;
const DEADLINE_MS = 30_000;
/** After this many failures, the result is clear. */
const MAX_FAILURES = 5;
const MODEL_ID = 'probed';

export async function probe(
  { model, data }: ProbeRequest,
  engine: InferenceEngine<ModelSource>,
): Promise<ProbeOutcome> {
  const signatureProblems = await contentProblems(model);
  const found = await engine.load({ modelId: MODEL_ID, path: model.path });
  signatureProblems.push(...differences(model.signature, found));
  const rows =
    data && unmappedInputs(model.signature).length === 0
      ? await sampleRows(model.signature, data)
      : zeroRows(model.signature);
  let failures = 0;
  const latenciesMs: number[] = [];
  let tried = 0;
  for (let i = -WARM_UP_PREDICTIONS; i < rows.length && failures < MAX_FAILURES; i++) {
    const inputs = rows[(i + rows.length * WARM_UP_PREDICTIONS) % rows.length]!;
    if (i >= 0) tried++;
    try {
      const { outputs, latencyMs } = await engine.infer(MODEL_ID, inputs, { deadlineMs: DEADLINE_MS });
      if (i < 0) continue;
      latenciesMs.push(latencyMs);
      if (!outputs.every(isFinite)) failures++;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      failures++;
    }
  }
  return { signatureProblems, sample: { rows: tried, failures }, latencyP95Ms: p95(latenciesMs) };
}

async function contentProblems({ path, sha256 }: ModelFile): Promise<string[]> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  const found = hash.digest('hex');
  return found === sha256 ? [] : [`SHA-256 ${found}, recorded ${sha256}`];
}

/** Compares names, types and shapes; only the record says what a column means. */
function differences(recorded: Signature, found: Signature): string[] {
  return (['inputs', 'outputs'] as const).flatMap((side) => {
    const inFile = new Map(found[side].map((spec) => [spec.name, show(spec)]));
    const missing = recorded[side].flatMap((spec) => {
      const other = inFile.get(spec.name);
      inFile.delete(spec.name);
      return other === show(spec) ? [] : [`${side} ${spec.name}: ${other ?? 'absent'}, recorded ${show(spec)}`];
    });
    return [...missing, ...[...inFile].map(([name, spec]) => `${side} ${name}: ${spec}, not recorded`)];
  });
}

function show({ datatype, shape }: TensorSpec): string {
  return `${datatype} [${shape.join(', ')}]`;
}

/** One request per row. */
async function sampleRows(signature: Signature, table: Table): Promise<Tensor[][]> {
  const batch = await readColumns(table, {
    columns: inputRequests(signature),
    sample: { rows: SAMPLE_ROWS, seed: SAMPLE_SEED },
  });
  const tensors = toTensors(new Map(batch.columns.map((column) => [column.name, column])), signature, batch.rowNumbers);
  return Array.from({ length: batch.rowCount }, (_, row) =>
    tensors.map((tensor) => {
      const perRow = tensor.data.length / batch.rowCount;
      return {
        ...tensor,
        shape: [1, ...tensor.shape.slice(1)],
        data: tensor.data.slice(row * perRow, (row + 1) * perRow),
      };
    }),
  );
}

function zeroRows({ inputs }: Signature): Tensor[][] {
  const row = inputs.map((spec): Tensor => {
    const { name, datatype, shape } = spec;
    const dims = [...shape.slice(0, 1), ...rowShape(spec)].map((size) => (size < 0 ? 1 : size));
    return {
      name,
      datatype,
      shape: dims,
      data: allocate(
        datatype,
        dims.reduce((product, size) => product * size, 1),
      ),
    };
  });
  return Array.from({ length: SAMPLE_ROWS }, () => row);
}

function isFinite({ data }: Tensor): boolean {
  return (
    !(data instanceof Float32Array || data instanceof Float64Array) || data.every((value) => Number.isFinite(value))
  );
}

/** The nearest-rank percentile; infinite when nothing was answered. */
function p95(latenciesMs: readonly number[]): number {
  const sorted = latenciesMs.toSorted((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * 0.95) - 1] ?? Number.POSITIVE_INFINITY;
}
