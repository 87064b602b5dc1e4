import type { ProcessLimits } from '../../child-task/limited-process.js';
import { countRows, firstRows, readChunks, readColumns } from './dataset-reader.js';
import { concatParquet, partitionParquet, writeParquet } from './dataset-writer.js';
import type { DatasetFiles } from './port.js';
import { ReaderProcesses } from './reader-process.js';

/**
 * Reads dataset files with DuckDB, each in its own database that can access only that file. The limits apply to the
 * process that reads an unchecked file.
 */
export function duckDbDatasets(limits: ProcessLimits): DatasetFiles {
  const readers = new ReaderProcesses(limits);
  return {
    import: (request) => readers.import(request),
    preview: (table, limit) => readers.preview(table, limit),
    firstRows,
    countRows,
    readColumns,
    readChunks,
    writeParquet,
    concatParquet,
    partitionParquet,
  };
}
