// Writes the types of GraphQL documents: schema/generated/operations.ts for schema/operations, which tests and the
// demo share, test/generated/operations.ts for documents that only tests send, and bench/generated/operations.ts for
// those of the benchmarks. Called by prepare.mjs.
import { readFileSync, readdirSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { codegen } from '@graphql-codegen/core';
import { preset } from '@graphql-codegen/client-preset';
import { buildSchema, parse } from 'graphql';

const OUTPUTS = [
  { documents: 'schema/operations', file: 'schema/generated/operations.ts' },
  { documents: 'test/operations', file: 'test/generated/operations.ts' },
  { documents: 'bench/operations', file: 'bench/generated/operations.ts' },
];

/** The scalars of the schema as they are in JSON. */
const CONFIG = {
  documentMode: 'string',
  useTypeImports: true,
  arrayInputCoercion: false,
  strictScalars: true,
  scalars: {
    ID: 'string',
    DateTimeISO: 'string',
    JSON: 'unknown',
    JSONObject: 'Record<string, unknown>',
    MetricValue: 'number | string',
    SafeInt: 'number',
    TensorData: 'unknown[]',
  },
};

const sdl = readFileSync('schema/schema.graphql', 'utf8');
const schema = parse(sdl);
const schemaAst = buildSchema(sdl);

for (const { documents: folder, file } of OUTPUTS) {
  const documents = readdirSync(folder)
    .filter((name) => name.endsWith('.graphql'))
    .sort()
    .map((name) => {
      const location = join(folder, name);
      const rawSDL = readFileSync(location, 'utf8');
      return { location, rawSDL, document: parse(rawSDL) };
    });
  // The preset also has a function that finds a document by its text; here documents are imported by name.
  const [output] = await preset.buildGeneratesSection({
    baseOutputDir: `${dirname(file)}/`,
    schema,
    schemaAst,
    documents,
    config: CONFIG,
    presetConfig: { fragmentMasking: false },
    plugins: [],
    pluginMap: {},
    pluginContext: {},
  });
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, await codegen(output));
}
