import { serveParent } from '../../child-task/serve-parent.js';
import { importDataset } from './dataset-import.js';
import { preview } from './dataset-reader.js';
import type { ImportOutcome, ImportRequest, PreviewValue, Table } from './port.js';

/** Entry point of the process that reads users' files; started by reader-process.ts. */

export type ReaderRequest =
  | { kind: 'IMPORT'; request: ImportRequest }
  | { kind: 'PREVIEW'; table: Table; limit: number };

serveParent<ReaderRequest, never, ImportOutcome | Record<string, PreviewValue>[]>((request) =>
  request.kind === 'IMPORT' ? importDataset(request.request) : preview(request.table, request.limit),
);
