import type { ProcessLimits } from '../../child-task/limited-process.js';
import { countRows, firstRows, readChunks, readColumns } from './dataset-reader.js';
import { concatParquet, writeParquet } from './dataset-writer.js';
import type { DatasetFiles } from './port.js';
import { ReaderProcesses } from './reader-process.js';

/**
 * Dataset files by DuckDB, each in a database of its own that sees that file only. The limits are those of a process
 * that reads a file which nobody has read before.
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
  };
}
