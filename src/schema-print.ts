import './node-version.js';
import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { lexicographicSortSchema, printSchema } from 'graphql';
import { serviceSchema } from './composition.js';

const PATH = fileURLToPath(new URL('../schema/schema.graphql', import.meta.url));

/** The schema as text, in an order that does not depend on the order of the code. */
export async function printedSchema(): Promise<string> {
  return `${printSchema(lexicographicSortSchema(await serviceSchema()))}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await mkdir(fileURLToPath(new URL('../schema/', import.meta.url)), { recursive: true });
  await writeFile(PATH, await printedSchema());
}
