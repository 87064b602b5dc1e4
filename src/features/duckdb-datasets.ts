import { countRows, preview, readChunks, readColumns } from './dataset-reader.js';
import { concatParquet, writeParquet } from './dataset-writer.js';
import type { DatasetFiles } from './port.js';
import { importApart } from './import-apart.js';

/** Dataset files by DuckDB, each in a database of its own that sees that file only. */
export const duckDbDatasets: DatasetFiles = {
  import: importApart,
  preview,
  countRows,
  readColumns,
  readChunks,
  writeParquet,
  concatParquet,
};
