import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { DatasetFiles, OutputColumn } from '../../adapters/dataset-files/port.js';
import { AppError, ErrorCode } from '../../errors.js';
import type { Column, Tensor, TensorData, TensorSpec } from '../../modules/model-contract/index.js';
import { type NamedArray, readArrays } from '../outside/arrays.js';
import type { BatchPart, BatchRequest } from './port.js';

/** What is needed of the files of datasets. */
export type PartFiles = Pick<DatasetFiles, 'writeParquet' | 'readColumns'>;

const partsSchema = z.object({ parts: z.array(z.object({ start: z.int().min(0), end: z.int().min(1) })) });
const resultSchema = z.discriminatedUnion('state', [
  z.object({ state: z.literal('PREDICTED') }),
  z.object({ state: z.literal('FAILED'), message: z.string() }),
]);

const inputsOf = ({ endRow }: BatchPart) => `inputs-${endRow}.parquet`;
const keptOf = ({ endRow }: BatchPart) => `kept-${endRow}.parquet`;
const outputsOf = ({ endRow }: BatchPart) => `outputs-${endRow}`;

/** The files that pass between this service and a batch inference outside: Parquet there, arrays back. */
export class BatchFiles {
  private parts: BatchPart[] = [];
  private stored = 0;

  constructor(
    private readonly files: PartFiles,
    private readonly request: BatchRequest,
  ) {}

  /** Whether every part of the work is stored. */
  get isComplete(): boolean {
    return this.stored === this.parts.length;
  }

  /** Whether the work with this id has a part that begins where nothing is stored. */
  async adopt(id: string): Promise<boolean> {
    const { outside, firstRow } = this.request;
    const path = this.local('spec.json');
    if (!(await outside.take(id, 'spec.json', path))) return false;
    const { parts } = partsSchema.parse(JSON.parse(await readFile(path, 'utf8')));
    this.parts = parts
      .map(({ start, end }) => ({ startRow: start, endRow: end }))
      .filter(({ startRow }) => startRow >= firstRow);
    return this.parts[0]?.startRow === firstRow;
  }

  /** Gives new work everything that it reads; the list of its parts comes last. */
  async give(signal: AbortSignal): Promise<void> {
    const { outside, signature, workers, modelPath } = this.request;
    this.parts = [];
    this.stored = 0;
    for await (const { inputs, kept, ...part } of this.request.prepare()) {
      signal.throwIfAborted();
      const path = this.local('inputs.parquet');
      await this.files.writeParquet(inputs.flatMap(elementColumns), path);
      await outside.give(inputsOf(part), path);
      if (kept.length > 0) {
        await this.files.writeParquet(kept, path);
        await outside.give(keptOf(part), path);
      }
      this.parts.push(part);
    }
    await outside.give('model.onnx', modelPath);
    const spec = {
      inputs: signature.inputs.map(({ name, datatype, shape }) => ({ name, datatype, shape: shape.slice(1) })),
      outputs: signature.outputs.map(({ name }) => name),
      parts: this.parts.map(({ startRow, endRow }) => ({ start: startRow, end: endRow })),
      workers: Math.min(workers, this.parts.length),
    };
    const path = this.local('spec.json');
    await writeFile(path, JSON.stringify(spec));
    await outside.give('spec.json', path);
  }

  /** Stores the parts that the work with this id has predicted, up to the first one that is missing. */
  async take(id: string): Promise<void> {
    const { outside, keptColumns, signature } = this.request;
    for (let part = this.parts[this.stored]; part; part = this.parts[this.stored]) {
      const path = this.local('outputs');
      if (!(await outside.take(id, outputsOf(part), path))) return;
      const arrays = await readArrays(path);
      const outputs = signature.outputs.map((spec) => outputOf(arrays, spec));
      const kept = keptColumns.length === 0 ? [] : await this.keptColumnsOf(id, part);
      await this.request.store({ ...part, outputs, kept });
      await rm(path, { force: true });
      this.stored++;
    }
  }

  /** True when the work has ended well, null when it has not ended. Errors: CONFLICT for the failure of the work. */
  async resultOf(id: string, redacted: (text: string) => string): Promise<true | null> {
    const path = this.local('result.json');
    if (!(await this.request.outside.take(id, 'result.json', path))) return null;
    const result = resultSchema.parse(JSON.parse(await readFile(path, 'utf8')));
    if (result.state === 'PREDICTED') return true;
    throw new AppError(ErrorCode.CONFLICT, `The model cannot predict these rows: ${redacted(result.message)}`);
  }

  private async keptColumnsOf(id: string, part: BatchPart): Promise<Column[]> {
    const { outside, keptColumns } = this.request;
    const path = this.local('kept.parquet');
    if (!(await outside.take(id, keptOf(part), path)))
      throw new AppError(ErrorCode.UNAVAILABLE, 'Stored columns of the batch inference are gone.');
    const columns = keptColumns.map((name) => ({ name, type: 'STRING' as const }));
    return (await this.files.readColumns({ path, columns }, { columns: keptColumns })).columns;
  }

  private local(name: string): string {
    return join(this.request.workDir, name);
  }
}

/** A column for each element of a row, `<input>.<element>`, by the places in the signature. */
function elementColumns({ data, shape }: Tensor, place: number): OutputColumn[] {
  const rows = shape[0] ?? 0;
  const perRow = shape.slice(1).reduce((product, size) => product * size, 1);
  return Array.from({ length: perRow }, (_, element) => {
    const name = `${place}.${element}`;
    if (Array.isArray(data)) {
      const values = Array.from({ length: rows }, (_value, row) => data[row * perRow + element]!);
      return { name, type: 'STRING', values };
    }
    if (data instanceof BigInt64Array) {
      const values = BigInt64Array.from({ length: rows }, (_value, row) => data[row * perRow + element]!);
      return { name, type: 'INTEGER', values };
    }
    const at = (_value: unknown, row: number) => data[row * perRow + element]!;
    return data instanceof Float32Array || data instanceof Float64Array
      ? { name, type: 'NUMBER', values: Float64Array.from({ length: rows }, at) }
      : { name, type: 'INTEGER', values: Int32Array.from({ length: rows }, at) };
  });
}

const unreadable = (what: string): AppError =>
  new AppError(ErrorCode.INVALID_MODEL, `The work outside has stored predictions that cannot be read: ${what}.`);

/** An output with the type that the model gives it. */
function outputOf(arrays: ReadonlyMap<string, NamedArray>, { name, datatype }: TensorSpec): Tensor {
  if (datatype === 'BYTES') {
    const text = arrays.get(`${name}.text`);
    if (!(text?.data instanceof Uint8Array)) throw unreadable(`the texts of ${name} are missing`);
    const data = z.array(z.string()).safeParse(JSON.parse(Buffer.from(text.data).toString()));
    if (!data.success) throw unreadable(`the texts of ${name}`);
    return { name, datatype, shape: [data.data.length], data: data.data };
  }
  const array = arrays.get(name);
  if (!array || array.data instanceof Uint8Array) throw unreadable(`${name} is missing`);
  return { name, datatype, shape: [...array.shape], data: withType(array.data, datatype) };
}

function withType(data: Exclude<NamedArray['data'], Uint8Array>, datatype: TensorSpec['datatype']): TensorData {
  if (!(data instanceof Int32Array)) return data;
  switch (datatype) {
    case 'BOOL':
    case 'UINT8':
      return Uint8Array.from(data);
    case 'INT8':
      return Int8Array.from(data);
    case 'INT16':
      return Int16Array.from(data);
    default:
      return data;
  }
}
