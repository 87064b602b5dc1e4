import type { DatasetFiles } from '../../adapters/dataset-files/port.js';
import { Dataset } from '../../db/entities/datasets/dataset.entity.js';
import type { Job } from '../../db/entities/jobs/job.entity.js';
import type { Session } from '../../db/database.js';
import { badInput } from '../../errors.js';
import type { DatasetService } from '../datasets/index.js';
import type { AttemptOf, JobService } from '../jobs/index.js';
import type { Column, ColumnRequest, ColumnType } from '../model-contract/index.js';
import { audit } from '../platform/index.js';
import { findEndpoint, type NamedEndpoint } from '../serving/index.js';
import { GROUND_TRUTH_IMPORT, type ImportedGroundTruths } from './ground-truth-import.job-kind.js';
import type { GroundTruthService, NewGroundTruthRecord } from './ground-truth.service.js';

export interface ImportGroundTruthInput extends NamedEndpoint {
  datasetId: string;
  requestIdColumn: string;
  rowColumn?: string | null;
  labelColumn?: string | null;
  valueColumn?: string | null;
  observedAtColumn?: string | null;
}

interface Dependencies {
  groundTruth: GroundTruthService;
  jobs: JobService;
  datasets: DatasetService;
  files: DatasetFiles;
}

/** About how many rows are recorded in one transaction. */
const ROWS_AT_ONCE = 8_192;
/** Rejected rows that the result lists. */
export const MAX_REJECTIONS = 100;

const NOTHING: ImportedGroundTruths = {
  ...{ rows: 0, added: 0, replaced: 0, unchanged: 0, missing: 0, rejected: 0 },
  rejections: [],
};

/** Records the ground truth that a dataset has, a part of its rows after the other. */
export class GroundTruthImportService {
  constructor(private readonly deps: Dependencies) {}

  async start(session: Session, input: ImportGroundTruthInput): Promise<Job> {
    const { jobs, datasets } = this.deps;
    const endpoint = await findEndpoint(session, input, 'input');
    const dataset = await datasets.get(session, input.datasetId);
    const { labelColumn = null, valueColumn = null } = input;
    if ((labelColumn === null) === (valueColumn === null))
      throw badInput('input', 'labelColumn for a classification, or valueColumn for a regression', {
        ...{ labelColumn, valueColumn },
      });
    const columns = {
      requestId: input.requestIdColumn,
      row: input.rowColumn ?? null,
      label: labelColumn,
      value: valueColumn,
      observedAt: input.observedAtColumn ?? null,
    };
    requireColumn('input.requestIdColumn', columns.requestId, dataset);
    requireColumn('input.rowColumn', columns.row, dataset, 'NUMBER');
    requireColumn('input.labelColumn', columns.label, dataset);
    requireColumn('input.valueColumn', columns.value, dataset, 'NUMBER');
    requireColumn('input.observedAtColumn', columns.observedAt, dataset, 'TIMESTAMP');
    const job = jobs.create(session, GROUND_TRUTH_IMPORT, {
      input: { endpointId: endpoint.id, columns },
      datasetId: dataset.id,
    });
    await session.em.flush();
    audit(session, 'importGroundTruth', { type: 'job', id: job.id }, null, {
      ...{ endpointId: endpoint.id, datasetId: dataset.id, columns },
    });
    return job;
  }

  async execute(attempt: AttemptOf<typeof GROUND_TRUTH_IMPORT>): Promise<void> {
    const { groundTruth, datasets, files } = this.deps;
    const { job, input } = attempt;
    const dataset = await attempt.read(({ em, tenant }) => em.findOneOrFail(Dataset, { id: job.datasetId!, tenant }));
    using data = await datasets.localTable(dataset);
    let soFar = attempt.soFar ?? NOTHING;
    const options = { columns: requestsOf(input.columns), chunkRows: ROWS_AT_ONCE, startRow: soFar.rows };
    for await (const batch of files.readChunks(data.table, options)) {
      for (const rows of withoutRevisions(recordsOf(batch.columns, batch.rowCount, input.columns))) {
        attempt.signal.throwIfAborted();
        const firstRow = soFar.rows;
        const known = rows.flatMap((record, i) => (isKnown(record) ? [{ record, row: firstRow + i + 1 }] : []));
        const records = known.map(({ record }) => record);
        const missing = soFar.missing + rows.length - known.length;
        await groundTruth.recordBy(attempt.write, { endpointId: input.endpointId, records }, async (session, told) => {
          const rejections = told.rejected.map(({ index, requestId, code, message }) => ({
            ...{ row: known[index]!.row, requestId, code, message: withoutField(message) },
          }));
          soFar = {
            rows: firstRow + rows.length,
            added: soFar.added + told.added,
            replaced: soFar.replaced + told.replaced,
            unchanged: soFar.unchanged + told.unchanged,
            missing,
            rejected: soFar.rejected + rejections.length,
            rejections: [...soFar.rejections, ...rejections].slice(0, MAX_REJECTIONS),
          };
          await attempt.keep(session, soFar);
          await attempt.forgiveFailures(session);
        });
        attempt.progress(soFar.rows / dataset.rowCount, `${soFar.rows} of ${dataset.rowCount} rows`);
      }
    }
    await attempt.succeed(soFar);
  }
}

type Columns = AttemptOf<typeof GROUND_TRUTH_IMPORT>['input']['columns'];

function requestsOf({ requestId, row, label, value, observedAt }: Columns): ColumnRequest[] {
  const request = (name: string | null, form: ColumnRequest['form']) => (name === null ? [] : [{ name, form }]);
  return [
    ...request(requestId, 'TEXT'),
    ...request(row, 'VALUE'),
    ...request(label, 'TEXT'),
    ...request(value, 'VALUE'),
    ...request(observedAt, 'VALUE'),
  ];
}

/** The records of a batch, whose columns come in the order in which they were requested. */
function recordsOf(columns: readonly Column[], rowCount: number, names: Columns): NewGroundTruthRecord[] {
  const left = [...columns];
  const texts = (name: string | null) => {
    const column = name === null ? undefined : left.shift();
    return column?.type === 'STRING' ? column.values : undefined;
  };
  const numbers = (name: string | null) => {
    const column = name === null ? undefined : left.shift();
    return column && column.type !== 'STRING' ? column.values : undefined;
  };
  const requestIds = texts(names.requestId);
  const rows = numbers(names.row);
  const labels = texts(names.label);
  const values = numbers(names.value);
  const observed = numbers(names.observedAt);
  return Array.from({ length: rowCount }, (_, i) => ({
    requestId: requestIds?.[i] ?? '',
    row: rows?.[i] ?? 0,
    label: labels?.[i] ?? null,
    value: values === undefined || Number.isNaN(values[i]) ? null : values[i]!,
    observedAt: observed === undefined || Number.isNaN(observed[i]) ? null : new Date(observed[i]!),
  }));
}

const isKnown = ({ label, value }: NewGroundTruthRecord): boolean => label != null || value != null;

/** Runs of records, each about different predictions: a later record of the same one revises the earlier one. */
function* withoutRevisions(records: readonly NewGroundTruthRecord[]): Generator<NewGroundTruthRecord[]> {
  let run: NewGroundTruthRecord[] = [];
  let seen = new Set<string>();
  for (const record of records) {
    const key = `${record.row} ${record.requestId}`;
    if (seen.has(key)) {
      yield run;
      run = [];
      seen = new Set();
    }
    seen.add(key);
    run.push(record);
  }
  if (run.length > 0) yield run;
}

/** The sentence without the path in the input of a call, which a file does not have. */
function withoutField(message: string): string {
  return message.replace(/^input\.records\[\d+\](?:\.(\w+))?: /, (_, of?: string) => (of ? `${of}: ` : ''));
}

function requireColumn(field: string, name: string | null, { columns }: Dataset, type?: ColumnType): void {
  if (name === null) return;
  const found = columns.find((column) => column.name === name);
  if (!found) throw badInput(field, `one of ${columns.map((column) => column.name).join(', ')}`, name);
  if (type && found.type !== type) throw badInput(field, `a column of the type ${type}`, `${name} of ${found.type}`);
}
