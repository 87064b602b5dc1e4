import { conflict } from '../../../errors.js';
import { type Column, elementsPerRow, type Signature, type TensorSpec } from '../../model-contract/index.js';

type ValueType = 'NUMBER' | 'BOOLEAN' | 'STRING';

/** An input as a column of a dataset. */
interface LoggedColumn {
  name: string;
  type: ValueType;
  /** Its name in the log. */
  source: string;
  /** The element of a row, for inputs of several elements without named columns. */
  element: number | null;
}

/** A row of a logged request with its answer and, when it is known, its ground truth. */
export interface LabelledRow {
  requestId: string;
  mode: string;
  errorCode: string | null;
  row: number;
  loggedAt: Date;
  deploymentId: string;
  version: number;
  latencyMs: number;
  inputs: Readonly<Record<string, unknown[]>>;
  predictedLabel: string | null;
  predictedValue: number | null;
  trueLabel: string | null;
  trueValue: number | null;
  observedAt: Date | null;
}

/** The log has no more elements of one input in one row. */
const MAX_ELEMENTS = 64;

/** What the dataset has beside the inputs; the prefix keeps these names apart from those of models. */
const OWN: readonly { name: string; type: ValueType | 'TIMESTAMP'; of: (row: LabelledRow) => unknown }[] = [
  { name: 'log_request_id', type: 'STRING', of: ({ requestId }) => requestId },
  { name: 'log_row', type: 'NUMBER', of: ({ row }) => row },
  { name: 'log_time', type: 'TIMESTAMP', of: ({ loggedAt }) => loggedAt.getTime() },
  { name: 'log_deployment_id', type: 'STRING', of: ({ deploymentId }) => deploymentId },
  { name: 'log_version', type: 'NUMBER', of: ({ version }) => version },
  { name: 'log_latency_ms', type: 'NUMBER', of: ({ latencyMs }) => latencyMs },
  { name: 'log_predicted_label', type: 'STRING', of: ({ predictedLabel }) => predictedLabel },
  { name: 'log_predicted_value', type: 'NUMBER', of: ({ predictedValue }) => predictedValue },
  { name: 'log_true_label', type: 'STRING', of: ({ trueLabel }) => trueLabel },
  { name: 'log_true_value', type: 'NUMBER', of: ({ trueValue }) => trueValue },
  { name: 'log_true_since', type: 'TIMESTAMP', of: ({ observedAt }) => observedAt?.getTime() ?? null },
];

/** What the archive has too: it keeps every request that was logged. */
const OF_ARCHIVE: typeof OWN = [
  { name: 'log_mode', type: 'STRING', of: ({ mode }) => mode },
  { name: 'log_error_code', type: 'STRING', of: ({ errorCode }) => errorCode },
];

/**
 * The columns of all inputs of these versions, without redacted ones and without inputs of unknown or great width.
 * CONFLICT when two versions take a column of the same name as different types.
 */
export function loggedColumns(signatures: readonly Signature[], redactedFields: readonly string[]): LoggedColumn[] {
  const columns = new Map<string, LoggedColumn>();
  for (const { inputs } of signatures)
    for (const spec of inputs)
      for (const column of columnsOf(spec, redactedFields)) {
        const { name, type } = column;
        const known = columns.get(name);
        if ((known && known.type !== type) || OWN.some((own) => own.name === name))
          throw conflict(
            `The log has two kinds of columns "${name}", which one dataset cannot have: name a deployment.`,
            {
              field: 'input.deploymentId',
              expected: 'a deployment whose columns have one type each, and names of their own',
              got: name,
            },
          );
        columns.set(name, column);
      }
  return [...columns.values()];
}

function columnsOf(spec: TensorSpec, redactedFields: readonly string[]): LoggedColumn[] {
  const type = spec.datatype === 'BYTES' ? 'STRING' : spec.datatype === 'BOOL' ? 'BOOLEAN' : 'NUMBER';
  if (redactedFields.includes(spec.name)) return [];
  const elements = elementsPerRow(spec);
  if (spec.columns)
    return spec.columns
      .filter(({ name }) => !redactedFields.includes(name))
      .map(({ name }) => ({ name, type, source: name, element: null }));
  if (elements === 1) return [{ name: spec.name, type, source: spec.name, element: null }];
  if (elements === null || elements > MAX_ELEMENTS) return [];
  return Array.from({ length: elements }, (_, element) => {
    return { name: `${spec.name}_${element}`, type, source: spec.name, element };
  });
}

/** The columns of a file of the archive. An input whose name something else has is left out. */
export function archivedColumns(signature: Signature, redactedFields: readonly string[]): LoggedColumn[] {
  const taken = new Set([...OWN, ...OF_ARCHIVE].map(({ name }) => name));
  return signature.inputs
    .flatMap((spec) => columnsOf(spec, redactedFields))
    .filter(({ name }) => !taken.has(name.toLowerCase()) && taken.add(name.toLowerCase()));
}

/** The rows as columns of a file of the archive. */
export function toArchivedColumns(rows: readonly LabelledRow[], columns: readonly LoggedColumn[]): Column[] {
  return [
    ...OF_ARCHIVE.map(({ name, type, of }) => outputColumn(name, type, rows.map(of))),
    ...toColumns(rows, columns),
  ];
}

/** The rows as columns of a file: what describes the request first, then the inputs. */
export function toColumns(rows: readonly LabelledRow[], columns: readonly LoggedColumn[]): Column[] {
  return [
    ...OWN.map(({ name, type, of }) => outputColumn(name, type, rows.map(of))),
    ...columns.map(({ name, type, source, element }) =>
      outputColumn(
        name,
        type,
        rows.map(({ inputs, row }) => {
          const value = Object.hasOwn(inputs, source) ? inputs[source]![row] : null;
          return element === null ? value : Array.isArray(value) ? value[element] : null;
        }),
      ),
    ),
  ];
}

function outputColumn(name: string, type: ValueType | 'TIMESTAMP', values: readonly unknown[]): Column {
  if (type === 'STRING')
    return { name, type, values: values.map((value) => (typeof value === 'string' ? value : null)) };
  return { name, type, values: Float64Array.from(values, (value) => (value === null ? NaN : Number(value))) };
}
