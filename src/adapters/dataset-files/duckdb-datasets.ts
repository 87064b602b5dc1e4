import { countRows, firstRows, readChunks, readColumns } from './dataset-reader.js';
import { concatParquet, writeParquet } from './dataset-writer.js';
import type { DatasetFiles } from './port.js';
import { importApart, previewApart } from './reader-process.js';

/** Dataset files by DuckDB, each in a database of its own that sees that file only. */
export const duckDbDatasets: DatasetFiles = {
  import: importApart,
  preview: previewApart,
  firstRows,
  countRows,
  readColumns,
  readChunks,
  writeParquet,
  concatParquet,
};
