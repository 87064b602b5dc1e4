// Fails when schema/schema.graphql differs from the schema of the code, and names changes that would break clients of
// the committed schema. SCHEMA_BASE=<git revision> compares with another commit than HEAD; SCHEMA_BREAKING=allowed
// accepts a breaking change.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { CriticalityLevel, diff } from '@graphql-inspector/core';
import { buildSchema } from 'graphql';

const FILE = 'schema/schema.graphql';
const base = process.env.SCHEMA_BASE ?? 'HEAD';

const before = existsSync(FILE) ? readFileSync(FILE, 'utf8') : '';
const printed = spawnSync(process.execPath, ['dist/schema-print.js'], { stdio: 'inherit' });
if (printed.status !== 0) process.exit(1);
const after = readFileSync(FILE, 'utf8');
if (after !== before) {
  console.error(`${FILE} was out of date and has been rewritten: review and commit it.`);
  process.exitCode = 1;
}

const committed = spawnSync('git', ['show', `${base}:${FILE}`], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
if (committed.status === 0) {
  const changes = await diff(buildSchema(committed.stdout), buildSchema(after));
  const breaking = changes.filter((change) => change.criticality.level === CriticalityLevel.Breaking);
  for (const { path, message } of breaking) console.error(`breaking: ${path ?? ''} ${message}`);
  console.log(`Schema: ${changes.length} changes against ${base}, ${breaking.length} of them breaking.`);
  if (breaking.length > 0 && process.env.SCHEMA_BREAKING !== 'allowed') process.exitCode = 1;
} else {
  console.log(`Schema: ${base} has none yet to compare with.`);
}
