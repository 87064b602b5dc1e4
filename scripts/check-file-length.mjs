// A file over 500 lines must say why in its first ten lines, in a comment with the words "one file because".
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const LIMIT_LINES = 500;
const files = ['src', 'demo', 'test', 'bench', 'scripts', 'graphiql'].flatMap((folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(
      (entry) => entry.isFile() && !entry.parentPath.includes('node_modules') && /\.(ts|tsx|mjs)$/.test(entry.name),
    )
    .map((entry) => join(entry.parentPath, entry.name)),
);
for (const file of files) {
  const lines = readFileSync(file, 'utf8').split('\n');
  const hasReason = lines.slice(0, 10).some((line) => line.includes('one file because'));
  if (lines.length - 1 <= LIMIT_LINES || hasReason) continue;
  console.error(`${file}: ${lines.length - 1} lines; split it, or say at its top why it is "one file because …".`);
  process.exitCode = 1;
}
