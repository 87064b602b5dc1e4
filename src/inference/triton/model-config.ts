import type { Datatype, Signature, TensorSpec } from '../../modules/model-contract/index.js';

/** The configuration of a model in the repository of Triton: a message ModelConfig in its JSON form. */
export type ModelConfig = Record<string, unknown>;

/** More rows than any request has. */
const MAX_BATCH_ROWS = 16_384;

/** Configures our model.py for a model: requests may run together only when its rows are proven independent. */
export function modelConfig(
  name: string,
  { inputs, outputs, rowIndependence }: Signature,
  { sha256, threads, instances }: { sha256: string; threads: number; instances: number },
): ModelConfig {
  const joins =
    (rowIndependence?.proven ?? false) && [...inputs, ...outputs].every((spec) => wireShape(spec.shape)[0] === -1);
  const tensor = ({ name: tensorName, datatype, shape }: TensorSpec) => ({
    name: tensorName,
    data_type: new Enum(`TYPE_${datatype === 'BYTES' ? 'STRING' : (datatype satisfies Datatype)}`),
    dims: joins ? wireShape(shape).slice(1) : wireShape(shape),
  });
  return {
    name,
    backend: 'python',
    max_batch_size: joins ? MAX_BATCH_ROWS : 0,
    input: inputs.map(tensor),
    output: outputs.map(tensor),
    instance_group: [{ kind: new Enum('KIND_CPU'), count: instances }],
    ...(joins && { dynamic_batching: { max_queue_delay_microseconds: 0 } }),
    parameters: {
      sha256: { string_value: sha256 },
      threads: { string_value: String(threads) },
      joins: { string_value: String(joins) },
    },
  };
}

/** Triton knows no lists of plain numbers: they are lists of lists of one. */
export function wireShape(shape: readonly number[]): number[] {
  return shape.length < 2 ? [...shape, 1] : [...shape];
}

/** A name of an enum, which protobuf's text format writes without quotation marks. */
class Enum {
  constructor(private readonly name: string) {}

  toJSON(): string {
    return this.name;
  }
}

/** As a file config.pbtxt: protobuf's text format. */
export function configText(config: ModelConfig): string {
  return `${Object.entries(config)
    .flatMap(([field, value]) => (field === 'parameters' ? mapEntries(value as object) : fieldText(field, value)))
    .join('\n')}\n`;
}

function mapEntries(map: object): string[] {
  return Object.entries(map).map(
    ([key, value]) => `parameters { key: ${textLiteral(key)} ${fieldText('value', value).join(' ')} }`,
  );
}

function fieldText(field: string, value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap((item: unknown) => fieldText(field, item));
  if (value instanceof Enum) return [`${field}: ${value.toJSON()}`];
  if (typeof value === 'object' && value !== null) {
    const inner = Object.entries(value).flatMap(([name, item]) => fieldText(name, item));
    return [`${field} { ${inner.join(' ')} }`];
  }
  return [`${field}: ${typeof value === 'string' ? textLiteral(value) : String(value)}`];
}

function textLiteral(text: string): string {
  const escaped = [...Buffer.from(text)].map((byte) =>
    byte >= 32 && byte < 127 && byte !== 34 && byte !== 92
      ? String.fromCodePoint(byte)
      : `\\${byte.toString(8).padStart(3, '0')}`,
  );
  return `"${escaped.join('')}"`;
}
