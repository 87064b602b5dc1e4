import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withDuckDb } from '../../src/adapters/dataset-files/duckdb.js';
import type { Signature } from '../../src/modules/model-contract/rules/tensor.js';
import { integer, model, node } from '../fixtures/models/build.js';
import type { Caller, TestService } from './service.js';
import { makeVersion } from './serving.js';
import { registerDataset } from './training.js';

/** More than two parts. */
export const KEYED_ROWS = 40_000;

export async function query(paths: string[], sql: string): Promise<unknown[][]> {
  return withDuckDb({ paths }, async (connection) => (await connection.runAndReadAll(sql)).getRowsJS());
}

/**
 * A dataset with keys that are easily changed: integers above 2^53 and missing ones, digits with zeros in front, texts
 * with special characters; and a version that returns a 64-bit integer of each row as it is.
 */
export async function keyedRows(service: TestService, caller: Caller, folder: string) {
  const path = join(folder, 'keyed.parquet');
  await query(
    [path],
    `COPY (SELECT CASE WHEN range % 1000 <> 7 THEN 9007199254740993 + range END AS id,
      CASE WHEN range % 7 <> 3 THEN printf('%07d', range) END AS code, 9223372036854775807 - range AS big,
      CASE range % 4 WHEN 0 THEN '007' WHEN 1 THEN 'a b/c=ü' WHEN 2 THEN 'EU' END AS region,
      9007199254740993 + range % 2 AS shop
      FROM range(${KEYED_ROWS})) TO '${path}' (FORMAT parquet, ROW_GROUP_SIZE 3000, USE_TMP_FILE false)`,
  );
  const { uploadId } = await caller.upload('keyed.parquet', await readFile(path));
  const datasetId = await registerDataset(caller, { name: 'keyed', uploadId });
  const signature: Signature = {
    inputs: [{ name: 'big', datatype: 'INT64', shape: [-1, 1] }],
    outputs: [{ name: 'same', datatype: 'INT64', shape: [-1, 1] }],
  };
  const bytes = model({
    input: [integer('big', ['N', 1])],
    output: [integer('same', ['N', 1])],
    node: [node('Identity', ['big'], ['same'])],
  });
  const { versionId, modelId } = await makeVersion(service, { bytes, signature });
  return { path, datasetId, modelVersionId: versionId, modelId };
}

/** The number of rows, their types, and how many differ from the dataset in a key or a prediction. */
export async function differingRows(result: string, source: string): Promise<unknown[]> {
  const numbered = `(SELECT *, row_number() OVER () - 1 AS n FROM read_parquet('${source}'))`;
  const differs = ['id', 'code', 'region', 'shop'].map((name) => `r.${name} IS DISTINCT FROM s.${name}`);
  const [found] = await query(
    [result, source],
    `SELECT count(*), count(*) FILTER (${differs.join(' OR ')} OR r.prediction_label <> s.big), min(typeof(r.id)), min(typeof(r.code)), min(typeof(r.prediction_label))
      FROM read_parquet('${result}') r JOIN ${numbered} s ON r.row_number = s.n`,
  );
  return found!;
}

export const NONE_DIFFERS = [BigInt(KEYED_ROWS), 0n, 'BIGINT', 'VARCHAR', 'BIGINT'];
