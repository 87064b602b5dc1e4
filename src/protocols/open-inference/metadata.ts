import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { AppError, ErrorCode } from '../../errors.js';
import type { Datatype, Signature } from '../../modules/model-contract/index.js';
import { deployedVersion, ROWS_PER_REQUEST, type Route, type Target } from '../../modules/serving/index.js';

/** Two folders above src and above dist. */
const PACKAGE = z
  .object({ version: z.string() })
  .parse(JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')));

/** What the server says of itself; the extensions are the optional parts of the protocol that it speaks. */
export const SERVER = {
  name: 'matih-ml-service',
  version: PACKAGE.version,
  extensions: [
    'binary_tensor_data',
    'classification',
    'model_configuration',
    'model_repository',
    'parameters',
    'schedule_policy',
    'statistics',
  ],
};

export interface TensorMetadata {
  name: string;
  datatype: Datatype;
  shape: number[];
}

export interface ModelMetadata {
  name: string;
  versions: string[];
  platform: string;
  inputs: TensorMetadata[];
  outputs: TensorMetadata[];
}

const PLATFORM = 'onnxruntime_onnx';
const BACKEND = 'onnxruntime';

export const modelVersionOf = ({ version }: Target): string => String(version.version);

/** The number of a version in a path or message; null for none. NOT_FOUND for a text that is no version. */
export function versionNumber(text: string | undefined): number | null {
  if (text === undefined || text === '') return null;
  const number = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (number < 1)
    throw new AppError(
      ErrorCode.NOT_FOUND,
      `There is no version "${text.slice(0, 50)}": versions are whole numbers from 1.`,
      {
        expected: 'a whole number from 1',
      },
    );
  return number;
}

/** The deployment that a description is about: that of the version, or the one with most of the traffic. */
export function describedTarget(route: Route, version: number | null): Target {
  if (version !== null) return deployedVersion(route, version);
  const [first, ...others] = route.ready;
  if (!first)
    throw new AppError(
      ErrorCode.UNAVAILABLE,
      `Endpoint "${route.endpoint.name}" has no live deployment that is ready.`,
      { expected: 'a LIVE deployment that is READY' },
    );
  return others.reduce((most, target) => (target.weightBps > most.weightBps ? target : most), first);
}

export function modelMetadata(route: Route, version: number | null): ModelMetadata {
  const { signature } = describedTarget(route, version).version;
  const metadataOf = ({ name, datatype, shape }: TensorMetadata) => ({ name, datatype, shape });
  return {
    name: route.endpoint.name,
    versions: route.ready
      .map((target) => target.version.version)
      .sort((a, b) => a - b)
      .map(String),
    platform: PLATFORM,
    inputs: signature.inputs.map(metadataOf),
    outputs: signature.outputs.map(metadataOf),
  };
}

/** The configuration of a model as Triton's clients read it. */
export function modelConfig(route: Route, version: number | null): Record<string, unknown> {
  const target = describedTarget(route, version);
  const { signature } = target.version;
  const joins =
    signature.rowIndependence?.proven === true &&
    route.endpoint.batching !== 'NEVER' &&
    target.deployment.batching !== 'NEVER';
  // With a maximum of rows, the dimensions are those of one row.
  const hasRows = [...signature.inputs, ...signature.outputs].every(({ shape }) => shape[0] === -1);
  const tensors = (specs: Signature['inputs']) =>
    specs.map(({ name, datatype, shape }) => ({
      name,
      data_type: datatype === 'BYTES' ? 'TYPE_STRING' : `TYPE_${datatype}`,
      dims: hasRows ? shape.slice(1) : shape,
    }));
  return {
    name: route.endpoint.name,
    platform: PLATFORM,
    backend: BACKEND,
    version_policy: { specific: { versions: route.ready.map((one) => one.version.version).sort((a, b) => a - b) } },
    max_batch_size: hasRows ? ROWS_PER_REQUEST.max : 0,
    input: tensors(signature.inputs),
    output: tensors(signature.outputs),
    ...(joins && { dynamic_batching: {} }),
  };
}
